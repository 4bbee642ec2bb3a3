//! The fields table of one resource, guessed from the properties of the vendor's record.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::document::Document;
use super::paging::dotted;
use super::sample;
use super::schema::{self, Kind, Properties};
use super::words;
use crate::model::{Member, Model, Type};

/// What a document says of the records of one resource.
pub struct Records<'d> {
    pub document: &'d Document,
    pub model: &'d Model,
    /// The last word of the collection's path.
    pub word: String,
    /// As answers have them.
    pub read: Properties<'d>,
    /// As a create takes them, and an update; nothing where there is no such operation or no schema of it.
    pub created: Option<Properties<'d>>,
    pub updated: Option<Properties<'d>>,
    pub required: Vec<String>,
}

/// The table, and what it was made of.
#[derive(Default)]
pub struct Lines {
    pub table: Map<String, Value>,
    /// A vendor's record that has all of it.
    pub sample: Map<String, Value>,
    /// Fields that have one column: filter's name, column.
    pub columns: Vec<(String, String)>,
    /// Fields that callers can write on create, and on update.
    pub created: Vec<String>,
    pub updated: Vec<String>,
    pub used: HashSet<String>,
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Access {
    Both,
    CreateOnly,
    ReadOnly,
}

impl<'d> Records<'d> {
    pub fn lines(&self) -> Lines {
        let mut lines = Lines::default();
        for (name, member) in &self.model.members {
            let found = match (name.as_str(), member.list, &member.kind) {
                ("custom_fields", ..) => self.custom(&mut lines),
                ("emails" | "phones" | "addresses", ..) => super::places::line(self, &mut lines, name),
                (_, true, Type::Text) => self.texts(&mut lines, name, member),
                (_, true, _) => None,
                (_, false, Type::Object(_)) => self.reference(&mut lines, name, member),
                _ => self.scalar(&mut lines, name, member),
            };
            if let Some(line) = found {
                lines.table.insert(name.clone(), line);
            }
        }
        lines
    }

    /// The first property that has one of the names and suits, and is not another field's already.
    pub fn find(&self, lines: &Lines, names: &[String], suits: impl Fn(&Value) -> bool) -> Option<(String, &'d Value)> {
        let prefix = words::singular(&words::plain(&self.word));
        let prefixed = names.iter().map(|name| format!("{prefix}{name}"));
        names.iter().cloned().chain(prefixed).find_map(|wanted| {
            let mut properties = self.read.iter().filter(|(name, _)| !lines.used.contains(*name) && is_name(name));
            let found = properties.find(|(name, schema)| words::plain(name) == wanted && suits(schema));
            found.map(|(name, schema)| (name.clone(), *schema))
        })
    }

    pub fn kind(&self, schema: &Value) -> Kind {
        schema::kind(self.document, schema)
    }

    /// A line that is read from the path, and written where bodies take the property.
    pub fn line(
        &self,
        lines: &mut Lines,
        field: &str,
        member: &Member,
        name: &str,
        path: &str,
        codec: Option<Value>,
    ) -> Value {
        let access = self.access(name, member);
        lines.used.insert(name.to_owned());
        self.note_access(lines, field, access);
        self.spell(access, name, path, codec)
    }

    fn note_access(&self, lines: &mut Lines, field: &str, access: Access) {
        if access != Access::ReadOnly {
            lines.created.push(field.to_owned());
        }
        if access == Access::Both {
            lines.updated.push(field.to_owned());
        }
    }

    fn spell(&self, access: Access, name: &str, path: &str, codec: Option<Value>) -> Value {
        let required = access != Access::ReadOnly && self.required.iter().any(|required| required == name);
        if access == Access::Both && codec.is_none() && !required {
            return json!(path);
        }
        let mut line = Map::new();
        line.insert(if access == Access::ReadOnly { "read" } else { "path" }.into(), json!(path));
        line.extend(codec.map(|codec| ("as".to_owned(), codec)));
        if access == Access::CreateOnly {
            line.insert("once".into(), json!(true));
        }
        if required {
            line.insert("required".into(), json!("create"));
        }
        Value::Object(line)
    }

    /// Whether the field can be written at all, for lines that are no single path.
    pub fn is_written(&self, lines: &mut Lines, field: &str, name: &str, member: &Member) -> bool {
        let access = self.access(name, member);
        if access == Access::Both {
            self.note_access(lines, field, access);
        }
        access == Access::Both
    }

    fn access(&self, name: &str, member: &Member) -> Access {
        let own = self.read.get(name).and_then(|schema| schema.get("readOnly")) == Some(&Value::Bool(true));
        if member.read_only || own {
            return Access::ReadOnly;
        }
        let takes =
            |properties: &Option<Properties<'_>>| properties.as_ref().is_some_and(|known| known.contains_key(name));
        match (takes(&self.created), takes(&self.updated)) {
            (_, true) => Access::Both,
            (true, false) if self.updated.is_some() => Access::CreateOnly,
            (true, false) => Access::Both,
            (false, false) => Access::ReadOnly,
        }
    }

    fn scalar(&self, lines: &mut Lines, field: &str, member: &Member) -> Option<Value> {
        let suits = |schema: &Value| codec(&member.kind, self.kind(schema), schema).is_some();
        let (name, schema) = self.find(lines, &words::names(field), suits)?;
        if let Type::Enum(ours) = &member.kind {
            return self.choices(lines, field, member, &name, schema, ours);
        }
        let path = dotted(std::slice::from_ref(&name));
        let codec = codec(&member.kind, self.kind(schema), schema)?;
        let value = sample::scalar(&self.model.resource, field, &member.kind, self.kind(schema), schema, &codec);
        let value = if field == "id" { sample::id(self.kind(schema), schema) } else { value };
        lines.sample.insert(name.clone(), value);
        lines.columns.push((field.to_owned(), name.clone()));
        // Nobody sets a record's id or what the vendor counts.
        Some(self.line(
            lines,
            field,
            member,
            &name,
            &path,
            Some(codec).filter(|codec| !codec.is_null() && field != "id"),
        ))
    }

