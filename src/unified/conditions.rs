//! Filters as conditions on the vendor's columns, in the one shape that query styles and expressions see:
//! `{any: [{all: [{on, op, value, type}]}]}`.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::catalog::{FilterRule, Resource};
use crate::error::{Error, Kind, Violation};
use crate::mapping::Path;
use crate::model::{Filter, FilterOp, parse_filter_value};

/// One comparison of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// A column's name, or a list of them of which any may match.
    pub on: Value,
    pub op: String,
    pub value: Value,
    pub literal: String,
}

/// Any of these groups; all conditions of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions(Vec<Vec<Condition>>);

/// More groups than this come of too many alternatives at once; vendors refuse such queries anyway.
const MAX_GROUPS: usize = 32;

impl Conditions {
    /// No condition at all: everything matches.
    pub fn none() -> Self {
        Self(vec![Vec::new()])
    }

    /// The most conditions that one group holds.
    pub fn most(&self) -> usize {
        self.0.iter().map(Vec::len).max().unwrap_or_default()
    }

    pub fn is_none(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// Both: every group of this with every group of the other.
    pub fn and(self, other: Conditions) -> Result<Self, Error> {
        if self.0.len() * other.0.len() > MAX_GROUPS {
            return Err(Error::new(Kind::UnsupportedFilter, "Too many alternatives are combined in one list."));
        }
        let pairs = self.0.iter().flat_map(|left| other.0.iter().map(move |right| [left.as_slice(), right].concat()));
        Ok(Self(pairs.collect()))
    }

    pub fn to_value(&self) -> Value {
        let groups = self.0.iter().map(|group| {
            let all: Vec<Value> = group
                .iter()
                .map(|condition| {
                    json!({"on": condition.on, "op": condition.op, "value": condition.value, "type": condition.literal})
                })
                .collect();
            json!({ "all": all })
        });
        json!({ "any": groups.collect::<Vec<_>>() })
    }
}

/// What filters became.
pub struct Encoded {
    pub conditions: Conditions,
    /// `filter.<field>.<op>`: the same values by unified name, for vendors with plain query parameters.
    pub by_name: Value,
    /// An `in` without values: nothing can match, no call is made.
    pub nothing: bool,
}

/// Filter values through the field's own codecs, onto its columns.
pub fn encode(resource: &Resource, filters: &[Filter]) -> Result<Encoded, Error> {
    let mut conditions = Conditions::none();
    let mut by_name = Value::Object(Map::new());
    let mut nothing = false;
    for filter in filters {
        let Some(rule) = resource.filters.get(&filter.field) else { continue };
        let Some(filter) = possible(resource, filter) else {
            nothing = true;
            continue;
        };
        let value = encode_value(rule, &filter)?;
        nothing |= filter.op == FilterOp::In && value.as_array().is_some_and(Vec::is_empty);
        conditions = conditions.and(groups(rule, &filter, &value))?;
        let name = filter.field.split('.').chain([filter.op.as_str()]);
        Path::of(name).set(&mut by_name, value);
    }
    for (column, value) in &resource.only {
        conditions = conditions.and(Conditions(vec![vec![equals(column, value)]]))?;
    }
    Ok(Encoded { conditions, by_name, nothing })
}

/// The filter without ids that no record of the resource can have; `None` where nothing is left to look for.
fn possible<'f>(resource: &Resource, filter: &'f Filter) -> Option<Cow<'f, Filter>> {
    let Some(pattern) = resource.id_pattern.as_ref().filter(|_| filter.field == "id") else {
        return Some(Cow::Borrowed(filter));
    };
    let fits = |value: &Value| value.as_str().is_some_and(|id| pattern.is_match(id));
    match (filter.op, &filter.value) {
        (FilterOp::Eq, value) => fits(value).then_some(Cow::Borrowed(filter)),
        (FilterOp::In, Value::Array(values)) => {
            let value = Value::Array(values.iter().filter(|value| fits(value)).cloned().collect());
            Some(Cow::Owned(Filter { value, ..filter.clone() }))
        }
        _ => Some(Cow::Borrowed(filter)),
    }
}

pub fn encode_value(rule: &FilterRule, filter: &Filter) -> Result<Value, Error> {
    if filter.op == FilterOp::Exists {
        return Ok(filter.value.clone());
    }
    match &filter.value {
        Value::Array(values) => {
            let encoded = values.iter().map(|value| encode_one(rule, filter, value)).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::Array(flat(&encoded)))
        }
        value => encode_one(rule, filter, value),
    }
}

