//! Shapes of answers as data: a YAML tree whose strings are paths or expressions over a scope.

use std::time::Duration;

use serde_json::{Map, Value};

use super::digits;
use super::fault::Fault;
use super::words::Problems;
use crate::catalog::{Node, NodeKind};
use crate::mapping::{Engine, Expression, Limits, Path, Vars};

/// The time is only a guard against endless expressions: on a busy machine even a short one may have to wait its turn,
/// and nobody waits for a stand-in.
const LIMITS: Limits = Limits { time: Duration::from_secs(5), depth: 500, items: 100_000, output: 8 * 1024 * 1024 };

#[derive(Debug, Clone)]
pub(super) enum Template {
    Const(Value),
    Path(Path),
    Expression(Expression),
    /// `{text: …}`: pieces of text and paths, joined. Absent when one of them is.
    Text(Vec<(String, Option<Path>)>),
    List(Vec<Template>),
    /// A member named `*` lays the members of its value here. Without a value for a member named `?` there is no map.
    Map(Vec<(String, Template)>),
}

impl Template {
    pub(super) fn compile(node: &Node, problems: &Problems) -> Self {
        match &node.kind {
            NodeKind::Scalar(Value::String(source)) => leaf(source, node, problems),
            NodeKind::Scalar(value) => Template::Const(value.clone()),
            NodeKind::List(list) => Template::List(list.iter().map(|item| Self::compile(item, problems)).collect()),
            NodeKind::Map(map) => {
                if let (1, Some(constant)) = (map.len(), map.get("const")) {
                    return Template::Const(constant.to_value());
                }
                if let (1, Some(text)) = (map.len(), map.get("text").and_then(Node::as_str)) {
                    return text_template(text, node, problems);
                }
                Template::Map(map.iter().map(|(name, node)| (name.clone(), Self::compile(node, problems))).collect())
            }
        }
    }

    /// The value in this scope, `None` where there is none. Members without a value are left out.
    pub(super) fn render(&self, scope: &Value) -> Result<Option<Value>, Fault> {
        Ok(match self {
            Template::Const(value) => Some(value.clone()),
            Template::Path(path) => path.get(scope).cloned(),
            Template::Expression(expression) => expression
                .evaluate(scope, &Vars::default(), &LIMITS)
                .map_err(|problem| Fault::broken(format!("{}: {problem}", expression.source())))?
                .map(|value| digits::kept(value, scope)),
            Template::Text(pieces) => join(pieces, scope).map(Value::String),
            Template::List(list) => {
                let mut items = Vec::with_capacity(list.len());
                for template in list {
                    items.extend(template.render(scope)?);
                }
                Some(Value::Array(items))
            }
            Template::Map(members) => {
                let mut map = Map::with_capacity(members.len());
                for (name, template) in members {
                    match (name.as_str(), template.render(scope)?) {
                        ("?", None | Some(Value::Null | Value::Bool(false))) => return Ok(None),
                        ("?", _) | (_, None) => {}
                        ("*", Some(inner)) => map.extend(inner.as_object().cloned().unwrap_or_default()),
                        (_, Some(value)) => {
                            map.insert(name.clone(), value);
                        }
                    }
                }
                Some(Value::Object(map))
            }
        })
    }

    /// The value as text; numbers and booleans too.
    pub(super) fn render_text(&self, scope: &Value) -> Result<Option<String>, Fault> {
        Ok(self.render(scope)?.as_ref().and_then(as_text))
    }
}

fn leaf(source: &str, node: &Node, problems: &Problems) -> Template {
    if let Some(path) = Path::parse(source) {
        return Template::Path(path);
    }
    match Expression::compile(source, Engine::Core) {
        Ok(expression) => Template::Expression(expression),
        Err(problem) => {
            problems.add(node, format!("`{source}` is neither a path nor an expression: {problem}"));
            Template::Const(Value::Null)
        }
    }
}

fn text_template(text: &str, node: &Node, problems: &Problems) -> Template {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            problems.add(node, "a `{` in this text is never closed");
            break;
        };
        match Path::parse(name) {
            Some(path) => pieces.push((before.to_owned(), Some(path))),
            None => problems.add(node, format!("`{{{name}}}` does not hold a path")),
        }
        rest = after;
    }
    pieces.push((rest.to_owned(), None));
    Template::Text(pieces)
}

fn join(pieces: &[(String, Option<Path>)], scope: &Value) -> Option<String> {
    let mut text = String::new();
    for (before, path) in pieces {
        text.push_str(before);
        if let Some(path) = path {
            text.push_str(&as_text(path.get(scope)?)?);
        }
    }
    Some(text)
}

/// A scalar as text; `None` for null, lists and maps.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
