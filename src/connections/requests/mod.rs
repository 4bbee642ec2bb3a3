//! The last requests through each connection, for its owner to read: what was asked, how it ended, where the time went.
//! No bodies, no query values. Written in batches by the clock, so that a request itself makes no call of the store.

mod log;
mod request;

pub use log::{Config, Page, RequestLog, RequestRepository, Written};
pub use request::Request;
