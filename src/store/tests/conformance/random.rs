//! Random sequences of operations, applied to the model and to each store: every answer has to be the same.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;

use super::keys::{record, show as show_key};
use super::place::{self, Place};
use super::samples::{
    acme, app, arc, at, consent, entry, event, failed, fresh, id, object, other, revocation, row, session, show,
};
use crate::auth::TenantId;
use crate::connections::{Along, ConnectionId, Filter, Key, LOST_ROTATION, Lease, Leased, Row, State, WriteError};
use crate::error::Result;

/// What one operation is made of: which it is, and choices.
type Choices = [u8; 12];

/// Choices, used up one after the other.
struct Dice<'c>(std::slice::Iter<'c, u8>);

impl Dice<'_> {
    fn under(&mut self, limit: u8) -> u8 {
        self.0.next().copied().unwrap_or_default() % limit
    }

    fn number(&mut self, limit: u8) -> u64 {
        self.under(limit).into()
    }

    fn second(&mut self) -> i64 {
        self.under(6).into()
    }

    fn flag(&mut self) -> bool {
        self.under(2) == 1
    }

    fn one_of<T: Clone>(&mut self, among: &[T]) -> T {
        among[usize::from(self.under(among.len() as u8))].clone()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    fn tenant(&mut self) -> TenantId {
        // Mostly the same one: two that never meet would test little.
        if self.under(4) == 0 { other() } else { acme() }
    }

    fn id(&mut self) -> ConnectionId {
        id(self.one_of(&["a", "b", "c"]))
    }

    fn key(&mut self) -> Key {
        Key { tenant: self.tenant(), id: self.id() }
    }

    fn name(&mut self) -> &'static str {
        self.one_of(&["x", "y", "z"])
    }

    fn row(&mut self) -> Row {
        let mut row = row("-");
        let connection = &mut row.connection;
        (connection.tenant, connection.id) = (self.tenant(), self.id());
        (connection.provider, connection.customer_id) = (self.provider(), self.customer());
        self.vary(&mut row);
        row
    }

    fn provider(&mut self) -> std::sync::Arc<str> {
        arc(self.one_of(&["blue", "red"]))
    }

    fn customer(&mut self) -> std::sync::Arc<str> {
        arc(self.one_of(&["c1", "c2", "C3"]))
    }

    /// Changes of an owner.
    fn vary(&mut self, row: &mut Row) {
        let states = [State::Active, State::Active, State::Degraded, State::NeedsReauth];
        row.connection.state = self.one_of(&states);
        row.connection.state_reason = self.maybe(|_| LOST_ROTATION.to_owned());
        row.paused = self.under(5) == 0;
        row.times.next_refresh_at = self.maybe(|dice| at(dice.second()));
        row.connection.settings = object(json!({"n": self.under(3), "a": 1.50}));
    }

    fn along(&mut self) -> Along {
        let events = (0..self.under(3)).map(|number| event(number.into(), "along")).collect();
        let revocation = if self.under(4) == 0 { Some(revocation(self.name())) } else { None };
        let audit = (0..self.under(2)).map(|number| entry("a", number.into())).collect();
        Along { events, revocation, audit }
    }
}

fn written(done: Result<(), WriteError>) -> String {
    match done {
        Ok(()) => "written".into(),
        Err(WriteError::Taken(by)) => format!("taken by {by}"),
        Err(WriteError::Stale) => "stale".into(),
        Err(WriteError::Failed(error)) => format!("failed: {:?}", error.kind()),
    }
}

fn told<T: std::fmt::Debug>(name: &str, answer: Result<T>) -> String {
    match answer {
        Ok(value) => format!("{name}: {value:?}"),
        Err(error) => format!("{name} failed: {:?}", error.kind()),
    }
}

/// What was asked and what was answered.
async fn apply(on: &Place, choices: &Choices) -> String {
    let dice = &mut Dice(choices.iter());
    match dice.under(5) {
        0 => connections(on, dice).await,
        1 | 2 => tokens(on, dice).await,
        3 => owned(on, dice).await,
        _ => others(on, dice).await,
    }
}

