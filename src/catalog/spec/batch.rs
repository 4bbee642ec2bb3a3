//! The words of requests that carry many records.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::LeafSpec;

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchesSpec {
    #[serde(default)]
    pub get: Option<BatchSpec>,
    #[serde(default)]
    pub create: Option<BatchSpec>,
    #[serde(default)]
    pub update: Option<BatchSpec>,
    #[serde(default)]
    pub upsert: Option<BatchSpec>,
    #[serde(default)]
    pub delete: Option<BatchSpec>,
}

/// One request for many records. It sees `items`: a list of `{index, id, record, input, match}`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchSpec {
    /// The most records in one request.
    pub max: usize,
    /// For upserts: the fields that can be matched by.
    #[serde(default)]
    pub r#match: Vec<String>,
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
    /// The request changes something, but sending it twice does the same as sending it once (an upsert by a key that the
    /// vendor keeps unique): it may be sent again when its answer was lost.
    #[serde(default)]
    pub repeatable: bool,
    /// When the answer as a whole is a success; 2xx without it.
    #[serde(default)]
    pub ok: Option<String>,
    /// What to read an error from when a success status carries one: `{status, body}`.
    #[serde(default)]
    pub error: Option<String>,
    /// The rows of the answer, one for each record.
    pub results: LeafSpec,
    #[serde(default)]
    pub row: RowSpec,
    /// Fields that the rows lack although others have them: null, with a warning.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// How a row finds its record, where rows do not come in the order of the items.
    #[serde(default)]
    pub key: Option<KeySpec>,
}

/// How a row of the answer is read.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowSpec {
    /// Expression: whether the record went well; true without it.
    #[serde(default)]
    pub ok: Option<String>,
    /// Expression: what `errors` reads of a row that did not go well: `{status, body}`; the row itself without it.
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub id: Option<LeafSpec>,
    /// The vendor's record, where the row holds all of it.
    #[serde(default)]
    pub record: Option<LeafSpec>,
    /// Expression, for upserts: whether the record is new.
    #[serde(default)]
    pub created: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySpec {
    /// Over an item.
    pub item: LeafSpec,
    /// Over a row.
    pub row: LeafSpec,
}
