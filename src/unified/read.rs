//! A vendor's record as a unified one: the fields table from right to left.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::catalog::{Field, Resource, Shape, Source, Table};
use crate::error::Error;
use crate::mapping::{Path, Vars, to_date, to_decimal, to_instant};
use crate::model::{FieldSet, Member, Type, Warning, escape, number_text};

/// What is wanted of each record.
pub struct Wanted<'a> {
    pub fields: &'a FieldSet,
    pub raw: bool,
    /// Fields that the answer of this variant does not hold.
    pub lacks: &'a [String],
}

/// The unified record. A member that cannot be read is null, with a warning.
pub fn read_record(
    resource: &Resource,
    vendor: &Value,
    wanted: &Wanted<'_>,
    vars: &Vars,
    warnings: &mut Vec<Warning>,
) -> Result<Value, Error> {
    let row = Row::new(vendor);
    let reader = Reader { vars, clear: &resource.clear };
    let mut record = Map::with_capacity(resource.model.members.len());
    for (name, member) in &resource.model.members {
        if !wanted.fields.wants(name) {
            continue;
        }
        let mut value = match resource.table.get(name) {
            Some(field) if !wanted.lacks.contains(name) => reader.field(field, &row, At::top(name), warnings)?,
            _ => Value::Null,
        };
        if name == "custom_fields" {
            value = reader.custom(resource, value, &row, wanted.fields, warnings)?;
        } else if value.is_null() {
            value = absent(member);
        }
        if let Some(parts) = wanted.fields.parts(name) {
            narrow(&mut value, &parts);
        }
        record.insert(name.clone(), value);
    }
    if wanted.raw {
        record.insert("raw".to_owned(), vendor.clone());
    }
    Ok(Value::Object(record))
}

/// The vendor's columns that the wanted fields need, in the order of the table; `None` where the vendor sends all.
pub fn columns(resource: &Resource, fields: &FieldSet, extra: &[String]) -> Option<Vec<String>> {
    let select = resource.select.as_ref()?;
    let mut columns: Vec<&str> = select.always.iter().map(String::as_str).collect();
    for (name, field) in &resource.table {
        let wanted = match name.strip_prefix("custom_fields.") {
            Some(custom) => {
                fields.is_all() || fields.custom().any(|name| name == custom) || fields.wants_whole("custom_fields")
            }
            None => fields.wants(name),
        };
        if !wanted {
            continue;
        }
        match fields.parts(name) {
            Some(parts) => columns.extend(part_columns(field, &parts)),
            None => columns.extend(field.columns.iter().map(String::as_str)),
        }
    }
    if resource.table.get("custom_fields").is_some_and(|field| matches!(field.shape, Shape::Custom { .. })) {
        columns.extend(fields.custom().filter(|name| !resource.table.contains_key(&format!("custom_fields.{name}"))));
    }
    columns.extend(extra.iter().map(String::as_str));
    let mut seen = HashSet::with_capacity(columns.len());
    columns.retain(|column| seen.insert(*column));
    Some(columns.into_iter().map(str::to_owned).collect())
}

fn part_columns<'f>(field: &'f Field, parts: &[&str]) -> Vec<&'f str> {
    let of_table = |table: &'f Table| {
        let wanted = table.iter().filter(|(name, _)| parts.contains(&name.as_str()));
        wanted.flat_map(|(_, field)| field.columns.iter().map(String::as_str)).collect::<Vec<_>>()
    };
    match &field.shape {
        Shape::Object { base: None, table } => of_table(table),
        Shape::Places(places) => places.iter().flat_map(|place| of_table(&place.table)).collect(),
        _ => field.columns.iter().map(String::as_str).collect(),
    }
}

/// The vendor's record, or a part of it.
struct Row<'a> {
    vendor: &'a Value,
    /// Without its null members, which expressions never see: made for the first one, and only if there are any.
    clean: OnceCell<Option<Value>>,
}

impl<'a> Row<'a> {
    fn new(vendor: &'a Value) -> Self {
        Self { vendor, clean: OnceCell::new() }
    }

