//! Why an expression cannot be compiled or evaluated. The caller adds the file and the field.

use std::fmt;

/// A failure of one expression. It quotes at most [`QUOTED`] characters of anything it was given:
/// the values of a record must not leak into logs by way of messages.
/// What our query functions put before the reason when the value is at fault.
pub(super) const INVALID_VALUE: &str = "invalid value";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    /// The code of the JSONata specification (`D2015`, `T2001` …) or one of ours (`overloaded`, `timeout`).
    pub code: Option<String>,
}

/// So many characters of what a mapping says by `$error`.
const SAID: usize = 400;

/// So many characters of foreign text a message may hold.
pub const QUOTED: usize = 80;

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None }
    }

    /// Whether the caller's value was one that the query language cannot hold.
    pub fn is_invalid_value(&self) -> bool {
        // The engines wrap what functions say in words of their own, each in another place.
        self.message.contains(INVALID_VALUE)
    }

    /// What the mapping itself said by `$error("…")`.
    pub fn refusal(&self) -> Option<&str> {
        let said = self.code.as_deref() == Some("D3137");
        said.then(|| self.message.trim_start_matches("D3137").trim_start_matches([':', ' ']))
    }

    /// Whether a limit stopped the evaluation, rather than a value that the expression cannot work on.
    pub fn is_limit(&self) -> bool {
        const LIMITS: [&str; 10] =
            ["D1011", "D1012", "D2015", "U1001", "depth", "items", "output", "timeout", "panic", "overloaded"];
        self.code.as_deref().is_some_and(|code| LIMITS.contains(&code))
    }

    pub fn with_code(code: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), code: Some(code.to_owned()) }
    }

    /// A message of an evaluator: cut, because evaluators quote the values they stumble over.
    pub(super) fn foreign(code: Option<&str>, message: &str) -> Self {
        // One of them marks where it stood when it gave up.
        let message = message.trim_start_matches("@ ");
        // What the mapping itself says is no value of a record, and is meant to be read.
        let message = match code {
            Some("D3137") => message.chars().take(SAID).collect(),
            _ => shorten(message),
        };
        Self { message, code: code.map(str::to_owned) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) if !self.message.starts_with(code.as_str()) => write!(f, "{code}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Problem {}

/// The text, or its first characters and an ellipsis.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
