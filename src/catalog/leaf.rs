//! A leaf of a request or an answer: a path, an expression, a literal, or a map or list of leaves.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::build::{Build, Located, Scope};
use super::leaf_names::{check_braces, check_key, check_root, entry_scope};
use crate::error::Error;
use crate::mapping::{Path, Vars, merge};

#[derive(Debug, Clone)]
pub enum Leaf {
    Literal(Value),
    /// Runs natively, without the engine.
    Path(Path),
    Expression(Located),
    List(Vec<Leaf>),
    Map(Vec<(String, Leaf)>),
    /// In a query: the parameter is repeated, once per item.
    Each(Box<Leaf>),
    /// Objects laid over each other without the engine, so that numbers keep their text.
    Merge(Vec<Leaf>),
    /// An object without some members.
    Omit(Box<Leaf>, Box<Leaf>),
    /// A leaf over each entry of a list.
    Over(Path, Box<Leaf>),
}

impl Leaf {
    /// Strings are paths or expressions, `{const: x}` is the literal x, other scalars stand for themselves.
    pub fn compile(build: &mut Build<'_>, pointer: &str, spec: &Value, scope: &Scope<'_>) -> Option<Leaf> {
        match spec {
            Value::String(text) => match Path::parse(text) {
                Some(path) => {
                    check_root(build, pointer, &path, scope);
                    Some(Leaf::Path(path))
                }
                None => {
                    check_braces(build, pointer, text, scope);
                    build.expression(pointer, text, scope).map(Leaf::Expression)
                }
            },
            Value::Object(map) => match map.iter().next() {
                Some((key, value)) if map.len() == 1 && key == "const" => {
                    check_braces(build, pointer, value.as_str().unwrap_or_default(), scope);
                    Some(Leaf::Literal(value.clone()))
                }
                Some((key, value)) if map.len() == 1 && key == "each" => {
                    let inner = Leaf::compile(build, &format!("{pointer}/each"), value, scope)?;
                    Some(Leaf::Each(Box::new(inner)))
                }
                Some((key, Value::Array(parts))) if map.len() == 1 && key == "merge" => {
                    let mut leaves = Vec::new();
                    for (index, part) in parts.iter().enumerate() {
                        leaves.push(Leaf::compile(build, &format!("{pointer}/merge/{index}"), part, scope)?);
                    }
                    Some(Leaf::Merge(leaves))
                }
                Some((key, Value::Object(parts))) if map.len() == 1 && key == "omit" => {
                    let mut part = |word: &str| {
                        let Some(spec) = parts.get(word) else {
                            build.problem(pointer, "`omit` says `from` what and which `names`");
                            return None;
                        };
                        Leaf::compile(build, &format!("{pointer}/omit/{word}"), spec, scope).map(Box::new)
                    };
                    let from = part("from")?;
                    Some(Leaf::Omit(from, part("names")?))
                }
                Some((key, Value::String(list))) if map.len() == 2 && key == "over" && map.contains_key("leaf") => {
                    let path = build.path(&format!("{pointer}/over"), list)?;
                    check_root(build, &format!("{pointer}/over"), &path, scope);
                    let inner = entry_scope(scope, &path);
                    let leaf = Leaf::compile(build, &format!("{pointer}/leaf"), map.get("leaf")?, &inner)?;
                    Some(Leaf::Over(path, Box::new(leaf)))
                }
                _ => {
                    let mut leaves = Vec::new();
                    for (key, value) in map {
                        let here = format!("{pointer}/{}", crate::model::escape(key));
                        check_key(build, &here, key);
                        let leaf = Leaf::compile(build, &here, value, scope)?;
                        leaves.push((key.clone(), leaf));
                    }
                    Some(Leaf::Map(leaves))
                }
            },
            Value::Array(list) => {
                let mut leaves = Vec::new();
                for (index, value) in list.iter().enumerate() {
                    leaves.push(Leaf::compile(build, &format!("{pointer}/{index}"), value, scope)?);
                }
                Some(Leaf::List(leaves))
            }
            literal => Some(Leaf::Literal(literal.clone())),
        }
    }

