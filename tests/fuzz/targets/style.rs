//! Whatever a caller filters by, the query has the same shape as with a harmless value, and in its place this value: read
//! back by a scanner that knows the language and not how the query was made.

use std::sync::LazyLock;

use serde_json::{Value, json};
use throughline::mapping::Style;

static BACKSLASHES: LazyLock<Style> = LazyLock::new(|| {
    style(&json!({
        "name": "[A-Za-z]+",
        "literals": {"string": {"quote": "'", "escape": {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r"}}},
        "ops": {"eq": "{on} = {value}", "in": "{on} IN ({values})"},
        "and": " AND ", "or": " OR "
    }))
});
static DOUBLED: LazyLock<Style> = LazyLock::new(|| {
    style(&json!({
        "name": "[A-Za-z]+",
        "literals": {"string": {"quote": "'", "escape": {"'": "''"}}},
        "ops": {"eq": "{on} eq {value}", "in": "{on} in ({values})"},
        "and": " and ", "or": " or "
    }))
});
static TREES: LazyLock<Style> = LazyLock::new(|| {
    style(&json!({
        "json": true, "name": "[A-Za-z]+",
        "ops": {"eq": {"on": "{on}", "op": "EQ", "value": "{value}"}, "in": {"on": "{on}", "op": "IN", "values": "{values}"}},
        "and": {"all": ["{...all}"]}, "or": ["{...any}"], "grouped": "always"
    }))
});

fn style(spec: &Value) -> Style {
    Style::parse(spec).unwrap_or_else(|faults| panic!("{faults:?}"))
}

pub fn holds(data: &[u8]) {
    let (first, second) = super::two(data);
    let (first, second) = (super::text(first), super::text(second));
    let values = [first.as_ref(), second.as_ref()];
    for (style, backslash) in [(&*BACKSLASHES, true), (&*DOUBLED, false)] {
        for (op, given) in [("eq", &values[..1]), ("in", &values[..])] {
            // What cannot be written in this language is refused.
            let Some(Value::String(query)) = rendered(style, op, given) else { continue };
            let Some(Value::String(harmless)) = rendered(style, op, &["x", "x"][..given.len()]) else {
                panic!("a harmless value is refused")
            };
            let (frame, read) = scanned(&query, backslash);
            assert_eq!(read, given, "{query}");
            assert_eq!(frame, scanned(&harmless, backslash).0, "{query}");
        }
    }
    for (op, given) in [("eq", &values[..1]), ("in", &values[..])] {
        let Some(query) = rendered(&TREES, op, given) else { continue };
        let value = if op == "eq" { json!(given[0]) } else { json!(given) };
        let member = if op == "eq" { "value" } else { "values" };
        let expected = json!([{"all": [{"on": "Name", "op": op.to_uppercase(), member: value}]}]);
        assert_eq!(query, expected);
    }
}

fn rendered(style: &Style, op: &str, values: &[&str]) -> Option<Value> {
    let value = if op == "in" { json!(values) } else { json!(values[0]) };
    let condition = json!({"on": "Name", "op": op, "value": value, "type": "string"});
    style.where_(&json!({"any": [{"all": [condition]}]})).ok().flatten()
}

/// The query without what stands between quotes, and that.
fn scanned(query: &str, backslash: bool) -> (String, Vec<String>) {
    let (mut frame, mut literals) = (String::new(), Vec::new());
    let mut signs = query.chars().peekable();
    while let Some(sign) = signs.next() {
        frame.push(sign);
        if sign != '\'' {
            continue;
        }
        let mut literal = String::new();
        loop {
            match signs.next().unwrap_or_else(|| panic!("a literal does not end: {query}")) {
                '\\' if backslash => match signs.next().expect("an escaped sign") {
                    'n' => literal.push('\n'),
                    'r' => literal.push('\r'),
                    other => literal.push(other),
                },
                '\'' if !backslash && signs.peek() == Some(&'\'') => {
                    signs.next();
                    literal.push('\'');
                }
                '\'' => break,
                other => literal.push(other),
            }
        }
        literals.push(literal);
    }
    (frame, literals)
}