fn encode_one(rule: &FilterRule, filter: &Filter, value: &Value) -> Result<Value, Error> {
    if matches!(filter.op, FilterOp::Contains | FilterOp::StartsWith) || rule.conditions.is_some() {
        return Ok(value.clone());
    }
    let parameter = format!("filter[{}][{}]", filter.field, filter.op.as_str());
    // Of a custom field only the account knows the type, so its value is still the text that came.
    let parsed = match value.as_str().filter(|_| filter.field.starts_with("custom_fields.")) {
        Some(text) => parse_filter_value(&rule.kind, text).map_err(|expected| {
            Error::new(Kind::InvalidRequest, "A filter value cannot be used.")
                .violation(Violation::parameter(&parameter, "it is not valid here").expected(expected))
        })?,
        None => value.clone(),
    };
    let value = &parsed;
    let refused = |detail: String| {
        Error::new(Kind::InvalidRequest, "A filter value cannot be used.")
            .violation(Violation::parameter(&parameter, detail))
    };
    if let Some(values) = &rule.values {
        let unknown = || refused(format!("{value} is not a value of this field")).supported(values.names());
        return values.all(value).map(<[Value]>::to_vec).map(one_or_list).ok_or_else(unknown);
    }
    rule.codecs.iter().rev().try_fold(value.clone(), |value, codec| codec.write(&value).map_err(&refused))
}

fn groups(rule: &FilterRule, filter: &Filter, value: &Value) -> Conditions {
    if let Some(expansions) = &rule.conditions {
        let wanted: Vec<&Value> = match value {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        let name = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let groups = wanted.into_iter().filter_map(|value| expansions.get(&name(value)));
        return Conditions(
            groups.map(|all| all.iter().map(|(column, value)| equals(column, value)).collect()).collect(),
        );
    }
    let literal = || rule.literal.clone();
    let any = one_or_list(rule.on.iter().map(|on| Value::String(on.clone())).collect());
    let op_of = |op: &str| {
        let own = FilterOp::parse(op).and_then(|op| rule.using.get(&op));
        own.map_or_else(|| op.to_owned(), Clone::clone)
    };
    let condition = |op: &str, value| vec![Condition { on: any.clone(), op: op_of(op), value, literal: literal() }];
    // "Not this" and "not there" must hold for every column; everything else for any.
    let every = |op: &str, value: &Value| {
        let on_each = rule.on.iter().map(|on| Value::String(on.clone()));
        on_each.map(|on| Condition { on, op: op_of(op), value: value.clone(), literal: literal() }).collect::<Vec<_>>()
    };
    let all = match (filter.op, value) {
        (FilterOp::Exists, Value::Bool(false)) => every("missing", &Value::Bool(true)),
        // One unified value may be several of the vendor's.
        (FilterOp::Eq, Value::Array(_)) => condition("in", value.clone()),
        (FilterOp::Ne, Value::Array(values)) => values.iter().flat_map(|value| every("ne", value)).collect(),
        (FilterOp::Ne, value) => every("ne", value),
        (op, value) => condition(op.as_str(), value.clone()),
    };
    Conditions(vec![all])
}

fn one_or_list(mut values: Vec<Value>) -> Value {
    match values.len() {
        1 => values.remove(0),
        _ => Value::Array(values),
    }
}

fn flat(values: &[Value]) -> Vec<Value> {
    values
        .iter()
        .flat_map(|value| match value {
            Value::Array(inner) => inner.clone(),
            one => vec![one.clone()],
        })
        .collect()
}

fn equals(column: &str, value: &Value) -> Condition {
    let literal = match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        _ => "string",
    };
    Condition { on: column.into(), op: "eq".into(), value: value.clone(), literal: literal.to_owned() }
}

/// "After the last row": for columns c1…cn, `c1 > v1`, or `c1 = v1 and c2 > v2`, and so on. `columns` are
/// (column, descending, literal).
pub fn after(columns: &[(String, bool, String)], values: &[Value]) -> Conditions {
    let rows = (0..columns.len().min(values.len())).map(|last| {
        let mut group = Vec::new();
        for (index, ((column, descending, literal), value)) in columns.iter().zip(values).take(last + 1).enumerate() {
            let op = match (index == last, descending) {
                (false, _) => "eq",
                (true, false) => "gt",
                (true, true) => "lt",
            };
            group.push(Condition {
                on: column.as_str().into(),
                op: op.to_owned(),
                value: value.clone(),
                literal: literal.clone(),
            });
        }
        group
    });
    Conditions(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_begins_after_the_last_row() {
        let columns = [("M".to_owned(), false, "date-time".to_owned()), ("Id".to_owned(), false, "id".to_owned())];
        let Conditions(groups) = after(&columns, &[json!("t"), json!("k")]);
        let shown: Vec<String> = groups
            .iter()
            .map(|group| {
                group
                    .iter()
                    .map(|c| format!("{} {} {}", c.on.as_str().unwrap_or_default(), c.op, c.value))
                    .collect::<Vec<_>>()
                    .join(" & ")
            })
            .collect();
        assert_eq!(shown, ["M gt \"t\"", "M eq \"t\" & Id gt \"k\""]);
    }

    #[test]
    fn alternatives_multiply_up_to_a_bound() {
        let condition = || Condition { on: "a".into(), op: "eq".into(), value: json!(1), literal: "number".into() };
        let eight = || Conditions((0..8).map(|_| vec![condition()]).collect());
        assert!(eight().and(eight()).is_err());
        assert!(Conditions::none().and(eight()).is_ok());
    }
}
