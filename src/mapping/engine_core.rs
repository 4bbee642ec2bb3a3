//! The first engine, jsonata-core: values go in and out by our own converter, evaluators are reused.
//!
//! An evaluator belongs to one thread (its values are not shared). One that has failed is thrown away: a
//! failure may leave its counters anywhere.

use super::budget::{self, Budget};
use super::expression::{Expression, Limits, Vars};
use super::functions::{self, Function};
use super::needed::Needed;
use super::problem::Problem;
use indexmap::IndexMap;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::{JValue, with_stack};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

thread_local! {
    static IDLE: RefCell<Option<(Limits, Evaluator)>> = const { RefCell::new(None) };
}

/// The code of "out of time".
const TIMED_OUT: &str = "D1012";
/// How often an evaluation that was not given the processor is begun again.
const MOST_TRIES: u32 = 4;

/// The engine counts its time limit on the wall clock. On a busy machine that may run out before an innocent
/// expression has had the processor for more than a moment, so what counts in the end is the thread's own time. And
/// as a guest is charged for what its host gave to others, that has to run out twice, the wall clock's limit being
/// twice as long at every try: one that does not end costs three times the limit.
pub(super) fn evaluate(
    expression: &Expression,
    ast: &AstNode,
    input: &Value,
    vars: &Vars,
    limits: &Limits,
) -> Result<Option<Value>, Problem> {
    let began = thread_time();
    let mut longer = limits.clone();
    for _ in 1..MOST_TRIES {
        match attempt(expression, ast, input, vars, &longer) {
            Err(problem) if timed_out(&problem) && thread_time() - began < limits.time * 2 => longer.time *= 2,
            other => return other,
        }
    }
    attempt(expression, ast, input, vars, &longer)
}

fn timed_out(problem: &Problem) -> bool {
    problem.code.as_deref() == Some(TIMED_OUT)
}

/// How long this thread has had a processor.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

fn attempt(
    expression: &Expression,
    ast: &AstNode,
    input: &Value,
    vars: &Vars,
    limits: &Limits,
) -> Result<Option<Value>, Problem> {
    let data = enter_part(input, expression.needed(), 0)?;
    let _styles = functions::with_styles(vars.styles.clone());
    let reusable = expression.variables().is_empty();
    let mut evaluator = match reusable.then(|| take_idle(limits)).flatten() {
        Some(evaluator) => evaluator,
        None => prepare(expression, vars, limits, reusable)?,
    };
    // it never panicked on its test suite, but this is somebody else's data
    let outcome = catch_unwind(AssertUnwindSafe(|| evaluator.evaluate(ast, &data)));
    let result = outcome.map_err(|_| Problem::with_code("panic", "the evaluator gave up"))?;
    let result = result.map_err(|error| Problem::foreign(error.code(), error.message()))?;
    if reusable {
        IDLE.with(|idle| idle.replace(Some((limits.clone(), evaluator))));
    }
    leave(&result, &mut Budget::new(limits), 0)
}

fn take_idle(limits: &Limits) -> Option<Evaluator> {
    IDLE.with(|idle| idle.take()).and_then(|(had, evaluator)| (had == *limits).then_some(evaluator))
}

fn prepare(expression: &Expression, vars: &Vars, limits: &Limits, reusable: bool) -> Result<Evaluator, Problem> {
    let mut context = Context::new();
    for (name, value) in &vars.values {
        if expression.variables().contains(name.as_ref()) {
            context.bind(name.to_string(), enter(value, 0)?);
        }
    }
    let options = EvaluatorOptions {
        timeout_ms: Some(u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX)),
        cancel: None,
        max_stack_depth: Some(limits.depth),
        max_sequence_length: Some(limits.items),
    };
    let mut evaluator = Evaluator::with_options(context, options);
    for function in functions::TABLE {
        if reusable || expression.functions().contains(function.name) {
            let native = |args: &[JValue]| call(function, args);
            // "override", because one of our names is a built-in of this engine alone
            evaluator
                .register_fn_override(function.name, native)
                .map_err(|error| Problem::foreign(None, error.message()))?;
        }
    }
    Ok(evaluator)
}

fn call(function: &Function, args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let failed = |message: String| EvaluatorError::EvaluationError(format!("${}: {message}", function.name));
    let mut budget = Budget::new(&Limits::default());
    let args: Result<Vec<_>, _> = args.iter().map(|arg| leave(arg, &mut budget, 0)).collect();
    let result = function.call(&args.map_err(|problem| failed(problem.message))?).map_err(failed)?;
    match result {
        Some(value) => enter(&value, 0).map_err(|problem| failed(problem.message)),
        None => Ok(JValue::Undefined),
    }
}

/// Deeper input than this is refused; the parser of JSON stops at 128 anyway.
const MAX_INPUT_DEPTH: usize = 500;

fn enter(value: &Value, depth: usize) -> Result<JValue, Problem> {
    if depth > MAX_INPUT_DEPTH {
        return Err(Problem::with_code("depth", format!("the input is nested more than {MAX_INPUT_DEPTH} deep")));
    }
    Ok(match value {
        Value::Null => JValue::Null,
        Value::Bool(flag) => JValue::Bool(*flag),
        // a number too large for the evaluator stays readable as text
        Value::Number(number) => budget::float(number).map_or_else(|| JValue::string(number.as_str()), JValue::Number),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(entries) => {
            JValue::array(entries.iter().map(|entry| with_stack(|| enter(entry, depth + 1))).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let mut map = IndexMap::with_capacity(members.len());
            for (name, member) in members {
                map.insert(name.clone(), with_stack(|| enter(member, depth + 1))?);
            }
            JValue::object(map)
        }
    })
}

/// What is needed of the value; of what is no object or list, all.
fn enter_part(value: &Value, needed: &Needed, depth: usize) -> Result<JValue, Problem> {
    match (value, needed) {
        (Value::Object(object), Needed::Members(needed)) if depth <= MAX_INPUT_DEPTH => {
            let mut map = IndexMap::with_capacity(needed.len());
            for (name, needed) in needed {
                if let Some(member) = object.get(name) {
                    map.insert(name.clone(), enter_part(member, needed, depth + 1)?);
                }
            }
            Ok(JValue::object(map))
        }
        (Value::Array(entries), Needed::Members(_)) if depth <= MAX_INPUT_DEPTH => {
            let entries = entries.iter().map(|entry| with_stack(|| enter_part(entry, needed, depth + 1)));
            Ok(JValue::array(entries.collect::<Result<_, _>>()?))
        }
        _ => enter(value, depth),
    }
}

fn leave(value: &JValue, budget: &mut Budget, depth: usize) -> Result<Option<Value>, Problem> {
    budget.take(value.as_str().map_or(0, str::len), depth)?;
    Ok(Some(match value {
        JValue::Undefined => return Ok(None),
        JValue::Null => Value::Null,
        JValue::Bool(flag) => Value::Bool(*flag),
        JValue::Number(float) => budget::number(*float),
        JValue::String(text) => Value::String(text.to_string()),
        JValue::Array(entries) => {
            let mut array = Vec::new();
            for entry in entries.iter() {
                array.extend(with_stack(|| leave(entry, budget, depth + 1))?);
            }
            Value::Array(array)
        }
        JValue::Object(members) => {
            let mut map = Map::new();
            for (name, member) in members.iter() {
                budget.bytes(name.len())?;
                if let Some(member) = with_stack(|| leave(member, budget, depth + 1))? {
                    map.insert(name.clone(), member);
                }
            }
            Value::Object(map)
        }
        _ => return Err(Problem::new("the result is a function, not a value")),
    }))
}
