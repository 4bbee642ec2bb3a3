//! What can be read and written, by dotted path: every member of the model, whether it is mapped or not.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::catalog::field::{Field, Place, Shape, Table};
use crate::catalog::resource::Resource;
use crate::model::{Member, Members, Operation, Type};

#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct FieldCoverage {
    pub r#type: &'static str,
    /// A list of that type.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub list: bool,
    pub read: bool,
    pub write: bool,
    /// It has to be sent on create.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// It can be written on create only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create_only: bool,
    /// The values that can be written, where they can be counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// The places of a list that has fixed ones: their types and which is the primary one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Map<String, Value>>,
    /// Why the provider does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
}

type Fields = IndexMap<String, FieldCoverage>;

pub fn cover(resource: &Resource) -> Fields {
    let writes = resource.supports(Operation::Create) || resource.supports(Operation::Update);
    let mut walk = Walk { writes, found: Fields::new() };
    walk.members(&resource.model.members, &resource.table, "", "");
    // Lines of overrides, which the model does not know.
    for (name, field) in resource.table.iter().filter(|(name, _)| name.starts_with("custom_fields.")) {
        walk.mapped(name, &field.member, field);
    }
    walk.found
}

struct Walk {
    /// Without an operation that writes, nothing can be written.
    writes: bool,
    found: Fields,
}

impl Walk {
    /// `none` is what is said of the members that the table has no line for.
    fn members(&mut self, members: &Members, table: &Table, base: &str, none: &str) {
        for (name, member) in members {
            let path = format!("{base}{name}");
            match table.get(name) {
                Some(field) => self.mapped(&path, member, field),
                None => self.unmapped(path, member, none),
            }
        }
    }

    fn unmapped(&mut self, path: String, member: &Member, none: &str) {
        let none = if none.is_empty() { "not mapped" } else { none };
        self.found.insert(path, FieldCoverage { none: Some(none.to_owned()), ..of(member) });
    }

    fn mapped(&mut self, path: &str, member: &Member, field: &Field) {
        // What the model keeps from callers no mapping opens, except for ids that some providers let callers choose.
        let open = self.writes && (!member.read_only || path == "id");
        let mut coverage = FieldCoverage {
            read: field.is_readable(),
            write: open && field.is_writable(),
            required: field.required_on_create,
            create_only: field.once || field.link.is_some(),
            ..of(member)
        };
        match &field.shape {
            Shape::Absent(reason) => coverage.none = Some(reason.clone()),
            Shape::Const(value) => coverage.values = vec![value.clone()],
            Shape::Places(places) => coverage.places = places.iter().map(|place| place.constants.clone()).collect(),
            _ => coverage.values = values(field, member),
        }
        self.found.insert(path.to_owned(), coverage);
        let Some(inner) = member.kind.members() else { return };
        match &field.shape {
            Shape::Object { table, .. } | Shape::Each { table, .. } => {
                self.members(inner, table, &format!("{path}."), "");
            }
            Shape::Places(places) => self.places(inner, places, path),
            // One conversion makes the whole object: which parts it knows cannot be told from here.
            _ => {}
        }
    }

    /// A part of a typed list is what its places together make of it.
    fn places(&mut self, members: &Members, places: &[Place], base: &str) {
        for (name, member) in members {
            let path = format!("{base}.{name}");
            let lines: Vec<&Field> = places.iter().filter_map(|place| place.table.get(name)).collect();
            let constants: Vec<Value> = places.iter().filter_map(|place| place.constants.get(name).cloned()).collect();
            if lines.is_empty() && constants.is_empty() {
                self.unmapped(path, member, "");
                continue;
            }
            let coverage = FieldCoverage {
                read: !constants.is_empty() || lines.iter().any(|line| line.is_readable()),
                // A constant is written by choosing its place.
                write: self.writes && (!constants.is_empty() || lines.iter().any(|line| line.is_writable())),
                values: if lines.is_empty() { distinct(constants) } else { Vec::new() },
                ..of(member)
            };
            self.found.insert(path, coverage);
        }
    }
}

fn of(member: &Member) -> FieldCoverage {
    FieldCoverage { r#type: member.kind.word(), list: member.list, ..FieldCoverage::default() }
}

fn values(field: &Field, member: &Member) -> Vec<Value> {
    match (&field.values, &member.kind) {
        (Some(values), _) => values.names().into_iter().map(Value::from).collect(),
        (None, Type::Enum(known)) if field.is_writable() => known.iter().cloned().map(Value::String).collect(),
        _ => Vec::new(),
    }
}

fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}
