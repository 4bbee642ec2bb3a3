//! What an answer is kept under: everything that it depends on. Callers' rights are no part of it, since they are checked
//! before anybody gets here.

use std::sync::Arc;

use crate::unified::Call;
use crate::unified::call::Object;

/// The whole text, not a hash of it: two calls have the same key only if they are the same call. None for one that cannot
/// be written down.
pub fn key(call: &Call) -> Option<Arc<str>> {
    let query = &call.query;
    let filters = query.filters.iter().map(|filter| serde_json::to_string(&(&filter.field, filter.op, &filter.value)));
    let mut filters = filters.collect::<Result<Vec<String>, _>>().ok()?;
    filters.sort();
    filters.dedup();
    let object = match &call.object {
        Some(Object::Named(name)) => Some(name.as_str()),
        Some(Object::Known(object)) => Some(object.name.as_str()),
        None => None,
    };
    let connection = &call.connection;
    let whose = (
        connection.tenant.as_str(),
        connection.id.as_str(),
        // Whatever its owner changes begins anew: above all the account that it leads to.
        (connection.updated_at.as_second(), connection.updated_at.subsec_nanosecond()),
        // The mapping in force by its address: a reload, or an override, makes another one.
        (Arc::as_ptr(&call.provider) as usize, Arc::as_ptr(&call.resource) as usize),
    );
    let other = call.other.as_ref().map(|other| (&other.resource, &other.id));
    let what = (call.operation.as_str(), object, &call.id, other);
    let fields = (!query.fields.is_all()).then(|| sorted(query.fields.paths()));
    let asked = (query.limit, filters, &query.sort, &query.q, fields, query.include_raw, sorted(&query.expand));
    serde_json::to_string(&(whose, what, asked, &call.from)).ok().map(Arc::from)
}

/// Each once, in an order that is always the same.
fn sorted(names: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}
