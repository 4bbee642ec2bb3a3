//! What an answer tells of the allowances: how much is left, that it was too much, and for how long.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::layer::Asked;
use super::peek::peek;
use super::{Pass, Quota, tell};
use crate::catalog::{Heard, Hint, header_values};
use crate::error::Kind;
use crate::limit::LONG;
use crate::telemetry::Throttle;
use crate::upstream::{Response, Throttled};

impl Quota {
    pub(super) async fn learn(&self, pass: &Pass, response: &mut Response, asked: &Asked) {
        let provider = pass.account.provider.clone();
        let status = response.status.as_u16();
        let may_throttle = provider.errors.may_throttle(status);
        let body = match may_throttle || provider.quotas.reads_body(status) {
            true => peek(&mut response.body, asked.deadline).await,
            false => Value::Null,
        };
        let now = Timestamp::now();
        let hints: Vec<(Option<usize>, Hint)> = {
            let heard = Heard::new(status, &response.headers, &body, now);
            provider.quotas.hints(&heard).map(|hint| (hint.rule.or_else(|| pass.shortest()), hint)).collect()
        };
        for (rule, hint) in &hints {
            pass.take_hint(*rule, hint);
        }
        let throttled = may_throttle.then(|| {
            let headers = header_values(&response.headers);
            provider.errors.classify(status, &headers, &body, asked.operation, now)
        });
        match throttled.map(|classified| (classified.kind, classified.retry_after)) {
            Some((kind @ (Kind::RateLimited | Kind::QuotaExhausted), told)) => {
                let exhausted = kind == Kind::QuotaExhausted;
                let delay = pass.throttled(exhausted, told, &hints);
                self.0.metrics.quota_throttled(&provider.name, Throttle::of(kind));
                response.throttled = Some(Throttled { delay: Some(delay), exhausted });
                // A caller of the unified API is told our delay where the vendor names none that can be meant; a raw answer
                // stays as it is.
                let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
                if !asked.passthrough && told.is_none() {
                    response.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
            }
            _ if response.status < StatusCode::INTERNAL_SERVER_ERROR => pass.accepted(),
            _ => {}
        }
        tell(&asked.timings, pass.left());
    }
}

impl Pass {
    /// The rule that counted the request with the shortest span.
    fn shortest(&self) -> Option<usize> {
        self.rates().min_by_key(|(_, per)| *per).map(|(index, _)| index)
    }

    fn longest(&self) -> Option<usize> {
        self.rates().max_by_key(|(_, per)| *per).map(|(index, _)| index)
    }

    fn rates(&self) -> impl Iterator<Item = (usize, Duration)> {
        let indexes = self.permits.iter().filter_map(|(index, _)| *index);
        indexes.filter_map(|index| Some((index, self.account.rule(index)?.0.per()?)))
    }

    fn take_hint(&self, rule: Option<usize>, hint: &Hint) {
        let Some((_, bucket)) = rule.and_then(|index| self.account.rule(index)) else { return };
        if hint.remaining.is_some() || hint.limit.is_some() {
            let own = self.permits.iter().find(|(index, _)| *index == rule).map(|(_, permit)| permit.number);
            bucket.tell(own, hint.remaining, hint.limit, hint.reset.or(hint.retry_after));
        }
        if let Some(delay) = hint.retry_after {
            bucket.hold(delay, delay >= LONG);
        }
    }

    /// Holds what was exceeded, and says for how long nothing is sent.
    fn throttled(&self, exhausted: bool, told: Option<Duration>, hints: &[(Option<usize>, Hint)]) -> Duration {
        // A row that says that nothing is left, or to wait, says which one it was.
        let named = hints.iter().find(|(_, hint)| hint.remaining == Some(0) || hint.retry_after.is_some());
        let rule = match named {
            Some((rule, _)) => *rule,
            None if exhausted => self.longest(),
            None => self.shortest(),
        };
        let bucket = match rule.and_then(|index| self.account.rule(index)) {
            Some((_, bucket)) => bucket,
            None => &self.account.unruled,
        };
        let hinted = named.and_then(|(_, hint)| hint.retry_after.or(hint.reset));
        match told.or(hinted) {
            Some(delay) => {
                bucket.hold(delay, exhausted || delay >= LONG);
                delay
            }
            None if exhausted => {
                let delay = super::rate::until_half_hour();
                bucket.hold(delay, true);
                delay
            }
            None => bucket.refused().unwrap_or(super::COME_BACK),
        }
    }

    fn accepted(&self) {
        for (index, _) in &self.permits {
            match index.and_then(|index| self.account.rule(index)) {
                Some((_, bucket)) => bucket.accepted(),
                None => self.account.unruled.accepted(),
            }
        }
    }

    fn left(&self) -> impl Iterator<Item = crate::limit::Left> {
        let indexes = self.permits.iter().filter_map(|(index, _)| *index);
        indexes.filter_map(|index| self.account.rule(index)?.1.left())
    }
}