    fn clean(&self) -> &Value {
        let made = self.clean.get_or_init(|| has_nulls(self.vendor).then(|| without_nulls(self.vendor)));
        made.as_ref().unwrap_or(self.vendor)
    }
}

/// Where in the unified record something stands: a pointer that is only written out where there is something to say.
#[derive(Clone, Copy)]
struct At<'a> {
    above: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    fn top(name: &'a str) -> Self {
        Self { above: None, step: Step::Name(name) }
    }

    fn below(&'a self, step: Step<'a>) -> Self {
        Self { above: Some(self), step }
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        match self.step {
            Step::Name(name) => write!(f, "/{}", escape(name)),
            Step::Index(index) => write!(f, "/{index}"),
        }
    }
}

struct Reader<'a> {
    vars: &'a Vars,
    /// What null is written as reads as null.
    clear: &'a Value,
}

impl Reader<'_> {
    fn field(&self, field: &Field, row: &Row<'_>, at: At<'_>, warnings: &mut Vec<Warning>) -> Result<Value, Error> {
        let holds = field.when.iter().all(|(path, pattern)| {
            path.get(row.vendor)
                .is_some_and(|value| pattern.is_match(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        });
        if !holds {
            return Ok(Value::Null);
        }
        Ok(match &field.shape {
            Shape::Const(value) => value.clone(),
            Shape::Absent(_) | Shape::Custom { .. } => Value::Null,
            Shape::Value { read, .. } => {
                let clear = field.clear.as_ref().unwrap_or(self.clear);
                let Some(value) = self.source(read, clear, row, at, warnings)? else {
                    return Ok(Value::Null);
                };
                match convert(field, value) {
                    Ok(value) => value,
                    Err(detail) => {
                        warnings.push(Warning::at("field-unreadable", at.to_string(), detail));
                        Value::Null
                    }
                }
            }
            Shape::Object { base: None, table } => whole(self.object(table, row, at, warnings)?),
            Shape::Object { base: Some(base), table } => match base.get(row.vendor) {
                None | Some(Value::Null) => Value::Null,
                Some(part) => whole(self.object(table, &Row::new(part), at, warnings)?),
            },
            Shape::Each { path, table } => {
                let mut list = Vec::new();
                for (index, item) in as_list(path.get(row.vendor)).iter().enumerate() {
                    let object = self.object(table, &Row::new(item), at.below(Step::Index(index)), warnings)?;
                    if !object.is_empty() {
                        list.push(Value::Object(object));
                    }
                }
                Value::Array(list)
            }
            Shape::Places(places) => {
                let mut list = Vec::new();
                for place in places {
                    let members = self.object(&place.table, row, at.below(Step::Index(list.len())), warnings)?;
                    if !members.is_empty() {
                        let mut item = Map::with_capacity(place.constants.len() + members.len());
                        item.extend(place.constants.iter().map(|(name, value)| (name.clone(), value.clone())));
                        item.extend(members);
                        list.push(Value::Object(item));
                    }
                }
                Value::Array(list)
            }
        })
    }

    /// The members of the table, or none at all when not one of them has a value; empty text counts as none.
    fn object(
        &self,
        table: &Table,
        row: &Row<'_>,
        at: At<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Map<String, Value>, Error> {
        let mut values = Vec::with_capacity(table.len());
        for (name, field) in table {
            let value = self.field(field, row, at.below(Step::Name(name)), warnings)?;
            values.push(if value == "" { Value::Null } else { value });
        }
        // Most records have no second address: nothing is made of it.
        if values.iter().all(Value::is_null) {
            return Ok(Map::new());
        }
        Ok(table.keys().cloned().zip(values).collect())
    }

    /// `clear` is what null is written as.
    fn source(
        &self,
        sources: &[Source],
        clear: &Value,
        row: &Row<'_>,
        at: At<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Value>, Error> {
        let is_value = |value: &Value| !value.is_null() && value != clear;
        for source in sources {
            let value = match source {
                Source::Path(path) => path.get(row.vendor).filter(|value| is_value(value)).cloned(),
                Source::Expression(expression) => match expression.try_evaluate(row.clean(), self.vars)? {
                    Ok(value) => value.filter(is_value),
                    Err(why) => {
                        warnings.push(Warning::at("field-unreadable", at.to_string(), why));
                        None
                    }
                },
            };
            if value.is_some() {
                return Ok(value);
            }
        }
        Ok(None)
    }

    /// Custom fields: those with a line of their own, and those that were asked for by name.
    fn custom(
        &self,
        resource: &Resource,
        value: Value,
        row: &Row<'_>,
        fields: &FieldSet,
        warnings: &mut Vec<Warning>,
    ) -> Result<Value, Error> {
        let mut custom = match value {
            Value::Object(custom) => custom,
            _ => Map::new(),
        };
        for (name, field) in &resource.table {
            let Some(name) = name.strip_prefix("custom_fields.") else { continue };
            let value = self.field(field, row, At::top("custom_fields").below(Step::Name(name)), warnings)?;
            let value = if value.is_null() { absent(&field.member) } else { value };
            custom.insert(name.to_owned(), value);
        }
        if let Some(Shape::Custom { inside }) = resource.table.get("custom_fields").map(|field| &field.shape) {
            for name in fields.custom().filter(|name| !custom.contains_key(*name)).collect::<Vec<_>>() {
                let column = Path::of([name]);
                let found = inside.as_ref().map_or(Some(row.vendor), |inside| inside.get(row.vendor));
                let value = found.and_then(|place| column.get(place)).cloned().unwrap_or(Value::Null);
                custom.insert(name.to_owned(), value);
            }
        }
        Ok(Value::Object(custom))
    }
}

/// Codecs, enum values, then the model's type.
fn convert(field: &Field, mut value: Value) -> Result<Value, String> {
    for codec in &field.codecs {
        value = codec.read(&value)?;
        if value.is_null() {
            return Ok(value);
        }
    }
    if let Some(values) = &field.values {
        let named = |value: &Value| {
            values.read(value).ok_or_else(|| format!("the vendor's value {} has no unified name", short(value)))
        };
        let named = |value: &Value| {
            named(value).and_then(|value| if is_open(&field.member) { typed(&field.member, value) } else { Ok(value) })
        };
        return match &value {
            Value::Array(items) if field.member.list => {
                items.iter().map(named).collect::<Result<_, _>>().map(Value::Array)
            }
            one if field.member.list => named(one).map(|one| Value::Array(vec![one])),
            one => named(one),
        };
    }
    if field.member.list {
        let items = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        return items.into_iter().map(|item| typed(&field.member, item)).collect::<Result<_, _>>().map(Value::Array);
    }
    typed(&field.member, value)
}

/// Names of enums are what they are; those of booleans and the like are written as text in the table.
fn is_open(member: &Member) -> bool {
    matches!(member.kind, Type::Boolean | Type::Integer | Type::Number)
}

/// A vendor's value as the model's type. Numbers keep their source text.
fn typed(member: &Member, value: Value) -> Result<Value, String> {
    let expected = |value: &Value| format!("{} is not {}", short(value), member.kind.describe());
    match &member.kind {
        Type::Any => Ok(value),
        Type::Object(object) => match value {
            Value::Object(inner) => inner
                .into_iter()
                .map(|(name, value)| match object.members.get(&name) {
                    Some(member) if !member.list && !value.is_null() => Ok((name, typed(member, value)?)),
                    _ => Ok((name, value)),
                })
                .collect::<Result<_, _>>()
                .map(Value::Object),
            other => Err(expected(&other)),
        },
        Type::Id | Type::Text => match value {
            Value::String(_) => Ok(value),
            Value::Number(_) | Value::Bool(_) => Ok(Value::String(value.to_string())),
            other => Err(expected(&other)),
        },
        // Empty text is how many vendors say "no value" for what is not text.
        _ if value == "" => Ok(Value::Null),
        Type::Integer | Type::Number => {
            let text = number_text(&value).ok_or_else(|| expected(&value))?;
            let text = match member.kind {
                Type::Integer => whole_number(&text).ok_or_else(|| expected(&value))?,
                _ => text,
            };
            text.parse().map(Value::Number).map_err(|_| expected(&value))
        }
        Type::Decimal => to_decimal(&value).map(Value::String),
        Type::Boolean => match &value {
            Value::Bool(_) => Ok(value),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
            other => Err(expected(other)),
        },
        Type::Date => to_date(&value).map(Value::String),
        Type::DateTime => to_instant(&value).map(Value::String),
        Type::Enum(values) => match &value {
            Value::String(text) if values.contains(text) => Ok(value),
            other => Err(expected(other)),
        },
    }
}

/// `12`, `12.0` and `1.2e1` are the integer 12.
fn whole_number(text: &str) -> Option<String> {
    let plain = crate::model::plain_decimal(text)?;
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    fraction.chars().all(|digit| digit == '0').then(|| whole.to_owned())
}

/// An object, where it has members.
fn whole(object: Map<String, Value>) -> Value {
    if object.is_empty() { Value::Null } else { Value::Object(object) }
}

fn absent(member: &Member) -> Value {
    if member.list { Value::Array(Vec::new()) } else { Value::Null }
}

fn as_list(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    }
}

fn narrow(value: &mut Value, parts: &[&str]) {
    match value {
        Value::Object(object) => object.retain(|name, _| parts.contains(&name.as_str())),
        Value::Array(items) => items.iter_mut().for_each(|item| narrow(item, parts)),
        _ => {}
    }
}

fn has_nulls(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(object) => object.values().any(has_nulls),
        Value::Array(items) => items.iter().any(has_nulls),
        _ => false,
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object.iter().filter(|(_, value)| !value.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}…", text.chars().take(59).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Files, Options};
    use serde_json::json;

    const PROVIDER: &str = "title: Acme\nbase_url: https://api.acme.test\nhosts: { api: ['https://api.acme.test'] }\nauth: { token: {} }\n";

    fn read(fields: &str, vendor: &Value) -> (Result<Value, Error>, Vec<Warning>) {
        let resource =
            format!("fields:\n  id: {{ read: id }}\n{fields}\noperations: {{ get: {{ request: 'GET /c/{{id}}' }} }}\n");
        let files = Files::embedded()
            .laid_over(Files::of([("acme/provider.yaml", PROVIDER.to_owned()), ("acme/contacts.yaml", resource)]));
        let catalog = Catalog::load(&files, &Options::default()).expect("a good mapping");
        let resource = catalog.provider("acme").and_then(|acme| acme.resource("contacts")).expect("contacts").clone();
        let mut warnings = Vec::new();
        let wanted = Wanted { fields: &FieldSet::all(), raw: false, lacks: &[] };
        let record = read_record(&resource, vendor, &wanted, &Vars::none(), &mut warnings);
        (record, warnings)
    }

    #[test]
    fn a_field_that_cannot_be_read_is_null_and_said_so() {
        let (record, warnings) = read(
            "  title: { read: '$string($number(t))' }\n  last_name: n",
            &json!({"id": 7, "t": "CTO", "n": "King"}),
        );
        let record = record.expect("the rest of the record");
        assert_eq!((&record["title"], &record["last_name"]), (&Value::Null, &json!("King")));
        assert_eq!(warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["field-unreadable"]);
    }

    #[test]
    fn a_field_that_does_not_end_fails_the_call() {
        let (record, _) = read("  title: { read: '($f := function($n){ $f($n + 1) }; $f(0))' }", &json!({"id": 7}));
        assert!(record.is_err_and(|error| error.kind() == crate::error::Kind::MappingFailed));
    }

    #[test]
    fn numbers_keep_their_text() {
        let (record, _) = read(
            "  custom_fields: { in: $ }\n  custom_fields.big: { path: b }\n  last_name: b",
            &json!({
                "id": serde_json::from_str::<Value>("6493490000001291001").expect("a number"),
                "b": serde_json::from_str::<Value>("12500.10").expect("a number"),
            }),
        );
        let record = record.expect("a record");
        assert_eq!(record["id"], "6493490000001291001");
        assert_eq!(record["last_name"], "12500.10");
        assert_eq!(record["custom_fields"]["big"].to_string(), "12500.10");
    }
}
