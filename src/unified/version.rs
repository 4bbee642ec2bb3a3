//! Versions of records: what the vendor tells them by, and writes that depend on one.

use serde_json::Value;

use super::{Call, Precondition};
use crate::catalog::Resource;
use crate::error::{Error, Kind, Outcome, Violation};
use crate::mapping::Vars;
use crate::model::Operation;

/// Refuses a precondition that the vendor would not be told of.
pub fn check(call: &Call) -> Result<(), Error> {
    let Some(precondition) = &call.precondition else { return Ok(()) };
    let (resource, title) = (&call.resource, &call.provider.title);
    if resource.holds_version(call.operation) {
        return Ok(());
    }
    let holding: Vec<&str> = [Operation::Update, Operation::Delete]
        .into_iter()
        .filter(|operation| resource.holds_version(*operation))
        .map(Operation::as_str)
        .collect();
    let detail = match resource.version {
        None => format!("{title} has no versions of {} to hold a precondition against.", resource.name),
        Some(_) => format!("A precondition holds for {} only, of {} here.", holding.join(" and "), resource.name),
    };
    let said = match precondition {
        Precondition::Exists => "`*` is not supported here",
        Precondition::Version(_) => "a version is not supported here",
    };
    let error = Error::new(Kind::UnsupportedPrecondition, detail).violation(Violation::parameter("If-Match", said));
    let error = error.supported(holding);
    Err(if call.operation.is_write() { error.outcome(Outcome::NotExecuted) } else { error })
}

/// The version of a vendor's record, if it has one that can stand in a header.
pub fn of(resource: &Resource, row: &Value, vars: &Vars) -> Option<String> {
    let text = resource.version.as_ref()?.text(row, vars).ok()??;
    // The characters of an opaque tag (RFC 9110, 8.8.3).
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    fits.then_some(text)
}
