//! Rates, breakers and delays as plain state: the caller brings the clock, nothing here waits or asks anybody.

mod backoff;
mod breaker;
mod config;
mod egress;
mod gcra;
mod lanes;
mod outage;
mod permits;
mod window;

pub use backoff::{jitter, jittered, seed_jitter};
pub use breaker::{Breaker, Permit};
pub use config::{Config, ConnectionConfig, FailuresConfig, KeyConfig, KeyLimits, Time};
pub use egress::{Amount, Egress, EgressBudget, Exceeded};
pub use gcra::Gcra;
pub use lanes::Lanes;
pub use outage::{End, Outage, Ticket};
pub use permits::{Class, Permits};
pub use window::{LONG, Left, Window};
