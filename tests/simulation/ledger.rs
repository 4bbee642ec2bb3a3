//! What everybody saw: the story, line by line, and what the oracle judges by.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;

use crate::net::elapsed;

/// Shared by all actors of one run.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
pub struct Entries {
    pub story: Vec<String>,
    /// What kinds of things happened, for those who ask whether anything did.
    pub counts: BTreeMap<&'static str, u64>,
    /// What an actor saw that may never happen.
    pub violations: Vec<String>,
    pub writes: Vec<Write>,
    pub asked: Vec<Asked>,
    /// Requests at the vendor's API.
    pub arrivals: Vec<Arrival>,
    pub rotations: Vec<Rotation>,
    pub reuses: Vec<Reuse>,
    /// When the network, a process or a peer was not itself: from, to.
    pub faults: Vec<Fault>,
    /// Accounts whose connection was given up.
    pub given_up: Vec<usize>,
    /// When replicas began to serve.
    pub starts: Vec<Duration>,
    /// Access tokens, and when the store had been told of them: the call had ended, whichever way.
    pub persisted: BTreeMap<String, Duration>,
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub from: Duration,
    /// None as long as it lasts.
    pub to: Option<Duration>,
    pub what: &'static str,
}

/// One write as its caller means it, however often it is sent.
#[derive(Debug, Clone)]
pub struct Write {
    pub key: Option<String>,
    pub account: usize,
    /// Doing it twice is the same as doing it once.
    pub repeatable: bool,
    /// When the vendor did it, and the record that came of it.
    pub executed: Vec<(Duration, String)>,
}

/// One request of a caller.
#[derive(Debug, Clone)]
pub struct Asked {
    pub write: Option<usize>,
    pub account: usize,
    pub at: Duration,
    pub wait: Duration,
    /// The caller means to wait for the answer.
    pub patient: bool,
    /// The caller did not wait for the answer.
    pub left: bool,
    pub answered: Option<Answered>,
}

#[derive(Debug, Clone)]
pub struct Answered {
    pub at: Duration,
    pub status: u16,
    pub replayed: bool,
    pub body: String,
    pub json: Value,
}

#[derive(Debug, Clone)]
pub struct Arrival {
    pub at: Duration,
    pub account: usize,
    pub token: String,
}

/// A refresh token was replaced.
#[derive(Debug, Clone)]
pub struct Rotation {
    pub account: usize,
    pub old: String,
    pub new: String,
    pub access: String,
    /// Of the access token, as whoever asked for it counts.
    pub ends: Duration,
    pub at: Duration,
    /// The answer was not to arrive.
    pub withheld: bool,
    /// When the store had been told of the new one.
    pub settled: Option<Duration>,
}

/// A refresh token came that was replaced before.
#[derive(Debug, Clone)]
pub struct Reuse {
    pub account: usize,
    pub token: String,
    pub at: Duration,
}

impl Ledger {
    pub fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock()
    }

    pub fn tell(&self, what: impl AsRef<str>) {
        let line = format!("{:9.3} {}", elapsed().as_secs_f64(), what.as_ref());
        self.lock().story.push(line);
    }

    pub fn count(&self, what: &'static str) {
        self.lock().count(what);
    }

    pub fn violation(&self, what: impl AsRef<str>) {
        let line = format!("{:9.3} {}", elapsed().as_secs_f64(), what.as_ref());
        self.lock().violations.push(line);
    }
}

impl Entries {
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn count_answer(&mut self, status: u16, code: &str, replayed: bool) {
        match (status, code) {
            _ if replayed => self.count("replays"),
            (200..=299, _) => self.count("good answers"),
            (409, "idempotency-in-flight") => self.count("conflicts of two with one key"),
            (422, "idempotency-mismatch") => self.count("keys for something else"),
            (409, "outcome-unknown") => self.count("unknown ends told again"),
            (_, "outcome-unknown") => self.count("unknown ends"),
            (409, "needs-reauth") => self.count("needs of a new consent"),
            (_, "rate-limited" | "quota-exhausted") => self.count("answers for a limit"),
            (_, "credential-refresh-pending") => self.count("answers that a token is awaited"),
            (_, "overloaded") => self.count("refusals without the store"),
            _ => {}
        }
    }

    /// Whether any of these was amiss between these times.
    pub fn was_amiss(&self, what: &[&str], from: Duration, to: Duration) -> bool {
        let during = |fault: &&Fault| fault.from <= to && fault.to.is_none_or(|end| end >= from);
        self.faults.iter().filter(during).any(|fault| what.contains(&fault.what))
    }
}

impl Answered {
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub fn outcome(&self) -> &str {
        self.json["outcome"].as_str().unwrap_or_default()
    }
}
