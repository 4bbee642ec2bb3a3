//! What an example says and what came out, place by place.

use serde_json::Value;

/// Longer values are written over several lines.
const WIDTH: usize = 100;

/// Where two documents differ, one text a place: `-` is what was expected, `+` what was found.
pub fn difference(what: &str, expected: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    differ("", Some(expected), Some(found), &mut lines);
    lines.into_iter().map(|line| format!("{what}{line}")).collect()
}

/// The two sides below the name of their place.
pub fn sides(expected: &str, found: &str) -> String {
    let side = |sign: char, text: &str| {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let rest: String = lines.map(|line| format!("\n    {line}")).collect();
        format!("\n  {sign} {first}{rest}")
    };
    side('-', expected) + &side('+', found)
}

fn differ(at: &str, expected: Option<&Value>, found: Option<&Value>, lines: &mut Vec<String>) {
    match (expected, found) {
        (expected, found) if expected == found => {}
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                differ(&format!("{at}/{key}"), a.get(key), b.get(key), lines);
            }
        }
        // Entries are compared by their place: of lists of texts the whole list says more.
        (Some(Value::Array(a)), Some(Value::Array(b)))
            if a.len() == b.len() || a.iter().chain(b).any(Value::is_object) =>
        {
            for index in 0..a.len().max(b.len()) {
                differ(&format!("{at}/{index}"), a.get(index), b.get(index), lines);
            }
        }
        _ => lines.push(format!("{at}{}", sides(&shown(expected), &shown(found)))),
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "(absent)".into() };
    let line = value.to_string();
    if line.len() <= WIDTH || value.is_string() { line } else { format!("{value:#}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::difference;

    #[test]
    fn places_are_told_one_by_one() {
        let expected = json!({"a": 1, "list": [{"x": 1}, {"x": 2}], "tags": ["a"], "gone": true});
        let found = json!({"a": 1, "list": [{"x": 1}], "tags": ["a", "b"], "new": null});
        assert_eq!(
            difference("body", &expected, &found),
            [
                "body/list/1\n  - {\"x\":2}\n  + (absent)",
                "body/tags\n  - [\"a\"]\n  + [\"a\",\"b\"]",
                "body/gone\n  - true\n  + (absent)",
                "body/new\n  - (absent)\n  + null",
            ]
        );
        let long = json!({"long": "x".repeat(90), "more": "y"});
        let told = difference("answer: data", &json!(null), &long).join("");
        assert!(told.starts_with("answer: data\n  - null\n  + {\n      \"long\""), "{told}");
    }
}
