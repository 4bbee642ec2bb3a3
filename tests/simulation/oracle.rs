//! What has to hold whatever happened, each as a question to what everybody saw.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::{Answered, Asked, Entries, Rotation};
use crate::vendor::{LIMIT, SPAN};

const SECOND: Duration = Duration::from_secs(1);

pub fn judge(entries: &Entries) -> Vec<String> {
    [
        once(entries),
        truthful(entries),
        the_same_again(entries),
        tokens(entries),
        in_time(entries),
        problems(entries),
        quota(entries),
        amplification(entries),
    ]
    .concat()
}

/// I1: a write that has no key was sent once and is executed once at most; so is everything under one key together.
fn once(entries: &Entries) -> Vec<String> {
    let mut under: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, write) in entries.writes.iter().enumerate().filter(|(_, write)| !write.repeatable) {
        match &write.key {
            Some(key) => under.entry(key).or_default().extend(write.executed.iter().map(|_| number)),
            None if write.executed.len() > 1 => {
                return vec![format!("I1: write {number} was executed twice: {write:?}")];
            }
            None => {}
        }
    }
    let twice = under.iter().filter(|(_, executed)| executed.len() > 1);
    twice.map(|(key, executed)| format!("I1: {key} was executed more than once: writes {executed:?}")).collect()
}

/// I2 and the outcome: what callers are told of a write is true.
fn truthful(entries: &Entries) -> Vec<String> {
    let mut wrong = Vec::new();
    for (asked, answered) in answers(entries) {
        let Some(number) = asked.write else { continue };
        let write = &entries.writes[number];
        let before = write.executed.iter().filter(|(at, _)| *at <= answered.at).count();
        let ever = write.executed.len();
        // Of other requests with the same key nothing is said.
        let others = entries.asked.iter().filter(|one| one.write == asked.write && one.at <= answered.at).count() > 1;
        let told = format!("write {number} ({:?}): {} {}", write.executed, answered.status, answered.body);
        match (answered.status, answered.outcome()) {
            (200..=299, _) if before == 0 => wrong.push(format!("I2: told as done and not done: {told}")),
            (200..=299, _) => {
                let id = answered.json["id"].as_str();
                if id.is_some_and(|id| !write.executed.iter().any(|(_, record)| record == id)) {
                    wrong.push(format!("I2: told another record: {told}"));
                }
            }
            (_, "executed") if before == 0 => wrong.push(format!("outcome: not executed: {told}")),
            (_, "not-executed") if !others && write.key.is_none() && ever > 0 => {
                wrong.push(format!("outcome: executed after all: {told}"));
            }
            (_, "not-executed") if !others && before > 0 => wrong.push(format!("outcome: executed: {told}")),
            _ => {}
        }
    }
    wrong
}

/// A replay is the first answer.
fn the_same_again(entries: &Entries) -> Vec<String> {
    let mut first: BTreeMap<usize, &Answered> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (asked, answered) in answers(entries) {
        let Some(number) = asked.write.filter(|number| entries.writes[*number].key.is_some()) else { continue };
        if !answered.replayed && !(200..300).contains(&answered.status) {
            continue;
        }
        let known = first.entry(number).or_insert(answered);
        if (known.status, &known.body) != (answered.status, &answered.body) {
            let (one, other) = ((known.status, &known.body), (answered.status, &answered.body));
            wrong.push(format!("replay: write {number} has two answers: {one:?} {other:?}"));
        }
    }
    wrong
}

/// I4 and what becomes of tokens: none is used before it is kept, none is sent again that was replaced, none is given up
/// that works, and nobody waits for one while there is one.
fn tokens(entries: &Entries) -> Vec<String> {
    let mut wrong = Vec::new();
    for arrival in &entries.arrivals {
        let first = arrival.token.ends_with("n0");
        if !first && entries.persisted.get(&arrival.token).is_none_or(|at| *at > arrival.at) {
            wrong.push(format!("tokens: {} was used before the store was told: {:?}", arrival.token, arrival.at));
        }
    }
    for reuse in &entries.reuses {
        let by = entries.rotations.iter().filter(|rotation| rotation.old == reuse.token && rotation.at < reuse.at);
        if !by.clone().any(|rotation| may_be_lost(entries, rotation)) {
            let by: Vec<_> = by.collect();
            wrong.push(format!("tokens: {reuse:?} although nothing was lost: {by:?}"));
        }
    }
    for account in &entries.given_up {
        if !entries.reuses.iter().any(|reuse| reuse.account == *account) {
            wrong.push(format!("tokens: account {account} was given up, and its refresh token works"));
        }
    }
    for (asked, answered) in answers(entries).filter(|(_, answered)| answered.code() == "credential-refresh-pending") {
        let good = entries.rotations.iter().filter(|rotation| rotation.account == asked.account).find(|rotation| {
            let known = entries.persisted.get(&rotation.access).is_some_and(|at| *at + SECOND * 3 < asked.at);
            known && rotation.ends > answered.at + SECOND * 12
        });
        let from = asked.at.saturating_sub(SECOND * 10);
        // A request that was held up makes its token end sooner.
        let held_up =
            |good: &&Rotation| entries.was_amiss(&["authority link"], good.at.saturating_sub(SECOND * 60), good.at);
        if let Some(good) = good.filter(|good| !held_up(good) && !entries.was_amiss(&["store"], from, answered.at)) {
            wrong.push(format!("tokens: {} was there, and a request waited in vain: {asked:?}", good.access));
        }
    }
    wrong
}

