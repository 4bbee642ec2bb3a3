//! A record in a request, checked against its object before anything is changed.

use serde_json::{Map, Value};

use super::column::Source;
use super::condition::compare;
use super::engine::Asked;
use super::fault::Fault;
use super::object::Object;
use super::state::{Record, State};
use super::template::as_text;

/// A written record, checked: what to store, and what to link with.
pub(super) struct Draft {
    pub(super) values: Map<String, Value>,
    pub(super) links: Vec<(String, Option<String>)>,
}

impl Asked<'_> {
    /// Reads and checks the record in the body. Nothing is changed.
    pub(super) fn draft(&self, state: &State, object: &Object, number: Option<u64>) -> Result<Draft, Fault> {
        let given = match &self.route.record {
            Some(record) => record.render(&self.scope)?,
            None => self.scope.get("body").cloned(),
        };
        let given = match given {
            Some(Value::Object(given)) => given,
            _ => return Err(Fault::new("bad_json").with("message", "the body does not hold a record")),
        };
        let mut draft = Draft { values: Map::new(), links: Vec::new() };
        for (given_name, value) in given.iter().filter(|(name, _)| !object.ignored.contains(name)) {
            let fault =
                |name: &str| Fault::new(name).with("column", given_name.as_str()).with("object", object.name.as_str());
            let known = object.column(given_name, self.plan.fold).filter(|(_, column)| !column.hidden);
            let (name, column) = known.ok_or_else(|| fault("unknown_column"))?;
            if column.read_only {
                return Err(fault("read_only_column"));
            }
            let value = column.accept(name, value, &object.stamp, object.text_only)?;
            let to: Vec<&String> = match &column.source {
                Source::Link(other) => vec![other],
                _ => column.to.iter().collect(),
            };
            if let (false, Some(id)) = (to.is_empty(), as_text(&value)) {
                let there = |to: &&String| self.plan.object(to).is_some_and(|to| state.record(to, &id).is_ok());
                if !to.iter().any(there) {
                    return Err(fault("bad_reference").with("id", id.as_str()).with("value", id.as_str()));
                }
            }
            if let Some(unique) = &column.unique
                && !value.is_null()
                && let Some((_, other_id)) = self.same(state, object, name, &value, number)
            {
                return Err(fault(unique).with("other_id", other_id).with("value", value));
            }
            match &column.source {
                Source::Link(other) => draft.links.push((other.clone(), as_text(&value))),
                _ => {
                    draft.values.insert(name.clone(), value);
                }
            }
        }
        for (name, column) in object.columns.iter().filter(|(_, column)| column.writable) {
            if let Source::Table { column: followed, .. } = &column.source
                && draft.values.contains_key(followed)
            {
                draft.values.entry(name.clone()).or_insert(Value::Null);
            }
        }
        self.check_required(object, &mut draft, number.is_none())?;
        Ok(draft)
    }

    fn check_required(&self, object: &Object, draft: &mut Draft, new: bool) -> Result<(), Fault> {
        if new {
            for (name, column) in &object.columns {
                if let Some(default) = &column.default {
                    draft.values.entry(name.clone()).or_insert_with(|| default.clone());
                }
            }
        }
        let missing: Vec<&str> = object
            .columns
            .iter()
            .filter(|(name, column)| column.required && draft.values.get(*name).map_or(new, Value::is_null))
            .map(|(name, _)| name.as_str())
            .collect();
        match missing.first() {
            None => Ok(()),
            Some(first) => Err(Fault::new("missing_required")
                .with("column", *first)
                .with("columns", missing.clone())
                .with("object", object.name.as_str())),
        }
    }

    /// Another record with this value in this column.
    pub(super) fn same(
        &self,
        state: &State,
        object: &Object,
        name: &str,
        value: &Value,
        but: Option<u64>,
    ) -> Option<(u64, String)> {
        let kind = object.columns.get(name)?.kind;
        let mut rows = state.table(&object.name)?.rows.iter().filter(|(number, _)| Some(**number) != but);
        let same = |record: &Record| {
            let there = record.values.get(name)?;
            compare(kind, there, value, self.plan.fold).filter(|order| order.is_eq())
        };
        rows.find(|(_, record)| same(record).is_some()).map(|(number, record)| (*number, record.id.clone()))
    }

    /// The links that a create asks for, each to a record that exists.
    pub(super) fn new_links(&self, state: &State, object: &Object) -> Result<Vec<(String, String)>, Fault> {
        let list = match self.route.links.as_ref().map(|links| links.render(&self.scope)).transpose()?.flatten() {
            Some(Value::Array(list)) => list,
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Ok(Vec::new()),
        };
        let mut links = Vec::new();
        for item in &list {
            let id = item.get("id").and_then(as_text).unwrap_or_default();
            let bad = || Fault::new("bad_link").with("id", id.as_str());
            let kind = item.get("type").and_then(as_text);
            let typed = self.plan.links.iter().filter(|link| link.from == object.name).find(|link| {
                kind.is_some() && link.types.iter().any(|known| known.get("id").and_then(as_text) == kind)
            });
            let name = item.get("object").and_then(as_text).or_else(|| typed.map(|link| link.to.clone()));
            let other = name.and_then(|name| self.plan.object(&name)).ok_or_else(bad)?;
            let (_, record) = state.record(other, &id).map_err(|_| bad())?;
            links.push((other.name.clone(), record.id.clone()));
        }
        Ok(links)
    }
}
