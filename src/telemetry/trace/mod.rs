//! Traces: what a request did, as spans that a collector gets (OpenTelemetry). Off unless configured, and then it costs a
//! request nothing: every handle is an empty one, and nothing is allocated or clocked.
//!
//! A handle of the span under which work is done goes along with the work by value, from the edge to the attempt: there is
//! no current span of a thread or a task, so that work which runs side by side never mixes up its parents.

mod config;
mod context;
mod place;
mod queue;
mod span;

pub use config::Config;
pub use context::Parent;
pub use place::redacted_path;
pub use queue::Spans;
pub use span::{Kind, Span, Trace, Tracer};
