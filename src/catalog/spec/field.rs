//! The words of one line of the fields table.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::OneOrMany;

/// One line of the fields table: a path both ways, or more words.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FieldSpec {
    Path(String),
    Full(Box<FieldFull>),
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldFull {
    /// A path, both ways.
    #[serde(default)]
    pub path: Option<String>,
    /// A path on reading, where writing has another.
    #[serde(default)]
    pub from: Option<String>,
    /// A path on writing, where reading has another.
    #[serde(default)]
    pub to: Option<String>,
    /// A path or expression on reading; of a list the first that is not null. Alone: the field is read-only.
    #[serde(default)]
    pub read: Option<OneOrMany<String>>,
    /// An expression that gives a patch of the vendor's record. `$value` is the field's value. Alone: write-only.
    #[serde(default)]
    pub write: Option<String>,
    /// The paths that `write` sets, so that what the patch leaves out is cleared.
    #[serde(default)]
    pub sets: Vec<String>,
    /// Always reads as this; writing anything else is refused.
    #[serde(default)]
    pub r#const: Option<Value>,
    /// The vendor has no such thing, and why. Reads as null.
    #[serde(default)]
    pub none: Option<String>,
    /// A conversion or a list of them, in the order of reading.
    #[serde(default)]
    pub r#as: Option<Value>,
    /// Unified value to vendor value; of a list all are read, the first is written.
    #[serde(default)]
    pub values: Option<IndexMap<String, Value>>,
    /// What a vendor value without a line reads as.
    #[serde(default)]
    pub r#else: Option<Value>,
    /// An object: a table of its members (relative to `path` or `each` where given).
    #[serde(default)]
    pub fields: Option<IndexMap<String, FieldSpec>>,
    /// A list of objects: the vendor's list; `fields` is the table of one element.
    #[serde(default)]
    pub each: Option<String>,
    /// A typed list over fixed columns. Order is preference.
    #[serde(default)]
    pub places: Option<Vec<IndexMap<String, PlaceSpec>>>,
    /// On reading, the field is null unless each path matches its regular expression.
    #[serde(default)]
    pub when: IndexMap<String, String>,
    /// Must be sent on create.
    #[serde(default)]
    pub required: Option<Required>,
    /// Can be set on create only.
    #[serde(default)]
    pub once: bool,
    /// What a create writes where the caller says nothing: a leaf over the caller's record.
    #[serde(default)]
    pub default: Option<Value>,
    /// The columns an expression needs, instead of those found in it.
    #[serde(default)]
    pub needs: Option<Vec<String>>,
    /// Asked for only where the account has the column, as its metadata says.
    #[serde(default)]
    pub optional: bool,
    /// On create only; afterwards it is an association with this resource.
    #[serde(default)]
    pub link: Option<String>,
    /// What null is written as, instead of the resource's `clear`.
    #[serde(default, deserialize_with = "given")]
    pub clear: Option<Value>,
    /// The resource that a reference leads to where it is not the model's; `none` where callers cannot expand it.
    #[serde(default)]
    pub refers: Option<String>,
    /// Unified value to conditions on several columns, for `eq` filters.
    #[serde(default)]
    pub filter: Option<IndexMap<String, IndexMap<String, Value>>>,
    /// For `custom_fields`: where the vendor keeps them (`$` = beside the others).
    #[serde(default)]
    pub r#in: Option<String>,
}

/// A word that is given as null is given all the same.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// `type`, `primary` and other constants of a place are scalars; sub-fields are paths or field lines.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PlaceSpec {
    Flag(bool),
    Text(String),
    Field(Box<FieldFull>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Required {
    Create,
}
