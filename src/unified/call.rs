//! What the second stage is asked for and what it answers: records, not HTTP.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::cache::{Directives, Kept, Told};
use crate::catalog::{ObjectType, Provider, Resource};
use crate::connections::Connection;
use crate::error::Error;
use crate::idempotency::Progress;
use crate::model::{Operation, Priority, Query, Warning};
use crate::telemetry::{Timings, Trace};

/// One operation on one resource of one connection. It keeps the catalog's snapshot it was routed by.
#[derive(Clone)]
pub struct Call {
    pub connection: Arc<Connection>,
    pub provider: Arc<Provider>,
    pub resource: Arc<Resource>,
    /// The type of custom object, where the resource stands for all of them.
    pub object: Option<Object>,
    pub operation: Operation,
    pub id: Option<String>,
    /// Upserts: the field whose value tells the record.
    pub by: Option<String>,
    /// Associations: the other side.
    pub other: Option<Other>,
    /// Lists: everything. Single operations: `fields`, `expand` and `include_raw`.
    pub query: Query,
    /// Where a list goes on.
    pub from: Option<Continuation>,
    /// The record of a write.
    pub body: Option<Map<String, Value>>,
    /// The operations of a batch.
    pub items: Vec<Item>,
    /// What must hold of the record, or nothing is written.
    pub precondition: Option<Precondition>,
    /// `Prefer: return=minimal`: a write is not read back.
    pub minimal: bool,
    /// Who asks: the id of a key.
    pub caller: Arc<str>,
    /// Its lane where requests wait for the vendor's allowance.
    pub priority: Priority,
    pub deadline: Instant,
    /// The time that expressions see.
    pub now: Timestamp,
    pub timings: Arc<Timings>,
    /// The span that it is a part of.
    pub trace: Trace,
    /// Told when a write begins to be sent.
    pub progress: Progress,
    /// What the caller says of kept answers, on reads that may be answered from memory. Without it the vendor is asked.
    pub cache: Option<Directives>,
    /// Its place among the requests of its connection, where those are counted.
    pub place: Option<Arc<dyn Place>>,
    /// What was said before the operation itself began.
    pub warnings: Vec<Warning>,
}

/// Held until the call is answered, or given back before by who needs it no more.
pub trait Place: Send + Sync + 'static {
    fn give_back(&self);
}

/// A type of custom object: by name, until the account has told what it is.
#[derive(Debug, Clone)]
pub enum Object {
    Named(String),
    Known(Arc<ObjectType>),
}

/// `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The record is there, in whatever version.
    Exists,
    /// It still has this version.
    Version(String),
}

/// The other side of an association.
#[derive(Debug, Clone)]
pub struct Other {
    pub resource: String,
    /// The record to associate; none on lists.
    pub id: Option<String>,
    /// What to call the association, in the vendor's words.
    pub labels: Vec<String>,
}

/// One operation of a batch.
#[derive(Debug, Clone)]
pub struct Item {
    pub operation: Operation,
    pub id: Option<String>,
    pub by: Option<String>,
    pub body: Option<Map<String, Value>>,
}

#[derive(Debug)]
pub enum Reply {
    List {
        records: Vec<Value>,
        next: Option<Continuation>,
        warnings: Vec<Warning>,
    },
    Record {
        record: Value,
        created: bool,
        /// What the vendor tells its versions by.
        version: Option<String>,
        warnings: Vec<Warning>,
    },
    Deleted,
    /// In the order of the items.
    Batch {
        results: Vec<Result<Reply, Error>>,
    },
    /// A list or a record that went through the read cache. Only calls with `cache` are answered so.
    Kept {
        kept: Arc<Kept>,
        told: Told,
    },
}

impl Reply {
    pub fn warnings(&self) -> &[Warning] {
        match self {
            Reply::List { warnings, .. } | Reply::Record { warnings, .. } => warnings,
            Reply::Kept { kept, .. } => &kept.warnings,
            Reply::Deleted | Reply::Batch { .. } => &[],
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
    pub fn new(
        connection: Arc<Connection>,
        provider: Arc<Provider>,
        resource: Arc<Resource>,
        operation: Operation,
        deadline: Instant,
    ) -> Self {
        Self {
            caller: Arc::clone(&connection.tenant.0),
            connection,
            provider,
            resource,
            object: None,
            operation,
            id: None,
            by: None,
            other: None,
            query: Query::default(),
            from: None,
            body: None,
            items: Vec::new(),
            precondition: None,
            minimal: false,
            priority: Priority::of(operation),
            deadline,
            now: Timestamp::now(),
            timings: Arc::default(),
            trace: Trace::default(),
            progress: Progress::default(),
            cache: None,
            place: None,
            warnings: Vec::new(),
        }
    }

    /// Another operation on the same resource in the course of this one: it shares deadline and timings.
    pub fn part(&self, operation: Operation) -> Self {
        let Call {
            connection,
            provider,
            resource,
            object,
            minimal,
            priority,
            deadline,
            now,
            timings,
            trace,
            progress,
            ..
        } = self.clone();
        Self {
            object,
            minimal,
            priority,
            now,
            timings,
            trace,
            progress,
            ..Self::new(connection, provider, resource, operation, deadline)
        }
    }

    /// The same on another resource of the provider.
    pub fn part_on(&self, resource: Arc<Resource>, operation: Operation) -> Self {
        Self { resource, object: None, ..self.part(operation) }
    }

    /// The names that templates and expressions see besides the call itself.
    pub fn settings(&self) -> Value {
        Value::Object(self.connection.settings.clone())
    }

    /// Whether it meets an expression that may run until its limit: then it keeps off the request threads.
    pub fn is_unbounded(&self) -> bool {
        self.provider.unbounded || self.resource.is_unbounded_for(self.operation, &self.query, self.body.as_ref())
    }
}
