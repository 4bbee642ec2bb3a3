//! The layer that answers reads from memory, and asks the vendor where that will not do.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::directives::Use;
use super::epochs::Epoch;
use super::flights::Landed;
use super::kept::{Content, Entry, Kept, Source, Told, Why};
use super::key::key;
use super::rules::Rule;
use super::{Directives, Inner, ReadCache};
use crate::error::{Error, Kind};
use crate::model::{Operation, Priority, Warning};
use crate::stack::{Answer, Around, Stage};
use crate::telemetry::{CacheResult, Labels};
use crate::unified::{Call, Reply};

/// How long the vendor may take at least for an answer that others may wait for, too, however soon the first one leaves.
const FLIGHT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct ReadCached {
    cache: ReadCache,
}

impl ReadCached {
    pub fn new(cache: ReadCache) -> Self {
        Self { cache }
    }
}

impl Around<Call> for ReadCached {
    type Below = Call;
    type Response = Reply;

    fn around<S: Stage<Call, Reply>>(&self, below: &mut S, call: Call) -> Answer<Reply> {
        // Writes, and reads of ours that are about the present.
        let Some(directives) = call.cache.filter(|_| !call.operation.is_write()) else { return below.call(call) };
        let Some(rule) = self.cache.0.rules.of(&call) else {
            if directives.only_if_cached {
                return Box::pin(async { Err(not_kept()) });
            }
            return below.call(call);
        };
        let Some(key) = key(&call) else { return below.call(call) };
        let read = Read {
            cache: self.cache.0.clone(),
            key,
            labels: Labels {
                provider: call.provider.name.clone(),
                resource: call.resource.name.clone(),
                operation: call.operation.into(),
            },
            below: below.clone(),
            rule,
            directives,
            call,
        };
        Box::pin(read.answer())
    }
}

/// One call whose answer may be kept.
struct Read<S> {
    cache: Arc<Inner>,
    rule: Arc<Rule>,
    directives: Directives,
    key: Arc<str>,
    labels: Labels,
    call: Call,
    below: S,
}

