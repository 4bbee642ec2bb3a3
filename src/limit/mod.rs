//! Rates, breakers and delays as plain state: the caller brings the clock, nothing here waits or asks anybody.

mod backoff;
mod breaker;
mod gcra;
mod lanes;
mod outage;
mod window;

pub use backoff::{jitter, jittered};
pub use breaker::{Breaker, Permit};
pub use gcra::Gcra;
pub use lanes::Lanes;
pub use outage::{End, Outage, Ticket};
pub use window::{LONG, Left, Window};
