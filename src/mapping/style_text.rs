//! Styles that render text.

use super::style::{Condition, Rendered, Style, StyleError, each_of, values};
use super::style_literal::{Literal, full_match, invalid, parse_escape};
use super::template::{Template, Values};
use super::{codec, decimal};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub struct TextStyle {
    name: regex::Regex,
    literals: BTreeMap<String, Literal>,
    ops: BTreeMap<String, Op>,
    like: Like,
    and: String,
    or: String,
    group: Template,
    order: Option<(Template, Template, String)>,
    statement: Option<Template>,
    select_join: String,
    values_join: String,
}

#[derive(Debug, Clone)]
enum Op {
    Template(Template),
    /// One condition of this operator for each value.
    Each(String),
}

/// Text search: what stands around the text and what is escaped in it besides the literal's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Like {
    pub(super) before: String,
    pub(super) after: String,
    pub(super) escape: BTreeMap<char, String>,
}

impl Like {
    pub(super) fn parse(spec: Option<&Value>) -> Result<Self, String> {
        let Some(spec) = spec else { return Ok(Self::default()) };
        let text = |name: &str| spec.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let escape = parse_escape(spec.get("escape").unwrap_or(&Value::Null))?;
        Ok(Self { before: text("before"), after: text("after"), escape })
    }
}

const KEYS: &[&str] = &[
    "json",
    "name",
    "literals",
    "ops",
    "like",
    "and",
    "or",
    "group",
    "order",
    "statement",
    "select_join",
    "values_join",
];
const SLOTS: &[&str] = &["on", "value", "values", "like", "prefix", "suffix"];

impl TextStyle {
    pub(super) fn parse(spec: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut problems: Vec<String> = spec
            .keys()
            .filter(|key| !KEYS.contains(&key.as_str()))
            .map(|key| format!("a style has no {key:?}"))
            .collect();
        let text = |name: &str, default: &str| spec.get(name).and_then(Value::as_str).unwrap_or(default).to_owned();
        let name = match spec.get("name").and_then(Value::as_str) {
            Some(pattern) => full_match(pattern),
            None => Err("a text style needs name: the pattern of a column".into()),
        };
        let mut literals = BTreeMap::new();
        for (kind, literal) in spec.get("literals").and_then(Value::as_object).into_iter().flatten() {
            match Literal::parse(kind, literal) {
                Ok(literal) => drop(literals.insert(kind.clone(), literal)),
                Err(problem) => problems.push(problem),
            }
        }
        if !literals.contains_key("string") {
            problems.push("literals.string says how texts are written".into());
        }
        let mut ops = BTreeMap::new();
        for (op, spec) in spec.get("ops").and_then(Value::as_object).into_iter().flatten() {
            match parse_op(op, spec) {
                Ok(parsed) => drop(ops.insert(op.clone(), parsed)),
                Err(problem) => problems.push(problem),
            }
        }
        for (op, parsed) in &ops {
            if let Op::Each(inner) = parsed
                && !matches!(ops.get(inner), Some(Op::Template(_)))
            {
                problems.push(format!("ops.{op}: {inner:?} is no operator with a template"));
            }
        }
        let like = Like::parse(spec.get("like"));
        if let (Ok(like), Some(Literal::Quoted(quoted))) = (&like, literals.get("string")) {
            let texts = like.escape.values().chain([&like.before, &like.after]);
            let open =
                texts.filter(|text| !quoted.holds(text)).map(|text| format!("like: {text:?} would end the quotes"));
            problems.extend(open);
        }
        let group = Template::parse(&text("group", "({all})"));
        let order = spec.get("order").map(parse_order).transpose();
        let statement = spec.get("statement").and_then(Value::as_str).map(Template::parse_grouped).transpose();
        match (name, like, group, order, statement) {
            (Ok(name), Ok(like), Ok(group), Ok(order), Ok(statement)) if problems.is_empty() => Ok(Self {
                name,
                literals,
                ops,
                like,
                and: text("and", " and "),
                or: text("or", " or "),
                group,
                order,
                statement,
                select_join: text("select_join", ", "),
                values_join: text("values_join", ", "),
            }),
            (name, like, group, order, statement) => {
                let errors = [name.err(), like.err(), group.err(), order.err(), statement.err()];
                problems.extend(errors.into_iter().flatten());
                Err(problems)
            }
        }
    }

