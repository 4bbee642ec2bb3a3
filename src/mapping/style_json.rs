//! Styles that render JSON: templates are JSON, and a slot is a whole string that becomes a whole value.

use super::codec;
use super::style::{Condition, Rendered, StyleError, each_of, values};
use super::style_literal::{Literal, Quoted, canonical, full_match, invalid};
use super::style_text::Like;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub struct JsonStyle {
    name: Option<regex::Regex>,
    literals: BTreeMap<String, Literal>,
    ops: BTreeMap<String, Op>,
    like: Like,
    and: Value,
    or: Value,
    /// Whether one group alone stands inside of `or`, too.
    always_grouped: bool,
    /// Whether dots in a name that is used as a key make nested objects.
    nest: bool,
    /// Groups hold conditions only.
    flat: bool,
    order: Option<(Value, Value)>,
}

#[derive(Debug, Clone)]
enum Op {
    Template(Value),
    Each(String),
}

/// More groups than this come of too many alternatives at once; vendors refuse such queries anyway.
const MOST_GROUPS: usize = 32;

const KEYS: &[&str] = &["json", "name", "literals", "ops", "like", "and", "or", "grouped", "flat", "nest", "order"];

/// What a slot is replaced by.
type Slots = BTreeMap<&'static str, Value>;

impl JsonStyle {
    pub(super) fn parse(spec: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut problems: Vec<String> = spec
            .keys()
            .filter(|key| !KEYS.contains(&key.as_str()))
            .map(|key| format!("a JSON style has no {key:?}"))
            .collect();
        let name = spec.get("name").and_then(Value::as_str).map(full_match).transpose();
        let mut literals = BTreeMap::new();
        for (kind, literal) in spec.get("literals").and_then(Value::as_object).into_iter().flatten() {
            match Literal::parse(kind, literal) {
                Ok(literal) => drop(literals.insert(kind.clone(), literal)),
                Err(problem) => problems.push(problem),
            }
        }
        let specs = spec.get("ops").and_then(Value::as_object);
        let mut ops = BTreeMap::new();
        for (op, template) in specs.into_iter().flatten() {
            // `{any: eq}` names an operator of this style; `{any: other}` is a template
            let each = template
                .as_object()
                .and_then(each_of)
                .filter(|inner| specs.is_some_and(|ops| ops.contains_key(*inner)));
            let parsed = match each {
                Some(inner) if inner == op => {
                    problems.push(format!("ops.{op} leads to itself"));
                    continue;
                }
                Some(inner) => Op::Each(inner.to_owned()),
                None => Op::Template(template.clone()),
            };
            ops.insert(op.clone(), parsed);
        }
        for (op, parsed) in &ops {
            if let Op::Each(inner) = parsed
                && !matches!(ops.get(inner), Some(Op::Template(_)))
            {
                problems.push(format!("ops.{op}: {inner:?} is no operator with a template"));
            }
        }
        let like = Like::parse(spec.get("like"));
        let or_default =
            |name: &str, slot: &str| spec.get(name).cloned().unwrap_or_else(|| Value::String(slot.to_owned()));
        let order = spec.get("order").map(|order| match (order.get("asc"), order.get("desc")) {
            (Some(asc), Some(desc)) => Ok((asc.clone(), desc.clone())),
            _ => Err("order needs asc and desc".to_owned()),
        });
        let always_grouped = match spec.get("grouped").and_then(Value::as_str) {
            Some("always") => true,
            None | Some("several") => false,
            Some(_) => {
                problems.push("grouped is always or several".into());
                false
            }
        };
        match (name, like, order.transpose()) {
            (Ok(name), Ok(like), Ok(order)) if problems.is_empty() => Ok(Self {
                name,
                literals,
                ops,
                like,
                and: or_default("and", "{all}"),
                or: or_default("or", "{any}"),
                always_grouped,
                flat: spec.get("flat") == Some(&Value::Bool(true)),
                nest: spec.get("nest") == Some(&Value::Bool(true)),
                order,
            }),
            (name, like, order) => {
                problems.extend([name.err(), like.err(), order.err()].into_iter().flatten());
                Err(problems)
            }
        }
    }

