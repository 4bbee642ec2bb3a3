//! What comes before a variant's main request: named values, and requests whose answers it uses.

use serde_json::Value;

use super::Call;
use super::exchange::{Meaning, call_vars, judge, render, send};
use super::scope::Scope;
use crate::catalog::{Answer, Variant};
use crate::error::Error;
use crate::upstream;

/// Runs `let` and `steps`. `false`: a step found that there is nothing to ask for.
pub async fn prepare(
    call: &Call,
    upstream: &upstream::Service,
    variant: &Variant,
    scope: &mut Scope,
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
            Meaning::Success => {}
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
