//! Where to look for what became of a write that nobody answered for.

use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::Call;
use super::upsert::value_at;
use crate::catalog::COMPONENT;
use crate::error::{Error, Outcome};
use crate::model::{FilterOp, Operation};

/// Names a read that tells whether the write was executed, where one is known: relative to the resource.
pub fn with_probe(call: &Call, error: Error) -> Error {
    let open = matches!(error.get_outcome(), Some(Outcome::Unknown | Outcome::Executed));
    if !open || error.get_probe().is_some() {
        return error;
    }
    match probe(call) {
        Some(probe) => error.probe(probe),
        None => error,
    }
}

/// The record that was to be changed; of a new one a list of those with its natural key.
fn probe(call: &Call) -> Option<String> {
    if let Some(id) = &call.id {
        let record = format!("/{}", encoded(id));
        return Some(match (&call.other, call.operation) {
            (Some(other), Operation::Associate | Operation::Dissociate) => {
                format!("{record}/associations/{}", encoded(&other.resource))
            }
            _ => record,
        });
    }
    let body = call.body.as_ref()?;
    let named = call.resource.upserts.iter().flat_map(|upsert| &upsert.fields);
    let mut keys = call
        .by
        .iter()
        .chain(named)
        .filter(|field| call.resource.filters.get(*field).is_some_and(|rule| rule.ops.contains(&FilterOp::Eq)));
    keys.find_map(|field| {
        let value = match value_at(body, call.resource.model.filter_target(field))? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Some(format!("?filter[{}]={}", encoded(field), encoded(&value)))
    })
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}
