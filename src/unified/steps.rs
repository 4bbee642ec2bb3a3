//! What comes before a variant's main request: named values, and requests whose answers it uses.

use serde_json::Value;

use super::Call;
use super::exchange::{Meaning, call_vars, judge, render, send};
use super::scope::Scope;
use crate::catalog::{Answer, Variant};
use crate::error::{Error, Outcome};
use crate::upstream;

/// What came of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// Nothing has been written so far.
    Ready,
    /// A step has written: whatever fails from here on leaves the write half done.
    Written,
    /// A step found that there is nothing to ask for.
    Nothing,
}

/// Runs `let` and `steps`.
pub async fn prepare(
    call: &Call,
    upstream: &upstream::Service,
    variant: &Variant,
    scope: &mut Scope,
) -> Result<Prepared, Error> {
    let mut written = false;
    let done = run(call, upstream, variant, scope, &mut written).await;
    match done {
        Ok(false) => Ok(Prepared::Nothing),
        Ok(true) if written => Ok(Prepared::Written),
        Ok(true) => Ok(Prepared::Ready),
        Err(error) if written => Err(half_done(error)),
        Err(error) => Err(error),
    }
}

/// A failure after a first request has written: the same call must not simply be sent again.
pub fn half_done(error: Error) -> Error {
    error.outcome(Outcome::Unknown).retryable(false)
}

async fn run(
    call: &Call,
    upstream: &upstream::Service,
    variant: &Variant,
    scope: &mut Scope,
    written: &mut bool,
) -> Result<bool, Error> {
    let vars = call_vars(call);
    for (name, leaf) in &variant.lets {
        let value = leaf.evaluate(&scope.to_value(), &vars)?;
        scope.set_some(name, value);
    }
    for (name, step) in &variant.steps {
        let input = scope.to_value();
        if let Some(when) = &step.when
            && !when.holds(&input, &vars)?
        {
            continue;
        }
        let rendered = render(call, &step.request, &input, &vars, None)?;
        let answered = send(call, upstream, &step.request, rendered).await?;
        let answer_vars = answered.vars(call, &input);
        let answer = Answer { ok: step.ok.clone(), ..Answer::default() };
        match judge(call, &answer, &answered, &answer_vars)? {
            Meaning::Success => *written |= !step.request.safe,
            Meaning::Empty => return Ok(false),
        }
        let kept = match &step.keep {
            Some(keep) => keep.evaluate(&answered.body, &answer_vars)?.unwrap_or(Value::Null),
            None => answered.body.clone(),
        };
        let stop = match &step.stop {
            Some(stop) => stop.holds(&kept, &answer_vars)?,
            None => false,
        };
        scope.set_step(name, kept);
        if stop {
            return Ok(false);
        }
    }
    Ok(true)
}