    pub(super) fn supports(&self, op: &str) -> bool {
        self.ops.contains_key(op)
    }

    pub(super) fn literal(&self, value: &Value, kind: &str) -> Rendered<String> {
        if value.is_null() {
            return match self.literals.get("null") {
                Some(Literal::Fixed(null)) => Ok(null.clone()),
                _ => Err(invalid(kind)),
            };
        }
        let literal = self.literals.get(kind).or_else(|| self.literals.get("string"));
        literal.ok_or_else(|| invalid(kind))?.text(value, kind)
    }

    fn column<'n>(&self, name: &'n str) -> Rendered<&'n str> {
        if self.name.is_match(name) {
            Ok(name)
        } else {
            Err(StyleError::mapping(format!("{:?} is no name of a column", super::problem::shorten(name))))
        }
    }

    pub(super) fn conditions(&self, groups: &[Vec<Condition<'_>>]) -> Rendered<String> {
        let mut texts = Vec::new();
        for group in groups {
            let all: Vec<String> = group.iter().map(|condition| self.condition(condition)).collect::<Rendered<_>>()?;
            texts.push(all.join(&self.and));
        }
        match texts.len() {
            1 => Ok(texts.concat()),
            _ => Ok(texts.into_iter().map(|text| self.grouped(text)).collect::<Vec<_>>().join(&self.or)),
        }
    }

    fn grouped(&self, text: String) -> String {
        self.group.fill(&Values::from([("all".to_owned(), text)])).unwrap_or_default()
    }

    /// Several alternatives in the place of one condition.
    fn either(&self, mut texts: Vec<String>) -> String {
        match texts.len() {
            1 => texts.swap_remove(0),
            _ => self.grouped(texts.join(&self.or)),
        }
    }

    fn condition(&self, condition: &Condition<'_>) -> Rendered<String> {
        let columns = condition.on.iter().map(|on| self.on_column(on, condition.op, condition.value, condition.kind));
        Ok(self.either(columns.collect::<Rendered<_>>()?))
    }

    fn on_column(&self, on: &str, op: &str, value: &Value, kind: &str) -> Rendered<String> {
        let template = match self.ops.get(op).ok_or_else(|| StyleError::unsupported(op))? {
            Op::Each(inner) => {
                let each = values(value).iter().map(|value| self.on_column(on, inner, value, kind));
                let each = each.collect::<Rendered<Vec<_>>>()?;
                return if each.is_empty() { Err(StyleError::empty_list()) } else { Ok(self.either(each)) };
            }
            Op::Template(template) => template,
        };
        let mut filled = Values::new();
        for slot in template.slots() {
            let text = match slot {
                "on" => self.column(on)?.to_owned(),
                "value" => self.literal(value, kind)?,
                "values" => {
                    let list = values(value);
                    if list.is_empty() {
                        return Err(StyleError::empty_list());
                    }
                    let texts = list.iter().map(|value| self.literal(value, kind));
                    texts.collect::<Rendered<Vec<_>>>()?.join(&self.values_join)
                }
                "like" => self.search(value, &self.like.before, &self.like.after)?,
                "prefix" => self.search(value, "", &self.like.after)?,
                _ => self.search(value, &self.like.before, "")?,
            };
            filled.insert(slot.to_owned(), text);
        }
        template.fill(&filled).ok_or_else(|| StyleError::mapping("a slot without a value"))
    }

    fn search(&self, value: &Value, before: &str, after: &str) -> Rendered<String> {
        let text = codec::scalar_text(value).ok_or_else(|| invalid("string"))?;
        match self.literals.get("string") {
            Some(Literal::Quoted(quoted)) => {
                let inner = quoted.inner(&text, &self.like.escape);
                Ok(format!("{0}{before}{inner}{after}{0}", quoted.quote))
            }
            // Without quotes, the pattern of bare texts is all that keeps a text a text.
            _ => Ok(format!("{before}{}{after}", self.literal(value, "string")?)),
        }
    }

    pub(super) fn order(&self, sort: &[(&str, bool)]) -> Rendered<String> {
        let (asc, desc, join) = self.order.as_ref().ok_or_else(|| StyleError::mapping("the style has no order"))?;
        let one = |(on, down): &(&str, bool)| {
            let values = Values::from([("on".to_owned(), self.column(on)?.to_owned())]);
            let text = if *down { desc.fill(&values) } else { asc.fill(&values) };
            text.ok_or_else(|| StyleError::mapping("order knows {on} only"))
        };
        Ok(sort.iter().map(one).collect::<Rendered<Vec<_>>>()?.join(join))
    }

    /// The statement filled with its parts: `where`, `order` and `select` rendered, numbers that are whole,
    /// everything else only if it is a name.
    pub(super) fn query(&self, style: &Style, parts: &Value) -> Rendered<Option<String>> {
        let statement = self.statement.as_ref().ok_or_else(|| StyleError::mapping("the style has no statement"))?;
        let mut filled = Values::new();
        for (name, part) in parts.as_object().into_iter().flatten() {
            let text = match (name.as_str(), part) {
                (_, Value::Null) => None,
                ("where", conditions) => style.where_(conditions)?.as_ref().and_then(codec::scalar_text),
                ("order", sort) => style.order(sort)?.as_ref().and_then(codec::scalar_text),
                ("select", list) => {
                    let names = values(list).iter().map(|name| {
                        self.column(name.as_str().ok_or_else(|| StyleError::mapping("select is a list of names"))?)
                    });
                    let names = names.collect::<Rendered<Vec<_>>>()?;
                    (!names.is_empty()).then(|| names.join(&self.select_join))
                }
                ("limit" | "offset", number) | (_, number @ Value::Number(_)) => {
                    let text = decimal::text(number).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                    Some(text.ok_or_else(|| StyleError::mapping(format!("{name} is a whole number")))?)
                }
                (_, Value::String(text)) => Some(self.column(text)?.to_owned()),
                _ => return Err(StyleError::mapping(format!("{name} is neither a name nor a number"))),
            };
            filled.extend(text.map(|text| (name.clone(), text)));
        }
        Ok(statement.fill(&filled))
    }
}