    /// The value in this scope. Members of maps and items of lists without a value vanish.
    pub fn evaluate(&self, input: &Value, vars: &Vars) -> Result<Option<Value>, Error> {
        Ok(match self {
            Leaf::Literal(value) => Some(value.clone()),
            Leaf::Path(path) => path.get(input).cloned(),
            Leaf::Expression(expression) => expression.evaluate(input, vars)?,
            Leaf::Each(inner) => inner.evaluate(input, vars)?,
            Leaf::Merge(leaves) => {
                let mut whole = Value::Object(Map::new());
                for leaf in leaves {
                    if let Some(part @ Value::Object(_)) = leaf.evaluate(input, vars)? {
                        merge(&mut whole, part);
                    }
                }
                Some(whole)
            }
            Leaf::Omit(from, names) => {
                let names = match names.evaluate(input, vars)? {
                    Some(Value::Array(names)) => names,
                    name => name.into_iter().collect(),
                };
                let mut whole = from.evaluate(input, vars)?;
                if let Some(Value::Object(members)) = &mut whole {
                    members.retain(|member, _| !names.iter().any(|name| name == member));
                }
                whole
            }
            Leaf::Over(path, leaf) => {
                let entries = path.get(input).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let mut list = Vec::with_capacity(entries.len());
                for entry in entries {
                    list.extend(match (input, entry) {
                        // The entry's members lie over the names around it.
                        (Value::Object(outer), Value::Object(members)) => {
                            let mut names = outer.clone();
                            names.shift_remove(path.first());
                            names.extend(members.clone());
                            leaf.evaluate(&Value::Object(names), vars)?
                        }
                        _ => leaf.evaluate(entry, vars)?,
                    });
                }
                Some(Value::Array(list))
            }
            Leaf::List(leaves) => {
                let mut list = Vec::with_capacity(leaves.len());
                for leaf in leaves {
                    list.extend(leaf.evaluate(input, vars)?);
                }
                Some(Value::Array(list))
            }
            Leaf::Map(leaves) => {
                let mut map = Map::new();
                for (key, leaf) in leaves {
                    if let Some(value) = leaf.evaluate(input, vars)? {
                        map.insert(key.clone(), value);
                    }
                }
                Some(Value::Object(map))
            }
        })
    }

    /// The same, without a copy where the value is there already.
    pub fn look<'v>(&'v self, input: &'v Value, vars: &Vars) -> Result<Option<Cow<'v, Value>>, Error> {
        Ok(match self {
            Leaf::Literal(value) => Some(Cow::Borrowed(value)),
            Leaf::Path(path) => path.get(input).map(Cow::Borrowed),
            Leaf::Each(inner) => inner.look(input, vars)?,
            _ => self.evaluate(input, vars)?.map(Cow::Owned),
        })
    }

    /// The paths that it reads of what is in hand; `[]` is everything.
    pub fn reads(&self, found: &mut Vec<Vec<String>>) {
        match self {
            Leaf::Literal(_) => {}
            Leaf::Path(path) => found.push(path.names().into_iter().map(str::to_owned).collect()),
            Leaf::Expression(located) => {
                if located.expression().is_opaque() {
                    found.push(Vec::new());
                }
                found.extend(located.expression().reads().iter().cloned());
            }
            Leaf::Each(inner) => inner.reads(found),
            Leaf::Omit(from, names) => [from, names].iter().for_each(|leaf| leaf.reads(found)),
            Leaf::Over(path, _) => found.push(path.names().into_iter().map(str::to_owned).collect()),
            Leaf::List(leaves) | Leaf::Merge(leaves) => leaves.iter().for_each(|leaf| leaf.reads(found)),
            Leaf::Map(leaves) => leaves.iter().for_each(|(_, leaf)| leaf.reads(found)),
        }
    }

    /// Like `evaluate`, as text; null is no text.
    pub fn text(&self, input: &Value, vars: &Vars) -> Result<Option<String>, Error> {
        Ok(match self.look(input, vars)?.as_deref() {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        })
    }
}
