//! What a caller asks for, from query parameters or JSON, held against the model.

use serde_json::{Map, Value};

use crate::error::{Error, Kind, Violation};
use crate::model::{FieldSet, Filter, FilterOp, Model, Query, Sort, Type, parse_filter_value};

/// Larger pages are refused rather than clamped: nobody means them.
const MAX_LIMIT: u32 = 10_000;
/// Filters of one list.
const MAX_FILTERS: usize = 20;

/// The query parameters of a request, understood.
#[derive(Debug, Default)]
pub struct Asked {
    pub query: Query,
    pub cursor: Option<String>,
    /// Something besides the cursor was given.
    pub given: bool,
}

const LIST_PARAMETERS: [&str; 8] = ["limit", "cursor", "fields", "expand", "include", "sort", "q", "filter[field][op]"];
const RECORD_PARAMETERS: [&str; 3] = ["fields", "expand", "include"];

impl Asked {
    /// Parameters of a list.
    pub fn list(model: &Model, pairs: &[(String, String)]) -> Result<Self, Error> {
        let mut asked = Self::default();
        for (name, value) in pairs {
            if name.starts_with("filter[") {
                asked.filter(model, name, value)?;
                continue;
            }
            match name.as_str() {
                "cursor" => {
                    asked.cursor = Some(value.clone());
                    continue;
                }
                "limit" => asked.query.limit = Some(limit(value)?),
                "sort" => asked.query.sort = sorts(model, value)?,
                "q" => asked.query.q = Some(value.clone()),
                _ => asked.record_parameter(model, name, value, &LIST_PARAMETERS)?,
            }
            asked.given = true;
        }
        repeated(pairs)?;
        Ok(asked)
    }

