//! Queries rendered by a style; no text is ever joined by hand.

use super::{Answer, Args, arg, items, text_arg};
use crate::mapping::problem::INVALID_VALUE;
use crate::mapping::style::{Style, StyleError, StyleErrorKind, Styles};
use serde_json::{Value, json};

fn style<'s>(args: Args, styles: Option<&'s Styles>) -> Result<&'s Style, String> {
    let name = text_arg(args, 0)?.ok_or("the first argument names a style")?;
    let styles = styles.ok_or("there are no styles here")?;
    styles.0.get(name).ok_or_else(|| {
        let known: Vec<&str> = styles.0.keys().map(String::as_str).collect();
        format!("there is no style {name:?}; known: {}", known.join(", "))
    })
}

/// A value that the language cannot hold is the caller's fault, not the mapping's: the code says so through the engine.
fn told(error: StyleError) -> String {
    match error.kind {
        StyleErrorKind::InvalidValue => format!("{INVALID_VALUE}: {error}"),
        _ => error.to_string(),
    }
}

/// `$query(style, parts)`
pub(super) fn query(args: Args, styles: Option<&Styles>) -> Answer {
    let style = style(args, styles)?;
    match arg(args, 1) {
        None | Some(Value::Null) => Ok(None),
        Some(parts) => style.query(parts).map_err(told),
    }
}

/// `$where(style, conditions)`
pub(super) fn conditions(args: Args, styles: Option<&Styles>) -> Answer {
    let style = style(args, styles)?;
    match arg(args, 1) {
        None | Some(Value::Null) => Ok(None),
        Some(conditions) => style.where_(conditions).map_err(told),
    }
}

/// `$order(style, sort)`
pub(super) fn order(args: Args, styles: Option<&Styles>) -> Answer {
    let style = style(args, styles)?;
    match arg(args, 1) {
        None | Some(Value::Null) => Ok(None),
        Some(sort) => style.order(sort).map_err(told),
    }
}

/// `$literal(style, value, type)`
pub(super) fn literal(args: Args, styles: Option<&Styles>) -> Answer {
    let style = style(args, styles)?;
    let kind = text_arg(args, 2)?.unwrap_or("string");
    match arg(args, 1) {
        None => Ok(None),
        Some(value) => style.literal(value, kind).map(Some).map_err(told),
    }
}

/// `$all([{on, op, value, type}])`: conditions that must all hold.
pub(super) fn all(args: Args, _: Option<&Styles>) -> Answer {
    let Some(list) = arg(args, 0).filter(|value| !value.is_null()) else { return Ok(None) };
    let list = items(list);
    if list.iter().any(|condition| !condition.is_object()) {
        return Err("a condition is an object with on, op and value".into());
    }
    Ok((!list.is_empty()).then(|| json!({"any": [{"all": list}]})))
}
