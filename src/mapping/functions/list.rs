//! Objects and lists: what to keep, what to leave out, and lists that stay lists.

use super::{Answer, Args, arg, items};
use crate::mapping::style::Styles;
use serde_json::Value;

fn select(args: Args, keep: bool) -> Answer {
    let Some(value) = arg(args, 0) else { return Ok(None) };
    let names: Vec<&str> = match arg(args, 1) {
        None | Some(Value::Null) => Vec::new(),
        Some(names) => {
            items(names).iter().map(|name| name.as_str().ok_or("names are texts")).collect::<Result<_, _>>()?
        }
    };
    let one = |value: &Value| match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| names.contains(&name.as_str()) == keep);
            Value::Object(kept.map(|(name, member)| (name.clone(), member.clone())).collect())
        }
        other => other.clone(),
    };
    Ok(Some(match value {
        Value::Array(entries) => Value::Array(entries.iter().map(one).collect()),
        other => one(other),
    }))
}

/// `$omit(o, names)`: the object, or each of a list, without these members.
pub(super) fn omit(args: Args, _: Option<&Styles>) -> Answer {
    select(args, false)
}

/// `$pick(o, names)`: only these members.
pub(super) fn pick(args: Args, _: Option<&Styles>) -> Answer {
    select(args, true)
}

/// `$compact(o|a)`: without null, empty texts and empty objects, one level deep.
pub(super) fn compact(args: Args, _: Option<&Styles>) -> Answer {
    let full = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    Ok(arg(args, 0).map(|value| match value {
        Value::Array(entries) => Value::Array(entries.iter().filter(|entry| full(entry)).cloned().collect()),
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, member)| full(member));
            Value::Object(kept.map(|(name, member)| (name.clone(), member.clone())).collect())
        }
        other => other.clone(),
    }))
}

/// `$firstOf(list)`: the first that is neither null nor an empty text.
pub(super) fn first_of(args: Args, _: Option<&Styles>) -> Answer {
    let Some(list) = arg(args, 0) else { return Ok(None) };
    Ok(items(list).iter().find(|value| !value.is_null() && value.as_str() != Some("")).cloned())
}

/// `$list(x)`: always a list; no value and null are the empty one.
pub(super) fn list(args: Args, _: Option<&Styles>) -> Answer {
    Ok(Some(match arg(args, 0) {
        None | Some(Value::Null) => Value::Array(Vec::new()),
        Some(Value::Array(entries)) => Value::Array(entries.clone()),
        Some(lone) => Value::Array(vec![lone.clone()]),
    }))
}

/// `$kind(x)`: null, boolean, number, string, array or object.
pub(super) fn kind(args: Args, _: Option<&Styles>) -> Answer {
    Ok(arg(args, 0).map(|value| {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        Value::String(kind.into())
    }))
}
