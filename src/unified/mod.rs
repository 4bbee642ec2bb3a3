//! The second stage: one operation on one resource, translated to a vendor's requests and back. Records, not HTTP.

mod aside;
mod ask;
mod call;
mod conditions;
mod cursor;
mod exchange;
mod list;
mod plan;
mod read;
mod recheck;
mod record_call;
mod records;
mod scope;
mod single;
mod steps;
mod translate;
mod write;

pub use ask::Asked;
pub use call::{Call, Continuation, Position, Reply};
pub use cursor::Cursor;
pub use plan::supported_filters;
pub use record_call::RecordCallLayer;
pub use translate::Translate;
pub use write::writable;

use crate::error::Error;

/// The finished stage.
pub type Service = tower::util::BoxCloneSyncService<Call, Reply, Error>;
