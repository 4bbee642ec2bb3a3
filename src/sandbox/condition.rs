//! Conditions on records: a tree of tests, whoever wrote it (a JSON body, a statement, a query parameter).

use std::cmp::Ordering;

use serde_json::Value;

use super::column::{Kind, instant};
use super::template::as_text;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(Test),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Test {
    pub(super) column: String,
    pub(super) op: Op,
    pub(super) values: Vec<Operand>,
}

/// A value to compare with. A statement knows its kind by how it is written; a JSON body does not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) value: Value,
    pub(super) kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    NotIn,
    Between,
    Exists,
    Missing,
    Contains,
    StartsWith,
    EndsWith,
    /// Whole words; `*` in one stands for any characters.
    Token,
    NotToken,
    /// A pattern, already read into pieces: see [`Wild`].
    Like,
    NotLike,
    /// One of the entries of a value that is a list in text.
    Includes,
    Excludes,
}

pub(super) const OPS: &[(&str, Op)] = &[
    ("eq", Op::Eq),
    ("ne", Op::Ne),
    ("lt", Op::Lt),
    ("lte", Op::Lte),
    ("gt", Op::Gt),
    ("gte", Op::Gte),
    ("in", Op::In),
    ("not_in", Op::NotIn),
    ("between", Op::Between),
    ("exists", Op::Exists),
    ("missing", Op::Missing),
    ("contains", Op::Contains),
    ("starts_with", Op::StartsWith),
    ("ends_with", Op::EndsWith),
    ("token", Op::Token),
    ("not_token", Op::NotToken),
    ("like", Op::Like),
    ("not_like", Op::NotLike),
    ("includes", Op::Includes),
    ("excludes", Op::Excludes),
];

impl Op {
    /// How many values it needs: least and most.
    pub(super) fn arity(self) -> (usize, usize) {
        match self {
            Op::Exists | Op::Missing => (0, 0),
            Op::Between => (2, 2),
            Op::In | Op::NotIn | Op::Includes | Op::Excludes => (1, usize::MAX),
            _ => (1, 1),
        }
    }
}

/// What any character and any characters are inside the operand of [`Op::Like`]: two code points of a private area, so
/// that no literal character can be taken for one.
pub(super) const ONE: char = '\u{F8F1}';
pub(super) const MANY: char = '\u{F8F0}';

/// Whether the record whose cells `cell` gives is meant. A column may have several cells (links): one is enough.
pub(super) fn holds(condition: &Condition, cells: &dyn Fn(&str) -> (Kind, Vec<Value>), fold: bool) -> bool {
    match condition {
        Condition::All(list) => list.iter().all(|one| holds(one, cells, fold)),
        Condition::Any(list) => list.iter().any(|one| holds(one, cells, fold)),
        Condition::Not(one) => !holds(one, cells, fold),
        Condition::Test(test) => {
            let (kind, mut values) = cells(&test.column);
            values.retain(|value| !value.is_null());
            test_holds(test, kind, &values, fold)
        }
    }
}

fn test_holds(test: &Test, kind: Kind, cells: &[Value], fold: bool) -> bool {
    let equal = |operand: &Operand| {
        if operand.value.is_null() {
            return cells.is_empty();
        }
        cells.iter().any(|cell| compare(kind, cell, &operand.value, fold) == Some(Ordering::Equal))
    };
    let ordered = |wanted: fn(Ordering) -> bool, index: usize| {
        let operand = test.values.get(index);
        operand.is_some_and(|operand| {
            cells.iter().any(|cell| compare(kind, cell, &operand.value, fold).is_some_and(wanted))
        })
    };
    let text = |wanted: &dyn Fn(&str, &str) -> bool| {
        let operand = test.values.first().and_then(|operand| as_text(&operand.value)).map(|text| folded(&text, fold));
        operand
            .is_some_and(|operand| cells.iter().filter_map(as_text).any(|cell| wanted(&folded(&cell, fold), &operand)))
    };
    match test.op {
        Op::Eq | Op::In => test.values.iter().any(equal),
        Op::Ne | Op::NotIn => !test.values.iter().any(equal),
        Op::Lt => ordered(Ordering::is_lt, 0),
        Op::Lte => ordered(Ordering::is_le, 0),
        Op::Gt => ordered(Ordering::is_gt, 0),
        Op::Gte => ordered(Ordering::is_ge, 0),
        Op::Between => ordered(Ordering::is_ge, 0) && ordered(Ordering::is_le, 1),
        Op::Exists => !cells.is_empty(),
        Op::Missing => cells.is_empty(),
        Op::Contains => text(&|cell, part| cell.contains(part)),
        Op::StartsWith => text(&|cell, part| cell.starts_with(part)),
        Op::EndsWith => text(&|cell, part| cell.ends_with(part)),
        Op::Token => text(&has_token),
        Op::NotToken => !text(&has_token),
        Op::Like => text(&|cell, pattern| matches(pattern, cell)),
        Op::NotLike => !text(&|cell, pattern| matches(pattern, cell)),
        Op::Includes => test.values.iter().any(|operand| includes(cells, operand)),
        Op::Excludes => !test.values.iter().any(|operand| includes(cells, operand)),
    }
}

