//! What an operation takes, way by way.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use super::Page;
use crate::catalog::resource::Resource;
use crate::catalog::spec::ThenSpec;
use crate::catalog::variant::Variant;
use crate::model::{FilterOp, Operation};

/// The ways to do an operation; the first that covers the call is taken.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OperationCoverage {
    pub variants: Vec<VariantCoverage>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct VariantCoverage {
    /// For lists: what can be combined in one call.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub accepts: Option<Combination>,
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
        let variants = resource.variants(operation).iter();
        Self { variants: variants.map(|variant| VariantCoverage::of(resource, operation, variant)).collect() }
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
        }
    }
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
