//! What a list can be filtered and sorted by, compiled.

use indexmap::IndexMap;
use serde_json::Value;

use super::build::{Build, hint};
use super::field::{Field, Shape, Table, Values};
use super::spec::{FilterFull, FilterSpec};
use super::table::compile_codecs;
use super::upsert::ANY_CUSTOM;
use crate::mapping::{Codec, Path};
use crate::model::{FilterOp, Member, Model, Type};

/// One filterable name.
#[derive(Debug, Clone)]
pub struct FilterRule {
    pub kind: Type,
    pub ops: Vec<FilterOp>,
    /// Vendor columns of which any may match.
    pub on: Vec<String>,
    /// The type that a query style writes the value as.
    pub literal: String,
    pub codecs: Vec<Codec>,
    pub values: Option<Values>,
    /// Conditions that one value stands for; then `on` is empty.
    pub conditions: Option<IndexMap<String, IndexMap<String, Value>>>,
    /// Operator to the style's own operator.
    pub using: IndexMap<FilterOp, String>,
}

pub fn compile_filters(
    build: &mut Build<'_>,
    specs: &IndexMap<String, FilterSpec>,
    model: &Model,
    table: &Table,
    codecs: &IndexMap<String, Codec>,
    under: Option<&Path>,
) -> IndexMap<String, FilterRule> {
    let mut rules = IndexMap::new();
    for (name, spec) in specs {
        let at = format!("/filters/{}", crate::model::escape(name));
        let full = match spec {
            FilterSpec::Ops(ops) => {
                FilterFull { on: None, ops: ops.clone(), using: IndexMap::new(), r#as: None, r#type: None }
            }
            FilterSpec::Full(full) => full.clone(),
        };
        let target = model.filter_target(name).to_owned();
        let kind = match model.member(&target) {
            Some(Member { kind: Type::Object(_), .. }) => {
                build.problem(&at, format!("`{name}` is an object: name one of its members, such as `{name}.id`"));
                continue;
            }
            Some(member) => member.kind.clone(),
            None if target.starts_with("custom_fields.") => Type::Text,
            None => {
                let paths = model.paths();
                let hint = hint(name, paths.iter().map(String::as_str));
                build.problem(
                    &at,
                    format!(
                        "the model {} has no `{name}`{hint} (short names are declared in its `x-filters`)",
                        model.name
                    ),
                );
                continue;
            }
        };
        let field = find(table, &target);
        let on = match &full.on {
            Some(on) => on.to_vec(),
            None => field.and_then(|field| own_column(field, under)).into_iter().collect(),
        };
        let conditions = field.and_then(|field| field.conditions.clone()).filter(|_| full.on.is_none());
        if on.is_empty() && conditions.is_none() && name != ANY_CUSTOM {
            build.problem(&at, format!("the field `{name}` has no single column of its own: say `on: column`"));
        }
        let codecs = match &full.r#as {
            Some(spec) => compile_codecs(build, &format!("{at}/as"), spec, codecs),
            None => field.map(|field| field.codecs.clone()).unwrap_or_default(),
        };
        // A filter's own conversion makes text of the value, unless the file says of which type it is then.
        let literal = match (&full.r#type, &full.r#as) {
            (Some(literal), _) => literal.clone(),
            (None, Some(_)) => "string".to_owned(),
            (None, None) => kind.literal().to_owned(),
        };
        let values = field.and_then(|field| field.values.clone());
        rules.insert(
            name.clone(),
            FilterRule { kind, ops: full.ops, on, literal, codecs, values, conditions, using: full.using },
        );
    }
    rules
}

/// The field at a dotted path of the table, through objects, places and lists.
fn find<'t>(table: &'t Table, dotted: &str) -> Option<&'t Field> {
    if let Some(field) = table.get(dotted) {
        return Some(field);
    }
    let (head, rest) = dotted.split_once('.')?;
    match &table.get(head)?.shape {
        Shape::Object { table, .. } | Shape::Each { table, .. } => find(table, rest),
        Shape::Places(places) => places.first().and_then(|place| find(&place.table, rest)),
        _ => None,
    }
}

/// A field's whole path below `under`, which is how columns are named in conditions.
fn own_column(field: &Field, under: Option<&Path>) -> Option<String> {
    let path = field.path()?;
    let path = match under {
        Some(under) => path.strip_prefix(under)?,
        None => path.clone(),
    };
    Some(path.dotted()).filter(|name| !name.is_empty())
}