    pub(super) fn supports(&self, op: &str) -> bool {
        self.ops.contains_key(op)
    }

    pub(super) fn literal(&self, value: &Value, kind: &str) -> Rendered<Value> {
        match self.literals.get(if value.is_null() { "null" } else { kind }) {
            Some(literal) => literal.json(value, kind),
            None if value.is_null() => Ok(Value::Null),
            None => {
                // as it came, once it is known to be what it says
                canonical(value, kind)?;
                Ok(value.clone())
            }
        }
    }

    fn column(&self, name: &str) -> Rendered<Value> {
        match &self.name {
            Some(pattern) if !pattern.is_match(name) => {
                Err(StyleError::mapping(format!("{:?} is no name of a column", super::problem::shorten(name))))
            }
            _ => Ok(Value::String(name.to_owned())),
        }
    }

    pub(super) fn conditions(&self, groups: &[Vec<Condition<'_>>]) -> Rendered<Value> {
        let mut any = Vec::new();
        for group in groups {
            for all in if self.flat { self.multiplied(group)? } else { vec![self.nested(group)?] } {
                any.push(self.fill(&self.and, &Slots::from([("all", Value::Array(all))])));
            }
        }
        if any.len() == 1 && !self.always_grouped {
            return Ok(any.swap_remove(0));
        }
        Ok(self.fill(&self.or, &Slots::from([("any", Value::Array(any))])))
    }

    fn nested(&self, group: &[Condition<'_>]) -> Rendered<Vec<Value>> {
        group.iter().map(|condition| Ok(self.either(self.alternatives(condition)?))).collect()
    }

    /// Groups that cannot hold groups: one for each way to pick an alternative of every condition.
    fn multiplied(&self, group: &[Condition<'_>]) -> Rendered<Vec<Vec<Value>>> {
        let mut groups: Vec<Vec<Value>> = vec![Vec::new()];
        for condition in group {
            let alternatives = self.alternatives(condition)?;
            if groups.len() * alternatives.len() > MOST_GROUPS {
                return Err(StyleError::mapping("too many alternatives are combined in one list"));
            }
            let pick = |all: &Vec<Value>, one: &Value| all.iter().cloned().chain([one.clone()]).collect();
            groups = groups.iter().flat_map(|all| alternatives.iter().map(move |one| pick(all, one))).collect();
        }
        Ok(groups)
    }

    /// Several alternatives in the place of one condition: each is a group of its own inside.
    fn either(&self, mut any: Vec<Value>) -> Value {
        if any.len() == 1 {
            return any.swap_remove(0);
        }
        let any = any.into_iter().map(|one| self.fill(&self.and, &Slots::from([("all", Value::Array(vec![one]))])));
        self.fill(&self.or, &Slots::from([("any", Value::Array(any.collect()))]))
    }

    /// What a condition on several columns, any of which may match, comes to.
    fn alternatives(&self, condition: &Condition<'_>) -> Rendered<Vec<Value>> {
        condition.on.iter().map(|on| self.on_column(on, condition.op, condition.value, condition.kind)).collect()
    }

    fn on_column(&self, on: &str, op: &str, value: &Value, kind: &str) -> Rendered<Value> {
        let template = match self.ops.get(op).ok_or_else(|| StyleError::unsupported(op))? {
            Op::Each(inner) => {
                let each = values(value).iter().map(|value| self.on_column(on, inner, value, kind));
                let each = each.collect::<Rendered<Vec<_>>>()?;
                return if each.is_empty() { Err(StyleError::empty_list()) } else { Ok(self.either(each)) };
            }
            Op::Template(template) => template,
        };
        let mut slots = Slots::from([("on", self.column(on)?)]);
        if op == "in" && values(value).is_empty() {
            return Err(StyleError::empty_list());
        }
        let uses = |slot: &str| holds(template, slot);
        if uses("values") {
            let list = values(value).iter().map(|value| self.literal(value, kind));
            slots.insert("values", Value::Array(list.collect::<Rendered<_>>()?));
        }
        if uses("value") {
            let one = match value {
                Value::Array(list) => {
                    list.iter().map(|value| self.literal(value, kind)).collect::<Rendered<_>>().map(Value::Array)?
                }
                one => self.literal(one, kind)?,
            };
            slots.insert("value", one);
        }
        for (slot, before, after) in [
            ("like", &*self.like.before, &*self.like.after),
            ("prefix", "", &*self.like.after),
            ("suffix", &*self.like.before, ""),
        ] {
            if uses(slot) {
                let text = codec::scalar_text(value).ok_or_else(|| invalid("string"))?;
                let inner = Quoted::default().inner(&text, &self.like.escape);
                slots.insert(slot, Value::String(format!("{before}{inner}{after}")));
            }
        }
        Ok(self.fill(template, &slots))
    }

    pub(super) fn order(&self, sort: &[(&str, bool)]) -> Rendered<Value> {
        let (asc, desc) = self.order.as_ref().ok_or_else(|| StyleError::mapping("the style has no order"))?;
        let one = |(on, down): &(&str, bool)| {
            Ok(self.fill(if *down { desc } else { asc }, &Slots::from([("on", self.column(on)?)])))
        };
        sort.iter().map(one).collect::<Rendered<_>>().map(Value::Array)
    }

    /// Only the template is walked, never a value that has taken a slot's place.
    fn fill(&self, template: &Value, slots: &Slots) -> Value {
        match template {
            Value::String(text) => slot_of(text, "{").and_then(|slot| slots.get(slot)).unwrap_or(template).clone(),
            Value::Array(entries) => {
                let mut filled = Vec::new();
                for entry in entries {
                    match entry.as_str().and_then(|text| slot_of(text, "{...")).and_then(|slot| slots.get(slot)) {
                        Some(Value::Array(list)) => filled.extend(list.iter().cloned()),
                        Some(lone) => filled.push(lone.clone()),
                        None => filled.push(self.fill(entry, slots)),
                    }
                }
                Value::Array(filled)
            }
            Value::Object(members) => {
                let mut filled = Map::new();
                for (key, member) in members {
                    let member = self.fill(member, slots);
                    match slot_of(key, "{").and_then(|slot| slots.get(slot)).and_then(Value::as_str) {
                        Some(name) if self.nest => nest(&mut filled, name, member),
                        Some(name) => drop(filled.insert(name.to_owned(), member)),
                        None => drop(filled.insert(key.clone(), member)),
                    }
                }
                Value::Object(filled)
            }
            other => other.clone(),
        }
    }
}

/// `on` for `{on}`; with the opening `{...` the name in `{...all}`.
fn slot_of<'t>(text: &'t str, open: &str) -> Option<&'t str> {
    let name = text.strip_prefix(open)?.strip_suffix('}')?;
    name.chars().all(|c| c.is_ascii_alphabetic()).then_some(name)
}

fn holds(template: &Value, slot: &str) -> bool {
    match template {
        Value::String(text) => slot_of(text, "{") == Some(slot) || slot_of(text, "{...") == Some(slot),
        Value::Array(entries) => entries.iter().any(|entry| holds(entry, slot)),
        Value::Object(members) => {
            members.iter().any(|(key, member)| slot_of(key, "{") == Some(slot) || holds(member, slot))
        }
        _ => false,
    }
}

/// `a.b.c` as `{a: {b: {c: member}}}`.
fn nest(target: &mut Map<String, Value>, name: &str, member: Value) {
    let mut names = name.split('.').rev();
    let last = names.next().unwrap_or(name);
    let first = Value::Object(Map::from_iter([(last.to_owned(), member)]));
    let nested = names.fold(first, |inner, name| Value::Object(Map::from_iter([(name.to_owned(), inner)])));
    if let Value::Object(nested) = nested {
        target.extend(nested);
    }
}
