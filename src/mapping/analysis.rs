//! What can be said about an expression before it runs: what it reads, which names it needs, whether its
//! cost is bounded; and the refusal of what must not run at all.
//!
//! The tree is serialised once and walked as JSON, so this file needs no list of all its node types: a node
//! it does not know is walked through.

use super::expression::Engine;
use super::joins::{self, Join};
use super::known;
use super::problem::Problem;
use indexmap::IndexSet;
use jsonata_core::ast::AstNode;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) roots: BTreeSet<String>,
    pub(super) reads: IndexSet<Vec<String>>,
    pub(super) variables: BTreeSet<String>,
    pub(super) functions: BTreeSet<String>,
    pub(super) joins: Vec<Join>,
    pub(super) opaque: bool,
    pub(super) unbounded: bool,
}

pub(super) fn analyse(ast: &AstNode, engine: Engine) -> Result<Facts, Problem> {
    let tree = serde_json::to_value(ast).map_err(|_| Problem::new("the expression cannot be analysed"))?;
    let mut walk = Walk { facts: Facts::default(), engine, bound: Vec::new(), depth: 0 };
    walk.read(&tree, &Some(Vec::new()))?;
    walk.facts.joins = joins::joins(&tree);
    Ok(walk.facts)
}

/// Where a context stands below the input; `None` when it is no part of the input, or when that part has
/// been noted as read already.
type At = Option<Vec<String>>;

struct Walk {
    facts: Facts,
    engine: Engine,
    /// Variables bound inside, innermost last.
    bound: Vec<String>,
    depth: usize,
}

/// What nests deeper was not written by a person, and the second engine recurses on the native stack.
const MAX_DEPTH: usize = 300;
const MAX_PAD: f64 = 10_000.0;

impl Walk {
    /// Walks a node whose value is used as a whole.
    fn read(&mut self, node: &Value, at: &At) -> Result<(), Problem> {
        let place = self.walk(node, at)?;
        self.note(place);
        Ok(())
    }

    fn note(&mut self, place: At) {
        match place {
            Some(path) if path.is_empty() => self.facts.opaque = true,
            Some(path) => {
                self.facts.roots.extend(path.first().cloned());
                self.facts.reads.insert(path);
            }
            None => {}
        }
    }

