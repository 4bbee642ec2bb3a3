//! An operation as a curl command, and what comes back.

use serde_json::Value;

use super::document::{Document, Operation, text};

/// Headers that an example shows where the operation takes them.
const CONNECTION: &str = "Throughline-Connection";
const KEY: &str = "Idempotency-Key";

/// A command to paste; `$TL`, `$KEY` and `$CONN` are as in the guide.
pub fn curl(operation: &Operation<'_>, document: &Document<'_>) -> String {
    let parameters = operation.parameters(document);
    let has = |name: &str| parameters.iter().any(|parameter| text(parameter, "name") == name);
    let mut words = vec!["curl".to_owned()];
    if !matches!(operation.method, "get" | "post") {
        words.push(format!("-X {}", operation.method.to_uppercase()));
    }
    let address = format!("$TL{}{}", filled(operation.path), query(&parameters));
    words.push(format!("\"{address}\""));
    let mut lines = vec![words.join(" ")];
    if operation.value.get("security").is_none() {
        lines.push("-H \"Authorization: Bearer $KEY\"".into());
    }
    if has(CONNECTION) {
        lines.push(format!("-H \"{CONNECTION}: $CONN\""));
    }
    if has(KEY) && operation.method != "get" {
        lines.push(format!("-H \"{KEY}: order-4711\""));
    }
    if let Some(body) = operation.value.get("requestBody").and_then(|body| example(body, document)) {
        lines.push("-H \"Content-Type: application/json\"".into());
        lines.push(format!("-d '{}'", format!("{body:#}").replace('\'', "'\\''")));
    } else if operation.method == "post" {
        lines.push("-X POST".into());
    }
    lines.join(" \\\n  ")
}

/// The example of a body or of an answer.
pub fn example<'a>(holder: &'a Value, document: &Document<'a>) -> Option<&'a Value> {
    let examples = holder.pointer("/content/application~1json/examples")?.as_object()?;
    document.resolve(examples.values().next()?).get("value")
}

/// `/v1/crm/contacts/{id}` with a variable of the shell.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    for part in path.split('{') {
        match part.split_once('}') {
            Some((name, rest)) => {
                match name {
                    "provider" | "name" => filled.push_str("acme"),
                    "other" => filled.push_str("companies"),
                    "path" => filled.push_str("api/anything"),
                    other => filled.extend(["$", &other.to_uppercase()]),
                }
                filled.push_str(rest);
            }
            None => filled.push_str(part),
        }
    }
    filled
}

/// What the query of an example asks for: what is needed, and a few rows.
fn query(parameters: &[&Value]) -> String {
    let mut pairs: Vec<String> = Vec::new();
    for parameter in parameters.iter().filter(|parameter| text(parameter, "in") == "query") {
        let name = text(parameter, "name");
        let value = match name {
            "limit" => Some("2".to_owned()),
            // Brackets mean something to curl.
            "filter[updated_at][gte]" => Some("2026-01-01T00:00:00Z".to_owned()),
            _ if parameter.get("required") == Some(&Value::Bool(true)) => first_value(parameter),
            _ => None,
        };
        pairs.extend(value.map(|value| format!("{}={value}", name.replace('[', "%5B").replace(']', "%5D"))));
    }
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn first_value(parameter: &Value) -> Option<String> {
    let schema = parameter.get("schema")?;
    let values = schema.get("enum").or_else(|| schema.pointer("/anyOf/0/enum"))?;
    values.get(0)?.as_str().map(str::to_owned)
}
