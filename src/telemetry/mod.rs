//! What the process tells about itself: metric families, log lines, and where the time of a request went.

mod allowance;
mod conceal;
mod log;
mod metrics;
mod timings;
pub mod trace;
mod transcript;

pub use allowance::Allowance;
pub use conceal::{conceal, find};
pub use log::{Format, Level, LogError, init};
pub use metrics::{
    AttemptGuard, Attempted, BreakerEvent, BreakerState, BudgetOf, BudgetWindow, CacheResult, ConnectionState,
    DECLARED, Declared, Evicted, Exported, GivenBack, HttpGuard, InFlight, Labels, Listener, Metrics, Operation,
    Outcome, PASSTHROUGH, QuotaRefusal, Refreshed, Reloaded, Replay, RequestGuard, Retried, Route, Shed, StatusClass,
    StoreFailure, StoreFor, Throttle, TokenStage, Version, Vocabulary, Written,
};
pub use timings::Timings;
pub use trace::{Span, Trace, Tracer};
pub use transcript::{Part, Pen, Transcript, left_out};
