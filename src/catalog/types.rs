//! How the vendor tells which custom object types an account has, compiled.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::build::{Build, Scope};
use super::leaf::Leaf;
use super::spec::TypesSpec;
use super::variant::{Variant, VariantContext, answer_scope, compile_variant};
use crate::error::Error;
use crate::mapping::Vars;
use crate::model::Operation;

#[derive(Debug)]
pub struct Types {
    pub fetch: Variant,
    name: Leaf,
    label: Option<Leaf>,
    plural: Option<Leaf>,
    description: Option<Leaf>,
    keep: IndexMap<String, Leaf>,
}

/// One custom object type of an account.
#[derive(Debug, Clone)]
pub struct ObjectType {
    pub name: String,
    pub label: String,
    pub plural: Option<String>,
    pub description: Option<String>,
    /// What requests for its objects see by name.
    pub kept: Map<String, Value>,
}

impl Types {
    pub fn compile(build: &mut Build<'_>, spec: &TypesSpec, context: &VariantContext<'_>) -> Option<Self> {
        let at = "/types";
        let fetch = compile_variant(build, &format!("{at}/fetch"), &spec.fetch, &context.of(Operation::Types))?;
        let scope = Scope { title: "the row", ..answer_scope() };
        let mut leaf = |word: &str, spec: Option<&Value>| match spec {
            Some(spec) => Leaf::compile(build, &format!("{at}/{word}"), spec, &scope).map(Some),
            None => Some(None),
        };
        Some(Self {
            fetch,
            name: leaf("name", Some(&spec.name))??,
            label: leaf("label", spec.label.as_ref())?,
            plural: leaf("plural", spec.plural.as_ref())?,
            description: leaf("description", spec.description.as_ref())?,
            keep: spec
                .keep
                .iter()
                .map(|(name, value)| Some((name.clone(), leaf(&format!("keep/{name}"), Some(value))??)))
                .collect::<Option<_>>()?,
        })
    }

    /// The types that the rows tell of; a row without a name is none.
    pub fn read(&self, rows: &[Value], vars: &Vars) -> Result<Vec<ObjectType>, Error> {
        let mut types = Vec::with_capacity(rows.len());
        for row in rows {
            let text = |leaf: &Option<Leaf>| leaf.as_ref().map_or(Ok(None), |leaf| leaf.text(row, vars));
            let Some(name) = self.name.text(row, vars)?.filter(|name| !name.is_empty()) else { continue };
            let mut kept = Map::new();
            for (word, leaf) in &self.keep {
                if let Some(value) = leaf.evaluate(row, vars)? {
                    kept.insert(word.clone(), value);
                }
            }
            types.push(ObjectType {
                label: text(&self.label)?.unwrap_or_else(|| name.clone()),
                plural: text(&self.plural)?,
                description: text(&self.description)?,
                name,
                kept,
            });
        }
        Ok(types)
    }
}
