//! How a provider says what went wrong: which kind of failure an answer is, and what it names.

use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

use super::build::{Build, Located};
use super::leaf::Leaf;
use super::spec::{ErrorsSpec, RetryUnit};
use super::unreachable::holds_too;
use super::variant::answer_scope;
use crate::error::Kind;
use crate::mapping::Vars;
use crate::model::Operation;

#[derive(Debug, Default)]
pub struct ErrorRules {
    code: Option<Leaf>,
    message: Option<Leaf>,
    fields: Option<Leaf>,
    other_id: Option<Leaf>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    status: Vec<u16>,
    code: Vec<String>,
    message: Option<Regex>,
    when: Option<Located>,
    is: Kind,
    retryable: Option<bool>,
    retry_after: Option<(RetryUnit, Leaf)>,
}

/// What an error answer turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    pub kind: Kind,
    pub code: Option<String>,
    pub message: Option<String>,
    /// Vendor names of the fields at fault.
    pub fields: Vec<String>,
    pub other_id: Option<String>,
    pub retryable: Option<bool>,
    pub retry_after: Option<Duration>,
}

impl ErrorRules {
    pub fn compile(build: &mut Build<'_>, spec: &ErrorsSpec) -> Self {
        let scope = answer_scope();
        let leaf = |build: &mut Build<'_>, word: &str, spec: &Option<Value>| {
            spec.as_ref().and_then(|spec| Leaf::compile(build, &format!("/errors/read/{word}"), spec, &scope))
        };
        let code = leaf(build, "code", &spec.read.code);
        let message = leaf(build, "message", &spec.read.message);
        let fields = leaf(build, "fields", &spec.read.fields);
        let other_id = leaf(build, "other_id", &spec.read.other_id);
        let rows = spec.classify.iter().enumerate();
        let rows = rows.filter_map(|(index, row)| {
            let at = format!("/errors/classify/{index}");
            let Some(is) = Kind::from_code(&row.is) else {
                let codes = crate::error::KINDS.iter().map(|(_, code, _)| *code);
                let hint = super::build::hint(&row.is, codes);
                build.problem(&format!("{at}/is"), format!("`{}` is not the code of a problem{hint}", row.is));
                return None;
            };
            let row = Row {
                status: row.status.as_ref().map(super::spec::OneOrMany::to_vec).unwrap_or_default(),
                code: row.code.as_ref().map(super::spec::OneOrMany::to_vec).unwrap_or_default(),
                message: row.message.as_ref().and_then(|pattern| build.regex(&format!("{at}/message"), pattern, false)),
                when: row.when.as_ref().and_then(|when| build.expression(&format!("{at}/when"), when, &scope)),
                is,
                retryable: row.retryable,
                retry_after: row.retry_after.as_ref().and_then(|hint| {
                    let (unit, leaf) = hint.iter().next()?;
                    Some((*unit, Leaf::compile(build, &format!("{at}/retry_after"), leaf, &scope)?))
                }),
            };
            Some((index, row))
        });
        let rows: Vec<(usize, Row)> = rows.collect();
        never_met(build, &rows);
        Self { code, message, fields, other_id, rows: rows.into_iter().map(|(_, row)| row).collect() }
    }

    /// Whether it is told where an answer holds what went wrong.
    pub fn reads_words(&self) -> bool {
        self.code.is_some() || self.message.is_some()
    }

    /// What the rows of the table make of an answer, in their order.
    pub fn rows(&self) -> impl Iterator<Item = Kind> {
        self.rows.iter().map(|row| row.is)
    }

    /// Whether an answer of this status can mean that it was too much. A row without a status is about error statuses.
    pub fn may_throttle(&self, status: u16) -> bool {
        let throttles = |row: &&Row| matches!(row.is, Kind::RateLimited | Kind::QuotaExhausted);
        let fits = |row: &Row| row.status.contains(&status) || (row.status.is_empty() && status >= 400);
        status == 429 || self.rows.iter().filter(throttles).any(fits)
    }

    /// The row that an answer meets first.
    pub fn row(&self, status: u16, headers: &Value, body: &Value, operation: Operation) -> Option<usize> {
        let vars = scope(status, headers, operation);
        let text = |leaf: &Option<Leaf>| leaf.as_ref().and_then(|leaf| leaf.text(body, &vars).ok().flatten());
        let (code, message) = (text(&self.code), text(&self.message));
        self.rows.iter().position(|row| row.matches(status, code.as_deref(), message.as_deref(), body, &vars))
    }

    /// Total: what cannot be read is left out, so that a strange error is still an error.
    pub fn classify(
        &self,
        status: u16,
        headers: &Value,
        body: &Value,
        operation: Operation,
        now: Timestamp,
    ) -> Classified {
        let vars = scope(status, headers, operation);
        let text = |leaf: &Option<Leaf>| leaf.as_ref().and_then(|leaf| leaf.text(body, &vars).ok().flatten());
        let code = text(&self.code);
        let message = text(&self.message);
        let row = self.rows.iter().find(|row| row.matches(status, code.as_deref(), message.as_deref(), body, &vars));
        let fields = self.fields.as_ref().and_then(|leaf| leaf.evaluate(body, &vars).ok().flatten());
        let hint = row.and_then(|row| row.retry_after.as_ref());
        let hint = hint.and_then(|(unit, leaf)| delay(*unit, &leaf.evaluate(body, &vars).ok()??, now));
        let header = headers
            .get("retry-after")
            .and_then(|value| delay(RetryUnit::S, value, now).or_else(|| delay(RetryUnit::HttpDate, value, now)));
        Classified {
            kind: row.map_or_else(|| by_status(status, operation.is_write()), |row| row.is),
            code,
            message,
            fields: names(fields),
            other_id: text(&self.other_id),
            retryable: row.and_then(|row| row.retryable),
            retry_after: hint.or(header),
        }
    }
}

