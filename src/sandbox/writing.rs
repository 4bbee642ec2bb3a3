//! Get, create, update, upsert, delete and links: what happens to single records.

use serde_json::{Value, json};

use super::asked::types;
use super::draft::Draft;
use super::engine::Asked;
use super::fault::Fault;
use super::object::Object;
use super::state::{Absent, Record, State};
use super::template::as_text;
use super::view::View;

impl Asked<'_> {
    pub(super) fn get(&self, state: &State) -> Result<Value, Fault> {
        let object = self.object()?;
        let view = View { plan: self.plan, state };
        let (_, record) = self.found(state, object, "id")?;
        let select = self.selection(&view, object)?;
        let linked = self.included(&view, object, record)?;
        Ok(json!({ "id": record.id, "record": view.show(object, record, &select, linked)? }))
    }

    pub(super) fn create(&self, state: &mut State) -> Result<Value, Fault> {
        let object = self.object()?;
        let draft = self.draft(state, object, None)?;
        let links = self.new_links(state, object)?;
        let id = self.store(state, object, draft)?;
        for (other, other_id) in links {
            state.link(&object.name, &id, &other, &other_id, false);
        }
        self.written_record(state, object, &id, true)
    }

    pub(super) fn update(&self, state: &mut State) -> Result<Value, Fault> {
        let object = self.object()?;
        let (number, id) = {
            let (number, record) = self.found(state, object, "id")?;
            (number, record.id.clone())
        };
        self.held(object, &id)?;
        let draft = self.draft(state, object, Some(number))?;
        self.merge(state, object, number, &id, draft);
        self.written_record(state, object, &id, false)
    }

    /// Creates or updates the record whose column has this value; without a value the record is a new one.
    pub(super) fn upsert(&self, state: &mut State) -> Result<Value, Fault> {
        let object = self.object()?;
        let Some(value) = self.capture("value").filter(|value| !value.is_empty()) else { return self.create(state) };
        let name = self.capture("column").unwrap_or_default();
        let unknown =
            || Fault::new("unknown_column").with("column", name.as_str()).with("object", object.name.as_str());
        let (name, column) = object.column(&name, self.plan.fold).ok_or_else(unknown)?;
        if column.unique.is_none() && !column.matched {
            return Err(unknown());
        }
        let value = column.accept(name, &Value::from(value), &object.stamp, object.text_only)?;
        let there = self.same(state, object, name, &value, None);
        let only = self.route.only.as_ref().map(|only| only.render_text(&self.scope)).transpose()?.flatten();
        match (only.as_deref(), &there, &column.unique) {
            (Some("create"), Some((_, other_id)), Some(unique)) => {
                let fault = Fault::new(unique).with("column", name.as_str()).with("object", object.name.as_str());
                return Err(fault.with("other_id", other_id.as_str()).with("value", value));
            }
            (Some("update"), None, _) => {
                return Err(Fault::new("not_found").with("id", value).with("object", object.name.as_str()));
            }
            _ => {}
        }
        let mut draft = self.draft(state, object, there.as_ref().map(|(number, _)| *number))?;
        match there {
            Some((number, id)) => {
                self.merge(state, object, number, &id, draft);
                self.written_record(state, object, &id, false)
            }
            None => {
                draft.values.insert(name.clone(), value);
                let id = self.store(state, object, draft)?;
                self.written_record(state, object, &id, true)
            }
        }
    }

    pub(super) fn delete(&self, state: &mut State) -> Result<Value, Fault> {
        let object = self.object()?;
        let (number, record) = self.found(state, object, "id")?;
        self.held(object, &record.id)?;
        state.remove(&object.name, number);
        Ok(json!({}))
    }

    pub(super) fn links(&self, state: &State) -> Result<Value, Fault> {
        let object = self.object()?;
        let (_, record) = self.found(state, object, "id")?;
        let other = self.named(&self.capture("other").unwrap_or_default())?;
        let link = self.plan.link(&object.name, &other.name);
        let mut records = Vec::new();
        for id in state.linked(&object.name, &record.id, &other.name) {
            let types = link.map(|link| types(state, link, &record.id, id)).unwrap_or_default();
            match &self.route.each {
                Some(each) => records.extend(each.render(&json!({ "id": id, "types": types }))?),
                None => records.push(json!({ "id": id })),
            }
        }
        Ok(json!({ "id": record.id, "total": records.len(), "records": records, "done": true }))
    }

    /// How the links of two kinds of records can be typed.
    pub(super) fn types(&self) -> Result<Value, Fault> {
        let other = self.named(&self.capture("other").unwrap_or_default())?;
        let link = self.plan.link(&self.object()?.name, &other.name);
        Ok(json!({ "types": link.map_or(&[][..], |link| &link.types) }))
    }

    pub(super) fn link(&self, state: &mut State, there: bool) -> Result<Value, Fault> {
        let object = self.object()?;
        let id = self.found(state, object, "id")?.1.id.clone();
        let other = self.named(&self.capture("other").unwrap_or_default())?;
        let other_id = self.found(state, other, "other_id")?.1.id.clone();
        let link = self
            .plan
            .link(&object.name, &other.name)
            .ok_or_else(|| Fault::new("bad_link").with("id", other_id.as_str()))?;
        let away = self.route.away.as_ref().map(|away| away.render(&self.scope)).transpose()?.flatten();
        if !there || away == Some(Value::Bool(true)) {
            state.unlink(&object.name, &id, &other.name, &other_id);
            return Ok(json!({ "id": id, "other_id": other_id, "types": [] }));
        }
        let wanted = self.route.types.as_ref().map(|types| types.render(&self.scope)).transpose()?.flatten();
        let mut places = Vec::new();
        for wanted in wanted.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(as_text) {
            let same = |kind: &Value| kind.get("id").and_then(as_text).as_ref() == Some(&wanted);
            let place = link.types.iter().position(same);
            places.push(place.ok_or_else(|| Fault::new("bad_link").with("id", wanted.as_str()))?);
        }
        state.link(&object.name, &id, &other.name, &other_id, false);
        for place in places {
            state.add_type(&object.name, &id, &other.name, &other_id, place);
        }
        Ok(json!({ "id": id, "other_id": other_id, "types": types(state, link, &id, &other_id) }))
    }

    /// Refuses where the request's condition on the record does not hold.
    fn held(&self, object: &Object, id: &str) -> Result<(), Fault> {
        let held = self.route.held.as_ref().map(|held| held.render(&self.scope)).transpose()?.flatten();
        match held {
            Some(Value::Bool(false)) => Err(Fault::new("changed").with("id", id).with("object", object.name.as_str())),
            _ => Ok(()),
        }
    }

    /// The record that a capture names.
    fn found<'s>(&self, state: &'s State, object: &Object, capture: &str) -> Result<(u64, &'s Record), Fault> {
        let id = self.capture(capture).unwrap_or_default();
        state.record(object, &id).map_err(|absent| {
            let name = match absent {
                Absent::Never => "not_found",
                Absent::Deleted => "deleted",
            };
            Fault::new(name).with("id", id.as_str()).with("object", object.name.as_str())
        })
    }

    fn store(&self, state: &mut State, object: &Object, draft: Draft) -> Result<String, Fault> {
        let (number, id) = state.next_id(object);
        let mut record = Record { id: id.clone(), values: Value::Object(draft.values) };
        record.set(&object.key, Value::String(id.clone()));
        for name in [&object.created, &object.updated].into_iter().flatten() {
            record.set(name, self.stamp(object));
        }
        state.insert(object, number, record);
        relink(state, object, &id, draft.links);
        Ok(id)
    }

    fn merge(&self, state: &mut State, object: &Object, number: u64, id: &str, draft: Draft) {
        if let Some(values) = state.values_mut(&object.name, number) {
            values.extend(draft.values);
            if let Some(updated) = &object.updated {
                values.insert(updated.clone(), self.stamp(object));
            }
        }
        relink(state, object, id, draft.links);
    }

    fn stamp(&self, object: &Object) -> Value {
        Value::String(self.now.strftime(&object.stamp).to_string())
    }

    fn written_record(&self, state: &State, object: &Object, id: &str, created: bool) -> Result<Value, Fault> {
        let view = View { plan: self.plan, state };
        let gone = |_| Fault::broken("a record vanished while it was written".to_owned());
        let (_, record) = state.record(object, id).map_err(gone)?;
        let mut names: Vec<String> = Vec::new();
        for (name, _) in object.columns.iter().filter(|(_, column)| !column.hidden) {
            if !object.sparse || !view.cell(object, record, name)?.is_null() {
                names.push(name.clone());
            }
        }
        let select = view.selection(object, Some(names));
        Ok(json!({ "id": id, "created": created, "record": view.show(object, record, &select, None)? }))
    }
}

/// Puts the record that a column names in the first place; none takes the first one away.
fn relink(state: &mut State, object: &Object, id: &str, links: Vec<(String, Option<String>)>) {
    for (other, other_id) in links {
        let first = state.linked(&object.name, id, &other).first().cloned();
        if let Some(first) = first.filter(|first| other_id.as_ref() != Some(first)) {
            state.unlink(&object.name, id, &other, &first);
        }
        if let Some(other_id) = other_id {
            state.link(&object.name, id, &other, &other_id, true);
        }
    }
}
