//! A compiled JSONata expression: what it reads, what it may cost, and its evaluation on either engine.

use super::analysis::{self, Facts};
use super::joins::Join;
use super::needed::Needed;
use super::problem::Problem;
use super::style::Styles;
use super::{engine_core, engine_rs, rs_workers};
use indexmap::IndexSet;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The crate that evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    #[default]
    Core,
    Rs,
}

/// The `$names` an expression may use besides its input, and the styles of the provider.
#[derive(Debug, Clone, Default)]
pub struct Vars {
    pub values: Vec<(Cow<'static, str>, Arc<Value>)>,
    pub styles: Option<Arc<Styles>>,
}

impl Vars {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Arc<Value>>) -> Self {
        self.values.push((name.into(), value.into()));
        self
    }

    pub fn styled(mut self, styles: Arc<Styles>) -> Self {
        self.styles = Some(styles);
        self
    }
}

/// What one evaluation may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub time: Duration,
    pub depth: usize,
    pub items: usize,
    /// Bytes of the result.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_millis(50), depth: 500, items: 100_000, output: 8 * 1024 * 1024 }
    }
}

/// Cheap to clone; may be shared between threads.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: String,
    engine: Engine,
    ast: jsonata_core::ast::AstNode,
    facts: Facts,
    needed: Needed,
}

/// A mapping's expression is a line or two; more than this is a mistake or an attack.
const MAX_SOURCE: usize = 64 * 1024;
/// Longer sources may nest so deep that analysing them needs a big stack.
const SHALLOW: usize = 200;

/// Longer sources are refused without the place of the error.
const MAX_PLACED: usize = 2_000;

impl Expression {
    pub fn compile(source: &str, engine: Engine) -> Result<Self, Problem> {
        if source.len() > MAX_SOURCE {
            return Err(Problem::new(format!("the expression is longer than {} KiB", MAX_SOURCE / 1024)));
        }
        let (ast, facts) =
            if source.len() <= SHALLOW { parse(source, engine)? } else { on_big_stack(|| parse(source, engine))? };
        if engine == Engine::Rs {
            rs_workers::parse(source)?;
        }
        let needed = if facts.opaque { Needed::All } else { Needed::of(&facts.reads) };
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), engine, ast, facts, needed })))
    }

    pub fn source(&self) -> &str {
        &self.0.source
    }

    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// The bare names read from the context at top level.
    pub fn roots(&self) -> &BTreeSet<String> {
        &self.0.facts.roots
    }

    /// The dotted paths of those; a path stands for all that is below it.
    pub fn reads(&self) -> &IndexSet<Vec<String>> {
        &self.0.facts.reads
    }

    /// The `$names` that somebody else has to provide.
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.0.facts.variables
    }

    /// The values that it joins into texts.
    pub fn joins(&self) -> &[Join] {
        &self.0.facts.joins
    }

    /// Our functions and the built-in ones that it calls.
    pub(super) fn functions(&self) -> &BTreeSet<String> {
        &self.0.facts.functions
    }

    /// What it can see of its input.
    pub(super) fn needed(&self) -> &Needed {
        &self.0.needed
    }

    /// Whether it may read more than `reads()` says.
    pub fn is_opaque(&self) -> bool {
        self.0.facts.opaque
    }

    /// Whether its cost is linear in its input, so that it may run on a request thread.
    pub fn is_bounded(&self) -> bool {
        !self.0.facts.unbounded
    }

    /// `None` is JSONata's "no value". The calling thread waits for the result, at most about
    /// `limits.time`; what is not bounded belongs on [`super::pool`].
    pub fn evaluate(&self, input: &Value, vars: &Vars, limits: &Limits) -> Result<Option<Value>, Problem> {
        match self.0.engine {
            Engine::Core => engine_core::evaluate(self, &self.0.ast, input, vars, limits),
            Engine::Rs => engine_rs::evaluate(self, input, vars, limits),
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?}, {:?})", self.0.engine, self.0.source)
    }
}

fn parse(source: &str, engine: Engine) -> Result<(jsonata_core::ast::AstNode, Facts), Problem> {
    let ast = jsonata_core::parser::parse(source).map_err(|error| {
        // this parser knows no positions; the other one does, but cannot take what nests very deep
        let place = match if source.len() <= MAX_PLACED { rs_workers::parse(source) } else { Ok(()) } {
            Err(Problem { message, .. }) => message
                .split(" @ ")
                .nth(1)
                .and_then(|rest| rest.split_once(':').and_then(|(at, _)| at.parse::<usize>().ok())),
            Ok(()) => None,
        };
        let place = place.map(|at| format!(" (at character {at})")).unwrap_or_default();
        let message = error.to_string();
        let code = jsonata_core::evaluator::error_code_prefix(&message).map(str::to_owned);
        Problem { message: format!("{}{place}", super::problem::shorten(&message)), code }
    })?;
    let facts = analysis::analyse(&ast, engine)?;
    Ok((ast, facts))
}

/// Runs on a thread with a stack that holds whatever the parsers let through.
fn on_big_stack<R: Send>(run: impl FnOnce() -> Result<R, Problem> + Send) -> Result<R, Problem> {
    let lost = || Problem::new("the expression cannot be compiled");
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 * 1024 * 1024).spawn_scoped(scope, run);
        thread.map_err(|_| lost())?.join().map_err(|_| lost())?
    })
}
