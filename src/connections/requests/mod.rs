//! The last requests through each connection, for its owner to read: what was asked, how it ended, where the time went.
//! No bodies and no query values, unless the owner has asked for them for a while; then they are sealed, and go after a
//! day. Written in batches by the clock, so that a request itself makes no call of the store.

mod log;
mod request;

pub use log::{Config, Kept, Page, RequestLog, RequestRepository, Written};
pub use request::Request;
