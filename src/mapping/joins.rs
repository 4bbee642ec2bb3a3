//! Which values an expression joins into a text with `&`, and what stands around them there: the places where a value
//! could become syntax.

use super::analysis::member;
use serde_json::Value;

/// A value in a joined text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// Where the value comes from, from the context on.
    pub path: Vec<String>,
    /// The literal text right before it, and right behind it.
    pub before: String,
    pub after: String,
}

/// Functions whose text is the text that goes in.
const PASSING: &[&str] = &[
    "string",
    "trim",
    "uppercase",
    "lowercase",
    "substring",
    "substringBefore",
    "substringAfter",
    "join",
    "firstOf",
    "list",
    "decodeUrl",
    "append",
    "distinct",
];

/// What nests deeper has been refused by the analysis.
const MAX_DEPTH: usize = 300;

pub(super) fn joins(tree: &Value) -> Vec<Join> {
    let mut scan = Scan { found: Vec::new(), bound: Vec::new() };
    scan.node(tree, &[], 0);
    scan.found
}

struct Scan {
    found: Vec<Join>,
    /// Variables and the places that their texts come from; the last of a name counts.
    bound: Vec<(String, Vec<Vec<String>>)>,
}

impl Scan {
    fn node(&mut self, node: &Value, context: &[String], depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        if let Some(parts) = binary(node, "Concatenate") {
            let mut operands = Vec::new();
            flatten(parts, &mut operands);
            self.joined(&operands, context);
            operands.iter().for_each(|operand| self.node(operand, context, depth + 1));
            return;
        }
        if let Some(parts) = binary(node, "ColonEqual") {
            let value = member(parts, "rhs");
            let texts = self.texts(value, context);
            if let Some(name) = parts.pointer("/lhs/Variable").and_then(Value::as_str) {
                self.bound.push((name.to_owned(), texts));
            }
            return self.node(value, context, depth + 1);
        }
        if let Some(steps) = node.pointer("/Path/steps").and_then(Value::as_array) {
            let mut context = context.to_vec();
            for step in steps {
                match step.pointer("/node/Name").and_then(Value::as_str) {
                    Some(name) => context.push(name.to_owned()),
                    None => self.node(member(step, "node"), &context, depth + 1),
                }
                self.node(member(step, "stages"), &context, depth + 1);
            }
            return;
        }
        match node {
            Value::Array(nodes) => nodes.iter().for_each(|node| self.node(node, context, depth + 1)),
            Value::Object(parts) => parts.values().for_each(|node| self.node(node, context, depth + 1)),
            _ => {}
        }
    }

    fn joined(&mut self, operands: &[&Value], context: &[String]) {
        let literal = |at: Option<usize>| {
            let node = at.and_then(|at| operands.get(at));
            node.and_then(|node| node.get("String")).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for (index, operand) in operands.iter().enumerate() {
            for path in self.texts(operand, context) {
                let (before, after) = (literal(index.checked_sub(1)), literal(Some(index + 1)));
                self.found.push(Join { path, before, after });
            }
        }
    }

    /// The places that a value's text comes from, as far as it is handed on as it is.
    fn texts(&self, node: &Value, context: &[String]) -> Vec<Vec<String>> {
        let all = |nodes: &mut dyn Iterator<Item = &Value>| nodes.flat_map(|node| self.texts(node, context)).collect();
        let Some((kind, body)) = node.as_object().and_then(|map| map.iter().next()) else { return Vec::new() };
        match kind.as_str() {
            "Name" => vec![context.iter().cloned().chain(body.as_str().map(str::to_owned)).collect()],
            "Variable" => self.variable(body.as_str().unwrap_or_default(), context),
            "Path" => self.path(body, context),
            "Conditional" => all(&mut [member(body, "then_branch"), member(body, "else_branch")].into_iter()),
            "Block" => all(&mut body.as_array().and_then(|nodes| nodes.last()).into_iter()),
            "Array" => all(&mut body.as_array().into_iter().flatten()),
            "Binary" => all(&mut [member(body, "lhs"), member(body, "rhs")].into_iter()),
            "Function" if member(body, "name").as_str().is_some_and(|name| PASSING.contains(&name)) => {
                all(&mut member(body, "args").as_array().into_iter().flatten())
            }
            _ => Vec::new(),
        }
    }

    fn variable(&self, name: &str, context: &[String]) -> Vec<Vec<String>> {
        if name.is_empty() {
            return vec![context.to_vec()];
        }
        let bound = self.bound.iter().rev().find(|(bound, _)| bound == name);
        bound.map(|(_, texts)| texts.clone()).unwrap_or_default()
    }

    fn path(&self, body: &Value, context: &[String]) -> Vec<Vec<String>> {
        let steps = member(body, "steps").as_array().map(Vec::as_slice).unwrap_or_default();
        let Some((first, rest)) = steps.split_first() else { return Vec::new() };
        let mut places = self.texts(member(first, "node"), context);
        for step in rest {
            match step.pointer("/node/Name").and_then(Value::as_str) {
                Some(name) => places.iter_mut().for_each(|place| place.push(name.to_owned())),
                None => places = places.iter().flat_map(|place| self.texts(member(step, "node"), place)).collect(),
            }
        }
        places
    }
}

fn binary<'v>(node: &'v Value, op: &str) -> Option<&'v Value> {
    let parts = node.get("Binary")?;
    (parts.get("op").and_then(Value::as_str) == Some(op)).then_some(parts)
}

/// `a & b & c` as a list; texts that are empty only make a text of a number.
fn flatten<'v>(parts: &'v Value, operands: &mut Vec<&'v Value>) {
    for side in [member(parts, "lhs"), member(parts, "rhs")] {
        match binary(side, "Concatenate") {
            Some(inner) => flatten(inner, operands),
            None if side.get("String").and_then(Value::as_str) == Some("") => {}
            None => operands.push(side),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::mapping::{Engine, Expression};

    fn joins(source: &str) -> Vec<String> {
        let expression = Expression::compile(source, Engine::Core).expect(source);
        expression
            .joins()
            .iter()
            .map(|join| format!("{}|{}|{}", join.before, join.path.join("."), join.after))
            .collect()
    }

    #[test]
    fn values_between_texts() {
        for (source, expected) in [
            ("\"name = '\" & filter.name.eq & \"'\"", vec!["name = '|filter.name.eq|'"]),
            ("id & \"\"", vec!["|id|"]),
            ("\"(\" & (q ? q : id) & \")\"", vec!["(|q|)", "(|id|)"]),
            ("($x := $trim(q); \"[\" & $x & \"]\")", vec!["[|q|]"]),
            ("conditions.(on & \"=\" & value)", vec!["|conditions.on|=", "=|conditions.value|"]),
            ("\"'\" & $encodeUrlComponent(q) & \"'\"", vec![]),
            ("q", vec![]),
        ] {
            assert_eq!(joins(source), expected, "{source}");
        }
    }
}