    /// Parameters of a list that can only be gone through.
    pub fn page(pairs: &[(String, String)]) -> Result<Self, Error> {
        let mut asked = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "cursor" => asked.cursor = Some(value.clone()),
                "limit" => {
                    asked.query.limit = Some(limit(value)?);
                    asked.given = true;
                }
                _ => return Err(unknown_parameter(name, &["limit", "cursor"])),
            }
        }
        repeated(pairs)?;
        Ok(asked)
    }

    /// Parameters of a single operation.
    pub fn record(model: &Model, pairs: &[(String, String)]) -> Result<Self, Error> {
        let mut asked = Self::default();
        for (name, value) in pairs {
            asked.record_parameter(model, name, value, &RECORD_PARAMETERS)?;
        }
        repeated(pairs)?;
        Ok(asked)
    }

    fn record_parameter(&mut self, model: &Model, name: &str, value: &str, known: &[&str]) -> Result<(), Error> {
        match name {
            "fields" => self.query.fields = fields(model, value)?,
            "expand" => self.query.expand = expansions(model, value)?,
            "include" if value == "raw" => self.query.include_raw = true,
            "include" => {
                return Err(invalid("include", format!("{value:?} cannot be included"), "raw"));
            }
            _ => {
                return Err(unknown_parameter(name, known));
            }
        }
        Ok(())
    }

    fn filter(&mut self, model: &Model, name: &str, value: &str) -> Result<(), Error> {
        let inside = name.strip_prefix("filter[").and_then(|rest| rest.strip_suffix(']'));
        let (field, op) = match inside.map(|inside| inside.split_once("][")) {
            Some(Some((field, op))) => (field, op),
            Some(None) => (inside.unwrap_or_default(), "eq"),
            None => return Err(invalid(name, "it is not of the form filter[field][op]".into(), "filter[email][eq]")),
        };
        self.condition(model, name, field, op, Given::Text(value.to_owned()))
    }

    fn condition(&mut self, model: &Model, name: &str, field: &str, op: &str, given: Given) -> Result<(), Error> {
        let Some(op) = FilterOp::parse(op) else {
            return Err(Error::new(Kind::UnsupportedFilter, format!("{op:?} is not an operator."))
                .violation(Violation::parameter(name, "the operator is not known"))
                .supported(FilterOp::ALL.map(FilterOp::as_str)));
        };
        let kind = kind_of(model, field).ok_or_else(|| unknown_filter(model, name, field))?;
        let of_kind = |kind: &Type, text: &str| {
            parse_filter_value(kind, text)
                .map_err(|expected| invalid(name, format!("{:?} is not valid here", shorten(text)), &expected))
        };
        let value = match (op, given) {
            (FilterOp::In, Given::Text(text)) => {
                Value::Array(items(&text).iter().map(|part| of_kind(kind, part)).collect::<Result<_, _>>()?)
            }
            (FilterOp::In, Given::List(parts)) => {
                Value::Array(parts.iter().map(|part| of_kind(kind, part)).collect::<Result<_, _>>()?)
            }
            (_, Given::List(_)) => return Err(invalid(name, "a list is not valid here".into(), "one value")),
            (FilterOp::Exists, Given::Text(text)) => of_kind(&Type::Boolean, &text)?,
            (FilterOp::Contains | FilterOp::StartsWith, Given::Text(text)) => Value::String(text),
            (_, Given::Text(text)) => of_kind(kind, &text)?,
        };
        self.given = true;
        if self.query.filters.len() >= MAX_FILTERS {
            return Err(Error::new(Kind::UnsupportedFilter, format!("A list takes at most {MAX_FILTERS} filters."))
                .violation(Violation::parameter(name, "one filter too many")));
        }
        self.query.filters.push(Filter { field: field.to_owned(), op, value });
        Ok(())
    }

    /// The same from JSON: `{limit, cursor, fields: [], include, sort, q, filter: {field: {op: value}}}`.
    pub fn json(model: &Model, asked: &Map<String, Value>) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        for (name, value) in asked.iter().filter(|(name, _)| *name != "filter") {
            let text = match (name.as_str(), Given::of(name, value)?) {
                (_, Given::Text(text)) => text,
                // Names of fields hold no commas.
                ("fields" | "sort" | "expand", Given::List(names)) => names.join(","),
                _ => return Err(invalid(name, "a list is not valid here".into(), "one value")),
            };
            pairs.push((name.clone(), text));
        }
        let mut this = Self::list(model, &pairs)?;
        let Some(filters) = asked.get("filter") else { return Ok(this) };
        let Some(filters) = filters.as_object() else {
            return Err(invalid("filter", "it is not an object".into(), "an object of fields"));
        };
        for (field, ops) in filters {
            match ops {
                Value::Object(ops) => {
                    for (op, value) in ops {
                        let name = format!("filter[{field}][{op}]");
                        this.condition(model, &name, field, op, Given::of(&name, value)?)?;
                    }
                }
                value => {
                    let name = format!("filter[{field}]");
                    this.condition(model, &name, field, "eq", Given::of(&name, value)?)?;
                }
            }
        }
        Ok(this)
    }
}

/// A value as it was sent. A query string has only texts, which `in` takes apart at commas; JSON has lists as well.
enum Given {
    Text(String),
    List(Vec<String>),
}

impl Given {
    fn of(name: &str, value: &Value) -> Result<Self, Error> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
            _ => Err(invalid(name, "the value is not valid here".into(), "text, a number or a boolean")),
        };
        match value {
            Value::Array(items) => items.iter().map(text).collect::<Result<_, _>>().map(Given::List),
            other => text(other).map(Given::Text),
        }
    }
}

/// The items of a list in a parameter: separated by commas; `\\,` is a comma in an item and `\\\\` a backslash.
fn items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        match (character, next, items.last_mut()) {
            ('\\', Some(escaped @ (',' | '\\')), Some(item)) => {
                characters.next();
                item.push(escaped);
            }
            (',', ..) => items.push(String::new()),
            (other, _, Some(item)) => item.push(other),
            _ => {}
        }
    }
    items
}

