//! Numbers as they were written: an expression computes with floats, and 12.50 leaves it as 12.5. The digits come back
//! from the number of the scope that it was, by the member's name where several have its value.

use std::collections::HashMap;

use serde_json::{Number, Value};

/// The numbers of a scope by their value, each with the name of the member that it is, or is listed, under.
type Written<'a> = HashMap<u64, Vec<(&'a str, &'a Number)>>;

/// The result with the digits that its numbers have in the scope.
pub(super) fn kept(mut result: Value, scope: &Value) -> Value {
    let mut written = Written::new();
    if gather(scope, "", &mut written) {
        restore(&mut result, "", &written);
    }
    result
}

/// Whether an expression would write one of the numbers otherwise.
fn gather<'a>(value: &'a Value, name: &'a str, written: &mut Written<'a>) -> bool {
    match value {
        Value::Number(number) => {
            let Some(float) = float(number) else { return false };
            written.entry(float.to_bits()).or_default().push((name, number));
            number.as_str().contains(['.', 'e', 'E']) || number.as_str().len() > 15
        }
        Value::Array(items) => items.iter().fold(false, |odd, item| gather(item, name, written) | odd),
        Value::Object(members) => members.iter().fold(false, |odd, (name, member)| gather(member, name, written) | odd),
        _ => false,
    }
}

fn restore(value: &mut Value, name: &str, written: &Written<'_>) {
    match value {
        Value::Number(number) => {
            let same = float(number).and_then(|float| written.get(&float.to_bits())).map_or(&[][..], Vec::as_slice);
            let named = same.iter().filter(|(of, _)| *of == name).map(|(_, number)| *number);
            if let Some(found) = only(named).or_else(|| only(same.iter().map(|(_, number)| *number))) {
                *number = found.clone();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| restore(item, name, written)),
        Value::Object(members) => members.iter_mut().for_each(|(name, member)| restore(member, name, written)),
        _ => {}
    }
}

/// The one way in which they are all written.
fn only<'a>(mut numbers: impl Iterator<Item = &'a Number>) -> Option<&'a Number> {
    let first = numbers.next()?;
    numbers.all(|other| other == first).then_some(first)
}

fn float(number: &Number) -> Option<f64> {
    number.as_str().parse().ok()
}