async fn connections(on: &Place, dice: &mut Dice<'_>) -> String {
    match dice.under(8) {
        0 | 1 => {
            let (row, along) = (dice.row(), dice.along());
            format!("insert {}: {}", show(&row), written(on.connections.insert(row, along).await))
        }
        2 | 3 => {
            let (key, stale) = (dice.key(), dice.under(5) == 0);
            let found = on.connections.find(key.tenant, key.id).await.expect("read");
            let mut row = found.unwrap_or_else(|| dice.row());
            let expected = row.revision - u64::from(stale);
            row.revision += 1;
            dice.vary(&mut row);
            if dice.flag() {
                row.connection.customer_id = dice.customer();
            }
            if dice.flag() {
                row.generation += 1;
                row.sealed = format!("new {}", row.generation).into_bytes();
            }
            let along = dice.along();
            format!(
                "update {} of {expected}: {}",
                show(&row),
                written(on.connections.update(row, expected, along).await)
            )
        }
        4 => {
            let Key { tenant, id } = dice.key();
            let found = on.connections.find(tenant.clone(), id.clone()).await.expect("read");
            let expected = found.map_or(1, |row| row.revision) + dice.number(2);
            told("delete", on.connections.delete(tenant, id, expected, dice.along()).await)
        }
        5 => {
            let (tenant, customer) = (dice.tenant(), dice.customer());
            told("find by customer", on.connections.find_by_customer(tenant, customer).await)
        }
        6 => {
            let filter = Filter {
                provider: dice.maybe(|dice| dice.provider().to_string()),
                customer_id: dice.maybe(|dice| dice.customer().to_string()),
                providers: dice.maybe(|dice| vec![dice.provider().to_string()]).unwrap_or_default(),
                connections: dice.maybe(|dice| vec![dice.id().to_string()]).unwrap_or_default(),
                after: dice.maybe(Dice::id),
                limit: usize::from(dice.under(4)),
            };
            let asked = format!("list {filter:?}");
            told(&asked, on.connections.list(dice.tenant(), filter).await)
        }
        _ => {
            let (tenant, provider) = (dice.maybe(Dice::tenant), dice.maybe(Dice::provider));
            let rows = on.connections.rows(tenant, provider, dice.maybe(Dice::id), usize::from(dice.under(4))).await;
            told("rows", rows.map(|rows| rows.iter().map(show).collect::<Vec<_>>()))
        }
    }
}

fn shown(lease: &Lease) -> String {
    format!("lease: {} {} {:?} {}", lease.epoch, lease.interrupted, lease.orphan, show(&lease.row))
}

async fn tokens(on: &Place, dice: &mut Dice<'_>) -> String {
    match dice.under(11) {
        0 | 1 => {
            let (key, generation, short) = (dice.key(), 1 + dice.number(2), dice.under(3) == 0);
            let ttl = if short { Duration::from_millis(1) } else { Duration::from_secs(600) };
            let leased = on.tokens.lease(key, generation, arc("me"), ttl).await.expect("asked");
            if short {
                tokio::time::sleep(Duration::from_millis(8)).await;
            }
            match leased {
                Leased::Held => "lease: held".into(),
                Leased::Moved => "lease: moved".into(),
                Leased::Granted(lease) => shown(&lease),
            }
        }
        2 | 3 => {
            let (key, epoch, generation) = (dice.key(), 1 + dice.number(3), 2 + dice.number(3));
            told("commit", on.tokens.commit(key, epoch, fresh(generation), dice.along().events).await)
        }
        4 => {
            let (key, epoch) = (dice.key(), 1 + dice.number(3));
            let state = dice.one_of(&[State::Degraded, State::NeedsReauth]);
            told("fail", on.tokens.fail(key, epoch, failed(state), dice.along().events).await)
        }
        8 => {
            let (key, epoch, generation) = (dice.key(), 1 + dice.number(3), 1 + dice.number(3));
            let extended = on.tokens.extend(key, epoch, generation, Duration::from_secs(600)).await;
            told("extend", extended.map(|lease| lease.as_ref().map(shown)))
        }
        9 => {
            let (key, generation) = (dice.key(), 2 + dice.number(3));
            told("adopt", on.tokens.adopt(key, fresh(generation), dice.along().events).await)
        }
        5 => {
            let (key, generation) = (dice.key(), dice.number(4));
            told("keep orphan", on.tokens.keep_orphan(key, generation, vec![generation as u8]).await)
        }
        6 => told(
            "due",
            on.tokens.due(at(dice.second()), usize::from(dice.under(4))).await.map(|due| format!("{due:?}")),
        ),
        7 => {
            let (key, generation) = (dice.key(), 1 + dice.number(3));
            told("postpone", on.tokens.postpone(key, generation, dice.maybe(|dice| at(dice.second()))).await)
        }
        _ => {
            let used = (0..dice.under(4)).map(|_| (dice.key(), at(dice.second()))).collect();
            let touched = told("touch", on.tokens.touch(used).await);
            let mut census = on.tokens.census().await.expect("counted");
            census.sort_by_key(|(provider, state, _)| (provider.clone(), state.as_str()));
            format!("{touched}, {census:?}")
        }
    }
}