    fn read_all<'v>(&mut self, nodes: impl IntoIterator<Item = &'v Value>, at: &At) -> Result<At, Problem> {
        for node in nodes {
            self.read(node, at)?;
        }
        Ok(None)
    }

    /// Walks a node; the answer is the place in the input that its value is, not noted yet.
    fn walk(&mut self, node: &Value, at: &At) -> Result<At, Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem::new("the expression is nested too deep"));
        }
        let place = self.node(node, at);
        self.depth -= 1;
        place
    }

    fn node(&mut self, node: &Value, at: &At) -> Result<At, Problem> {
        if let Value::String(unit) = node {
            match unit.as_str() {
                "Wildcard" | "Parent" => {
                    self.facts.opaque = true;
                    return Ok(at.clone());
                }
                "Descendant" => {
                    self.facts.opaque = true;
                    self.facts.unbounded = true;
                    return Ok(at.clone());
                }
                _ => return Ok(None),
            }
        }
        let Some((kind, body)) = node.as_object().and_then(|map| map.iter().next()) else {
            return match node {
                Value::Array(nodes) => self.read_all(nodes, at),
                _ => Ok(None),
            };
        };
        match kind.as_str() {
            "Name" => Ok(at.clone().map(|mut path| {
                path.extend(body.as_str().map(str::to_owned));
                path
            })),
            "Variable" => self.variable(body.as_str().unwrap_or_default(), at),
            "ParentVariable" => {
                self.facts.opaque = true;
                self.facts.unbounded = true;
                Ok(None)
            }
            "Parent" => {
                self.facts.opaque = true;
                Ok(at.clone())
            }
            "Path" => self.path(body, at),
            "Function" => self.function(body, at, 0),
            "Call" => self.call(body, at),
            "Lambda" => self.lambda(body, at),
            "Block" => self.block(body, at),
            "FunctionApplication" => self.walk(body, at),
            "Binary" => self.binary(body, at),
            "Sort" => {
                self.facts.unbounded = true;
                let place = self.walk(member(body, "input"), at)?;
                let terms = member(body, "terms").as_array().into_iter().flatten();
                self.read_all(terms.filter_map(|term| term.get(0)), &place)?;
                Ok(place)
            }
            "ObjectTransform" => {
                let place = self.walk(member(body, "input"), at)?;
                self.read(member(body, "pattern"), &place)?;
                // the keys may come from nowhere, but that there is an entry is read
                self.note(place);
                Ok(None)
            }
            "Transform" => {
                self.facts.unbounded = true;
                self.facts.opaque = true;
                self.read_all([member(body, "location"), member(body, "update"), member(body, "delete")], &None)
            }
            "Regex" => self.regex(body),
            "String" | "Number" | "Boolean" => Ok(None),
            // arrays, objects, conditionals, unary operators: everything below is used as a whole
            _ => match body {
                Value::Array(nodes) => self.read_all(nodes, at),
                Value::Object(parts) if kind.chars().next().is_some_and(char::is_uppercase) && !is_node(body) => {
                    self.read_all(parts.values(), at)
                }
                other => {
                    self.read(other, at)?;
                    Ok(None)
                }
            },
        }
    }

    fn variable(&mut self, name: &str, at: &At) -> Result<At, Problem> {
        if name.is_empty() {
            return Ok(at.clone());
        }
        if self.bound.iter().any(|bound| bound == name) {
            return Ok(None);
        }
        if matches!(name, "eval" | "pad") {
            return Err(refuse(name));
        }
        if !known::VALUES.contains(&name) && known::is_function(self.engine, name) {
            self.use_function(name);
        } else {
            self.facts.variables.insert(name.to_owned());
        }
        Ok(None)
    }

    fn path(&mut self, body: &Value, at: &At) -> Result<At, Problem> {
        let depth = self.bound.len();
        let mut place = at.clone();
        let mut first = true;
        for step in member(body, "steps").as_array().into_iter().flatten() {
            let before = place.clone();
            let noted = self.facts.reads.len();
            let node = member(step, "node");
            let named = node.get("Name").is_some() || node.get("Variable").is_some();
            place = self.walk(node, &before)?;
            if !first && !named && place.is_none() && self.facts.reads.len() == noted {
                // `a.(1)`: nothing of `a` is used, but whether there is one
                self.note(before.clone());
            }
            first = false;
            if !member(step, "ancestor_label").is_null() {
                self.facts.opaque = true;
            }
            let index = member(step, "index_var").as_str();
            let focus = member(step, "focus").as_str();
            self.bound.extend(index.into_iter().chain(focus).map(str::to_owned));
            for stage in member(step, "stages").as_array().into_iter().flatten() {
                if let Some(filter) = stage.get("Filter") {
                    let inner = self.walk(filter, &place)?;
                    // a predicate's lone `$` is the entry itself, which the path reads anyway
                    self.note(inner.filter(|path| !path.is_empty()));
                }
                self.bound.extend(stage.get("Index").and_then(Value::as_str).map(str::to_owned));
            }
            if focus.is_some() {
                // the entry is in the variable now and the context stays where it was
                self.note(place);
                self.facts.unbounded = true;
                place = before;
            }
        }
        self.bound.truncate(depth);
        Ok(place)
    }

    fn use_function(&mut self, name: &str) {
        self.facts.opaque |= known::is_opaque(name);
        self.facts.unbounded |= known::is_unbounded(name);
        self.facts.functions.insert(name.to_owned());
    }

    /// `piped`: how many arguments come from the left of `~>`.
    fn function(&mut self, body: &Value, at: &At, piped: usize) -> Result<At, Problem> {
        let name = member(body, "name").as_str().unwrap_or_default();
        let args = member(body, "args").as_array().map(Vec::as_slice).unwrap_or_default();
        let dollar = member(body, "is_builtin").as_bool() == Some(true);
        if dollar && self.bound.iter().any(|bound| bound == name) {
            self.facts.unbounded = true;
            return self.read_all(args, at);
        }
        if name == "eval" {
            return Err(refuse(name));
        }
        if !dollar || !known::is_function(self.engine, name) {
            let near = known::nearest(name, known::functions(self.engine));
            let near = near.map(|near| format!("; did you mean ${near}?")).unwrap_or_default();
            return Err(Problem::new(format!("there is no function {}{name}{near}", if dollar { "$" } else { "" })));
        }
        self.use_function(name);
        self.check_arguments(name, args, piped)?;
        if args.len() + piped < known::arguments_without_context(name) {
            self.note(at.clone());
        }
        self.read_all(args, at)
    }

    /// What makes a function's cost unbounded or its arguments wrong.
    fn check_arguments(&mut self, name: &str, args: &[Value], piped: usize) -> Result<(), Problem> {
        let literal = |at: usize| args.get(at).is_some_and(|arg| arg.get("String").is_some());
        match name {
            "pad" => {
                let at = if piped > 0 || args.len() < 2 { 0 } else { 1 };
                let width = args.get(at).and_then(number_of);
                if !width.is_some_and(|width| width.abs() <= MAX_PAD) {
                    return Err(refuse(name));
                }
            }
            // the length of the result is the product of the lengths of the arguments
            "replace" => {
                let piped = piped.min(1);
                let plain = literal(1 - piped) || args.get(1 - piped).is_some_and(|arg| arg.get("Regex").is_some());
                self.facts.unbounded |= !plain || !literal(2 - piped);
            }
            "join" => {
                let at = 1 - piped.min(1);
                self.facts.unbounded |= args.len() > at && !literal(at);
            }
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, body: &Value, at: &At) -> Result<At, Problem> {
        self.facts.unbounded = true;
        self.read(member(body, "procedure"), at)?;
        self.read(member(body, "args"), at)?;
        Ok(None)
    }

    fn lambda(&mut self, body: &Value, at: &At) -> Result<At, Problem> {
        self.facts.unbounded = true;
        let depth = self.bound.len();
        let params = member(body, "params").as_array().into_iter().flatten();
        self.bound.extend(params.filter_map(Value::as_str).map(str::to_owned));
        self.read(member(body, "body"), at)?;
        self.bound.truncate(depth);
        Ok(None)
    }

    fn block(&mut self, body: &Value, at: &At) -> Result<At, Problem> {
        let depth = self.bound.len();
        let nodes = body.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut place = None;
        for (index, node) in nodes.iter().enumerate() {
            place = self.walk(node, at)?;
            if index + 1 < nodes.len() {
                self.note(place.take());
            }
        }
        self.bound.truncate(depth);
        Ok(place)
    }

    fn binary(&mut self, body: &Value, at: &At) -> Result<At, Problem> {
        let (lhs, rhs) = (member(body, "lhs"), member(body, "rhs"));
        match member(body, "op").as_str() {
            Some("ColonEqual") => {
                // each assignment may double what the one before made
                self.facts.unbounded = true;
                let name = lhs.get("Variable").and_then(Value::as_str).unwrap_or_default().to_owned();
                // a function may call itself, so its name is bound before its body is read
                self.bound.push(name);
                self.read(rhs, at)?;
            }
            Some("ChainPipe") => {
                self.read(lhs, at)?;
                match rhs.get("Function") {
                    Some(function) => self.function(function, at, 1)?,
                    None => {
                        self.read(rhs, at)?;
                        None
                    }
                };
            }
            op => {
                self.facts.unbounded |= op == Some("Range");
                self.read(lhs, at)?;
                self.read(rhs, at)?;
            }
        }
        Ok(None)
    }

    fn regex(&mut self, body: &Value) -> Result<At, Problem> {
        let pattern = member(body, "pattern").as_str().unwrap_or_default();
        let flags = member(body, "flags").as_str().unwrap_or_default();
        let built = regex::RegexBuilder::new(pattern)
            .case_insensitive(flags.contains('i'))
            .multi_line(flags.contains('m'))
            .build();
        match built {
            Ok(_) => Ok(None),
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Err(Problem::foreign(None, &format!("the pattern /{pattern}/ is not valid: {why}")))
            }
        }
    }
}

