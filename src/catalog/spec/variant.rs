//! The words of an operation: requests and how their answers are read.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{BatchesSpec, LeafSpec, LimitSpec, OneOrMany};
use crate::model::FilterOp;

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationsSpec {
    #[serde(default)]
    pub list: Option<OneOrMany<VariantSpec>>,
    #[serde(default)]
    pub get: Option<OneOrMany<VariantSpec>>,
    #[serde(default)]
    pub create: Option<OneOrMany<VariantSpec>>,
    #[serde(default)]
    pub update: Option<OneOrMany<VariantSpec>>,
    #[serde(default)]
    pub delete: Option<OneOrMany<VariantSpec>>,
    /// Writing by a natural key: the record that has it is updated, else one is created.
    #[serde(default)]
    pub upsert: Option<OneOrMany<VariantSpec>>,
    /// The vendor's own requests for many records at once. Without a line, records go one by one, a few at a time.
    #[serde(default)]
    pub batch: BatchesSpec,
}

/// One way to do an operation. The first that covers the call is taken.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantSpec {
    /// For lists: what it can filter and sort by. Without it, everything the resource declares.
    #[serde(default)]
    pub accepts: Option<AcceptsSpec>,
    /// An expression over the call that must be true.
    #[serde(default)]
    pub when: Option<String>,
    /// Named values that the URL, query, headers and body can use.
    #[serde(default)]
    pub r#let: IndexMap<String, LeafSpec>,
    /// Requests before the main one, in order. Their answers are `steps.<name>`.
    #[serde(default)]
    pub steps: IndexMap<String, StepSpec>,
    /// For upserts: the fields that can be matched by.
    #[serde(default)]
    pub r#match: Vec<String>,
    /// For upserts where the vendor has none: `find` lists by the key, then creates or updates.
    #[serde(default)]
    pub via: Option<Via>,
    /// Fields without a column of their own that this variant takes from `input`.
    #[serde(default)]
    pub uses: Vec<String>,
    /// The vendor replaces the whole record: it is read first, and what is written is laid over it.
    #[serde(default)]
    pub whole: bool,
    /// `METHOD /path`, relative to `base_url`. `{name}` is percent-encoded.
    #[serde(default)]
    pub request: String,
    #[serde(default)]
    pub query: IndexMap<String, LeafSpec>,
    #[serde(default)]
    pub headers: IndexMap<String, LeafSpec>,
    /// The body; for writes the translated record without it.
    #[serde(default)]
    pub body: Option<LeafSpec>,
    /// The request changes nothing and may be sent again, although it is a POST.
    #[serde(default)]
    pub safe: Option<bool>,
    /// The request changes something, but sending it twice does the same as sending it once (an upsert by a key that the
    /// vendor keeps unique): it may be sent again when its answer was lost.
    #[serde(default)]
    pub repeatable: bool,
    /// The largest page of this variant, where it differs from the resource's.
    #[serde(default)]
    pub limit: Option<LimitSpec>,
    /// When the answer is a success; 2xx without it.
    #[serde(default)]
    pub ok: Option<String>,
    /// What to read an error from when a success status carries one: `{status, body}`.
    #[serde(default)]
    pub error: Option<String>,
    /// Statuses that mean "nothing found" on a list.
    #[serde(default)]
    pub empty: Option<Vec<u16>>,
    /// Statuses that mean "no such record".
    #[serde(default)]
    pub absent: Option<Vec<u16>>,
    /// Where the vendor's records are in the answer of a list; `$` is the answer itself.
    #[serde(default)]
    pub records: Option<LeafSpec>,
    /// Where the vendor's record is in the answer; the answer itself without it.
    #[serde(default)]
    pub record: Option<LeafSpec>,
    /// The new record's id in the answer of a create.
    #[serde(default)]
    pub id: Option<LeafSpec>,
    /// For upserts: whether the answer says that the record is new; 201 without it.
    #[serde(default)]
    pub created: Option<String>,
    /// How the list goes on: a leaf that gives the vendor's cursor, `{offset: 0}`, `{page: 1}` or `{link: leaf}`.
    #[serde(default)]
    pub next: Option<Value>,
    /// The list goes on after the last row's values: for query languages whose limit ends the list.
    #[serde(default)]
    pub keyset: Option<KeysetSpec>,
    /// The vendor stops at a row; from there the list goes on by key.
    #[serde(default)]
    pub window: Option<WindowSpec>,
    /// Fields whose filters the vendor answers too widely: checked again on the unified records.
    #[serde(default)]
    pub coarse: Vec<String>,
    /// Fields that this variant's answers lack although others have them: null, with a warning.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// After a write: `get` reads the record back, `none` takes the answer for it.
    #[serde(default)]
    pub then: Option<ThenSpec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    Find,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptsSpec {
    /// `all`, or filters with their operators.
    #[serde(default)]
    pub filters: AcceptedFilters,
    /// `all`, or the fields.
    #[serde(default)]
    pub sort: AcceptedSorts,
    /// Free text search.
    #[serde(default)]
    pub q: bool,
    /// The most conditions at once.
    #[serde(default)]
    pub conditions: Option<usize>,
    /// The most sort fields at once.
    #[serde(default)]
    pub sort_fields: Option<usize>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AcceptedFilters {
    All(All),
    Some(IndexMap<String, Vec<FilterOp>>),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AcceptedSorts {
    All(All),
    Some(Vec<String>),
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    All,
}

impl Default for AcceptedFilters {
    fn default() -> Self {
        Self::Some(IndexMap::new())
    }
}

impl Default for AcceptedSorts {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepSpec {
    pub request: String,
    #[serde(default)]
    pub query: IndexMap<String, LeafSpec>,
    #[serde(default)]
    pub headers: IndexMap<String, LeafSpec>,
    #[serde(default)]
    pub body: Option<LeafSpec>,
    /// The request changes nothing and may be sent again, although it is a POST.
    #[serde(default)]
    pub safe: Option<bool>,
    /// An expression over the call; the step is left out unless it is true.
    #[serde(default)]
    pub when: Option<String>,
    #[serde(default)]
    pub ok: Option<String>,
    /// What of the answer is kept as `steps.<name>`; all of it without this.
    #[serde(default)]
    pub keep: Option<LeafSpec>,
    /// What is kept is good for so long on the connection, for names that go by number and the like. Seconds.
    #[serde(default)]
    pub cache: Option<u64>,
    /// An expression over the kept value (`$`): true ends the call as an empty list or not-found.
    #[serde(default)]
    pub stop: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeysetSpec {
    /// The unified field that makes the order total, usually `id`.
    pub key: String,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// The row at which the vendor stops.
    pub at: u64,
    /// The unified field to go on by, usually `id`.
    pub key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThenSpec {
    Get,
    None,
}
