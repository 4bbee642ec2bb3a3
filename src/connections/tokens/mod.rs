//! Renewing access tokens ahead of their end, once, and never losing what was gained.

mod repository;

pub use repository::{Due, Failed, Fresh, Key, LOST_ROTATION, Lease, Leased, TokenRepository};
