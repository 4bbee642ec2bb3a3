//! Styles with values that want to become syntax, re-read by a scanner that knows nothing of the renderer.

use super::*;
use proptest::prelude::*;

pub(super) fn rows() -> Style {
    Style::parse(&json!({
        "name": "[A-Za-z][A-Za-z0-9_]*(\\.[A-Za-z][A-Za-z0-9_]*)*",
        "literals": {
            "string": {"quote": "'", "escape": {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\"": "\\\""}},
            "id": {"bare": "[0-9a-f]{4}"},
            "number": "bare", "integer": "bare", "boolean": "bare", "date": "bare", "date-time": "bare", "null": "null"
        },
        "ops": {
            "eq": "{on} = {value}", "gt": "{on} > {value}", "in": "{on} IN ({values})", "any_of": {"any": "eq"},
            "contains": "{on} LIKE {like}", "starts_with": "{on} LIKE {prefix}", "exists": "{on} != null", "missing": "{on} = null"
        },
        "like": {"before": "%", "after": "%", "escape": {"\\": "\\\\", "%": "\\%", "_": "\\_"}},
        "and": " AND ", "or": " OR ",
        "order": {"asc": "{on} ASC", "desc": "{on} DESC"},
        "statement": "SELECT {select} FROM {from}[ WHERE {where}][ ORDER BY {order}] LIMIT {limit}"
    }))
    .expect("a style")
}

fn one(op: &str, value: Value, kind: &str) -> Value {
    json!({"any": [{"all": [{"on": "Name", "op": op, "value": value, "type": kind}]}]})
}

fn rendered(style: &Style, conditions: &Value) -> String {
    match style.where_(conditions) {
        Ok(Some(Value::String(text))) => text,
        other => panic!("{conditions}: {other:?}"),
    }
}

#[test]
fn conditions_as_text() {
    let style = rows();
    for (op, value, kind, expected) in [
        ("eq", json!("O'B"), "string", r"Name = 'O\'B'"),
        ("eq", json!("{on} {value}"), "string", "Name = '{on} {value}'"),
        ("eq", json!(12500.5), "number", "Name = 12500.5"),
        ("eq", json!("2026-09-01T02:00:00+02:00"), "date-time", "Name = 2026-09-01T00:00:00Z"),
        ("eq", Value::Null, "string", "Name = null"),
        ("eq", json!("00ff"), "id", "Name = 00ff"),
        ("eq", json!(true), "boolean", "Name = true"),
        ("in", json!(["a", "b"]), "string", "Name IN ('a', 'b')"),
        ("any_of", json!(["a", "b"]), "string", "(Name = 'a' OR Name = 'b')"),
        ("any_of", json!(["a"]), "string", "Name = 'a'"),
        ("contains", json!("O'B%_\\"), "string", r"Name LIKE '%O\'B\%\_\\%'"),
        ("starts_with", json!("a"), "string", "Name LIKE 'a%'"),
        ("exists", json!(false), "boolean", "Name = null"),
    ] {
        assert_eq!(rendered(&style, &one(op, value, kind)), expected);
    }
    let groups = json!({"any": [
        {"all": [{"on": "A", "op": "eq", "value": 1, "type": "integer"}, {"on": ["B", "C"], "op": "gt", "value": 2, "type": "integer"}]},
        {"all": [{"on": "D.e", "op": "exists"}]}
    ]});
    assert_eq!(rendered(&style, &groups), "(A = 1 AND (B > 2 OR C > 2)) OR (D.e != null)");
    for nothing in [json!(null), json!({}), json!({"any": []}), json!({"any": [{"all": []}]})] {
        assert_eq!(style.where_(&nothing), Ok(None));
    }
}

#[test]
fn refusals() {
    let style = rows();
    for (conditions, kind) in [
        (one("eq", json!("5; DROP"), "number"), StyleErrorKind::InvalidValue),
        (one("eq", json!("2026-13-01"), "date"), StyleErrorKind::InvalidValue),
        (one("eq", json!("1 or 1"), "boolean"), StyleErrorKind::InvalidValue),
        (one("eq", json!("00ff\n"), "id"), StyleErrorKind::InvalidValue),
        (one("eq", json!({"a": 1}), "string"), StyleErrorKind::InvalidValue),
        (one("like", json!("a"), "string"), StyleErrorKind::Unsupported),
        (one("in", json!([]), "string"), StyleErrorKind::EmptyList),
        (one("any_of", json!([]), "string"), StyleErrorKind::EmptyList),
        (json!({"any": [{"all": [{"on": "a b", "op": "eq", "value": 1}]}]}), StyleErrorKind::Mapping),
        (json!({"any": [{"all": [{"on": "A\n", "op": "eq", "value": 1}]}]}), StyleErrorKind::Mapping),
        (json!({"all": []}), StyleErrorKind::Mapping),
        (json!({"any": [{"any": []}]}), StyleErrorKind::Mapping),
        (json!([]), StyleErrorKind::Mapping),
    ] {
        assert_eq!(style.where_(&conditions).expect_err("refused").kind, kind, "{conditions}");
    }
    assert!(style.query(&json!({"select": ["a b"], "from": "T", "limit": 1})).is_err());
    assert!(style.query(&json!({"select": ["a"], "from": "T; x", "limit": 1})).is_err());
    assert!(style.query(&json!({"select": ["a"], "from": "T", "limit": "1 OR"})).is_err());
    assert!(style.supports("in") && !style.supports("like"));
}

