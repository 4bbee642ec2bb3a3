//! The words of metadata: what an account's own fields and object types are.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{LeafSpec, VariantSpec};

/// How the vendor tells which fields the account has.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataSpec {
    /// A list request whose records are the fields; it is followed to its end.
    pub fetch: VariantSpec,
    /// How one of them is read.
    pub field: MetadataFieldSpec,
    /// The vendor's word for a type to ours.
    #[serde(default)]
    pub types: IndexMap<String, TypeSpec>,
}

/// Leaves over one row of the metadata.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataFieldSpec {
    /// The column's name in records.
    pub key: LeafSpec,
    /// The name callers use, where it is not the key. It is made a word: `Favourite colour` becomes `favourite_colour`.
    #[serde(default)]
    pub name: Option<LeafSpec>,
    #[serde(default)]
    pub label: Option<LeafSpec>,
    /// The vendor's word for its type, looked up under `types`.
    #[serde(default)]
    pub r#type: Option<LeafSpec>,
    /// Whether the account added it. Standard fields have lines in the fields table or are not served.
    pub custom: LeafSpec,
    /// Whether it can be written; true without it.
    #[serde(default)]
    pub writable: Option<LeafSpec>,
    /// Whether lists can be filtered by it; true without it.
    #[serde(default)]
    pub filterable: Option<LeafSpec>,
    /// Whether a new record must have it; false without it.
    #[serde(default)]
    pub required: Option<LeafSpec>,
    /// A list of `{value, label}`.
    #[serde(default)]
    pub options: Option<LeafSpec>,
}

/// One of our types, or more words.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TypeSpec {
    Kind(FieldKind),
    Full(TypeFull),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TypeFull {
    pub r#type: FieldKind,
    /// Several values at once.
    #[serde(default)]
    pub list: bool,
    /// A conversion or a list of them, as in the fields table.
    #[serde(default)]
    pub r#as: Option<Value>,
    /// Under each key of the record: the path below the column, such as `value`.
    #[serde(default)]
    pub path: Option<String>,
    /// Whether choices go by their `value` or by their `label`.
    #[serde(default)]
    pub options: OptionNames,
    /// The account cannot write fields of this type, whatever the row says.
    #[serde(default)]
    pub read_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    Text,
    Integer,
    Number,
    Decimal,
    Boolean,
    Date,
    Datetime,
    /// One or several of the options.
    Choice,
    /// An id of another record.
    Id,
    /// As the vendor has it.
    Any,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptionNames {
    #[default]
    Value,
    Label,
}

/// How the vendor tells which custom object types the account has: for `objects.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TypesSpec {
    /// A list request whose records are the types; it is followed to its end.
    pub fetch: VariantSpec,
    /// The type's name in URLs, which requests see as `type`.
    pub name: LeafSpec,
    #[serde(default)]
    pub label: Option<LeafSpec>,
    #[serde(default)]
    pub plural: Option<LeafSpec>,
    #[serde(default)]
    pub description: Option<LeafSpec>,
    /// Further values of a type that requests see by name, such as the column that is the display name.
    #[serde(default)]
    pub keep: IndexMap<String, LeafSpec>,
}
