//! Rows of a table: those for which a condition holds, and their order.

use std::cmp::Ordering;

use serde_json::Value;

use super::column::{Kind, instant};
use super::condition::{Condition, Op, Operand, compare, holds};
use super::fault::Fault;
use super::language::Order;
use super::object::Object;
use super::template::as_text;
use super::view::View;

pub(super) fn resolve(view: &View, object: &Object, name: &str) -> Result<String, Fault> {
    let unknown = || Fault::new("unknown_column").with("column", name).with("object", object.name.as_str());
    view.resolve(object, name).ok_or_else(unknown)
}

/// Resolves the columns of a condition and refuses values that do not fit them.
pub(super) fn check(view: &View, object: &Object, condition: &mut Condition, strict: bool) -> Result<(), Fault> {
    match condition {
        Condition::All(list) | Condition::Any(list) => {
            list.iter_mut().try_for_each(|one| check(view, object, one, strict))
        }
        Condition::Not(one) => check(view, object, one, strict),
        Condition::Test(test) => {
            test.column = resolve(view, object, &test.column)?;
            let kind = view.kind(object, &test.column);
            let fits = |operand: &&Operand| operand.value.is_null() || fits(kind, operand, strict, test.op);
            match test.values.iter().find(|operand| !fits(operand)) {
                None => Ok(()),
                Some(operand) => Err(Fault::new("bad_value")
                    .with("column", test.column.as_str())
                    .with("value", operand.value.clone())
                    .with("kind", format!("{kind:?}").to_lowercase())
                    .with("object", object.name.as_str())),
            }
        }
    }
}

fn fits(kind: Kind, operand: &Operand, strict: bool, op: Op) -> bool {
    match (kind, operand.kind) {
        (_, Some(written)) if strict => match kind {
            Kind::Text | Kind::Id => written == Kind::Text,
            kind => written == kind,
        },
        _ if matches!(op, Op::Like | Op::NotLike | Op::Token | Op::NotToken | Op::Contains) => true,
        (Kind::Number, _) => as_text(&operand.value).is_some_and(|text| text.parse::<f64>().is_ok()),
        (Kind::Date | Kind::DateTime, _) => instant(&operand.value).is_some(),
        _ => as_text(&operand.value).is_some(),
    }
}

pub(super) fn matching(view: &View, object: &Object, condition: &Condition) -> Result<Vec<u64>, Fault> {
    let mut rows = Vec::new();
    for (number, record) in view.state.table(&object.name).into_iter().flat_map(|table| &table.rows) {
        let broken = std::cell::RefCell::new(None);
        let cells = |name: &str| {
            let cells = view.cells(object, record, name).unwrap_or_else(|fault| {
                broken.replace(Some(fault));
                Vec::new()
            });
            (view.kind(object, name), cells)
        };
        if holds(condition, &cells, view.plan.fold) {
            rows.push(*number);
        }
        if let Some(fault) = broken.into_inner() {
            return Err(fault);
        }
    }
    Ok(rows)
}

/// Sorts rows; those that are equal stay in the order of their creation.
pub(super) fn sort(view: &View, object: &Object, order: &[Order], rows: &mut [u64]) -> Result<(), Fault> {
    let Some(table) = view.state.table(&object.name).filter(|_| !order.is_empty()) else { return Ok(()) };
    let mut keys = std::collections::BTreeMap::new();
    for (number, record) in rows.iter().filter_map(|number| Some((*number, table.rows.get(number)?))) {
        let cells = order.iter().map(|order| view.cell(object, record, &order.column));
        keys.insert(number, cells.collect::<Result<Vec<Value>, Fault>>()?);
    }
    let kinds: Vec<_> = order.iter().map(|order| view.kind(object, &order.column)).collect();
    let none = Vec::new();
    rows.sort_by(|left, right| {
        let (left, right) = (keys.get(left).unwrap_or(&none), keys.get(right).unwrap_or(&none));
        let pairs = left.iter().zip(right).zip(order.iter().zip(&kinds));
        let mut steps = pairs.map(|((left, right), (order, kind))| match (left.is_null(), right.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if order.nulls_last => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, true) if order.nulls_last => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                let way = compare(*kind, left, right, view.plan.fold).unwrap_or(Ordering::Equal);
                if order.desc { way.reverse() } else { way }
            }
        });
        steps.find(|way| way.is_ne()).unwrap_or(Ordering::Equal)
    });
    Ok(())
}
