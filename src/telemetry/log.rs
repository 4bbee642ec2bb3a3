//! Log lines, on standard error: standard output belongs to what a command prints. Bodies, query strings and credentials
//! are never logged; values that may hold them have types that do not print.

use std::io::{self, IsTerminal};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::reload;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For eyes.
    Pretty,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("'{0}' is not a log filter such as info or throughline=debug,warn")]
    Filter(String, #[source] ParseError),
    #[error("logging is set up already")]
    Twice(#[source] TryInitError),
    #[error("the log cannot be changed any more")]
    Gone(#[source] reload::Error),
}

/// Changes what is logged while the process runs.
pub struct Level(Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>);

/// Libraries that log what they send: at debug, values of statements would stand in lines.
const TALKATIVE: [&str; 1] = ["tokio_postgres=info"];

/// Sets the process up to log what `filter` lets pass (`info`, `throughline=debug,warn`).
pub fn init(format: Format, filter: &str) -> Result<Level, LogError> {
    let lines = tracing_subscriber::fmt().with_env_filter(parsed(filter)?).with_writer(io::stderr);
    match format {
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.finish().try_init().map_err(LogError::Twice)?;
            Ok(Level(Box::new(move |filter| handle.reload(filter))))
        }
        Format::Pretty => {
            let lines = lines.with_ansi(io::stderr().is_terminal()).with_target(false).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.finish().try_init().map_err(LogError::Twice)?;
            Ok(Level(Box::new(move |filter| handle.reload(filter))))
        }
    }
}

impl Level {
    /// Lines that `filter` lets pass are logged from now on.
    pub fn set(&self, filter: &str) -> Result<(), LogError> {
        (self.0)(parsed(filter)?).map_err(LogError::Gone)
    }
}

fn parsed(filter: &str) -> Result<EnvFilter, LogError> {
    let mut parsed = EnvFilter::try_new(filter).map_err(|error| LogError::Filter(filter.to_owned(), error))?;
    for directive in TALKATIVE {
        let capped = directive.parse().map_err(|error| LogError::Filter(directive.to_owned(), error))?;
        parsed = parsed.add_directive(capped);
    }
    Ok(parsed)
}
