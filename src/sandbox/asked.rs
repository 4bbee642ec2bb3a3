//! What a request asks for, read by the words of its route: columns, conditions and order in a JSON body, links.

use serde_json::{Map, Value, json};

use super::asking::{Conditions, Written};
use super::condition::{Condition, Op, Operand, Test};
use super::engine::Asked;
use super::fault::Fault;
use super::language::{Language, Order};
use super::object::Object;
use super::plan::Link;
use super::state::{Record, State};
use super::template::{Template, as_text};
use super::view::View;

impl Asked<'_> {
    /// The object that the route or its path names.
    pub(super) fn object(&self) -> Result<&Object, Fault> {
        match &self.route.object {
            Some(name) => self.named(name),
            None => self.named(&self.capture("object").unwrap_or_default()),
        }
    }

    pub(super) fn named(&self, name: &str) -> Result<&Object, Fault> {
        self.plan.object(name).ok_or_else(|| Fault::new("unknown_object").with("object", name))
    }

    pub(super) fn language(&self, written: Option<&Written>) -> Option<&Language> {
        self.plan.languages.get(&written?.language)
    }

    /// A text in a query language, if the request holds one.
    pub(super) fn written(&self, written: Option<&Written>) -> Result<Option<(&Language, String)>, Fault> {
        let (Some(written), Some(language)) = (written, self.language(written)) else { return Ok(None) };
        Ok(written.text.render_text(&self.scope)?.filter(|text| !text.is_empty()).map(|text| (language, text)))
    }

    pub(super) fn selection(&self, view: &View, object: &Object) -> Result<Vec<String>, Fault> {
        let Some(select) = &self.route.select else { return Ok(view.selection(object, None)) };
        let names = self.names(&select.names, &select.split)?;
        let mut known = Vec::new();
        for name in names.iter().flatten() {
            let open = |name: &String| object.columns.get(name).is_none_or(|column| !column.hidden);
            match (view.resolve(object, name).filter(open), &select.unknown) {
                (Some(name), _) => known.push(name),
                (None, None) => {}
                (None, Some(fault)) => {
                    return Err(Fault::new(fault).with("column", name.as_str()).with("object", object.name.as_str()));
                }
            }
        }
        Ok(view.selection(object, names.is_some().then_some(known)))
    }

    /// Names in a list or in a text with a separator; `None` if the request has none.
    fn names(&self, template: &Template, split: &str) -> Result<Option<Vec<String>>, Fault> {
        let one = |text: String| -> Vec<String> {
            text.split(split).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        Ok(match template.render(&self.scope)? {
            None | Some(Value::Null) => None,
            Some(Value::Array(list)) => Some(list.iter().filter_map(as_text).flat_map(one).collect()),
            Some(value) => as_text(&value).map(one),
        }
        .filter(|names| !names.is_empty()))
    }

    pub(super) fn body_conditions(&self) -> Result<Option<Condition>, Fault> {
        let Some(words) = &self.route.conditions else { return Ok(None) };
        let groups = match &words.groups {
            Some(groups) => match groups.render(&self.scope)? {
                Some(Value::Array(groups)) => groups,
                None | Some(Value::Null) => return Ok(None),
                Some(_) => {
                    return Err(Fault::new("bad_json").with("message", "the groups of conditions are not a list"));
                }
            },
            None => vec![self.scope.clone()],
        };
        let too_many = |what: &str, max: u64| Fault::new("too_many_conditions").with("what", what).with("max", max);
        if groups.len() as u64 > words.max_groups {
            return Err(too_many("groups", words.max_groups));
        }
        let (mut any, mut count) = (Vec::new(), 0);
        for group in &groups {
            let tests = match words.tests.render(group)? {
                Some(Value::Array(tests)) => tests,
                _ => Vec::new(),
            };
            count += tests.len() as u64;
            if tests.len() as u64 > words.max_tests {
                return Err(too_many("filters", words.max_tests));
            }
            let all = tests.iter().map(|test| read_test(words, test)).collect::<Result<Vec<_>, _>>()?;
            any.push(Condition::All(all));
        }
        if count > words.max_all {
            return Err(too_many("filters", words.max_all));
        }
        Ok((!any.is_empty()).then_some(Condition::Any(any)))
    }

    pub(super) fn body_order(&self) -> Result<Vec<Order>, Fault> {
        let Some(words) = &self.route.sort else { return Ok(Vec::new()) };
        let list = match (words.list.render(&self.scope)?, &words.split) {
            (Some(Value::Array(list)), _) => list,
            (Some(value @ Value::Object(_)), _) => vec![value],
            (Some(Value::String(text)), Some(split)) => text.split(split.as_str()).map(Value::from).collect(),
            (Some(value @ Value::String(_)), None) => vec![value],
            _ => return Ok(Vec::new()),
        };
        if list.len() as u64 > words.most {
            return Err(Fault::new("too_many_conditions").with("what", "sorts").with("max", words.most));
        }
        let mut order = Vec::new();
        for item in &list {
            let (column, desc) = match (item, &words.column) {
                (Value::String(text), _) => match text.strip_prefix('-') {
                    Some(column) => (Some(column.to_owned()), true),
                    None => (Some(text.clone()), false),
                },
                (item, Some(column)) => {
                    let direction = words.direction.as_ref().map(|way| way.render_text(item)).transpose()?.flatten();
                    (column.render_text(item)?, direction.is_some_and(|way| way.eq_ignore_ascii_case(&words.desc)))
                }
                _ => (None, false),
            };
            let column = column.ok_or_else(|| Fault::new("bad_json").with("message", "a sort without a column"))?;
            order.push(Order { column, desc, nulls_last: desc });
        }
        Ok(order)
    }

    /// The linked records that the request wants inside each record.
    pub(super) fn included(&self, view: &View, object: &Object, record: &Record) -> Result<Option<Value>, Fault> {
        let Some(include) = &self.route.include else { return Ok(None) };
        let mut linked = Map::new();
        for name in self.names(&include.names, &include.split)?.into_iter().flatten() {
            let other = self.named(&name)?;
            let Some(link) = self.plan.link(&object.name, &other.name) else { continue };
            let mut results = Vec::new();
            for id in view.state.linked(&object.name, &record.id, &other.name) {
                for kind in types(view.state, link, &record.id, id) {
                    results.extend(include.each.render(&json!({ "id": id, "type": kind }))?);
                }
            }
            if !results.is_empty() {
                let list = include.list.render(&json!({ "results": results }))?;
                linked.extend(list.map(|list| (other.name.clone(), list)));
            }
        }
        Ok((!linked.is_empty()).then_some(Value::Object(linked)))
    }
}

