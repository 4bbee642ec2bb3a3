//! What an operation takes, way by way.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::Page;
use crate::catalog::association::Association;
use crate::catalog::resource::Resource;
use crate::catalog::spec::ThenSpec;
use crate::catalog::upsert::Upsert;
use crate::catalog::variant::Variant;
use crate::model::{FilterOp, Operation};

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OperationCoverage {
    /// The ways to do it; the first that covers the call is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantCoverage>,
    /// For batches: what goes in one request, and how many records it carries. The rest goes one by one.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub at_once: IndexMap<&'static str, usize>,
}

#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct VariantCoverage {
    /// For lists: what can be combined in one call.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub accepts: Option<Combination>,
    /// For upserts: the fields to find the record by; `custom_fields.*` stands for any custom field.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<String>,
    /// For upserts: whether the provider does it in one step; otherwise the record is looked for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atomic: Option<bool>,
    /// It is open to some calls only, which an expression of the mapping chooses.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
    /// Members that are null in its answers although the provider has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// The most requests that the provider gets for one call, without those that are sent again.
    pub requests: usize,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Combination {
    pub filters: IndexMap<String, Vec<FilterOp>>,
    /// The most conditions that the filters may come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_conditions: Option<usize>,
    pub sorts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sorts: Option<usize>,
    pub q: bool,
    pub page: Page,
}

impl OperationCoverage {
    pub(super) fn of(resource: &Resource, operation: Operation) -> Self {
        let variants = match operation {
            Operation::Upsert => {
                resource.upserts.iter().map(|upsert| VariantCoverage::upsert(resource, upsert)).collect()
            }
            _ => {
                let variants = resource.variants(operation).iter();
                variants.map(|variant| VariantCoverage::of(resource, operation, variant)).collect()
            }
        };
        let many = Operation::ALL.into_iter().filter(|_| operation == Operation::Batch);
        let at_once = many.filter_map(|one| Some((one.as_str(), resource.batch(one)?.max)));
        Self { variants, at_once: at_once.collect() }
    }
}

impl VariantCoverage {
    fn of(resource: &Resource, operation: Operation, variant: &Variant) -> Self {
        let read_back = if variant.then == ThenSpec::Get { most_requests(resource, Operation::Get) } else { 0 };
        Self {
            accepts: (operation == Operation::List).then(|| Combination::of(resource, variant)),
            conditional: variant.when.is_some(),
            lacks: variant.lacks.clone(),
            requests: variant.steps.len() + 1 + read_back,
            ..Self::default()
        }
    }

    fn upsert(resource: &Resource, upsert: &Upsert) -> Self {
        let way = match &upsert.native {
            Some(variant) => Self::of(resource, Operation::Upsert, variant),
            None => {
                let write = |operation| Self::most(resource, operation);
                let written = write(Operation::Create).max(write(Operation::Update));
                Self { requests: most_requests(resource, Operation::List) + written, ..Self::default() }
            }
        };
        Self { matches: upsert.fields.clone(), atomic: Some(upsert.native.is_some()), ..way }
    }

    /// The most requests of an operation, with reading back.
    fn most(resource: &Resource, operation: Operation) -> usize {
        let variants = resource.variants(operation).iter();
        variants.map(|variant| Self::of(resource, operation, variant).requests).max().unwrap_or_default()
    }
}

/// By the other resource.
pub(super) fn associations(resource: &Resource) -> IndexMap<String, Vec<&'static str>> {
    const OPERATIONS: [Operation; 3] = [Operation::Associations, Operation::Associate, Operation::Dissociate];
    let able = |association: &Association| {
        let able = OPERATIONS.into_iter().filter(|operation| association.supports(*operation));
        able.map(Operation::as_str).collect()
    };
    resource.associations.iter().map(|(other, association)| (other.clone(), able(association))).collect()
}

impl Combination {
    fn of(resource: &Resource, variant: &Variant) -> Self {
        let accepts = &variant.accepts;
        Self {
            filters: accepts.filters.clone(),
            max_conditions: accepts.conditions,
            sorts: accepts.sort.clone(),
            max_sorts: accepts.sort_fields,
            q: accepts.q,
            page: Page::from(variant.limit.as_ref().unwrap_or(&resource.limit)),
        }
    }
}

fn most_requests(resource: &Resource, operation: Operation) -> usize {
    resource.variants(operation).iter().map(|variant| variant.steps.len() + 1).max().unwrap_or_default()
}
