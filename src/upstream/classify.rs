//! What may be sent again after an attempt, and why: the decision, without any policy of how often or when. The rule is that
//! nothing is done twice that is not the same when done twice.
//!
//! | the attempt ended with | nothing changes | repeatable | once |
//! |---|---|---|---|
//! | no connection, or one that was gone before the first byte | again | again | again |
//! | no answer although bytes were sent | again | again | never |
//! | the vendor's limits | again | again | again, unless it is several writes in one |
//! | 503 with `Retry-After` | again | again | PUT and DELETE |
//! | 500, 502, 504, other 503 | again | again | never |
//! | an answer that broke off | again | never: it was executed | never |
//!
//! A 401 is not here: another credential may mend it, see `renew`.

use std::error::Error as _;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Method, StatusCode};

use super::{Effect, Request, Response};
use crate::error::{Error, Result};
use crate::net::{BodyError, Failure, Phase, SendError};

/// No vendor means more than that, and what is told in seconds could otherwise be past all time.
const LONGEST_TOLD: Duration = Duration::from_secs(365 * 86_400);

/// Whether an attempt's end allows for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Final,
    Again(Again),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// The vendor's own delay, if it named one.
    pub not_before: Option<Duration>,
    /// It waits for the vendor's allowance, not for the vendor to recover.
    pub throttled: bool,
    /// The vendor may have executed it already.
    pub may_have_executed: bool,
}

/// What the decision depends on besides the attempt's end; taken before the request is given away.
#[derive(Debug, Clone)]
pub struct Nature {
    effect: Effect,
    bulk: bool,
    method: Method,
}

impl Nature {
    pub fn of(request: &Request) -> Self {
        Self { effect: request.effect, bulk: request.bulk, method: request.method.clone() }
    }

    /// How often it may be sent again at most. What replaces or deletes a thing is given one chance only.
    pub fn most(&self, resends: u32) -> u32 {
        let replaces = matches!(self.method, Method::PUT | Method::DELETE);
        if self.effect == Effect::Repeatable && replaces { resends.min(1) } else { resends }
    }
}

/// The decision. Errors that did not come from the wire (a refused permit, an open breaker, missing credentials) are
/// final: the layer that raised them knows better when to come back.
pub fn classify(result: &Result<Response>, nature: &Nature) -> Verdict {
    match result {
        Ok(response) => answered(response, nature),
        Err(error) => failed(error, nature),
    }
}

fn answered(response: &Response, nature: &Nature) -> Verdict {
    let again = Again { not_before: retry_after(&response.headers), throttled: false, may_have_executed: false };
    if let Some(throttled) = response.throttled {
        // An allowance for a day does not come back within a request, and of several writes some may have been executed.
        let vain = throttled.exhausted || nature.bulk && nature.effect == Effect::Once;
        let again = Again { not_before: throttled.delay.or(again.not_before), throttled: true, ..again };
        return if vain { Verdict::Final } else { Verdict::Again(again) };
    }
    let harmless = nature.effect != Effect::Once;
    match response.status {
        StatusCode::SERVICE_UNAVAILABLE if again.not_before.is_some() => {
            // It says that it did not do it, which is believed where the method is idempotent by its definition.
            let replaces = matches!(nature.method, Method::PUT | Method::DELETE);
            if harmless || replaces { Verdict::Again(again) } else { Verdict::Final }
        }
        status if is_failure(status) && harmless => Verdict::Again(Again { may_have_executed: true, ..again }),
        _ => Verdict::Final,
    }
}

fn failed(error: &Error, nature: &Nature) -> Verdict {
    let again = Again { not_before: None, throttled: false, may_have_executed: false };
    let broke_off = error.source().and_then(|source| source.downcast_ref::<BodyError>());
    if let Some(BodyError::Truncated(_) | BodyError::Stalled(_) | BodyError::TooSlow(_)) = broke_off {
        // The head said what became of it; only of a read there is a whole answer to be had.
        return if nature.effect == Effect::None { Verdict::Again(again) } else { Verdict::Final };
    }
    match SendError::within(error).map(SendError::failure) {
        Some(Failure::Dns | Failure::Connect | Failure::NotSent) => Verdict::Again(again),
        Some(Failure::TimedOut(Phase::Connect | Phase::Tls)) => Verdict::Again(again),
        Some(Failure::Broken | Failure::TimedOut(Phase::Head)) if nature.effect != Effect::Once => {
            Verdict::Again(Again { may_have_executed: true, ..again })
        }
        // A rule refuses an address, and a certificate is wrong, the second time as well.
        _ => Verdict::Final,
    }
}

fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// What `Retry-After` says, as seconds or as a date. Unreadable is the same as absent.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_TOLD));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    // A date that has passed means now.
    let ahead = Duration::try_from(date.duration_since(jiff::Timestamp::now())).unwrap_or_default();
    Some(ahead.min(LONGEST_TOLD))
}
