//! How records of two resources hang together, compiled.

use indexmap::IndexMap;
use serde_json::Value;

use super::build::{Build, Scope, hint};
use super::field::{Shape, Table};
use super::leaf::Leaf;
use super::spec::{AssociationSpec, OneOrMany, VariantSpec};
use super::variant::{Variant, VariantContext, answer_scope, compile_variant, compile_variants};
use crate::model::Operation;

/// The way to the records of one other resource.
#[derive(Debug)]
pub enum Association {
    /// A reference of this record, or a list of them.
    Field {
        field: String,
        /// It can be changed on a record that is there.
        written: bool,
    },
    /// A reference of the other record, which its lists can be filtered by.
    Other { resource: String, by: String, written: bool },
    /// Requests of their own.
    Requests(Box<Requests>),
}

#[derive(Debug)]
pub struct Requests {
    /// What requests see as `other`.
    pub other: Value,
    pub list: Option<Variant>,
    pub add: Vec<Variant>,
    pub remove: Vec<Variant>,
    /// Adding looks at labels.
    pub takes_labels: bool,
    /// Over a row of the list.
    pub id: Leaf,
    pub labels: Option<Leaf>,
}

impl Association {
    /// The requests of its own.
    pub fn variants(&self) -> Vec<&Variant> {
        match self {
            Association::Requests(requests) => {
                requests.list.iter().chain(&requests.add).chain(&requests.remove).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether it can be done: a reference is read and written like any other.
    pub fn supports(&self, operation: Operation) -> bool {
        match self {
            Association::Field { written, .. } | Association::Other { written, .. } => {
                *written || operation == Operation::Associations
            }
            Association::Requests(requests) => match operation {
                Operation::Associations => requests.list.is_some(),
                Operation::Associate => !requests.add.is_empty(),
                Operation::Dissociate => !requests.remove.is_empty(),
                _ => false,
            },
        }
    }
}

/// By the other resource. A name of its own goes before `*`.
pub fn compile_associations(
    build: &mut Build<'_>,
    specs: &IndexMap<String, AssociationSpec>,
    table: &Table,
    context: &VariantContext<'_>,
) -> IndexMap<String, Association> {
    let mut associations = IndexMap::new();
    for (other, spec) in specs {
        let at = format!("/associations/{}", crate::model::escape(other));
        if (other == "*") == spec.others.is_empty() {
            build.problem(&at, "`*` says under `others` what it stands for, and only `*` does: {companies: companies}");
            continue;
        }
        if other == "*" {
            for (other, word) in spec.others.iter().filter(|(other, _)| !specs.contains_key(*other)) {
                let compiled = compile_association(build, &at, spec, word, table, context);
                associations.extend(compiled.map(|compiled| (other.clone(), compiled)));
            }
        } else {
            let word = Value::String(other.clone());
            let compiled = compile_association(build, &at, spec, &word, table, context);
            associations.extend(compiled.map(|compiled| (other.clone(), compiled)));
        }
    }
    associations
}

fn compile_association(
    build: &mut Build<'_>,
    at: &str,
    spec: &AssociationSpec,
    other: &Value,
    table: &Table,
    context: &VariantContext<'_>,
) -> Option<Association> {
    let requests = spec.list.is_some() || spec.add.is_some() || spec.remove.is_some();
    match (&spec.field, &spec.resource, requests) {
        (Some(field), None, false) => {
            if !table.get(field).is_some_and(|line| is_reference(&line.shape)) {
                let hint = hint(field, table.keys().map(String::as_str));
                build.problem(&format!("{at}/field"), format!("`{field}` is not a reference of this record{hint}"));
                return None;
            }
            let written = table.get(field).is_some_and(|line| line.is_writable() && !line.once && line.link.is_none());
            Some(Association::Field { field: field.clone(), written })
        }
        (None, Some(resource), false) => match &spec.by {
            Some(by) => Some(Association::Other { resource: resource.clone(), by: by.clone(), written: true }),
            None => {
                build.problem(at, "the other record's reference is named by `by`, for example `by: company`");
                None
            }
        },
        (None, None, true) => {
            let row = Scope { title: "the row", ..answer_scope() };
            let list = match &spec.list {
                Some(list) => {
                    let context = context.of(Operation::Associations);
                    Some(compile_variant(build, &format!("{at}/list"), list, &context)?)
                }
                None => None,
            };
            let mut variants = |word: &str, operation: Operation, specs: &Option<OneOrMany<VariantSpec>>| {
                let Some(specs) = specs else { return Vec::new() };
                compile_variants(build, &format!("{at}/{word}"), specs, &context.of(operation))
            };
            let add = variants("add", Operation::Associate, &spec.add);
            let remove = variants("remove", Operation::Dissociate, &spec.remove);
            let takes_labels = add.iter().any(|add| {
                super::unread::reads(add).iter().any(|path| path.first().is_none_or(|name| name == "labels"))
            });
            let id = match &spec.item.id {
                Some(id) => Leaf::compile(build, &format!("{at}/item/id"), id, &row)?,
                None => Leaf::compile(build, at, &Value::String("id".into()), &row)?,
            };
            let labels = match &spec.item.labels {
                Some(labels) => Some(Leaf::compile(build, &format!("{at}/item/labels"), labels, &row)?),
                None => None,
            };
            Some(Association::Requests(Box::new(Requests {
                other: other.clone(),
                list,
                add,
                remove,
                takes_labels,
                id,
                labels,
            })))
        }
        _ => {
            build.problem(
                at,
                "an association is one of `field`, `resource` with `by`, or the requests list, add, remove",
            );
            None
        }
    }
}

/// An object or a list of objects with an `id`.
fn is_reference(shape: &Shape) -> bool {
    match shape {
        Shape::Object { table, .. } | Shape::Each { table, .. } => table.contains_key("id"),
        Shape::Places(places) => places.iter().all(|place| place.table.contains_key("id")),
        _ => false,
    }
}
