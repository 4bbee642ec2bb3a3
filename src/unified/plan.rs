//! Which variant does a call: whether everything asked for is supported, and what to say when it is not.

use serde_json::Value;

use crate::catalog::{Accepts, Resource, Variant};
use crate::error::{Error, Kind, Violation};
use crate::mapping::Vars;
use crate::model::{Operation, Query};

/// The variants of an operation, or `unsupported-operation` with those that there are.
pub fn variants(resource: &Resource, operation: Operation) -> Result<&[Variant], Error> {
    let variants = resource.variants(operation);
    if variants.is_empty() {
        let known = Operation::ALL.into_iter().filter(|operation| resource.supports(*operation));
        return Err(Error::new(
            Kind::UnsupportedOperation,
            format!("{} cannot {} here.", resource.name, operation.as_str()),
        )
        .supported(known.map(Operation::as_str)));
    }
    Ok(variants)
}

/// Each filter, sort and search by itself must be supported by some variant.
pub fn check_query(resource: &Resource, query: &Query) -> Result<(), Error> {
    for filter in &query.filters {
        let known = resource.filters.get(&filter.field).is_some_and(|rule| rule.ops.contains(&filter.op));
        if !known {
            return Err(Error::new(
                Kind::UnsupportedFilter,
                format!("filter[{}][{}] is not supported here.", filter.field, filter.op.as_str()),
            )
            .supported(supported_filters(resource)));
        }
    }
    for sort in &query.sort {
        if !resource.sorts.contains_key(&sort.field) {
            return Err(Error::new(Kind::UnsupportedSort, format!("The list cannot be sorted by {}.", sort.field))
                .supported(resource.sorts.keys().cloned()));
        }
    }
    if query.q.is_some() && !resource.variants(Operation::List).iter().any(|variant| variant.accepts.q) {
        return Err(Error::new(Kind::UnknownParameter, "This list has no text search (q).")
            .violation(Violation::parameter("q", "the provider has no text search here")));
    }
    Ok(())
}

pub fn supported_filters(resource: &Resource) -> Vec<String> {
    let ops = |rule: &crate::catalog::FilterRule| rule.ops.iter().map(|op| op.as_str()).collect::<Vec<_>>().join(", ");
    resource.filters.iter().map(|(name, rule)| format!("{name}: {}", ops(rule))).collect()
}

/// The first list variant that covers the query and whose `when` holds. `conditions` is how many the filters became.
pub fn choose_list<'r>(
    resource: &'r Resource,
    query: &Query,
    conditions: usize,
    scope: &Value,
    vars: &Vars,
) -> Result<(usize, &'r Variant), Error> {
    let variants = variants(resource, Operation::List)?;
    check_query(resource, query)?;
    for (index, variant) in variants.iter().enumerate() {
        if covers(&variant.accepts, query, conditions) && holds(variant, scope, vars)? {
            return Ok((index, variant));
        }
    }
    let (kind, detail) = match (query.filters.is_empty(), query.sort.is_empty()) {
        (true, true) if query.q.is_none() => (Kind::UnsupportedFilter, "This list needs a filter."),
        (true, false) => {
            (Kind::UnsupportedSort, "The list cannot be sorted like this without a filter, or not at all.")
        }
        _ => {
            (Kind::UnsupportedFilter, "These filters and sorts are supported one by one, but not in this combination.")
        }
    };
    Err(Error::new(kind, detail).supported(variants.iter().map(|variant| describe(&variant.accepts))))
}

/// The first variant of a single operation whose `when` holds.
pub fn choose<'r>(
    resource: &'r Resource,
    operation: Operation,
    scope: &Value,
    vars: &Vars,
) -> Result<&'r Variant, Error> {
    first_that_holds(variants(resource, operation)?, scope, vars)?.ok_or_else(|| {
        Error::new(Kind::UnsupportedOperation, format!("{} cannot {} this.", resource.name, operation.as_str()))
    })
}

/// The first of these variants whose `when` holds.
pub fn first_that_holds<'v>(variants: &'v [Variant], scope: &Value, vars: &Vars) -> Result<Option<&'v Variant>, Error> {
    for variant in variants {
        if holds(variant, scope, vars)? {
            return Ok(Some(variant));
        }
    }
    Ok(None)
}

pub fn holds(variant: &Variant, scope: &Value, vars: &Vars) -> Result<bool, Error> {
    variant.when.as_ref().map_or(Ok(true), |when| when.holds(scope, vars))
}

fn covers(accepts: &Accepts, query: &Query, conditions: usize) -> bool {
    query.filters.iter().all(|filter| accepts.ops(&filter.field).contains(&filter.op))
        && query.sort.iter().all(|sort| accepts.sort.contains(&sort.field))
        && (query.q.is_none() || accepts.q)
        && accepts.conditions.is_none_or(|most| conditions <= most)
        && accepts.sort_fields.is_none_or(|most| query.sort.len() <= most)
}

/// One combination in words.
fn describe(accepts: &Accepts) -> String {
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut text = format!("filters: {}", list(accepts.filters.keys().map(String::as_str).collect()));
    if let Some(most) = accepts.conditions {
        text.push_str(&format!(" (at most {most})"));
    }
    text.push_str(&format!("; sort: {}", list(accepts.sort.iter().map(String::as_str).collect())));
    if let Some(most) = accepts.sort_fields {
        text.push_str(&format!(" (at most {most})"));
    }
    if accepts.q {
        text.push_str("; q");
    }
    text
}
