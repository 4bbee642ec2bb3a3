//! The records that a sandbox starts with.

use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::object::Object;
use super::plan::Plan;
use super::state::{Record, State};
use super::template::as_text;

/// Fills the state in the order of the file: an object may refer to those above it.
pub(super) fn plant(plan: &Plan, state: &mut State) -> Result<(), (String, Fault)> {
    for object in plan.objects.values() {
        for n in 0..object.seed.count {
            plant_one(plan, object, n, state).map_err(|fault| (object.name.clone(), fault))?;
        }
    }
    Ok(())
}

fn plant_one(plan: &Plan, object: &Object, n: u64, state: &mut State) -> Result<(), Fault> {
    let scope = scope(plan, state, n);
    let (number, id) = state.next_id(object);
    let mut values = Map::new();
    for (name, template) in &object.seed.columns {
        values.insert(name.clone(), template.render(&scope)?.unwrap_or(Value::Null));
    }
    let row = usize::try_from(n).ok().and_then(|n| object.seed.rows.get(n));
    values.extend(row.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    for (name, column) in &object.columns {
        match (values.get(name), &column.default) {
            (Some(value), _) => {
                let kept = column.accept(name, value, &object.stamp, object.text_only)?;
                values.insert(name.clone(), kept);
            }
            (None, Some(default)) => {
                values.insert(name.clone(), default.clone());
            }
            (None, None) => {}
        }
    }
    values.insert(object.key.clone(), Value::String(id.clone()));
    if let Some(from) = object.seed.from {
        let moment = from.saturating_add(jiff::SignedDuration::from_secs(object.seed.every.saturating_mul(n as i64)));
        let stamp = moment.unwrap_or(from).strftime(&object.stamp).to_string();
        for name in [&object.created, &object.updated].into_iter().flatten() {
            values.entry(name.clone()).or_insert_with(|| Value::String(stamp.clone()));
        }
    }
    state.insert(object, number, Record { id: id.clone(), values: Value::Object(values) });
    for (other, template) in &object.seed.links {
        let ids = match template.render(&scope)? {
            Some(Value::Array(ids)) => ids,
            Some(id) => vec![id],
            None => Vec::new(),
        };
        for other_id in ids.iter().filter_map(as_text) {
            state.link(&object.name, &id, other, &other_id, false);
        }
    }
    Ok(())
}

/// `n`, one entry of each list as `pick.<list>`, one earlier record of each object as `seeded.<object>`, all as `all`.
fn scope(plan: &Plan, state: &State, n: u64) -> Value {
    let nth = |list: &[Value]| {
        let index = n.checked_rem(list.len() as u64).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| list.get(index)).cloned().unwrap_or(Value::Null)
    };
    let (mut pick, mut seeded, mut all) = (Map::new(), Map::new(), Map::new());
    for (name, list) in &plan.lists {
        pick.insert(name.clone(), nth(list.as_array().map_or(&[], Vec::as_slice)));
    }
    for object in plan.objects.values() {
        let Some(table) = state.table(&object.name) else { continue };
        let ids: Vec<Value> = table.rows.values().map(|record| Value::String(record.id.clone())).collect();
        seeded.insert(object.name.clone(), nth(&ids));
        all.insert(object.name.clone(), Value::Array(ids));
    }
    json!({ "n": n, "pick": pick, "seeded": seeded, "all": all })
}
