//! What comes before a variant's main request: named values, and requests whose answers it uses.

use std::sync::Arc;

use serde_json::{Value, json};

use super::exchange::{Answered, Meaning, Rendered, call_vars, judge, render, send};
use super::scope::Scope;
use super::{Call, Vendor};
use crate::catalog::{Answer, Step, Variant};
use crate::error::{Error, Outcome};

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
pub async fn prepare(call: &Call, vendor: &Vendor, variant: &Variant, scope: &mut Scope) -> Result<Prepared, Error> {
    let mut written = false;
    let done = run(call, vendor, variant, scope, &mut written).await;
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
    vendor: &Vendor,
    variant: &Variant,
    scope: &mut Scope,
    written: &mut bool,
) -> Result<bool, Error> {
    let vars = call_vars(call);
    for (name, leaf) in &variant.lets {
        let value = leaf.evaluate(scope.value(), &vars)?;
        scope.set_some(name, value);
    }
    for (name, step) in &variant.steps {
        let input = Arc::clone(scope.value());
        if let Some(when) = &step.when
            && !when.holds(&input, &vars)?
        {
            continue;
        }
        let rendered = render(call, &step.request, &input, &vars, None)?;
        let (kept, stop) = ask(call, vendor, step, rendered, &input).await?;
        *written |= !step.request.safe;
        scope.set_step(name, kept);
        if stop {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is kept of a step's answer, and whether it ends the call: from the vendor, or from what was looked up before.
async fn ask(
    call: &Call,
    vendor: &Vendor,
    step: &Step,
    rendered: Rendered,
    input: &Arc<Value>,
) -> Result<(Value, bool), Error> {
    let kept_for =
        step.cache.map(|good_for| (format!("{} {}", call.connection.id, rendered.key(&step.request)), good_for));
    // What comes back is kept as it is: what a mapping takes of it may differ from step to step and call to call.
    let look = async {
        let answered = send(call, vendor, &step.request, rendered).await?;
        let vars = answered.vars(call, input);
        let answer = Answer { ok: step.ok.clone(), ..Answer::default() };
        let empty = matches!(judge(call, &answer, &answered, &vars)?, Meaning::Empty);
        let Answered { status, headers, body } = answered;
        Ok(json!({"status": status, "headers": *headers, "body": body, "empty": empty}))
    };
    let mut found = match kept_for {
        Some((key, good_for)) => vendor.looked_up(key, good_for, look).await?,
        None => look.await?,
    };
    if found.get("empty") == Some(&Value::Bool(true)) {
        return Ok((Value::Null, true));
    }
    let mut part = |name: &str| found.get_mut(name).map(Value::take).unwrap_or_default();
    let status = part("status").as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
    let answered = Answered { status, headers: Arc::new(part("headers")), body: part("body") };
    let vars = answered.vars(call, input);
    let kept = match &step.keep {
        Some(keep) => keep.evaluate(&answered.body, &vars)?.unwrap_or(Value::Null),
        None => answered.body,
    };
    let stop = match &step.stop {
        Some(stop) => stop.holds(&kept, &vars)?,
        None => false,
    };
    Ok((kept, stop))
}
