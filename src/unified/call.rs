//! What the second stage is asked for and what it answers: records, not HTTP.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::catalog::{Provider, Resource};
use crate::connections::Connection;
use crate::model::{Operation, Query, Warning};
use crate::telemetry::Timings;

/// One operation on one resource of one connection. It keeps the catalog's snapshot it was routed by.
#[derive(Clone)]
pub struct Call {
    pub connection: Arc<Connection>,
    pub provider: Arc<Provider>,
    pub resource: Arc<Resource>,
    pub operation: Operation,
    pub id: Option<String>,
    /// Lists: everything. Single operations: `fields` and `include_raw`.
    pub query: Query,
    /// Where a list goes on.
    pub from: Option<Continuation>,
    /// The record of a write.
    pub body: Option<Map<String, Value>>,
    /// `Prefer: return=minimal`: a write is not read back.
    pub minimal: bool,
    pub deadline: Instant,
    pub timings: Arc<Timings>,
}

#[derive(Debug)]
pub enum Reply {
    List { records: Vec<Value>, next: Option<Continuation>, warnings: Vec<Warning> },
    Record { record: Value, created: bool, warnings: Vec<Warning> },
    Deleted,
}

impl Reply {
    pub fn warnings(&self) -> &[Warning] {
        match self {
            Reply::List { warnings, .. } | Reply::Record { warnings, .. } => warnings,
            Reply::Deleted => &[],
        }
    }
}

/// Where a list goes on: the variant that began it and the vendor's position. The variant is not chosen again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    pub variant: usize,
    pub position: Position,
}

/// A vendor's position in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// The vendor's own cursor, as it came.
    Cursor(Value),
    /// Rows before the next page.
    Offset(u64),
    Page(u64),
    /// Path and query on the connection's own origin, followed byte for byte.
    Link(String),
    /// Values of the sort columns and the key in the last row.
    Keys(Vec<Value>),
    /// A later window of a list that the vendor would end: rows after this key, and its cursor within them.
    Window {
        after: Value,
        cursor: Option<Value>,
    },
}

impl Call {
    /// The names that templates and expressions see besides the call itself.
    pub fn settings(&self) -> Value {
        Value::Object(self.connection.settings.clone())
    }
}