/// The first row that fits wins: one behind a row that fits wherever it does is never met.
fn never_met(build: &mut Build<'_>, rows: &[(usize, Row)]) {
    for (place, (index, row)) in rows.iter().enumerate() {
        let mut earlier = rows.iter().take(place);
        if let Some((first, _)) = earlier.find(|(_, earlier)| earlier.covers(row)) {
            let at = build.place(&format!("/errors/classify/{first}"));
            let message = format!(
                "this row is never met: the one at {at} fits wherever it does, and the first that fits wins; put the narrower one first"
            );
            build.problem(&format!("/errors/classify/{index}"), message);
        }
    }
}

/// What the table's expressions see besides the body.
fn scope(status: u16, headers: &Value, operation: Operation) -> Vars {
    let call = serde_json::json!({ "operation": operation.as_str() });
    Vars::none().with("status", Value::from(status)).with("headers", headers.clone()).with("call", call)
}

impl Row {
    /// Whether it fits every answer that the other fits.
    fn covers(&self, other: &Row) -> bool {
        let all_of = |own: bool, among: bool, none: bool| own || (!none && among);
        let statuses = other.status.iter().all(|status| self.status.contains(status));
        let codes = other.code.iter().all(|code| self.code.contains(code));
        let pattern = |row: &Row| row.message.as_ref().map(|message| message.as_str().to_owned());
        all_of(self.status.is_empty(), statuses, other.status.is_empty())
            && all_of(self.code.is_empty(), codes, other.code.is_empty())
            && (self.message.is_none() || pattern(self) == pattern(other))
            && holds_too(self.when.as_ref(), other.when.as_ref())
    }

    fn matches(&self, status: u16, code: Option<&str>, message: Option<&str>, body: &Value, vars: &Vars) -> bool {
        (self.status.is_empty() || self.status.contains(&status))
            && (self.code.is_empty() || code.is_some_and(|code| self.code.iter().any(|known| known == code)))
            && self.message.as_ref().is_none_or(|pattern| pattern.is_match(message.unwrap_or_default()))
            && self.when.as_ref().is_none_or(|when| when.holds(body, vars).unwrap_or(false))
    }
}

fn names(fields: Option<Value>) -> Vec<String> {
    let mut names = Vec::new();
    let mut pending: Vec<Value> = fields.into_iter().collect();
    while let Some(value) = pending.pop() {
        match value {
            Value::String(name) => names.push(name),
            Value::Array(list) => pending.extend(list.into_iter().rev()),
            _ => {}
        }
    }
    names
}

/// What a status means where no line of the table matches.
fn by_status(status: u16, write: bool) -> Kind {
    match status {
        400 if write => Kind::ValidationFailed,
        400 => Kind::InvalidRequest,
        401 => Kind::Unauthenticated,
        403 => Kind::Forbidden,
        404 | 410 => Kind::NotFound,
        409 | 423 => Kind::Conflict,
        412 => Kind::PreconditionFailed,
        413 => Kind::PayloadTooLarge,
        422 => Kind::ValidationFailed,
        429 => Kind::RateLimited,
        500..=599 => Kind::ProviderUnavailable,
        _ => Kind::InvalidProviderResponse,
    }
}

/// A retry hint as a delay; at most a week, because more than that is a mistake.
pub(super) fn delay(unit: RetryUnit, value: &Value, now: Timestamp) -> Option<Duration> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = text.trim();
    let until = |seconds: f64| (seconds - now.as_millisecond() as f64 / 1000.0).max(0.0);
    let seconds = match unit {
        RetryUnit::S => text.parse::<f64>().ok()?,
        RetryUnit::Ms => text.parse::<f64>().ok()? / 1000.0,
        RetryUnit::EpochS => until(text.parse::<f64>().ok()?),
        RetryUnit::EpochMs => until(text.parse::<f64>().ok()? / 1000.0),
        RetryUnit::HttpDate => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?;
            until(date.timestamp().as_second() as f64)
        }
    };
    (0.0..=604_800.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_in_every_unit() {
        let now: Timestamp = "2026-09-01T00:00:00Z".parse().expect("a timestamp");
        for (unit, value, seconds) in [
            (RetryUnit::S, serde_json::json!("3"), Some(3)),
            (RetryUnit::S, serde_json::json!(10), Some(10)),
            (RetryUnit::S, serde_json::json!("soon"), None),
            (RetryUnit::S, serde_json::json!(-1), None),
            (RetryUnit::Ms, serde_json::json!(2000), Some(2)),
            (RetryUnit::EpochS, serde_json::json!(now.as_second() + 5), Some(5)),
            (RetryUnit::EpochS, serde_json::json!(now.as_second() - 5), Some(0)),
            (RetryUnit::HttpDate, serde_json::json!("Tue, 01 Sep 2026 00:01:00 GMT"), Some(60)),
            (RetryUnit::S, serde_json::json!(1e12), None),
        ] {
            assert_eq!(delay(unit, &value, now), seconds.map(Duration::from_secs), "{unit:?} {value}");
        }
    }
}
