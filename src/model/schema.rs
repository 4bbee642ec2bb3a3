//! A model: the unified schema of one kind of record, compiled from a JSON Schema file.

use indexmap::IndexMap;
use serde_json::Value;

pub type Members = IndexMap<String, Member>;

/// One kind of record. `schema` is the JSON Schema (2020-12) it was compiled from, references resolved.
#[derive(Debug, Clone)]
pub struct Model {
    pub name: String,
    /// The plural in URLs.
    pub resource: String,
    pub description: String,
    pub members: Members,
    /// Short names for filters on parts of lists: `email` for `emails.email`.
    pub aliases: IndexMap<String, String>,
    pub schema: Value,
}

/// One member of a record or of an object in it.
#[derive(Debug, Clone)]
pub struct Member {
    pub kind: Type,
    pub list: bool,
    pub read_only: bool,
    pub nullable: bool,
    /// Must be present wherever its object is written.
    pub required: bool,
    /// For references: the resource of the record that it refers to.
    pub refers: Option<String>,
    pub description: String,
}

/// The types that a mapping converts to and from.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// A record's id: always text, never read through a float.
    Id,
    Text,
    Integer,
    Number,
    /// A decimal number as text, because amounts must not pass through a float.
    Decimal,
    Boolean,
    Date,
    /// RFC 3339, in UTC.
    DateTime,
    Enum(Vec<String>),
    Object(Box<ObjectType>),
    /// Anything: custom fields and raw data.
    Any,
}

#[derive(Debug, Clone)]
pub struct ObjectType {
    pub members: Members,
}

impl PartialEq for ObjectType {
    fn eq(&self, other: &Self) -> bool {
        self.members.keys().eq(other.members.keys())
    }
}

impl Type {
    /// The type's name in words, for violations and the field list.
    pub fn describe(&self) -> String {
        match self {
            Type::Id => "string (an id)".into(),
            Type::Text => "string".into(),
            Type::Integer => "integer".into(),
            Type::Number => "number".into(),
            Type::Decimal => "string (a decimal number such as \"1250.00\")".into(),
            Type::Boolean => "boolean".into(),
            Type::Date => "string (a date such as \"2026-09-01\")".into(),
            Type::DateTime => "string (a date-time such as \"2026-09-01T12:00:00Z\")".into(),
            Type::Enum(values) => format!("one of {}", values.join(", ")),
            Type::Object(object) => {
                format!("object with {}", object.members.keys().cloned().collect::<Vec<_>>().join(", "))
            }
            Type::Any => "anything".into(),
        }
    }

    /// The type in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Type::Id => "id",
            Type::Text => "string",
            Type::Integer => "integer",
            Type::Number => "number",
            Type::Decimal => "decimal",
            Type::Boolean => "boolean",
            Type::Date => "date",
            Type::DateTime => "date-time",
            Type::Enum(_) => "enum",
            Type::Object(_) => "object",
            Type::Any => "any",
        }
    }

    /// The word that literals of query styles are chosen by.
    pub fn literal(&self) -> &'static str {
        match self {
            Type::Integer => "integer",
            Type::Number | Type::Decimal => "number",
            Type::Boolean => "boolean",
            Type::Date => "date",
            Type::DateTime => "date-time",
            Type::Id => "id",
            Type::Text | Type::Enum(_) | Type::Object(_) | Type::Any => "string",
        }
    }

    pub fn members(&self) -> Option<&Members> {
        match self {
            Type::Object(object) => Some(&object.members),
            _ => None,
        }
    }
}

