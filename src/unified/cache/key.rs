//! What an answer is kept under: everything that it depends on. Callers' rights are no part of it, since they are checked
//! before anybody gets here.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::unified::Call;
use crate::unified::call::Object;

/// The whole text, not a hash of it: two calls have the same key only if they are the same call.
pub fn key(call: &Call) -> Arc<str> {
    let query = &call.query;
    let mut filters: Vec<String> = query
        .filters
        .iter()
        .map(|filter| json!([filter.field, filter.op.as_str(), filter.value]).to_string())
        .collect();
    filters.sort();
    filters.dedup();
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names.dedup();
        names
    };
    let fields = if query.fields.is_all() { Value::Null } else { json!(sorted(query.fields.paths())) };
    let object = match &call.object {
        Some(Object::Named(name)) => Some(name.as_str()),
        Some(Object::Known(object)) => Some(object.name.as_str()),
        None => None,
    };
    let other = call.other.as_ref().map(|other| (&other.resource, &other.id));
    let connection = &call.connection;
    let key = json!([
        connection.tenant.as_str(),
        connection.id.as_str(),
        // Whatever its owner changes begins anew: above all the account that it leads to.
        connection.updated_at.as_nanosecond().to_string(),
        // The mapping in force by its address: a reload, or an override, makes another one.
        Arc::as_ptr(&call.provider) as usize,
        Arc::as_ptr(&call.resource) as usize,
        call.operation.as_str(),
        object,
        call.id,
        other,
        query.limit,
        filters,
        query.sort,
        query.q,
        fields,
        query.include_raw,
        sorted(&query.expand),
        call.from,
    ]);
    key.to_string().into()
}