#[test]
fn styles_that_would_let_values_out_are_refused() {
    for (change, needle) in [
        (json!({"literals": {"string": {"quote": "'", "escape": {}}}}), "escape"),
        (json!({"literals": {"string": {"quote": "'", "escape": {"'": "\\'"}}}}), "escape"),
        (json!({"literals": {"string": "bare"}}), "pattern"),
        (json!({"name": null}), "name"),
        (json!({"ops": {"eq": "{on} = {valeu}"}}), "valeu"),
        (json!({"ops": {"in": {"any": "nope"}}}), "nope"),
        (json!({"statment": "x"}), "statment"),
        (json!({"like": {"after": "'", "escape": {}}}), "would end"),
        (json!({"like": {"escape": {"'": "'"}}}), "would end"),
        (
            json!({"literals": {"string": {"quote": "'", "escape": {"'": "\\'", "\\": "\\\\"}}}, "like": {"escape": {"\\": "\\"}}}),
            "would end",
        ),
    ] {
        let mut spec = json!({"name": "[a-z]+", "literals": {"string": {"quote": "'", "escape": {"'": "''"}}}, "ops": {"eq": "{on} = {value}"}});
        for (key, value) in change.as_object().expect("object") {
            spec[key] = value.clone();
        }
        let problems = Style::parse(&spec).expect_err("refused").join("; ");
        assert!(problems.contains(needle), "{problems}");
    }
}

#[test]
fn conditions_as_json() {
    let parse = |spec: Value| Style::parse(&spec).expect("a style");
    let two = json!({"any": [{"all": [{"on": "a.b", "op": "eq", "value": 1, "type": "number"}, {"on": "c", "op": "in", "value": ["x"]}]}, {"all": [{"on": "d", "op": "gt", "value": "2025-09-01T00:00:00Z", "type": "date-time"}]}]});
    let search = parse(json!({
        "ops": {"eq": {"p": "{on}", "op": "EQ", "v": "{value}"}, "in": {"p": "{on}", "op": "IN", "vs": "{values}"}, "gt": {"p": "{on}", "op": "GT", "v": "{value}"}},
        "literals": {"date-time": "epoch-ms-text"},
        "and": {"filters": "{all}"}, "or": ["{...any}"], "grouped": "always",
        "order": {"asc": {"p": "{on}", "d": "UP"}, "desc": {"p": "{on}", "d": "DOWN"}}
    }));
    assert_eq!(
        search.where_(&two),
        Ok(Some(json!([
            {"filters": [{"p": "a.b", "op": "EQ", "v": 1}, {"p": "c", "op": "IN", "vs": ["x"]}]},
            {"filters": [{"p": "d", "op": "GT", "v": "1756684800000"}]}
        ])))
    );
    assert_eq!(search.order(&json!({"on": "x", "desc": true})), Ok(Some(json!([{"p": "x", "d": "DOWN"}]))));
    let domain = parse(
        json!({"json": true, "ops": {"eq": ["{on}", "=", "{value}"], "in": {"any": "eq"}, "gt": ["{on}", ">", "{value}"]}, "and": ["{...all}"], "or": ["OR", "{...any}"]}),
    );
    assert_eq!(
        domain.where_(&two),
        Ok(Some(json!(["OR", [["a.b", "=", 1], ["c", "=", "x"]], [["d", ">", "2025-09-01T00:00:00Z"]]])))
    );
    let keyed =
        parse(json!({"nest": true, "ops": {"eq": {"{on}": {"$eq": "{value}"}}}, "and": {"$and": ["{...all}"]}}));
    assert_eq!(
        keyed.where_(&json!({"any": [{"all": [{"on": "a.b", "op": "eq", "value": "{on}"}]}]})),
        Ok(Some(json!({"$and": [{"a": {"b": {"$eq": "{on}"}}}]})))
    );
}

/// Reads `Name = '…'` or `Name LIKE '…'` again: the text inside of the quotes and what comes behind them.
fn scan(text: &str) -> (String, &str) {
    let start = text.find('\'').expect("a quote") + 1;
    let mut inner = String::new();
    let mut chars = text[start..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next().expect("an escaped character").1 {
                'n' => inner.push('\n'),
                'r' => inner.push('\r'),
                other => inner.push(other),
            },
            '\'' => return (inner, &text[start + at + 1..]),
            other => inner.push(other),
        }
    }
    panic!("no end: {text}");
}

proptest! {
    #[test]
    fn values_never_become_syntax(text in "[a-z'\"\\\\%_{}\\[\\]()\n\r;/*\\-# \u{e9}]{0,24}") {
        let style = rows();
        let equal = rendered(&style, &one("eq", json!(text), "string"));
        prop_assert_eq!(scan(&equal), (text.clone(), ""));
        let like = rendered(&style, &one("contains", json!(text), "string"));
        let (inner, rest) = scan(&like);
        prop_assert_eq!((inner, rest), (format!("%{text}%"), ""));
    }

    #[test]
    fn anything_may_be_compiled_and_run(source in ".{0,40}") {
        for engine in BOTH {
            if let Ok(expression) = Expression::compile(&source, engine) {
                let _ = expression.evaluate(&json!({"a": [1, "x", null]}), &Vars::none(), &Limits::default());
            }
        }
    }
}
