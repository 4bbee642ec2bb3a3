//! The second engine, jsonata-rs: it takes its input as text and parses it with its own expression parser,
//! so the text is written here, depth-limited and escaped for that parser; bindings and results go through
//! our own converters, because its own one panics on large numbers.

use super::budget::{self, Budget};
use super::expression::{Expression, Limits, Vars};
use super::functions;
use super::known;
use super::problem::Problem;
use super::rs_workers;
use bumpalo::Bump;
use jsonata_rs::{ArrayFlags, Error, FunctionContext, JsonAta, Value as Arena};
use serde_json::{Map, Value};
use std::fmt::Write;

const MAX_INPUT_DEPTH: usize = 500;

pub(super) fn evaluate(
    expression: &Expression,
    input: &Value,
    vars: &Vars,
    limits: &Limits,
) -> Result<Option<Value>, Problem> {
    let mut text = String::new();
    write_input(&mut text, input, 0)?;
    let (expression, vars, limits) = (expression.clone(), vars.clone(), limits.clone());
    rs_workers::run(limits.time, move || work(&expression, &text, &vars, &limits))
}

fn work(expression: &Expression, input: &str, vars: &Vars, limits: &Limits) -> Result<Option<Value>, Problem> {
    let _styles = functions::with_styles(vars.styles.clone());
    let foreign = |error: Error| Problem::foreign(Some(error.code()), &error.to_string());
    let arena = Bump::new();
    // its own functions are bound after ours and would hide a value of the same name
    let hidden = known::VALUES.iter().filter(|name| expression.variables().contains(**name));
    let renamed: String = hidden.map(|name| format!("${name} := $value_{name}; ")).collect();
    let source = if renamed.is_empty() {
        expression.source().to_owned()
    } else {
        format!("({renamed}{}\n)", expression.source())
    };
    let program = JsonAta::new(&source, &arena).map_err(foreign)?;
    for (name, value) in &vars.values {
        let value = enter(&arena, value, 0)?;
        if known::VALUES.contains(&name.as_ref()) {
            program.assign_var(&format!("value_{name}"), value);
        } else {
            program.assign_var(name, value);
        }
    }
    // what is registered outlives the arena, a few bytes each, so only what is used
    for function in functions::TABLE.iter().filter(|function| expression.functions().contains(function.name)) {
        program.register_function(function.name, function.arity, native);
    }
    let time = usize::try_from(limits.time.as_millis()).unwrap_or(usize::MAX);
    let result = program.evaluate_timeboxed(Some(input), Some(limits.depth), Some(time)).map_err(foreign)?;
    leave(result, &mut Budget::new(limits), 0)
}

/// Every function of ours, found by the name it was registered with.
fn native<'a>(context: FunctionContext<'a, '_>, args: &[&'a Arena<'a>]) -> Result<&'a Arena<'a>, Error> {
    let failed = |message: String| Error::D3137Error(format!("${}: {message}", context.name));
    let function = functions::find(context.name).ok_or_else(|| failed("unknown".into()))?;
    let mut budget = Budget::new(&Limits::default());
    let args: Result<Vec<_>, _> = args.iter().map(|arg| leave(arg, &mut budget, 0)).collect();
    match function.call(&args.map_err(|problem| failed(problem.message))?).map_err(failed)? {
        Some(value) => enter(context.arena, &value, 0).map_err(|problem| failed(problem.message)),
        None => Ok(Arena::undefined()),
    }
}

fn too_deep() -> Problem {
    Problem::with_code("depth", format!("the input is nested more than {MAX_INPUT_DEPTH} deep"))
}

/// A float its number parser takes; what is none, or too small for it, is given another way.
fn write_number(text: &mut String, number: &serde_json::Number) {
    let written = match budget::float(number) {
        Some(float) if float == 0.0 || float.is_subnormal() => write!(text, "0"),
        Some(float) => write!(text, "{float:?}"),
        None => write!(text, "\"{number}\""),
    };
    debug_assert!(written.is_ok());
}

fn write_input(text: &mut String, value: &Value, depth: usize) -> Result<(), Problem> {
    if depth > MAX_INPUT_DEPTH {
        return Err(too_deep());
    }
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => write_number(text, number),
        Value::String(string) => write_string(text, string),
        Value::Array(entries) => {
            text.push('[');
            for (at, entry) in entries.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write_input(text, entry, depth + 1)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write_string(text, name);
                text.push(':');
                write_input(text, member, depth + 1)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

/// Its parser knows fewer escapes than JSON (`\/` is an error), and a raw NUL ends the text for it.
fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if c.is_control() => {
                let written = write!(text, "\\u{:04x}", u32::from(c));
                debug_assert!(written.is_ok());
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

fn enter<'a>(arena: &'a Bump, value: &Value, depth: usize) -> Result<&'a Arena<'a>, Problem> {
    if depth > MAX_INPUT_DEPTH {
        return Err(too_deep());
    }
    Ok(match value {
        Value::Null => Arena::null(arena),
        Value::Bool(flag) => Arena::bool(*flag),
        Value::Number(number) => match budget::float(number) {
            Some(float) => Arena::number(arena, float),
            None => Arena::string(arena, number.as_str()),
        },
        Value::String(string) => Arena::string(arena, string),
        Value::Array(entries) => {
            let array = Arena::array_with_capacity(arena, entries.len(), ArrayFlags::empty());
            for entry in entries {
                array.push(enter(arena, entry, depth + 1)?);
            }
            array
        }
        Value::Object(members) => {
            let object = Arena::object_with_capacity(arena, members.len());
            for (name, member) in members {
                object.insert(name, enter(arena, member, depth + 1)?);
            }
            object
        }
    })
}

fn leave<'a>(value: &'a Arena<'a>, budget: &mut Budget, depth: usize) -> Result<Option<Value>, Problem> {
    budget.take(0, depth)?;
    Ok(Some(match value {
        Arena::Undefined => return Ok(None),
        Arena::Null => Value::Null,
        Arena::Bool(flag) => Value::Bool(*flag),
        Arena::Number(float) => budget::number(*float),
        Arena::String(string) => {
            budget.bytes(string.len())?;
            Value::String(string.as_str().to_owned())
        }
        Arena::Array(..) | Arena::Range(..) => {
            budget.room(value.len())?;
            let mut array = Vec::new();
            for entry in value.members() {
                array.extend(leave(entry, budget, depth + 1)?);
            }
            Value::Array(array)
        }
        Arena::Object(..) => {
            // its objects keep no order: sorted by name, a result is at least always the same
            let mut members: Vec<_> = value.entries().map(|(name, member)| (name.as_str(), *member)).collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            let mut map = Map::new();
            for (name, member) in members {
                budget.bytes(name.len())?;
                if let Some(member) = leave(member, budget, depth + 1)? {
                    map.insert(name.to_owned(), member);
                }
            }
            Value::Object(map)
        }
        _ => return Err(Problem::new("the result is a function, not a value")),
    }))
}
