//! The names that a mapping's requests see: what the caller asked for, in the vendor's terms.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::conditions::{Conditions, Encoded};
use super::{Call, Object, Precondition};
use crate::catalog::Variant;

/// The call as an object. Parts that are not there have no member, so that `$exists` and paths agree.
#[derive(Clone)]
pub struct Scope(Arc<Value>);

impl Scope {
    pub fn of(call: &Call) -> Self {
        let mut names = call.resource.params.clone();
        names.extend(call.connection.settings.clone());
        if let Some(Object::Known(object)) = &call.object {
            names.extend(object.kept.clone());
            names.insert("type".into(), object.name.as_str().into());
        }
        names.insert("operation".into(), call.operation.as_str().into());
        let mut scope = Self(Arc::new(Value::Object(names)));
        scope.set_some("id", call.id.clone().map(Value::String));
        scope.set_some("input", call.body.clone().map(Value::Object));
        if let Some(other) = &call.other {
            scope.set_some("other_id", other.id.clone().map(Value::String));
            scope.set_some("labels", (!other.labels.is_empty()).then(|| other.labels.clone()));
        }
        if let Some(Precondition::Version(version)) = &call.precondition {
            scope.set("if_version", version.as_str());
        }
        scope.set_some("q", call.query.q.clone().map(Value::String));
        scope
    }

    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        if let Value::Object(names) = Arc::make_mut(&mut self.0) {
            names.insert(name.to_owned(), value.into());
        }
    }

    pub fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Filters both ways: by unified name, and as conditions on columns.
    pub fn set_filters(&mut self, encoded: &Encoded, conditions: &Conditions) {
        if encoded.by_name.as_object().is_some_and(|filters| !filters.is_empty()) {
            self.set("filter", encoded.by_name.clone());
        }
        if !conditions.is_none() {
            self.set("conditions", conditions.to_value());
        }
    }

    pub fn set_sort(&mut self, sort: &[SortColumn]) {
        if !sort.is_empty() {
            let sort = sort.iter().map(|sort| json!({"on": sort.on, "desc": sort.descending, "field": sort.field}));
            self.set("sort", sort.collect::<Vec<_>>());
        }
    }

    pub fn set_columns(&mut self, columns: Option<&[String]>) {
        if let Some(columns) = columns.filter(|columns| !columns.is_empty()) {
            self.set("select", columns);
        }
    }

    /// The top-level members that the caller wants, where the variant looks at them.
    pub fn set_wanted(&mut self, call: &Call, variant: &Variant) {
        if variant.sees_wanted {
            let names = call.resource.model.members.keys();
            self.set("wanted", names.filter(|name| call.query.fields.wants(name)).cloned().collect::<Vec<_>>());
        }
    }

    pub fn set_step(&mut self, name: &str, value: Value) {
        let Value::Object(names) = Arc::make_mut(&mut self.0) else { return };
        let steps = names.entry("steps").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(steps) = steps {
            steps.insert(name.to_owned(), value);
        }
    }

    /// As it is now: what is set later is not seen in it.
    pub fn value(&self) -> &Arc<Value> {
        &self.0
    }
}

/// A sort in the vendor's terms.
#[derive(Debug, Clone)]
pub struct SortColumn {
    pub on: String,
    pub descending: bool,
    pub field: String,
}
