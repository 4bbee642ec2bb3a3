//! Reads the members of a JSON object one by one and collects everything that is wrong with them. It never repeats a
//! value: bodies hold secrets.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::Violation;

/// An object, where it stands in the body, and what was found wrong so far.
pub(super) struct Members<'a> {
    at: String,
    object: &'a Map<String, Value>,
    violations: Vec<Violation>,
}

impl<'a> Members<'a> {
    /// `at` is the pointer of the object; refuses members that are not `known`.
    pub(super) fn of(object: &'a Map<String, Value>, at: &str, known: &[&str]) -> Self {
        let mut members = Self { at: at.to_owned(), object, violations: Vec::new() };
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            let violation = Violation::at(members.pointer(name), "the member is not known");
            members.violations.push(violation.expected(format!("one of {}", known.join(", "))));
        }
        members
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name)
    }

    pub(super) fn is_null(&self, name: &str) -> bool {
        self.object.get(name).is_none_or(Value::is_null)
    }

    pub(super) fn violations(self) -> Vec<Violation> {
        self.violations
    }

    pub(super) fn refuse(&mut self, name: &str, detail: &str, expected: &str) {
        self.violations.push(Violation::at(self.pointer(name), detail.to_owned()).expected(expected));
    }

    pub(super) fn add(&mut self, violations: Vec<Violation>) {
        self.violations.extend(violations);
    }

    /// Notes that a member must be there.
    pub(super) fn require(&mut self, name: &str) {
        if !self.object.contains_key(name) {
            self.violations.push(Violation::at(self.pointer(name), "the member is missing"));
        }
    }

    /// A line of at most `longest` bytes: not empty, no control characters.
    pub(super) fn line(&mut self, name: &str, longest: usize) -> Option<&'a str> {
        let value = self.object.get(name)?;
        match value.as_str().filter(|text| is_line(text, longest)) {
            Some(text) => Some(text),
            None => {
                let expected = format!("a string of 1 to {longest} bytes without control characters");
                self.refuse(name, "the value cannot be used", &expected);
                None
            }
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let value = self.object.get(name)?;
        if !value.is_boolean() {
            self.refuse(name, "the value cannot be used", "true or false");
        }
        value.as_bool()
    }

    pub(super) fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        let value = self.object.get(name)?;
        if !value.is_object() {
            self.refuse(name, "the value cannot be used", "an object");
        }
        value.as_object()
    }

    /// A time; null is the same as no time.
    pub(super) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let value = self.object.get(name).filter(|value| !value.is_null())?;
        let time = value.as_str().and_then(|text| text.parse().ok());
        if time.is_none() {
            self.refuse(name, "the value cannot be used", "a time like 2030-01-31T12:00:00Z (RFC 3339)");
        }
        time
    }

    pub(super) fn lines(&mut self, name: &str, longest: usize) -> Option<Vec<String>> {
        let value = self.object.get(name)?;
        let lines = value.as_array().and_then(|items| {
            let line = |item: &Value| item.as_str().filter(|text| is_line(text, longest)).map(str::to_owned);
            items.iter().map(line).collect::<Option<Vec<_>>>()
        });
        if lines.is_none() {
            self.refuse(name, "the value cannot be used", "a list of strings that are not empty");
        }
        lines
    }

    pub(super) fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.at, name.replace('~', "~0").replace('/', "~1"))
    }
}

fn is_line(text: &str, longest: usize) -> bool {
    !text.is_empty() && text.len() <= longest && !text.chars().any(char::is_control)
}
