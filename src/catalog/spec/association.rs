//! The words of associations: how records of two kinds hang together.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{LeafSpec, OneOrMany, VariantSpec};

/// How records of one other resource are found, added and removed. Exactly one of `field`, `resource` and the requests.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssociationSpec {
    /// A reference of this record: reading it lists, writing it adds, clearing it removes.
    #[serde(default)]
    pub field: Option<String>,
    /// The other record refers to this one: its resource. Needs `by`.
    #[serde(default)]
    pub resource: Option<String>,
    /// The reference on the other record, which its lists can be filtered by: `company`.
    #[serde(default)]
    pub by: Option<String>,
    /// The request that lists. It sees `id`, `other`, `limit`, `cursor`.
    #[serde(default)]
    pub list: Option<VariantSpec>,
    /// The request that adds one, or several of which the first whose `when` holds is taken. It sees `id`, `other`, `other_id` and `labels`, where the caller sent some.
    #[serde(default)]
    pub add: Option<OneOrMany<VariantSpec>>,
    /// The request that removes one.
    #[serde(default)]
    pub remove: Option<OneOrMany<VariantSpec>>,
    /// How a row of the list is read.
    #[serde(default)]
    pub item: AssociationItemSpec,
    /// Under the name `*`: the other resources that this serves, with what requests see as `other`.
    #[serde(default)]
    pub others: IndexMap<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssociationItemSpec {
    /// The other record's id, over a row.
    #[serde(default)]
    pub id: Option<LeafSpec>,
    /// What the vendor calls the association, over a row.
    #[serde(default)]
    pub labels: Option<LeafSpec>,
}
