//! The second stage: one operation on one resource, translated to a vendor's requests and back. Records, not HTTP.

mod account;
mod aside;
mod ask;
mod associations;
mod batch;
mod bulk;
pub mod cache;
mod call;
mod conditions;
mod count_rows;
mod cursor;
mod exchange;
mod expand;
mod fields;
mod list;
mod page;
mod paging;
mod pieces;
mod plan;
mod probe;
mod read;
mod recheck;
mod record_call;
mod records;
mod scope;
mod single;
mod steps;
mod translate;
mod turns;
mod upsert;
mod vendor;
mod version;
mod write;

pub use ask::Asked;
pub use cache::{ReadCache, ReadCached};
pub use call::{Call, Continuation, Item, Object, Other, Place, Position, Precondition, Reply};
pub use count_rows::CountRows;
pub use cursor::Cursor;
pub use list::list_variant;
pub use plan::supported_filters;
pub use record_call::RecordCall;
pub use translate::Translate;
pub use write::writable;

use account::Accounts;
use translate::Shared;
use turns::Turns;
use vendor::Vendor;

use crate::error::Error;

/// The finished stage.
pub type Service = tower::util::BoxCloneSyncService<Call, Reply, Error>;