/// What belongs to connections and tenants.
async fn owned(on: &Place, dice: &mut Dice<'_>) -> String {
    let (tenant, connection) = (dice.tenant(), dice.id());
    match dice.under(11) {
        0 => told("append", on.events.append(tenant, connection, event(dice.second(), "alone")).await),
        1 => {
            let all = on.events.list(tenant.clone(), connection.clone(), None, 999).await.expect("a list");
            assert!(all.windows(2).all(|pair| pair[0].number > pair[1].number));
            // Stores number differently; where in the list a page begins is the same.
            let before = all.get(usize::from(dice.under(4))).map(|logged| logged.number);
            let page = on.events.list(tenant, connection, before, usize::from(dice.under(4))).await;
            told("events", page.map(|page| page.into_iter().map(|logged| logged.event).collect::<Vec<_>>()))
        }
        2 => told("find override", on.mappings.find(tenant, dice.maybe(|_| connection)).await),
        3 => {
            let (place, text) = (dice.maybe(|_| connection), dice.name());
            told("put override", on.mappings.put(tenant, place, text.into()).await)
        }
        4 => told("delete override", on.mappings.delete(tenant, dice.maybe(|_| connection)).await),
        5 => {
            let mut app = app(&dice.provider());
            (app.tenant, app.client_id, app.created_at) = (tenant, dice.name().into(), at(dice.second()));
            told("put app", on.apps.put(app).await)
        }
        6 => told("find app", on.apps.find(tenant, dice.provider()).await),
        7 => told("list apps", on.apps.list(tenant).await),
        8 => {
            let mut all = on.sealed.sealed_texts().await.expect("a list");
            all.sort_by_key(|at| format!("{at:?}"));
            let one = all.get(usize::from(dice.under(6))).cloned();
            let Some(at) = one else { return format!("sealed: {all:?}") };
            let old = on.sealed.sealed_text(at.clone()).await.expect("read").expect("a text");
            let new = [&old[..], b"+"].concat();
            let given = if dice.under(4) == 0 { new.clone() } else { old.clone() };
            let answer = told("reseal", on.sealed.reseal(at, given, new).await);
            format!("sealed: {all:?} {old:?} {answer}")
        }
        9 => {
            let kept = on.sealed.keep_secret(arc(dice.name()), vec![dice.under(9)]).await;
            told("keep secret", kept)
        }
        _ => told("delete app", on.apps.delete(tenant, dice.provider()).await),
    }
}

/// What stands for itself.
async fn others(on: &Place, dice: &mut Dice<'_>) -> String {
    let name = dice.name();
    match dice.under(16) {
        0 => {
            let mut key = record(name);
            (key.tenant, key.created_at) = (dice.tenant(), at(dice.second()));
            told("insert key", on.keys.insert(key).await)
        }
        1 => told("find key", on.keys.find(arc(name)).await.map(|key| key.as_ref().map(show_key))),
        2 => told(
            "list keys",
            on.keys.list(dice.tenant()).await.map(|keys| keys.iter().map(show_key).collect::<Vec<_>>()),
        ),
        3 => told("revoke key", on.keys.revoke(dice.tenant(), arc(name), at(dice.second())).await),
        4 => {
            let used = (0..dice.under(4)).map(|_| (arc(dice.name()), at(dice.second()))).collect();
            told("touch keys", on.keys.touch(used).await)
        }
        5 => {
            let mut session = session(name);
            (session.expires_at, session.connection) = (at(dice.second()), dice.maybe(Dice::id));
            told("create session", on.connect.create(session).await)
        }
        6 => told("find session", on.connect.find(arc(name)).await),
        7 => told("bind", on.connect.bind(arc(name), arc(dice.name())).await),
        8 => told("complete", on.connect.complete(arc(name), dice.id()).await),
        9 => {
            let mut consent = consent(name, dice.name());
            consent.expires_at = at(dice.second());
            told("begin", on.connect.begin(consent).await)
        }
        10 => told("take", on.connect.take(arc(name)).await),
        11 => told("sweep", on.connect.sweep(at(dice.second())).await),
        12 => {
            let mut one = revocation(name);
            one.created_at = at(dice.second());
            told("insert revocation", on.revocations.insert(one).await)
        }
        13 => {
            let hold = Duration::from_secs(dice.number(4));
            told("claim", on.revocations.claim(at(dice.second()), hold, usize::from(dice.under(4))).await)
        }
        14 => told("done", on.revocations.done(arc(name)).await),
        _ => told("failed", on.revocations.failed(arc(name), "busy".into(), at(dice.second())).await),
    }
}

/// Runs `cases` sequences on the store that `open` makes; each begins with an empty one.
fn agrees<F: Future<Output = Option<Place>>>(cases: u32, open: impl Fn() -> F) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let sequences = proptest::collection::vec(any::<Choices>(), 1..120);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = runner.run(&sequences, |sequence| {
        runtime.block_on(async {
            let Some(store) = open().await else { return Ok(()) };
            let model = place::model();
            for choices in &sequence {
                let (expected, answer) = (apply(&model, choices).await, apply(&store, choices).await);
                if expected != answer {
                    return Err(TestCaseError::fail(format!("the model: {expected}\nthe store: {answer}")));
                }
            }
            Ok(())
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn sqlite_answers_as_the_model_does() {
    agrees(96, async || Some(place::memory()));
}

#[test]
fn sqlite_in_a_file_answers_as_the_model_does() {
    agrees(6, async || Some(place::file()));
}

#[test]
fn postgres_answers_as_the_model_does() {
    if place::postgres_url().is_some() {
        agrees(24, place::postgres);
    }
}