impl<S> Read<S>
where
    S: Stage<Call, Reply>,
{
    async fn answer(self) -> Result<Reply, Error> {
        let connection = &self.call.connection.id;
        let epoch = self.cache.epochs.now(connection);
        let found = self.cache.find(&self.rule, &self.key, epoch);
        let age = found.as_ref().map_or(Duration::ZERO, |entry| entry.since.elapsed());
        let mut good_for = match &found {
            Some(entry) => self.directives.judge(age, entry.terms),
            None => Use::Nothing,
        };
        // What a write under way makes of the record is for the vendor to say.
        let is_written_to = self.cache.epochs.is_written_to(connection);
        if is_written_to && good_for != Use::Nothing {
            good_for = if self.rule.terms.if_error.is_zero() { Use::Nothing } else { Use::InNeed };
        }
        match (good_for, &found) {
            (Use::Fresh, Some(entry)) => return self.remembered(entry, age, CacheResult::Hit, None),
            (Use::Taken, Some(entry)) => return self.remembered(entry, age, CacheResult::Stale, None),
            (Use::Meanwhile, Some(entry)) => {
                if !self.directives.only_if_cached && !self.directives.no_store {
                    self.refresh(epoch);
                }
                return self.remembered(entry, age, CacheResult::Stale, None);
            }
            _ => {}
        }
        if self.directives.only_if_cached {
            self.cache.metrics.cache(&self.labels, CacheResult::Miss);
            return Err(not_kept());
        }
        let why = match &found {
            None if self.directives.no_cache => Why::Asked,
            None => Why::Absent,
            Some(entry) if age < entry.terms.ttl && !is_written_to => Why::Asked,
            Some(_) => Why::Stale,
        };
        match self.fetched(why).await {
            Err(error) if good_for == Use::InNeed && is_outage(&error) => match &found {
                Some(entry) => self.remembered(entry, entry.since.elapsed(), CacheResult::Stale, Some(&error)),
                None => Err(error),
            },
            answered => answered,
        }
    }

    /// `failed` is why there is no better answer.
    fn remembered(
        &self,
        entry: &Entry,
        age: Duration,
        result: CacheResult,
        failed: Option<&Error>,
    ) -> Result<Reply, Error> {
        self.cache.metrics.cache(&self.labels, result);
        let warning = failed.map(|error| {
            let detail = format!("this answer is {} s old; there was no newer one: {}", age.as_secs(), error.detail());
            Warning::new("stale-answer", detail)
        });
        let source = match failed {
            Some(error) => Source::InNeed { status: error.get_provider().map(|answer| answer.status) },
            None => Source::Memory,
        };
        let ttl = Some(entry.terms.ttl);
        reply(&entry.kept, Told { source, age, ttl, no_store: self.directives.no_store, warning })
    }

    async fn fetched(&self, why: Why) -> Result<Reply, Error> {
        let (directives, metrics) = (self.directives, &self.cache.metrics);
        let told = |collapsed: bool, kept: bool| Told {
            source: Source::Vendor { why, collapsed },
            age: Duration::ZERO,
            ttl: kept.then_some(self.rule.terms.ttl),
            no_store: directives.no_store,
            warning: None,
        };
        if directives.no_store {
            metrics.cache(&self.labels, CacheResult::Bypass);
            let kept = ask(self.below.clone(), self.call.clone()).await?;
            return reply(&kept, told(false, false));
        }
        let deadline = self.call.deadline;
        loop {
            // A flight that began before this call is no answer to "now".
            let epoch = self.cache.epochs.now(&self.call.connection.id);
            let (mut landing, joined) = self
                .cache
                .flights
                .board(&self.key, epoch, !directives.no_cache, || self.flight(epoch, self.call.clone()));
            // Who waits for an answer that another has asked for asks the vendor nothing. Should it have to after all, it is
            // one request for all who wait.
            if joined && let Some(place) = &self.call.place {
                place.give_back();
            }
            let began = Instant::now();
            let landed = timeout_at(deadline, landing.wait_for(Option::is_some)).await;
            if joined {
                // The vendor was waited for, if by somebody else's request.
                self.call.timings.add_upstream(began.elapsed());
            }
            let landed = match landed {
                Err(_) => Err(late()),
                Ok(Err(_)) => Err(Error::internal("a read that others wait for ended without an answer")),
                Ok(Ok(landed)) => landed.clone().unwrap_or_else(|| Err(late())),
            };
            match landed {
                // It had less time than there is here.
                Err(error) if joined && error.kind() == Kind::ProviderTimeout && Instant::now() < deadline => continue,
                Err(error) => {
                    metrics.cache(&self.labels, CacheResult::Miss);
                    return Err(error);
                }
                Ok((kept, is_kept)) => {
                    let result = match joined {
                        true => CacheResult::Collapsed,
                        false if directives.no_cache => CacheResult::Bypass,
                        false => CacheResult::Miss,
                    };
                    metrics.cache(&self.labels, result);
                    return reply(&kept, told(joined, is_kept));
                }
            }
        }
    }

    /// Fetches a newer answer beside, unless that is under way. Nobody waits for it.
    fn refresh(&self, epoch: Epoch) {
        let call = Call { timings: Arc::default(), priority: Priority::BATCH, ..self.call.clone() };
        self.cache.flights.board(&self.key, epoch, true, || self.flight(epoch, call));
    }

    /// The vendor is asked, and its answer kept.
    fn flight(&self, epoch: Epoch, call: Call) -> impl Future<Output = Landed> + Send + 'static + use<S> {
        let (cache, rule, key, below) = (self.cache.clone(), self.rule.clone(), self.key.clone(), self.below.clone());
        // The place is the caller's, who may leave before the flight ends.
        let call = Call { deadline: call.deadline.max(Instant::now() + FLIGHT), place: None, ..call };
        async move {
            let kept = ask(below, call.clone()).await?;
            let is_kept = cache.keep(&rule, key, &call, &kept, epoch);
            Ok((kept, is_kept))
        }
    }
}

/// The answer in the form in which it is kept. That there is no such record is one, too.
async fn ask<S>(mut below: S, call: Call) -> Result<Arc<Kept>, Error>
where
    S: Stage<Call, Reply>,
{
    let operation = call.operation;
    let kept = match below.call(call).await {
        Ok(reply) => Kept::of(reply)?.ok_or_else(|| Error::internal("a read was answered like a write"))?,
        Err(error) if operation == Operation::Get && error.kind() == Kind::NotFound => Kept::absent(error),
        Err(error) => return Err(error),
    };
    Ok(Arc::new(kept))
}

fn reply(kept: &Arc<Kept>, told: Told) -> Result<Reply, Error> {
    match &kept.content {
        Content::Absent(error) => Err(error.clone()),
        _ => Ok(Reply::Kept { kept: kept.clone(), told }),
    }
}

/// Failures of the vendor, or of the way there, that say nothing about whether the caller may read.
fn is_outage(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::RateLimited
            | Kind::QuotaExhausted
            | Kind::ProviderUnavailable
            | Kind::InvalidProviderResponse
            | Kind::ProviderTimeout
            | Kind::Overloaded
            | Kind::CredentialRefreshPending
    )
}

fn late() -> Error {
    Error::new(Kind::ProviderTimeout, "The provider did not answer in the time that the request had.").retryable(true)
}

fn not_kept() -> Error {
    Error::new(
        Kind::NotCached,
        "No kept answer will do, and `Cache-Control: only-if-cached` forbids to ask for another.",
    )
}
