//! Templates of a language, split into words once.

use crate::sandbox::words::{choose, not_one_of};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Word(String),
    Slot(Slot),
    /// May be left out.
    Group(Vec<Part>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Select,
    From,
    Where,
    Order,
    Limit,
    Offset,
    On,
    Value,
    Values,
    Like,
}

const SLOTS: &[(&str, Slot)] = &[
    ("select", Slot::Select),
    ("from", Slot::From),
    ("where", Slot::Where),
    ("order", Slot::Order),
    ("limit", Slot::Limit),
    ("offset", Slot::Offset),
    ("on", Slot::On),
    ("value", Slot::Value),
    ("values", Slot::Values),
    ("like", Slot::Like),
];

/// The punctuation in a template.
pub(super) fn gather(parts: &[Part], marks: &mut Vec<String>) {
    for part in parts {
        match part {
            Part::Word(word) if is_mark(word) => marks.push(word.clone()),
            Part::Group(parts) => gather(parts, marks),
            _ => {}
        }
    }
}

pub(super) fn is_mark(word: &str) -> bool {
    !word.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Splits a template into words, `{slots}` and `[groups that may be missing]`.
pub(super) fn split(text: &str) -> Result<Vec<Part>, String> {
    let mut stack: Vec<Vec<Part>> = vec![Vec::new()];
    let mut word = String::new();
    let mut rest = text.chars().peekable();
    fn flush(word: &mut String, stack: &mut [Vec<Part>]) {
        if let Some(parts) = stack.last_mut().filter(|_| !word.is_empty()) {
            parts.push(Part::Word(std::mem::take(word)));
        }
    }
    while let Some(c) = rest.next() {
        let joins = word.chars().last().is_some_and(|last| {
            let alike = |c: char| c.is_alphanumeric() || c == '_';
            alike(last) == alike(c) && !matches!(last, '(' | ')' | ',') && !matches!(c, '(' | ')' | ',')
        });
        if !joins || matches!(c, '{' | '[' | ']') || c.is_whitespace() {
            flush(&mut word, &mut stack);
        }
        match c {
            '{' => {
                let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                let slot = choose(&name, SLOTS).ok_or_else(|| not_one_of(&name, SLOTS))?;
                stack.last_mut().ok_or("a `]` too many")?.push(Part::Slot(slot));
            }
            '[' => stack.push(Vec::new()),
            ']' => {
                let group = stack.pop().unwrap_or_default();
                stack.last_mut().ok_or("a `]` too many")?.push(Part::Group(group));
            }
            c if c.is_whitespace() => {}
            c => word.push(c),
        }
    }
    flush(&mut word, &mut stack);
    match (stack.pop(), stack.is_empty()) {
        (Some(parts), true) => Ok(parts),
        _ => Err("a `[` is never closed".to_owned()),
    }
}