fn parse_op(op: &str, spec: &Value) -> Result<Op, String> {
    let wrong = |why: String| format!("ops.{op}: {why}");
    match spec {
        Value::String(text) => {
            let template = Template::parse(text).map_err(wrong)?;
            match template.slots().into_iter().find(|slot| !SLOTS.contains(slot)) {
                Some(slot) => Err(wrong(format!("there is no {{{slot}}}; known: {}", SLOTS.join(", ")))),
                None => Ok(Op::Template(template)),
            }
        }
        Value::Object(map) => {
            each_of(map).map(|inner| Op::Each(inner.to_owned())).ok_or_else(|| wrong("a template or {any: op}".into()))
        }
        _ => Err(wrong("a template or {any: op}".into())),
    }
}

fn parse_order(spec: &Value) -> Result<(Template, Template, String), String> {
    let part = |name: &str| {
        let text = spec.get(name).and_then(Value::as_str).ok_or_else(|| format!("order needs {name}"))?;
        let template = Template::parse(text)?;
        if template.slots() == ["on"] {
            Ok(template)
        } else {
            Err(format!("order.{name} holds {{on}} and no other slot"))
        }
    };
    let join = spec.get("join").and_then(Value::as_str).unwrap_or(", ").to_owned();
    Ok((part("asc")?, part("desc")?, join))
}