    /// An enum whose words both sides know.
    fn choices(
        &self,
        lines: &mut Lines,
        field: &str,
        member: &Member,
        name: &str,
        schema: &Value,
        ours: &[String],
    ) -> Option<Value> {
        let theirs = schema::choices(schema);
        let same = |our: &&String| theirs.iter().find(|their| words::plain(their) == words::plain(our));
        let values: Map<String, Value> =
            ours.iter().filter_map(|our| Some((our.clone(), json!(same(&our)?)))).collect();
        let Some(first) = values.values().next().cloned() else {
            lines.notes.push(format!(
                "`{field}` may be `{name}`, but no value of it is one of {}: say which by `values`",
                ours.join(", ")
            ));
            return None;
        };
        lines.sample.insert(name.to_owned(), first);
        let path = dotted(&[name.to_owned()]);
        let line = self.line(lines, field, member, name, &path, None);
        let mut line = match line {
            Value::Object(line) => line,
            path => [("path".to_owned(), path)].into_iter().collect(),
        };
        line.insert("values".into(), Value::Object(values));
        Some(Value::Object(line))
    }

    /// A reference: the other record's id, or an object with it.
    fn reference(&self, lines: &mut Lines, field: &str, member: &Member) -> Option<Value> {
        let members = member.kind.members()?;
        members.get("id")?;
        let mut names = words::names(field);
        // `owner_id` says more than `owner`.
        names.sort_by_key(|name| !name.ends_with("id"));
        let suits = |schema: &Value| matches!(self.kind(schema), Kind::Text | Kind::Integer | Kind::Object);
        let (name, schema) = self.find(lines, &names, suits)?;
        let path = |part: &str| dotted(&[name.clone(), part.to_owned()]);
        match self.kind(schema) {
            Kind::Object => {
                let inner = schema::properties(self.document, schema);
                let id = *inner.get("id")?;
                let mut fields = Map::new();
                let mut value = Map::new();
                fields.insert("id".into(), json!({"read": path("id")}));
                value.insert("id".into(), sample::id(self.kind(id), id));
                if members.contains_key("name") && inner.get("name").is_some_and(|name| self.kind(name) == Kind::Text) {
                    fields.insert("name".into(), json!({"read": path("name")}));
                    value.insert("name".into(), json!("Example"));
                }
                lines.used.insert(name.clone());
                lines.sample.insert(name, Value::Object(value));
                Some(json!({"fields": fields}))
            }
            // A name without an id is no reference.
            Kind::Text if !words::plain(&name).ends_with("id") && schema::text(schema, "format").is_none() => None,
            kind => {
                let whole = dotted(std::slice::from_ref(&name));
                let codec = (kind == Kind::Integer).then(|| json!("integer"));
                lines.sample.insert(name.clone(), sample::id(kind, schema));
                lines.columns.push((format!("{field}.id"), name.clone()));
                let id = self.line(lines, field, member, &name, &whole, codec);
                Some(json!({"fields": {"id": id}}))
            }
        }
    }

    /// A list of texts.
    fn texts(&self, lines: &mut Lines, field: &str, member: &Member) -> Option<Value> {
        let suits = |schema: &Value| {
            self.kind(schema) == Kind::List && self.kind(schema::items(self.document, schema)) == Kind::Text
        };
        let (name, _) = self.find(lines, &words::names(field), suits)?;
        let path = dotted(std::slice::from_ref(&name));
        lines.sample.insert(name.clone(), json!(["example"]));
        Some(self.line(lines, field, member, &name, &path, None))
    }

    fn custom(&self, lines: &mut Lines) -> Option<Value> {
        let (name, _) = self.find(lines, &words::names("custom_fields"), |schema| self.kind(schema) == Kind::Object)?;
        lines.used.insert(name.clone());
        Some(json!({"in": dotted(&[name])}))
    }
}

/// What can stand in a path.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_control() || c == '`')
}

/// The conversion from the vendor's type to the model's: null where none is needed, nothing where there is none.
fn codec(ours: &Type, theirs: Kind, schema: &Value) -> Option<Value> {
    let word = |word: &str| Some(json!(word));
    match (ours, theirs) {
        (Type::Id | Type::Text, Kind::Text | Kind::Unknown) => Some(Value::Null),
        (Type::Id | Type::Text, Kind::Integer) => word("integer"),
        (Type::Decimal, Kind::Text) => Some(Value::Null),
        (Type::Text | Type::Decimal, Kind::Number) | (Type::Decimal, Kind::Integer) => word("number"),
        (Type::Integer | Type::Number, Kind::Integer | Kind::Number) => Some(Value::Null),
        (Type::Integer | Type::Number, Kind::Text) => word("text"),
        (Type::Boolean, Kind::Boolean) => Some(Value::Null),
        (Type::Date | Type::DateTime, Kind::Text) => Some(Value::Null),
        (Type::DateTime, Kind::Integer | Kind::Number) => {
            let example = schema::example(schema).and_then(Value::as_f64).unwrap_or_default();
            word(if example > 1e11 { "epoch-ms" } else { "epoch-s" })
        }
        (Type::Enum(_), Kind::Text) => Some(Value::Null),
        _ => None,
    }
}
