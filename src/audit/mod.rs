//! Who did what with which connection, when, and how it ended; never values, never secrets. Each tenant has a log of its
//! own that only grows at its end, in which every row is bound to the one before it: a row that was changed or taken out
//! shows. What the operator does to the whole deployment stands in a log without a tenant.
//!
//! Changes are written along with what they change where the repository takes both (connections), and otherwise right
//! after it and before the answer: everything that is written so can be asked for again, and a key whose row could not be
//! written is never shown. Use of connections is counted in memory and written as sums, every few minutes and at the end.

mod action;
mod chain;
mod entry;
mod repository;
mod service;
mod uses;

pub use action::Action;
pub use chain::{Fault, Verified, Verifier, hash};
pub use entry::{Entry, deployment};
pub use repository::{AuditRepository, Chain, Recorded, Wanted};
pub use service::{Audit, Config, Page, ReloadedBy};
pub use uses::{Use, Used};