/// How two values stand to each other as values of a column of this kind; `None` where they cannot be compared.
pub(super) fn compare(kind: Kind, left: &Value, right: &Value, fold: bool) -> Option<Ordering> {
    let (a, b) = (as_text(left)?, as_text(right)?);
    match kind {
        Kind::Number => a.parse::<f64>().ok()?.partial_cmp(&b.parse::<f64>().ok()?),
        Kind::Date | Kind::DateTime => Some(instant(left)?.cmp(&instant(right)?)),
        Kind::Id => match (a.parse::<u128>(), b.parse::<u128>()) {
            (Ok(a), Ok(b)) => Some(a.cmp(&b)),
            _ => Some(a.cmp(&b)),
        },
        Kind::Text | Kind::Boolean | Kind::Any => Some(folded(&a, fold).cmp(&folded(&b, fold))),
    }
}

fn folded(text: &str, fold: bool) -> String {
    if fold { text.to_lowercase() } else { text.to_owned() }
}

fn includes(cells: &[Value], operand: &Operand) -> bool {
    let wanted = as_text(&operand.value).unwrap_or_default();
    cells.iter().filter_map(as_text).any(|cell| cell.split(';').any(|entry| entry == wanted))
}

fn has_token(cell: &str, wanted: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric() && c != '*')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let pattern = |text: &str| text.replace('*', &MANY.to_string());
    if wanted.contains('*') && matches(&pattern(wanted), cell) {
        return true;
    }
    let there = words(cell);
    let wanted = words(wanted);
    !wanted.is_empty() && wanted.iter().all(|word| there.iter().any(|known| matches(&pattern(word), known)))
}

/// Greedy matching with one point of return: linear times linear at worst.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(&MANY) => {
                retry = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == ONE || Some(wanted) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match &mut retry {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|left| *left == MANY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn test(op: Op, value: Value, kind: Kind, cell: Value) -> bool {
        let values = match value {
            Value::Array(list) => list,
            value => vec![value],
        };
        let values = values.into_iter().map(|value| Operand { value, kind: None }).collect();
        let condition = Condition::Test(Test { column: "c".into(), op, values });
        holds(&condition, &|_| (kind, vec![cell.clone()]), true)
    }

    #[test]
    fn values_compare_by_the_kind_of_their_column() {
        assert!(test(Op::Gt, json!("9"), Kind::Number, json!("10")));
        assert!(!test(Op::Gt, json!("9"), Kind::Text, json!("10")));
        assert!(test(Op::Gt, json!("99"), Kind::Id, json!("100")));
        assert!(test(Op::Gte, json!("1767225600000"), Kind::DateTime, json!("2026-01-01T00:00:00.000+0000")));
        assert!(test(Op::Lt, json!("2026-01-02"), Kind::Date, json!("2026-01-01")));
        assert!(test(Op::Eq, json!("ADA"), Kind::Text, json!("Ada")), "folded");
        assert!(test(Op::Between, json!([1, 3]), Kind::Number, json!(3)));
        assert!(test(Op::In, json!(["a", "b"]), Kind::Text, json!("b")));
    }

    #[test]
    fn nothing_is_neither_more_nor_less() {
        assert!(!test(Op::Lt, json!(3), Kind::Number, Value::Null));
        assert!(test(Op::Ne, json!(3), Kind::Number, Value::Null));
        assert!(test(Op::Eq, Value::Null, Kind::Number, Value::Null));
        assert!(test(Op::Missing, json!([]), Kind::Text, Value::Null));
        assert!(!test(Op::Exists, json!([]), Kind::Text, Value::Null));
    }

    #[test]
    fn words_and_patterns() {
        assert!(test(Op::Token, json!("example"), Kind::Text, json!("ada@example.test")));
        assert!(!test(Op::Token, json!("exam"), Kind::Text, json!("ada@example.test")));
        assert!(test(Op::Token, json!("exam*"), Kind::Text, json!("ada@example.test")));
        assert!(matches(&format!("{MANY}a{ONE}c{MANY}"), "xxabcabc"));
        assert!(!matches(&format!("a{ONE}"), "a"));
        assert!(matches(&MANY.to_string(), ""));
        assert!(!matches("a%", "ab"));
        assert!(test(Op::Includes, json!("golf"), Kind::Text, json!("golf;sailing")));
    }
}
