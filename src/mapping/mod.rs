//! What turns mapping files into calls and records: paths, codecs, styles and JSONata expressions.
//!
//! This is the only place that knows which crates evaluate JSONata. Whatever an expression does, it ends
//! as a value or as a [`Problem`]: time, depth, items and output are bounded, and no value of an evaluator
//! leaves this module.

mod analysis;
mod budget;
pub mod codec;
mod decimal;
mod engine_core;
mod engine_rs;
mod expression;
mod functions;
mod joins;
mod known;
mod needed;
pub mod path;
pub mod pool;
mod problem;
mod rs_workers;
pub mod style;
mod style_json;
mod style_literal;
mod style_text;
mod template;
mod time;

#[cfg(test)]
mod tests;

pub use codec::{Codec, to_date, to_decimal, to_instant};
pub use expression::{Engine, Expression, Limits, Vars};
pub use joins::Join;
pub use path::{Path, Segment, merge};
pub use problem::Problem;
pub use style::{Style, StyleError, StyleErrorKind, Styles};