/// The types of one link: those that all such links have, and those that it was given.
pub(super) fn types<'l>(state: &State, link: &'l Link, id: &str, other_id: &str) -> Vec<&'l Value> {
    let has = |place: usize, kind: &Value| {
        kind.get("given") != Some(&Value::Bool(true)) || state.has_type(&link.from, id, &link.to, other_id, place)
    };
    link.types.iter().enumerate().filter(|(place, kind)| has(*place, kind)).map(|(_, kind)| kind).collect()
}

fn read_test(words: &Conditions, test: &Value) -> Result<Condition, Fault> {
    let operator = words.operator.render_text(test)?.unwrap_or_default();
    let column = words.column.render_text(test)?.unwrap_or_default();
    let op = words.operators.iter().find(|(name, _)| *name == operator).map(|(_, op)| *op);
    let op = op.ok_or_else(|| {
        let known: Vec<&str> = words.operators.iter().map(|(name, _)| name.as_str()).collect();
        Fault::new("invalid_operator").with("operator", operator).with("column", column.as_str()).with("known", known)
    })?;
    let part = |template: &Option<Template>| -> Result<Vec<Value>, Fault> {
        Ok(match template.as_ref().map(|template| template.render(test)).transpose()?.flatten() {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(value) => vec![value],
        })
    };
    let values = match op {
        Op::Exists | Op::Missing => Vec::new(),
        Op::In | Op::NotIn if words.values.is_some() => part(&words.values)?,
        Op::Between => [part(&words.value)?, part(&words.high)?].concat(),
        _ => part(&words.value)?,
    };
    let (least, most) = op.arity();
    if !(least..=most).contains(&values.len()) {
        return Err(Fault::new("bad_value").with("column", column).with("value", Value::Null).with("kind", "value"));
    }
    let values = values.into_iter().map(|value| Operand { value, kind: None }).collect();
    Ok(Condition::Test(Test { column, op, values }))
}