impl Model {
    /// Compiles a schema whose references have been resolved. Every fault is reported, with its JSON pointer.
    pub fn compile(name: &str, schema: &Value) -> Result<Self, Vec<(String, String)>> {
        let mut faults = Vec::new();
        let resource = match schema.get("x-resource").and_then(Value::as_str) {
            Some(resource) if is_word(resource) => resource.to_owned(),
            Some(other) => {
                faults.push(("/x-resource".into(), format!("`{other}` is not a snake_case word")));
                String::new()
            }
            None => format!("{name}s"),
        };
        let members = members(schema, "", &mut faults);
        for standard in ["id", "created_at", "updated_at", "custom_fields"] {
            if !members.contains_key(standard) {
                faults.push(("/properties".into(), format!("every model has the member `{standard}`")));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let description = text(schema, "description");
        let aliases = schema.get("x-filters").and_then(Value::as_object).into_iter().flatten();
        let aliases = aliases.filter_map(|(alias, path)| Some((alias.clone(), path.as_str()?.to_owned()))).collect();
        let model = Self { name: name.to_owned(), resource, description, members, aliases, schema: schema.clone() };
        let lost = model.aliases.iter().find(|(_, path)| model.member(path).is_none());
        match lost {
            Some((alias, path)) => Err(vec![(format!("/x-filters/{alias}"), format!("the model has no `{path}`"))]),
            None => Ok(model),
        }
    }

    /// The dotted path that a filter's name stands for.
    pub fn filter_target<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// The member at a dotted path; lists are passed through (`emails.email`).
    pub fn member(&self, dotted: &str) -> Option<&Member> {
        let mut segments = dotted.split('.');
        let mut member = self.members.get(segments.next()?)?;
        for segment in segments {
            member = member.kind.members()?.get(segment)?;
        }
        Some(member)
    }

    /// All dotted paths, for lists of what is supported.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for (name, member) in &self.members {
            paths.push(name.clone());
            if let Some(members) = member.kind.members() {
                paths.extend(members.keys().map(|inner| format!("{name}.{inner}")));
            }
        }
        paths
    }
}

fn members(schema: &Value, at: &str, faults: &mut Vec<(String, String)>) -> Members {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        faults.push((format!("{at}/properties"), "an object schema lists its `properties`".into()));
        return Members::new();
    };
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    properties
        .iter()
        .map(|(name, property)| {
            let at = format!("{at}/properties/{name}");
            if !is_word(name) {
                faults.push((at.clone(), format!("`{name}` is not a snake_case word")));
            }
            (name.clone(), member(property, &at, required.contains(&name.as_str()), faults))
        })
        .collect()
}

fn member(schema: &Value, at: &str, required: bool, faults: &mut Vec<(String, String)>) -> Member {
    let (types, nullable) = types(schema);
    let list = types == ["array"];
    let kind = if list {
        match schema.get("items") {
            Some(items) => kind(items, &format!("{at}/items"), faults),
            None => {
                faults.push((at.to_owned(), "an array names the schema of its `items`".into()));
                Type::Any
            }
        }
    } else {
        kind(schema, at, faults)
    };
    let read_only = schema.get("readOnly") == Some(&Value::Bool(true));
    let refers = schema.get("x-refers").and_then(Value::as_str).map(str::to_owned);
    Member { kind, list, read_only, nullable, required, refers, description: text(schema, "description") }
}

fn kind(schema: &Value, at: &str, faults: &mut Vec<(String, String)>) -> Type {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Type::Enum(values.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let format = schema.get("format").and_then(Value::as_str);
    let (types, _) = types(schema);
    match (types.as_slice(), format) {
        (["string"], Some("id")) => Type::Id,
        (["string"], Some("decimal")) => Type::Decimal,
        (["string"], Some("date")) => Type::Date,
        (["string"], Some("date-time")) => Type::DateTime,
        (["string"], _) => Type::Text,
        (["integer"], _) => Type::Integer,
        (["number"], _) => Type::Number,
        (["boolean"], _) => Type::Boolean,
        (["object"], _) if schema.get("properties").is_some() => {
            Type::Object(Box::new(ObjectType { members: members(schema, at, faults) }))
        }
        (["object"] | [], _) => Type::Any,
        (other, _) => {
            faults.push((at.to_owned(), format!("the type {other:?} is not one that mappings can convert")));
            Type::Any
        }
    }
}

/// The types without `null`, and whether null was among them.
fn types(schema: &Value) -> (Vec<&str>, bool) {
    let all: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let nullable = all.contains(&"null");
    (all.into_iter().filter(|kind| *kind != "null").collect(), nullable)
}

fn text(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
