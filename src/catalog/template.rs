//! `{name}` in URLs. A value is always percent-encoded, so that it cannot leave its segment; a value that is not there
//! fails the call before anything is sent.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::build::{Build, Scope, hint};
use crate::mapping::Path;

/// Everything but RFC 3986's unreserved characters.
pub const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[derive(Debug, Clone)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Value(Path),
}

impl Template {
    pub fn compile(build: &mut Build<'_>, pointer: &str, text: &str, scope: &Scope<'_>) -> Option<Template> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, after) = rest.split_at(open);
            let Some(close) = after.find('}') else {
                build.problem(pointer, format!("`{text}` opens a brace that it does not close"));
                return None;
            };
            let name = after.get(1..close).unwrap_or_default();
            let Some(path) = Path::parse(name) else {
                build.problem(
                    pointer,
                    format!("`{{{name}}}` in a URL holds a name or a path, not an expression: use `let`"),
                );
                return None;
            };
            let first = path.first();
            if let Some(names) = &scope.names
                && !names.contains(&first)
            {
                let hint = hint(first, names.iter().copied());
                build.problem(pointer, format!("{} has no `{first}`{hint}", scope.title));
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Value(path));
            rest = after.get(close + 1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Some(Template { pieces })
    }

    /// The paths of the values that stand in it.
    pub fn reads(&self, found: &mut Vec<Vec<String>>) {
        for piece in &self.pieces {
            if let Piece::Value(path) = piece {
                found.push(path.names().into_iter().map(str::to_owned).collect());
            }
        }
    }

    /// The text with every value percent-encoded; `Err` is the name of the value that is not there.
    pub fn render(&self, scope: &Value) -> Result<String, String> {
        self.fill(scope, |text| {
            // `.` and `..` are unreserved, yet as a whole segment they would climb the path.
            if !text.is_empty() && text.chars().all(|c| c == '.') {
                return text.replace('.', "%2E");
            }
            utf8_percent_encode(text, COMPONENT).to_string()
        })
    }

    /// The text with values as they are: only for base URLs, whose result is held against the provider's hosts.
    pub fn render_raw(&self, scope: &Value) -> Result<String, String> {
        self.fill(scope, str::to_owned)
    }

    fn fill(&self, scope: &Value, encode: impl Fn(&str) -> String) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Value(path) => match path.get(scope) {
                    Some(Value::String(value)) if !value.is_empty() => text.push_str(&encode(value)),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => text.push_str(&encode(&value.to_string())),
                    _ => return Err(path.to_string()),
                },
            }
        }
        Ok(text)
    }
}
