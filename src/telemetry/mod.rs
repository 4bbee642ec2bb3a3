//! What the process tells about itself: metric families, log lines, and where the time of a request went.

mod allowance;
mod log;
mod metrics;
mod timings;
pub mod trace;

pub use allowance::Allowance;
pub use log::{Format, Level, LogError, init};
pub use metrics::{AttemptGuard, InFlight, Labels, Metrics, RequestGuard};
pub use timings::Timings;
pub use trace::{Span, Trace, Tracer};
