//! The words of `<resource>.yaml` besides its fields and its operations.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{AssociationSpec, FieldSpec, LeafSpec, MetadataSpec, OneOrMany, OperationsSpec, TypesSpec};
use crate::model::FilterOp;

/// `<resource>.yaml`: the shape of one resource and the requests of its operations.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceSpec {
    /// A file of the same folder, without `.yaml`, that lies under this one.
    #[serde(default)]
    pub extends: Option<String>,
    /// Constants, as in `provider.yaml`.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// The model's name where it is not the one whose resource has this file's name.
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub id: Option<IdSpec>,
    /// This resource is a slice of a shared object: a condition on lists, constants on create.
    #[serde(default)]
    pub only: IndexMap<String, Value>,
    /// What changes with every change of a record, in the vendor's record: the ETag is made of it. Visible ASCII without
    /// quotes. Requests of `update` and `delete` see what a caller's `If-Match` names as `if_version`.
    #[serde(default)]
    pub version: Option<LeafSpec>,
    /// What null is written as on update; null without it.
    #[serde(default)]
    pub clear: Option<Value>,
    /// Below this path every scalar is text.
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub select: Option<SelectSpec>,
    #[serde(default)]
    pub fields: IndexMap<String, FieldSpec>,
    #[serde(default)]
    pub filters: IndexMap<String, FilterSpec>,
    /// Unified field to the vendor's column.
    #[serde(default)]
    pub sorts: IndexMap<String, String>,
    #[serde(default)]
    pub limit: LimitSpec,
    pub operations: OperationsSpec,
    /// Other resource to how its records hang together with these; `*` for those under `others`.
    #[serde(default)]
    pub associations: IndexMap<String, AssociationSpec>,
    /// Which fields the account has: custom fields become lines of the fields table.
    #[serde(default)]
    pub metadata: Option<MetadataSpec>,
    /// For `objects.yaml`: which custom object types the account has.
    #[serde(default)]
    pub types: Option<TypesSpec>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdSpec {
    /// A regular expression for the whole id. An id that does not match is not-found without a call.
    pub pattern: String,
}

/// How the vendor is told which columns to send: `false`, or where their names come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SelectSpec {
    Off(bool),
    On(SelectFull),
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectFull {
    /// Columns live below this path and are named without it.
    #[serde(default)]
    pub under: Option<String>,
    /// Asked for whatever is wanted.
    #[serde(default)]
    pub always: Vec<String>,
    /// `first` names a column by the first segment of its path, `full` by the whole path.
    #[serde(default)]
    pub depth: SelectDepth,
    /// The most columns in one request: more are asked for in several, whose rows are put together by id.
    #[serde(default)]
    pub max: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SelectDepth {
    #[default]
    First,
    Full,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitSpec {
    #[serde(default = "fifty")]
    pub default: u32,
    #[serde(default = "hundred")]
    pub max: u32,
}

impl Default for LimitSpec {
    fn default() -> Self {
        Self { default: fifty(), max: hundred() }
    }
}

fn fifty() -> u32 {
    50
}

fn hundred() -> u32 {
    100
}

/// What can be filtered by: operators on the field's own column, or more words.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FilterSpec {
    Ops(Vec<FilterOp>),
    Full(FilterFull),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterFull {
    /// The column, or several of which any may match.
    #[serde(default)]
    pub on: Option<OneOrMany<String>>,
    pub ops: Vec<FilterOp>,
    /// Operator to the style's own operator that renders it, for conditions of another shape.
    #[serde(default)]
    pub using: IndexMap<FilterOp, String>,
    /// A conversion of the value, where it is not the field's own.
    #[serde(default)]
    pub r#as: Option<Value>,
    /// The type that the query style writes it as, where it is not the model's.
    #[serde(default)]
    pub r#type: Option<String>,
}
