use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::sandbox::condition::holds;

const ROWS: &str = r#"
name: '[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*'
bare:
  datetime: '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ'
  date: '\d{4}-\d\d-\d\d'
  number: '-?\d+(\.\d+)?'
  boolean: '(?i:true|false)\b'
'null': 'null'
text: { quote: "'", escapes: { "\\\\": "\\", "\\'": "'", '\n': "\n" } }
like: { many: '%', one: '_', escapes: { '\%': '%', '\_': '_' } }
statement: 'SELECT {select} FROM {from}[ WHERE {where}][ ORDER BY {order}][ LIMIT {limit}]'
not: NOT
ops: { eq: '{on} = {value}', ne: '{on} != {value}', gte: '{on} >= {value}', gt: '{on} > {value}', in: '{on} IN ({values})', like: '{on} LIKE {like}' }
orders: { asc: ['{on} ASC', '{on}'], desc: '{on} DESC' }
nulls_last: NULLS LAST
"#;

const CALLS: &str = r#"
bare: { number: '-?\d+', text: '[A-Za-z]+[0-9]+' }
text: { quote: "'", escapes: { "''": "'" } }
ops: { contains: 'contains({on},{value})', eq: ['{on} eq {value}', '({on}:equals:{value})'] }
orders: { asc: ['{on} asc', '{on}'], desc: '{on} desc' }
"#;

fn language(text: &str) -> Language {
    let problems = Problems::default();
    let language = Language::read(&Node::parse("t.yaml", text).expect("valid YAML"), &problems);
    assert_eq!(problems.into_sorted(), []);
    language
}

fn test(column: &str, op: Op, value: serde_json::Value, kind: Kind) -> Condition {
    let values = vec![super::super::condition::Operand { value, kind: Some(kind) }];
    Condition::Test(super::super::condition::Test { column: column.into(), op, values })
}

#[test]
fn a_statement_becomes_its_parts() {
    let statement = language(ROWS)
        .statement("select Id, A.Name from Thing where (A = 1 or B != 'x') and not C >= 2026-01-01T00:00:00Z order by A desc nulls last, Id limit 5")
        .expect("readable");
    assert_eq!(statement.select, ["Id", "A.Name"]);
    assert_eq!(statement.from.as_deref(), Some("Thing"));
    assert_eq!(statement.limit, Some(5));
    assert_eq!(
        statement.order,
        [
            Order { column: "A".into(), desc: true, nulls_last: true },
            Order { column: "Id".into(), desc: false, nulls_last: false }
        ]
    );
    let expected = Condition::All(vec![
        Condition::Any(vec![test("A", Op::Eq, json!("1"), Kind::Number), test("B", Op::Ne, json!("x"), Kind::Text)]),
        Condition::Not(Box::new(test("C", Op::Gte, json!("2026-01-01T00:00:00Z"), Kind::DateTime))),
    ]);
    assert_eq!(statement.conditions, Some(expected));
}

#[test]
fn another_language_needs_no_code() {
    let calls = language(CALLS);
    let conditions = calls.conditions("contains(name,'it''s') and (a eq 1 or (b:equals:x1))").expect("readable");
    let expected = Condition::All(vec![
        test("name", Op::Contains, json!("it's"), Kind::Text),
        Condition::Any(vec![test("a", Op::Eq, json!("1"), Kind::Number), test("b", Op::Eq, json!("x1"), Kind::Text)]),
    ]);
    assert_eq!(conditions, Some(expected));
    assert!(calls.order("a desc,b").expect("readable").first().is_some_and(|order| order.desc));
}

#[test]
fn what_makes_no_sense_names_its_place() {
    let rows = language(ROWS);
    for (text, near) in [
        ("SELECT Id FROM A WHERE B == 1", "= 1"),
        ("SELECT Id FROM A; DROP B", "; DROP B"),
        ("SELECT Id FROM A WHERE B = 'x", "'x"),
        ("SELECT Id FROM A WHERE B = '\\q'", "'\\q'"),
        ("SELECT FROM A", "A"),
        ("SELECT Id FROM A LIMIT x", "x"),
        ("SELECT Id FROM A WHERE (B = 1", ""),
        ("", ""),
    ] {
        let fault = rows.statement(text).expect_err(text);
        assert!(fault.near.starts_with(near), "{text}: {fault:?}");
    }
    let deep = format!("SELECT Id FROM A WHERE {}B = 1", "(".repeat(10_000));
    assert!(rows.statement(&deep).is_err());
    let deep = format!("SELECT Id FROM A WHERE {}B = 1", "NOT ".repeat(10_000));
    assert!(rows.statement(&deep).is_err());
}

#[test]
fn patterns_keep_escaped_wildcards() {
    let rows = language(ROWS);
    let like = |pattern: &str, cell: &str| {
        let text = format!("SELECT Id FROM A WHERE B LIKE '{pattern}'");
        let condition = rows.statement(&text).expect("readable").conditions.expect("conditions");
        holds(&condition, &|_| (Kind::Text, vec![json!(cell)]), false)
    };
    assert!(like("%b_", "abc"));
    assert!(like(r"100\%", "100%"));
    assert!(!like(r"100\%", "1000"));
    assert!(like(r"%O\'B\%\_\\%", r"xO'B%_\y"));
}

static SHARED: std::sync::LazyLock<Language> = std::sync::LazyLock::new(|| language(ROWS));

proptest! {
    /// Whatever is quoted comes back as it was, and nothing else of the statement changes.
    #[test]
    fn a_quoted_text_stays_one_value(value in "(?s)[ -~\n'\\\\%\u{e4}\u{1F600}]{0,40}") {
        let quoted = value.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n");
        let text = format!("SELECT Id FROM A WHERE B = '{quoted}' LIMIT 1");
        let statement = SHARED.statement(&text).expect("readable");
        prop_assert_eq!(statement.conditions, Some(test("B", Op::Eq, json!(value), Kind::Text)));
        prop_assert_eq!(statement.limit, Some(1));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,80}") {
        let _ = SHARED.statement(&text);
        let _ = SHARED.conditions(&text);
    }
}