/// Whether the answer that told the new token may not have arrived, or not have been kept before its process died.
fn may_be_lost(entries: &Entries, rotation: &Rotation) -> bool {
    let settled = rotation.settled.unwrap_or(Duration::MAX);
    // A connection of the pool that was cut off earlier may have taken the answer with it.
    let earlier = rotation.at.saturating_sub(SECOND * 90);
    rotation.withheld
        || entries.was_amiss(&["authority link"], earlier, settled)
        // Who asked may have died while the answer was on its way: slow ones take a quarter of a minute.
        || entries.was_amiss(&["replica"], rotation.at.saturating_sub(SECOND * 20), settled)
}

/// I5: an answer comes within the caller's time.
fn in_time(entries: &Entries) -> Vec<String> {
    let mut wrong = Vec::new();
    for asked in &entries.asked {
        let late = asked.at + asked.wait + SECOND * 2;
        let last = asked.answered.as_ref().map_or(late + SECOND, |answered| answered.at);
        let hung = asked.answered.is_none() && asked.left;
        let is_late = asked.answered.as_ref().is_some_and(|answered| answered.at > late);
        if !(is_late || hung && asked.patient) {
            continue;
        }
        let cut_off = entries.was_amiss(&["callers link", "replica"], Duration::ZERO, last);
        // What the store knows is waited for, which has a limit of its own.
        if !cut_off && !entries.was_amiss(&["store"], asked.at.saturating_sub(SECOND * 8), last) {
            wrong.push(format!("I5: late: {asked:?}"));
        }
    }
    wrong
}

/// I7: every failure of ours says what it is, and of writes what became of them.
fn problems(entries: &Entries) -> Vec<String> {
    let bad = |(asked, answered): &(&Asked, &Answered)| {
        let ours = answered.status >= 500 && answered.json["type"].is_string();
        let is_problem = !answered.code().is_empty() && answered.json["request_id"].is_string();
        let tells = asked.write.is_none() || !answered.outcome().is_empty();
        // What the vendor says to a raw request is handed on.
        let raw = answered.json["message"].is_string() || answered.body.starts_with('<');
        answered.status >= 500 && !raw && !(ours && is_problem && tells)
    };
    answers(entries).filter(bad).map(|(asked, answered)| format!("I7: {asked:?} {answered:?}")).collect()
}

/// The vendor's allowance is kept to, while as many replicas run as know of each other.
fn quota(entries: &Entries) -> Vec<String> {
    // What is sent at the end of one span and the beginning of the next one arrives closer together by a message's time.
    let span = SPAN - SECOND;
    let mut wrong = Vec::new();
    let mut arrivals: BTreeMap<usize, Vec<Duration>> = BTreeMap::new();
    for arrival in &entries.arrivals {
        arrivals.entry(arrival.account).or_default().push(arrival.at);
    }
    for (account, at) in arrivals {
        for group in at.windows(LIMIT + 1) {
            let (first, last) = (group[0], group[LIMIT]);
            let started = |start: &Duration| *start <= last && *start + SECOND * 16 >= first;
            if last - first >= span || entries.starts.iter().any(started) {
                continue;
            }
            // A change makes memory forget a connection: who has its permit then waits for the store, and those who waited
            // together are sent together.
            let before = first.saturating_sub(SPAN);
            if !entries.was_amiss(&["vendor link", "replica", "store"], before, last) {
                wrong
                    .push(format!("quota: account {account} was asked {} times from {first:?} to {last:?}", LIMIT + 1));
                break;
            }
        }
    }
    wrong
}

/// I8: the vendor sees hardly more than callers ask for: a tenth, one a second of each replica, the token that is renewed
/// for a 401, and the record that is read back after a write.
fn amplification(entries: &Entries) -> Vec<String> {
    let asked = entries.asked.len();
    let read_back = entries.writes.iter().filter(|write| !write.account.is_multiple_of(2)).count();
    let seconds = entries.asked.last().map_or(0, |last| last.at.as_secs() as usize);
    let renewed = entries.counts.get("requests with a token that has ended").copied().unwrap_or_default() as usize;
    let offered = asked + read_back;
    let most = offered + offered / 10 + 2 * (seconds + 20) + 2 * renewed;
    let seen = entries.arrivals.len();
    if seen <= most { Vec::new() } else { vec![format!("I8: {seen} requests for {asked}, {most} at most")] }
}

fn answers(entries: &Entries) -> impl Iterator<Item = (&Asked, &Answered)> {
    entries.asked.iter().filter_map(|asked| Some((asked, asked.answered.as_ref()?)))
}
