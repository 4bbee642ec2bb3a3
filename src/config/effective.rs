//! Every setting with its value and where it comes from, without the secrets.

use serde_json::{Map, Value, json};

use super::{Config, PREFIX};
use crate::catalog::{Node, NodeKind};

/// What a secret is written as.
pub(super) const HIDDEN: &str = "(secret)";

pub struct Setting {
    /// `["vault", "key_file"]`.
    path: Vec<String>,
    value: Value,
    origin: String,
}

/// All settings, in the order of the manual. `given` is what was read.
pub fn settings(config: &Config, given: &Node) -> Result<Vec<Setting>, serde_json::Error> {
    let mut settings = Vec::new();
    gather(&serde_json::to_value(config)?, Some(given), &mut Vec::new(), &mut settings);
    Ok(settings)
}

fn gather(value: &Value, given: Option<&Node>, path: &mut Vec<String>, settings: &mut Vec<Setting>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                path.push(name.clone());
                gather(member, given.and_then(|node| node.get(name)), path, settings);
                path.pop();
            }
        }
        value => {
            let origin = given.map_or_else(|| "default".to_owned(), origin);
            settings.push(Setting { path: path.clone(), value: value.clone(), origin });
        }
    }
}

/// `throughline.yaml:12`, or the name of a variable.
fn origin(node: &Node) -> String {
    match (&node.kind, &*node.file) {
        (NodeKind::Scalar(Value::Null), _) => "default".to_owned(),
        (_, variable) if variable.starts_with(PREFIX) => variable.to_owned(),
        (_, file) => format!("{file}:{}", node.line),
    }
}

impl Setting {
    fn is_hidden(&self) -> bool {
        self.value == HIDDEN
    }
}

/// A configuration file that says the same, each line with its origin. Secrets are remarks in it.
pub fn to_yaml(settings: &[Setting]) -> String {
    let mut text = String::new();
    let mut above: &[String] = &[];
    for setting in settings {
        let Some((name, parents)) = setting.path.split_last() else { continue };
        let shared = above.iter().zip(parents).take_while(|(one, other)| one == other).count();
        for (depth, parent) in parents.iter().enumerate().skip(shared) {
            text.push_str(&format!("{}{}:\n", "  ".repeat(depth), key(parent)));
        }
        let (indent, name, origin) = ("  ".repeat(parents.len()), key(name), &setting.origin);
        let line = match setting.is_hidden() {
            true => format!("{indent}# {name}: (hidden)  # {origin}\n"),
            // JSON is YAML, and needs no thought about quotes.
            false => format!("{indent}{name}: {}  # {origin}\n", setting.value),
        };
        text.push_str(&line);
        above = parents;
    }
    text
}

/// `{"vault.key_file": {"value": …, "origin": …}}`; a secret is `{"hidden": true}` instead of its value.
pub fn to_json(settings: &[Setting]) -> Value {
    let entry = |setting: &Setting| {
        let told = match setting.is_hidden() {
            true => json!({"hidden": true, "origin": setting.origin}),
            false => json!({"value": setting.value, "origin": setting.origin}),
        };
        (setting.path.join("."), told)
    };
    Value::Object(settings.iter().map(entry).collect::<Map<_, _>>())
}

/// Names of tenants and providers may be anything.
fn key(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    if starts && name.chars().all(plain) { name.to_owned() } else { json!(name).to_string() }
}
