//! The unified side of the world: models, resources, operations, queries. Plain data, no I/O.

mod priority;
mod query;
mod schema;
mod validate;
mod value;

use crate::telemetry;

pub use priority::Priority;
pub use query::{FieldSet, Filter, FilterOp, Query, Sort};
pub use schema::{Member, Members, Model, Type};
pub use validate::{Verdict, escape, validate, validate_member};
pub use value::{hex, in_microseconds, instant, number_text, parse_filter_value, plain_decimal};

/// Cuts a page to its `limit`, which was read with one row more; what tells the last row, if there is a next page.
pub fn cut<T, N>(rows: &mut Vec<T>, limit: usize, number: impl FnOnce(&T) -> N) -> Option<N> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| more).map(number)
}

/// What can be done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    List,
    Get,
    Create,
    Update,
    Delete,
    /// Create or update by a natural key.
    Upsert,
    /// Many of the above at once.
    Batch,
    /// Which fields there are.
    Fields,
    /// The records of another resource that hang together with one of this.
    Associations,
    Associate,
    Dissociate,
    /// Which types of custom objects there are.
    Types,
}

impl Operation {
    pub const ALL: [Operation; 12] = [
        Operation::List,
        Operation::Get,
        Operation::Create,
        Operation::Update,
        Operation::Delete,
        Operation::Upsert,
        Operation::Batch,
        Operation::Fields,
        Operation::Associations,
        Operation::Associate,
        Operation::Dissociate,
        Operation::Types,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Operation::List => "list",
            Operation::Get => "get",
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Upsert => "upsert",
            Operation::Batch => "batch",
            Operation::Fields => "fields",
            Operation::Associations => "associations",
            Operation::Associate => "associate",
            Operation::Dissociate => "dissociate",
            Operation::Types => "types",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == text)
    }

    /// Whether it changes something at the provider.
    pub fn is_write(self) -> bool {
        !matches!(
            self,
            Operation::List | Operation::Get | Operation::Fields | Operation::Associations | Operation::Types
        )
    }
}

impl From<Operation> for telemetry::Operation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::List => Self::List,
            Operation::Get => Self::Get,
            Operation::Create => Self::Create,
            Operation::Update => Self::Update,
            Operation::Delete => Self::Delete,
            Operation::Upsert => Self::Upsert,
            Operation::Batch => Self::Batch,
            Operation::Fields => Self::Fields,
            Operation::Associations => Self::Associations,
            Operation::Associate => Self::Associate,
            Operation::Dissociate => Self::Dissociate,
            Operation::Types => Self::Types,
        }
    }
}

/// Something that was dropped or degraded on the way to a success. Shown in `Throughline-Warning` and `warnings[]`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Warning {
    pub code: &'static str,
    /// RFC 6901 pointer into the record, where one member is concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    pub detail: String,
}

impl Warning {
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, pointer: None, detail: detail.into() }
    }

    pub fn at(code: &'static str, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, pointer: Some(pointer.into()), detail: detail.into() }
    }
}
