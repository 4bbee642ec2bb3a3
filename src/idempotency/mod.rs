//! Writes that happen once. A caller names a write by a key (`Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header)
//! and may then send it as often as it likes: the vendor sees it once, and the answer is given again. And a write that has
//! begun is finished, whoever stops waiting for it. What a write is, and how it is answered, is the API's business.

mod answer;
mod config;
mod key;
mod repository;
mod service;
mod shield;

pub use answer::{Answer, Body, MAX_BODY};
pub use config::Config;
pub use key::{Key, Parts};
pub use repository::{Claim, Claimed, End, IdempotencyRepository, Place};
pub use service::{Begun, Claimant, Idempotency};
pub use shield::{Progress, Shield};
