//! What compiling a file needs at hand: its tree for line numbers, the engine, and the list of faults so far.

use std::fmt;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use super::source::{Node, Problem};
use super::suggest::nearest;
use crate::error::{Error, Kind};
use crate::mapping::{Engine, Expression, Limits, Path, Vars};

/// An expression and the place it stands at, so that a failure names file and line.
#[derive(Clone)]
pub struct Located {
    expression: Expression,
    place: Arc<str>,
}

impl Located {
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// The value, or `None` for no value. A failure is `mapping-failed`.
    pub fn evaluate(&self, input: &Value, vars: &Vars) -> Result<Option<Value>, Error> {
        self.expression.evaluate(input, vars, &Limits::default()).map_err(|problem| self.failed(&problem))
    }

    /// The same for one field of many: a value that the expression cannot work on is `Ok(Err(why))`, because the rest
    /// of the record is still good. Running into a limit is a failure all the same.
    pub fn try_evaluate(&self, input: &Value, vars: &Vars) -> Result<Result<Option<Value>, String>, Error> {
        match self.expression.evaluate(input, vars, &Limits::default()) {
            Ok(value) => Ok(Ok(value)),
            Err(problem) if problem.is_limit() => Err(self.failed(&problem)),
            Err(problem) => Ok(Err(format!("{}: {problem}", self.place))),
        }
    }

    /// A fault at the place where it stands.
    pub fn problem(&self, message: String) -> Problem {
        let (file, line) = self.place.rsplit_once(':').unwrap_or((&self.place, "0"));
        Problem { file: file.into(), line: line.parse().unwrap_or_default(), message }
    }

    fn failed(&self, problem: &crate::mapping::Problem) -> Error {
        if problem.is_invalid_value() {
            return Error::new(
                Kind::InvalidRequest,
                format!("A filter value cannot be sent to this provider: {problem}"),
            );
        }
        if let Some(said) = problem.refusal() {
            return Error::new(Kind::ValidationFailed, said.to_owned());
        }
        let source = shorten(self.expression.source());
        Error::new(Kind::MappingFailed, format!("{}: `{source}` failed: {problem}", self.place))
    }

    /// Whether it evaluates to true; no value is false.
    pub fn holds(&self, input: &Value, vars: &Vars) -> Result<bool, Error> {
        Ok(matches!(self.evaluate(input, vars)?, Some(Value::Bool(true))))
    }
}

impl fmt::Debug for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.expression.source(), self.place)
    }
}

/// The names an expression may use at its place.
pub struct Scope<'a> {
    /// What is in hand, for messages: "the call", "the answer", "the vendor's record".
    pub title: &'static str,
    /// The bare names; `None` where they are the vendor's or the caller's and cannot be known.
    pub names: Option<Vec<&'a str>>,
    /// The `$names` besides functions.
    pub variables: &'static [&'static str],
}

/// The compiler's state for one file.
pub struct Build<'a> {
    pub node: &'a Node,
    pub engine: Engine,
    pub problems: Vec<Problem>,
    /// Some expression so far may run until its limit.
    pub unbounded: bool,
}

impl<'a> Build<'a> {
    pub fn new(node: &'a Node, engine: Engine) -> Self {
        Self { node, engine, problems: Vec::new(), unbounded: false }
    }

    /// Compiles one part, and says whether it holds an expression that may run until its limit.
    pub fn bounded_part<T>(&mut self, part: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let before = std::mem::replace(&mut self.unbounded, false);
        let compiled = part(self);
        let unbounded = self.unbounded;
        self.unbounded |= before;
        (compiled, unbounded)
    }

    pub fn problem(&mut self, pointer: &str, message: impl Into<String>) {
        self.problems.push(self.node.locate(pointer).problem(message));
    }

    /// The file and line of a pointer.
    pub fn place(&self, pointer: &str) -> Arc<str> {
        let node = self.node.locate(pointer);
        format!("{}:{}", node.file, node.line).into()
    }

    pub fn path(&mut self, pointer: &str, text: &str) -> Option<Path> {
        let path = Path::parse(text);
        if path.is_none() {
            self.problem(
                pointer,
                format!(
                    "`{text}` is not a path (names joined by dots; other characters in backticks); an expression goes under `read` or `write`"
                ),
            );
        }
        path
    }

    pub fn regex(&mut self, pointer: &str, pattern: &str, whole: bool) -> Option<Regex> {
        let compiled = if whole { Regex::new(&format!("^(?:{pattern})$")) } else { Regex::new(pattern) };
        match compiled {
            Ok(regex) => Some(regex),
            Err(error) => {
                self.problem(pointer, format!("`{pattern}` is not a regular expression: {error}"));
                None
            }
        }
    }

    pub fn expression(&mut self, pointer: &str, source: &str, scope: &Scope<'_>) -> Option<Located> {
        match Expression::compile(source, self.engine) {
            Ok(expression) => {
                self.check_names(pointer, &expression, scope);
                // The second engine cannot be interrupted everywhere, so nothing of it is trusted on a request thread.
                self.unbounded |= !expression.is_bounded() || self.engine == Engine::Rs;
                Some(Located { expression, place: self.place(pointer) })
            }
            Err(problem) => {
                self.problem(pointer, format!("`{}` is not an expression: {problem}", shorten(source)));
                None
            }
        }
    }

    fn check_names(&mut self, pointer: &str, expression: &Expression, scope: &Scope<'_>) {
        if let Some(known) = &scope.names {
            for name in expression.roots() {
                if !known.contains(&name.as_str()) {
                    let hint = hint(name, known.iter().copied());
                    self.problem(
                        pointer,
                        format!(
                            "`{}`: {} has no `{name}`{hint} (a text is written as '\"text\"' or {{const: text}})",
                            shorten(expression.source()),
                            scope.title
                        ),
                    );
                }
            }
        }
        for name in expression.variables() {
            if !scope.variables.contains(&name.as_str()) {
                let hint = hint(name, scope.variables.iter().copied());
                self.problem(pointer, format!("`{}`: there is no `${name}` here{hint}", shorten(expression.source())));
            }
        }
    }
}

/// ", did you mean `x`?" or nothing.
pub fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map(|near| format!(", did you mean `{near}`?")).unwrap_or_default()
}

pub fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 80 { line } else { format!("{}…", line.chars().take(79).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_outside_the_scope() {
        let node = Node::parse("provider.yaml", "read: x").expect("valid YAML");
        let mut build = Build::new(&node, Engine::Core);
        let scope = Scope { title: "the call", names: Some(vec!["input", "id"]), variables: &["status"] };

        build.expression("/read", "inputt.a & $statsu & input", &scope).expect("it compiles");

        let messages: Vec<&str> = build.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "`inputt.a & $statsu & input`: the call has no `inputt`, did you mean `input`? (a text is written as '\"text\"' or {const: text})",
                "`inputt.a & $statsu & input`: there is no `$statsu` here, did you mean `status`?",
            ]
        );
    }
}
