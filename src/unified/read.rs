//! A vendor's record as a unified one: the fields table from right to left.

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
    // Expressions never see null; where there are none, the copy is saved.
    let clean = if resource.reads_by_expression { without_nulls(vendor) } else { Value::Null };
    let clean = if resource.reads_by_expression { &clean } else { vendor };
    let reader = Reader { vars, clean, clear: &resource.clear };
    let mut record = Map::new();
    for (name, member) in &resource.model.members {
        if !wanted.fields.wants(name) {
            continue;
        }
        let pointer = format!("/{name}");
        let mut value = match resource.table.get(name) {
            Some(field) if !wanted.lacks.contains(name) => reader.field(field, vendor, &pointer, warnings)?,
            _ => Value::Null,
        };
        if name == "custom_fields" {
            value = reader.custom(resource, value, vendor, wanted.fields, warnings)?;
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
    let mut columns = select.always.clone();
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
            None => columns.extend(field.columns.iter().cloned()),
        }
    }
    if resource.table.get("custom_fields").is_some_and(|field| matches!(field.shape, Shape::Custom { .. })) {
        let unclaimed = fields.custom().filter(|name| !resource.table.contains_key(&format!("custom_fields.{name}")));
        columns.extend(unclaimed.map(str::to_owned));
    }
    columns.extend(extra.iter().cloned());
    let mut seen = std::collections::HashSet::new();
    columns.retain(|column| seen.insert(column.clone()));
    Some(columns)
}

fn part_columns(field: &Field, parts: &[&str]) -> Vec<String> {
    let of_table = |table: &Table| {
        let wanted = table.iter().filter(|(name, _)| parts.contains(&name.as_str()));
        wanted.flat_map(|(_, field)| field.columns.clone()).collect::<Vec<_>>()
    };
    match &field.shape {
        Shape::Object { base: None, table } => of_table(table),
        Shape::Places(places) => places.iter().flat_map(|place| of_table(&place.table)).collect(),
        _ => field.columns.clone(),
    }
}

struct Reader<'a> {
    vars: &'a Vars,
    /// The record without its null members.
    clean: &'a Value,
    /// What null is written as reads as null.
    clear: &'a Value,
}

impl Reader<'_> {
    fn field(&self, field: &Field, vendor: &Value, at: &str, warnings: &mut Vec<Warning>) -> Result<Value, Error> {
        self.field_of(field, vendor, self.clean, at, warnings)
    }

    fn field_of(
        &self,
        field: &Field,
        vendor: &Value,
        clean: &Value,
        at: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<Value, Error> {
        let holds = field.when.iter().all(|(path, pattern)| {
            path.get(vendor)
                .is_some_and(|value| pattern.is_match(&value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        });
        if !holds {
            return Ok(Value::Null);
        }
        Ok(match &field.shape {
            Shape::Const(value) => value.clone(),
            Shape::Absent(_) | Shape::Custom { .. } => Value::Null,
            Shape::Value { read, .. } => {
                let Some(value) =
                    self.source(read, field.clear.as_ref().unwrap_or(self.clear), vendor, clean, at, warnings)?
                else {
                    return Ok(Value::Null);
                };
                match convert(field, value) {
                    Ok(value) => value,
                    Err(detail) => {
                        warnings.push(Warning::at("field-unreadable", at, detail));
                        Value::Null
                    }
                }
            }
            Shape::Object { base, table } => {
                let (vendor, clean) = match base {
                    Some(base) => match (base.get(vendor), base.get(clean)) {
                        (Some(vendor), Some(clean)) => (vendor, clean),
                        _ => return Ok(Value::Null),
                    },
                    None => (vendor, clean),
                };
                let object = self.object(table, vendor, clean, at, warnings)?;
                if object.is_empty() { Value::Null } else { Value::Object(object) }
            }
            Shape::Each { path, table } => {
                let mut list = Vec::new();
                let items = as_list(path.get(vendor));
                let cleans = as_list(path.get(clean));
                for (index, (item, clean)) in items.into_iter().zip(cleans).enumerate() {
                    let object = self.object(table, item, clean, &format!("{at}/{index}"), warnings)?;
                    if !object.is_empty() {
                        list.push(Value::Object(object));
                    }
                }
                Value::Array(list)
            }
            Shape::Places(places) => {
                let mut list = Vec::new();
                for place in places {
                    let at = format!("{at}/{}", list.len());
                    let members = self.object(&place.table, vendor, clean, &at, warnings)?;
                    if !members.is_empty() {
                        let mut item = place.constants.clone();
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
        vendor: &Value,
        clean: &Value,
        at: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<Map<String, Value>, Error> {
        let mut object = Map::new();
        for (name, field) in table {
            let value = self.field_of(field, vendor, clean, &format!("{at}/{name}"), warnings)?;
            let value = if value == "" { Value::Null } else { value };
            object.insert(name.clone(), value);
        }
        if object.values().all(Value::is_null) {
            object.clear();
        }
        Ok(object)
    }

    /// `clear` is what null is written as.
    fn source(
        &self,
        sources: &[Source],
        clear: &Value,
        vendor: &Value,
        clean: &Value,
        at: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Value>, Error> {
        for source in sources {
            let value = match source {
                Source::Path(path) => path.get(vendor).cloned(),
                Source::Expression(expression) => match expression.try_evaluate(clean, self.vars)? {
                    Ok(value) => value,
                    Err(why) => {
                        warnings.push(Warning::at("field-unreadable", at, why));
                        None
                    }
                },
            };
            if let Some(value) = value.filter(|value| !value.is_null() && value != clear) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Custom fields: those with a line of their own, and those that were asked for by name.
    fn custom(
        &self,
        resource: &Resource,
        value: Value,
        vendor: &Value,
        fields: &FieldSet,
        warnings: &mut Vec<Warning>,
    ) -> Result<Value, Error> {
        let mut custom = match value {
            Value::Object(custom) => custom,
            _ => Map::new(),
        };
        for (name, field) in &resource.table {
            let Some(name) = name.strip_prefix("custom_fields.") else { continue };
            let at = format!("/custom_fields/{}", escape(name));
            let value = self.field(field, vendor, &at, warnings)?;
            let value = if value.is_null() { absent(&field.member) } else { value };
            custom.insert(name.to_owned(), value);
        }
        if let Some(Shape::Custom { inside }) = resource.table.get("custom_fields").map(|field| &field.shape) {
            for name in fields.custom().filter(|name| !custom.contains_key(*name)).collect::<Vec<_>>() {
                let column = Path::of([name]);
                let found = inside.as_ref().map_or(Some(vendor), |inside| inside.get(vendor));
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
                Type::Integer => whole(&text).ok_or_else(|| expected(&value))?,
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
fn whole(text: &str) -> Option<String> {
    let plain = crate::model::plain_decimal(text)?;
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    fraction.chars().all(|digit| digit == '0').then(|| whole.to_owned())
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