fn refuse(name: &str) -> Problem {
    match name {
        "pad" => Problem::new(format!("$pad needs a width written as a number of at most {MAX_PAD}")),
        _ => Problem::new(format!("${name} is not allowed")),
    }
}

pub(super) fn member<'v>(value: &'v Value, name: &str) -> &'v Value {
    const NONE: &Value = &Value::Null;
    value.get(name).unwrap_or(NONE)
}

/// Whether this object is itself a node (`{"Path": …}`), not the parts of one (`{"lhs": …, "rhs": …}`).
fn is_node(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.len() == 1 && map.keys().all(|key| key.starts_with(char::is_uppercase)))
}

fn number_of(node: &Value) -> Option<f64> {
    let number = |node: &Value| node.get("Number").and_then(Value::as_number).and_then(super::budget::float);
    match node.get("Unary") {
        Some(unary) if member(unary, "op") == "Negate" => number(member(unary, "operand")).map(|width| -width),
        _ => number(node),
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::{Engine, Expression};

    fn compile(source: &str) -> Expression {
        Expression::compile(source, Engine::Core).expect(source)
    }

    fn reads(source: &str) -> String {
        let expression = compile(source);
        let mut reads: Vec<String> = expression.reads().iter().map(|path| path.join(".")).collect();
        reads.sort();
        let opaque = if expression.is_opaque() { " opaque" } else { "" };
        let bounded = if expression.is_bounded() { "" } else { " unbounded" };
        let vars: String = expression.variables().iter().map(|name| format!(" ${name}")).collect();
        format!("{}{vars}{opaque}{bounded}", reads.join(" "))
    }

    #[test]
    fn what_an_expression_reads() {
        for (source, expected) in [
            ("a", "a"),
            ("a.b[0].c & d", "a.b.c d"),
            ("a[b=$v].c", "a.b a.c $v"),
            ("a.b[$ = 1]", "a.b"),
            ("$", " opaque"),
            ("$.a", "a"),
            ("$now", " $now"),
            ("$now()", ""),
            ("$uppercase(a.b)", "a.b"),
            ("a.$uppercase()", "a"),
            ("a.{\"x\": y, \"z\": $status}", "a.y $status"),
            ("a.(b & c)", "a.b a.c"),
            ("a.(1)", "a"),
            ("(a).b", "a.b"),
            ("(a; b).c", "a b.c"),
            ("($x := a; $x.b)", "a unbounded"),
            ("$map(a, function($v){$v.b & c})", "a c unbounded"),
            ("$map(a, $uppercase)", "a unbounded"),
            ("a ~> $f", "a $f"),
            ("a ~> $uppercase", "a"),
            ("$lookup(a, b)", "a b opaque"),
            ("**.a", "a opaque unbounded"),
            ("a.*.b", "a.b opaque"),
            ("$$.a", " opaque unbounded"),
            ("a^(>b).c", "a.b a.c unbounded"),
            ("a{b: c}", "a a.b a.c"),
            ("[1..a]", "a unbounded"),
            ("a ? b : c", "a b c"),
            ("a ?? b", "a b"),
            ("-a", "a"),
            ("[a, {\"k\": b}]", "a b"),
            ("$replace(a, \"x\", \"y\")", "a"),
            ("$replace(a, \"x\", a)", "a unbounded"),
            ("$join(a, \",\")", "a"),
            ("a.$pad(5)", "a unbounded"),
            ("$query(\"s\", {\"where\": conditions})", "conditions"),
            ("`x y`.b", "x y.b"),
        ] {
            assert_eq!(reads(source), expected, "{source}");
        }
    }

    #[test]
    fn what_does_not_compile() {
        for (source, needle) in [
            ("$eval(\"1\")", "$eval is not allowed"),
            ("$map(a, $eval)", "$eval"),
            ("$uppercas(a)", "did you mean $uppercase"),
            ("$startWith(a, b)", "did you mean $startsWith"),
            ("upper(a)", "no function upper"),
            ("$pad(a, b)", "width"),
            ("$pad(a, 50000)", "width"),
            ("a ~> $pad(1e9)", "width"),
            ("$pad(a, -10001)", "width"),
            ("$match(a, /(/)", "pattern"),
            ("a +", "(at character"),
            ("(a", "Expected"),
            ("{a}", "Expected"),
        ] {
            let problem = Expression::compile(source, Engine::Core).expect_err(source);
            assert!(problem.to_string().contains(needle), "{source}: {problem}");
        }
        assert!(Expression::compile(&"a".repeat(70_000), Engine::Core).is_err());
        for source in ["$pad(a, -4, \"0\")", "a ~> $pad(4)", "($f := function($x){$x}; $f(1))"] {
            compile(source);
        }
    }

    #[test]
    fn deep_sources_do_not_overflow() {
        for source in [
            "(".repeat(20_000) + "a" + &")".repeat(20_000),
            "a&".repeat(30_000) + "a",
            "[".repeat(30_000),
            "-".repeat(60_000) + "1",
            "a.".repeat(30_000) + "b",
        ] {
            for engine in [Engine::Core, Engine::Rs] {
                let _ = Expression::compile(&source, engine);
            }
        }
    }
}