/// The type of a filter's values: a member, a short name, or a custom field.
fn kind_of<'m>(model: &'m Model, field: &str) -> Option<&'m Type> {
    const CUSTOM: &Type = &Type::Text;
    // The star stands for any name where filters are listed, and is none itself.
    if let Some(name) = field.strip_prefix("custom_fields.") {
        return (name != "*").then_some(CUSTOM);
    }
    model.member(model.filter_target(field)).map(|member| &member.kind)
}

fn unknown_filter(model: &Model, name: &str, field: &str) -> Error {
    let known = model.aliases.keys().cloned().chain(model.paths());
    Error::new(Kind::UnsupportedFilter, format!("{} have no field {:?}.", model.resource, shorten(field)))
        .violation(Violation::parameter(name, "the field is not known"))
        .supported(known)
}

fn limit(text: &str) -> Result<u32, Error> {
    let refused = || invalid("limit", format!("{:?} is not a page size", shorten(text)), "an integer from 1 to 10000");
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|limit| digits && (1..=MAX_LIMIT).contains(limit)).ok_or_else(refused)
}

fn sorts(model: &Model, text: &str) -> Result<Vec<Sort>, Error> {
    let mut sorts: Vec<Sort> = Vec::new();
    for part in text.split(',') {
        let (field, descending) = part.strip_prefix('-').map_or((part, false), |field| (field, true));
        if model.member(field).is_none() {
            return Err(Error::new(
                Kind::UnsupportedSort,
                format!("There is no field {:?} to sort by.", shorten(field)),
            )
            .supported(model.paths()));
        }
        if sorts.iter().any(|sort| sort.field == field) {
            return Err(invalid("sort", format!("{field} stands there twice"), "each field once"));
        }
        sorts.push(Sort { field: field.to_owned(), descending });
    }
    Ok(sorts)
}

fn fields(model: &Model, text: &str) -> Result<FieldSet, Error> {
    let mut paths = Vec::new();
    for path in text.split(',').map(str::trim) {
        let custom = path.strip_prefix("custom_fields.").is_some_and(|name| !name.is_empty());
        if !custom && model.member(path).is_none() {
            return Err(Error::new(
                Kind::InvalidRequest,
                format!("{} have no field {:?}.", model.resource, shorten(path)),
            )
            .violation(Violation::parameter("fields", format!("{:?} is not known", shorten(path))))
            .supported(model.paths()));
        }
        paths.push(path.to_owned());
    }
    Ok(FieldSet::of(paths))
}

fn expansions(model: &Model, text: &str) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        if model.members.get(name).is_none_or(|member| member.refers.is_none()) {
            let references = model.members.iter().filter(|(_, member)| member.refers.is_some());
            return Err(invalid("expand", format!("{:?} is not a reference", shorten(name)), "references")
                .supported(references.map(|(name, _)| name.clone())));
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// A parameter that stands twice is two wishes: neither is taken for the other.
fn repeated(pairs: &[(String, String)]) -> Result<(), Error> {
    let mut seen = std::collections::HashSet::new();
    match pairs.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(invalid(name, "it stands there twice".into(), "each parameter once")),
        None => Ok(()),
    }
}

fn unknown_parameter(name: &str, known: &[&str]) -> Error {
    Error::new(Kind::UnknownParameter, format!("There is no query parameter {:?} here.", shorten(name)))
        .violation(Violation::parameter(shorten(name), "it is not known"))
        .supported(known.iter().copied())
}

fn invalid(parameter: &str, detail: String, expected: &str) -> Error {
    Error::new(Kind::InvalidRequest, format!("The query parameter {parameter} cannot be understood."))
        .violation(Violation::parameter(parameter, detail).expected(expected))
}

pub fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_with_commas_stay_whole() {
        assert_eq!(items("a,b"), ["a", "b"]);
        assert_eq!(items(r"Doe\, Jr.,x\\,\y"), ["Doe, Jr.", r"x\", r"\y"]);
        assert_eq!(items(""), [""]);
    }
}
