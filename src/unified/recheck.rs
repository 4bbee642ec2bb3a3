//! Filters that a vendor answers too widely, held against the unified records once more.

use serde_json::Value;

use crate::model::{Filter, FilterOp};

/// Whether the record passes. `path` is the dotted member; a list passes when any of its items does.
pub fn passes(record: &Value, filter: &Filter, path: &str) -> bool {
    let mut found = Vec::new();
    collect(record, &path.split('.').collect::<Vec<_>>(), &mut found);
    match filter.op {
        FilterOp::Exists => found.iter().any(|value| !value.is_null()) == (filter.value == Value::Bool(true)),
        FilterOp::Ne => found.iter().all(|value| !same(value, &filter.value)),
        op => found.iter().any(|value| compares(op, value, &filter.value)),
    }
}

fn collect<'v>(value: &'v Value, path: &[&str], found: &mut Vec<&'v Value>) {
    match (value, path.split_first()) {
        (Value::Array(items), _) => items.iter().for_each(|item| collect(item, path, found)),
        (_, None) => found.push(value),
        (_, Some((name, rest))) => {
            if let Some(inner) = value.get(name) {
                collect(inner, rest, found);
            }
        }
    }
}

fn compares(op: FilterOp, value: &Value, wanted: &Value) -> bool {
    let ordering = || order(value, wanted);
    match op {
        FilterOp::Eq => same(value, wanted),
        FilterOp::In => wanted.as_array().into_iter().flatten().any(|wanted| same(value, wanted)),
        FilterOp::Gt => ordering().is_some_and(std::cmp::Ordering::is_gt),
        FilterOp::Gte => ordering().is_some_and(std::cmp::Ordering::is_ge),
        FilterOp::Lt => ordering().is_some_and(std::cmp::Ordering::is_lt),
        FilterOp::Lte => ordering().is_some_and(std::cmp::Ordering::is_le),
        FilterOp::Contains => both(value, wanted).is_some_and(|(value, wanted)| value.contains(&wanted)),
        FilterOp::StartsWith => both(value, wanted).is_some_and(|(value, wanted)| value.starts_with(&wanted)),
        FilterOp::Ne | FilterOp::Exists => true,
    }
}

/// Texts compare without regard to case, as the vendors' own text comparisons do.
fn both(value: &Value, wanted: &Value) -> Option<(String, String)> {
    Some((value.as_str()?.to_lowercase(), wanted.as_str()?.to_lowercase()))
}

fn same(value: &Value, wanted: &Value) -> bool {
    value == wanted
        || both(value, wanted).is_some_and(|(value, wanted)| value == wanted)
        || order(value, wanted).is_some_and(std::cmp::Ordering::is_eq)
}

/// Numbers and instants by value; other texts (dates among them) by their characters.
fn order(value: &Value, wanted: &Value) -> Option<std::cmp::Ordering> {
    if let (Value::String(a), Value::String(b)) = (value, wanted) {
        if let (Ok(a), Ok(b)) = (a.parse::<jiff::Timestamp>(), b.parse::<jiff::Timestamp>()) {
            return Some(a.cmp(&b));
        }
        if let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) {
            return a.partial_cmp(&b);
        }
        return Some(a.cmp(b));
    }
    value.as_f64()?.partial_cmp(&wanted.as_f64()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_held_against_filters() {
        let record = json!({"emails": [{"email": "A@x.test"}], "updated_at": "2026-09-01T00:00:00.250Z", "n": 5});
        let filter = |op, value| Filter { field: "f".into(), op, value };
        assert!(passes(&record, &filter(FilterOp::Eq, json!("a@x.test")), "emails.email"));
        assert!(passes(&record, &filter(FilterOp::Gt, json!("2026-09-01T00:00:00Z")), "updated_at"));
        assert!(!passes(&record, &filter(FilterOp::Gt, json!("2026-09-01T00:00:00.250Z")), "updated_at"));
        assert!(passes(&record, &filter(FilterOp::Exists, json!(false)), "phones"));
        assert!(passes(&record, &filter(FilterOp::In, json!([4, 5])), "n"));
    }
}
