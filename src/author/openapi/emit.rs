//! YAML as people write it: blocks for what is long, braces for what fits into a line.

use std::fmt::Write;

use serde_json::{Map, Value};

const WIDTH: usize = 100;

pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// One entry after the other, at this depth.
fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let _ = write!(text, "{indent}{}:", scalar(name, false));
                after(value, depth, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let line = flow(item);
                if fits(&line, depth) || !item.is_object() {
                    let _ = writeln!(text, "{indent}- {line}");
                    continue;
                }
                // The first member stands behind the hyphen.
                let mut inner = String::new();
                block(item, depth + 1, &mut inner);
                let rest = inner.get((depth + 1) * 2..).unwrap_or_default();
                let _ = write!(text, "{indent}- {rest}");
            }
        }
        value => {
            let _ = writeln!(text, "{indent}{}", flow(value));
        }
    }
}

/// What stands behind a name: on its line where it fits.
fn after(value: &Value, depth: usize, text: &mut String) {
    let line = flow(value);
    let nested = |value: &Value| matches!(value, Value::Object(_) | Value::Array(_));
    let deep = match value {
        Value::Object(members) => depth == 0 && members.values().any(nested) || members.len() > 6,
        Value::Array(items) => items.iter().any(Value::is_object) && depth == 0,
        _ => false,
    };
    let empty = matches!(value, Value::Object(members) if members.is_empty())
        || matches!(value, Value::Array(items) if items.is_empty());
    if empty || !nested(value) || fits(&line, depth) && !deep {
        let _ = writeln!(text, " {}", if nested(value) { line } else { plain(value, false) });
    } else {
        text.push('\n');
        block(value, depth + 1, text);
    }
}

fn fits(line: &str, depth: usize) -> bool {
    line.len() + depth * 2 <= WIDTH
}

fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) if members.is_empty() => "{}".into(),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {}", scalar(name, true), flow(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        value => plain(value, true),
    }
}

fn plain(value: &Value, inside: bool) -> String {
    match value {
        Value::String(text) => scalar(text, inside),
        other => other.to_string(),
    }
}

/// Quoted unless it could be read in one way only. Between braces a comma ends a text, too.
fn scalar(text: &str, inside: bool) -> String {
    let word = |c: char| {
        c.is_alphanumeric() || c == '_' || c == '.' || c == '$' || c == '/' || c == '-' || c == ' ' && !inside
    };
    let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '/' || c == '$');
    let reserved = ["null", "true", "false", "yes", "no", "nan", "inf"];
    let known = reserved.contains(&text.to_lowercase().as_str());
    if begins && !known && text.chars().all(word) && !text.ends_with(' ') {
        return text.to_owned();
    }
    if text.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}') {
        return Value::String(text.to_owned()).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// An object of these members, those that are nothing left out.
pub fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(members.collect::<Map<String, Value>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_is_written_reads_the_same() {
        let value = json!({
            "title": "It's: a # test", "empty": {}, "none": [], "no": "no", "number": 12.50, "text": "12", "multi": "a\nb",
            "deep": {"a": {"b": [1, {"c": "x, y"}, ["d"]]}, "e": null, "`x y`": "{id}"},
            "list": [{"long": "x".repeat(90), "other": {"z": true}, "rows": [{"y": "w".repeat(80), "v": [{"u": 1}]}]}, "plain"],
        });
        let text = super::yaml(&value);
        let read = crate::catalog::Node::parse("x.yaml", &text).expect(&text).to_value();
        assert_eq!(read, value, "{text}");
    }
}
