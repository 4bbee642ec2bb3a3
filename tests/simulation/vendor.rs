//! The vendor: an API that answers as it likes, and an authorization server that rotates refresh tokens and notices
//! reuse. What it knows survives its crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::sleep;
use turmoil::net::{TcpListener, TcpStream};

use crate::chance::Chance;
use crate::http::{self, Message, answer};
use crate::ledger::{Arrival, Ledger, Reuse, Rotation};
use crate::net::elapsed;

pub const API: u16 = 8080;
pub const AUTHORITY: u16 = 8081;
/// Requests of one account in [`SPAN`]; more are refused.
pub const LIMIT: usize = 12;
pub const SPAN: Duration = Duration::from_secs(10);
/// How long the refresh token before the current one works, where it does.
pub const GRACE: Duration = Duration::from_secs(60);

/// How the vendor's two servers are, in thousandths of the requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mood {
    pub faulty: u64,
    /// All requests are answered with this.
    pub out: Option<u16>,
    pub authority_faulty: u64,
    pub authority_out: bool,
}

#[derive(Clone)]
pub struct Vendor {
    state: Arc<Mutex<State>>,
    ledger: Ledger,
}

struct State {
    mood: Mood,
    chance: Chance,
    accounts: Vec<Account>,
    /// Whether the authority forgives that a token is used once more.
    forgives: bool,
    /// Records that were made: id to name.
    records: BTreeMap<String, String>,
}

struct Account {
    refresh: String,
    previous: Option<(String, Duration)>,
    issued: usize,
    /// A reuse was noticed: none of its tokens works any more.
    dead: bool,
    /// Access tokens and when they end.
    valid: BTreeMap<String, Duration>,
    arrivals: Vec<Duration>,
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    /// With this status and these header lines, before anything was done.
    Refused(u16, &'static str),
    /// The same afterwards.
    DoneAndFailed(u16),
    Cut,
    DoneAndCut,
    /// A head that promises more than comes.
    DoneAndTruncated,
    /// Something that is no JSON.
    DoneAndGarbled,
    Late(Duration),
    Silent,
    DoneAndSilent,
}

const FATES: [Fate; 15] = [
    Fate::Refused(500, ""),
    Fate::Refused(503, "Retry-After: 1\r\n"),
    Fate::Refused(503, ""),
    Fate::Refused(429, "Retry-After: 2\r\n"),
    Fate::Refused(429, ""),
    Fate::Refused(400, ""),
    Fate::Refused(401, ""),
    Fate::DoneAndFailed(500),
    Fate::DoneAndFailed(502),
    Fate::Cut,
    Fate::DoneAndCut,
    Fate::DoneAndTruncated,
    Fate::DoneAndGarbled,
    Fate::Silent,
    Fate::DoneAndSilent,
];

pub fn access_token(account: usize, number: usize) -> String {
    format!("accessS3CRETa{account}n{number}")
}

pub fn refresh_token(account: usize, number: usize) -> String {
    format!("refreshS3CRETa{account}n{number}")
}

impl Vendor {
    pub fn new(accounts: usize, life: Duration, forgives: bool, chance: Chance, ledger: Ledger) -> Self {
        let account = |number| Account {
            refresh: refresh_token(number, 0),
            previous: None,
            issued: 0,
            dead: false,
            valid: BTreeMap::from([(access_token(number, 0), life)]),
            arrivals: Vec::new(),
        };
        let accounts = (0..accounts).map(account).collect();
        let state = State { mood: Mood::default(), chance, accounts, forgives, records: BTreeMap::new() };
        Self { state: Arc::new(Mutex::new(state)), ledger }
    }

    pub fn set_mood(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    pub fn is_dead(&self, account: usize) -> bool {
        self.state.lock().accounts[account].dead
    }

    pub async fn serve_api(self) -> turmoil::Result {
        let listener = TcpListener::bind(("0.0.0.0", API)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let vendor = self.clone();
            tokio::spawn(async move { vendor.line(stream).await });
        }
    }

    async fn line(&self, mut stream: TcpStream) {
        let mut read = Vec::new();
        while let Some(request) = http::read(&mut stream, &mut read).await {
            if self.api(&mut stream, &request).await.is_none() {
                return;
            }
        }
    }

    /// None ends the connection.
    async fn api(&self, stream: &mut TcpStream, request: &Message) -> Option<()> {
        let token = request.header("authorization").unwrap_or_default().replace("Bearer ", "");
        let (account, fate) = self.fate(request, &token);
        self.ledger.tell(format!("vendor: {} {} of account {account:?}: {fate:?}", request.word(0), request.word(1)));
        let done = |vendor: &Self| vendor.execute(account.unwrap_or_default(), request);
        let (status, headers, body) = match fate {
            Fate::Answered => done(self),
            Fate::Refused(status, headers) => (status, headers, json!({"message": "no"}).to_string()),
            Fate::DoneAndFailed(status) => {
                done(self);
                (status, "", json!({"message": "oops"}).to_string())
            }
            Fate::Cut => return None,
            Fate::DoneAndCut => {
                done(self);
                return None;
            }
            Fate::DoneAndTruncated => {
                let (status, _, body) = done(self);
                http::write(stream, format!("HTTP/1.1 {status} X\r\nContent-Length: 9999\r\n\r\n{body}")).await;
                return None;
            }
            Fate::DoneAndGarbled => {
                let (status, ..) = done(self);
                (if status == 204 { 200 } else { status }, "", "<html>well done</html>".to_owned())
            }
            Fate::Late(time) => {
                sleep(time).await;
                done(self)
            }
            Fate::Silent | Fate::DoneAndSilent => {
                if fate == Fate::DoneAndSilent {
                    done(self);
                }
                sleep(Duration::from_secs(600)).await;
                return None;
            }
        };
        http::write(stream, answer(status, headers, &body)).await.then_some(())
    }

    fn fate(&self, request: &Message, token: &str) -> (Option<usize>, Fate) {
        let (now, state) = (elapsed(), &mut *self.state.lock());
        let number = state.accounts.iter().position(|account| account.valid.contains_key(token));
        let known = number.or_else(|| token.strip_prefix("accessS3CRETa")?.split('n').next()?.parse().ok());
        let Some(number) = known else {
            self.ledger
                .violation(format!("I9: a request with another credential than the account's: {}", request.head));
            return (None, Fate::Refused(401, ""));
        };
        self.ledger.lock().arrivals.push(Arrival { at: now, account: number, token: token.to_owned() });
        if ["refreshS3CRET", "tl_", "app-s3cret"].iter().any(|secret| request.head.contains(secret)) {
            self.ledger.violation(format!("I9: a credential that is not the API's: {}", request.head));
        }
        let account = &mut state.accounts[number];
        if account.dead || account.valid.get(token).is_none_or(|end| *end < now) {
            self.ledger.count("requests with a token that has ended");
            return (Some(number), Fate::Refused(401, ""));
        }
        account.arrivals.retain(|at| now - *at < SPAN);
        if account.arrivals.len() >= LIMIT {
            self.ledger.count("requests over the vendor's limit");
            return (Some(number), Fate::Refused(429, "Retry-After: 3\r\n"));
        }
        account.arrivals.push(now);
        if let Some(status) = state.mood.out {
            self.ledger.count("requests to a vendor that is out");
            return (Some(number), Fate::Refused(status, ""));
        }
        if state.chance.is(state.mood.faulty) {
            return (Some(number), *state.chance.one_of(&FATES));
        }
        if state.chance.is(state.mood.faulty) {
            return (Some(number), Fate::Late(state.chance.millis(100, 9_000)));
        }
        (Some(number), Fate::Answered)
    }

    /// Does what the request wants. Names say whose they are: `w7a1` is write 7, of account 1.
    fn execute(&self, account: usize, request: &Message) -> (u16, &'static str, String) {
        let now = elapsed();
        let path = request.word(1).split('?').next().unwrap_or_default();
        let id = path.strip_prefix("/contacts/").unwrap_or_default().to_owned();
        let method = request.word(0);
        if method == "GET" {
            let made = self.state.lock().records.get(&id).cloned();
            let name = made.unwrap_or_else(|| id.clone());
            self.owned(account, &name, request);
            return (200, "", json!({"id": id, "name": name}).to_string());
        }
        let name = request.json()["name"].as_str().map_or_else(|| id.clone(), str::to_owned);
        self.owned(account, &name, request);
        let record = if method == "POST" {
            let records = &mut self.state.lock().records;
            let record = format!("c{}a{account}", records.len());
            records.insert(record.clone(), name.clone());
            record
        } else {
            id
        };
        let entries = &mut *self.ledger.lock();
        match number_of(&name).and_then(|number| entries.writes.get_mut(number)) {
            Some(write) => write.executed.push((now, record.clone())),
            None => entries.violations.push(format!("I3: a write that nobody asked for: {name}")),
        }
        entries.count("executed writes");
        match method {
            "DELETE" => (204, "", String::new()),
            "POST" => (201, "", json!({"id": record, "name": name}).to_string()),
            _ => (200, "", json!({"id": record, "name": name}).to_string()),
        }
    }

    fn owned(&self, account: usize, name: &str, request: &Message) {
        if name.rsplit('a').next() != Some(&account.to_string()) {
            self.ledger.violation(format!("I3: account {account} was asked about {name}: {}", request.word(1)));
        }
    }

    pub async fn serve_authority(self) -> turmoil::Result {
        let listener = TcpListener::bind(("0.0.0.0", AUTHORITY)).await?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            let vendor = self.clone();
            tokio::spawn(async move {
                let mut read = Vec::new();
                while let Some(request) = http::read(&mut stream, &mut read).await {
                    if vendor.exchange(&mut stream, &request).await.is_none() {
                        return;
                    }
                }
            });
        }
    }

    async fn exchange(&self, stream: &mut TcpStream, request: &Message) -> Option<()> {
        let (asked, token) = (elapsed(), request.member("refresh_token").unwrap_or_default());
        if request.member("client_id").as_deref() != Some("our-app") || token.is_empty() {
            self.ledger.violation(format!("I9: what comes to the authority is no refresh: {}", request.text()));
        }
        self.ledger.count("exchanges");
        let (faulty, out) = {
            let state = &mut *self.state.lock();
            (state.chance.is(state.mood.authority_faulty), state.mood.authority_out)
        };
        if out {
            self.ledger.tell(format!("authority: {token}: out"));
            http::write(stream, answer(503, "", "down")).await.then_some(())?;
            return Some(());
        }
        let what = if faulty { self.state.lock().chance.below(7) } else { 7 };
        self.ledger.tell(format!("authority: {token}: {what}"));
        match what {
            0 => return http::write(stream, answer(500, "", "{}")).await.then_some(()),
            1 => return http::write(stream, answer(429, "Retry-After: 5\r\n", "{}")).await.then_some(()),
            2 => return None,
            3 => {
                // It takes long before anything is decided.
                let time = self.state.lock().chance.millis(500, 40_000);
                sleep(time).await;
            }
            _ => {}
        }
        let (status, body) = self.rotate(&token, asked, what == 4 || what == 5);
        match what {
            // Rotated, and the answer never comes, or comes late.
            4 => return None,
            5 => {
                sleep(Duration::from_secs(600)).await;
                return None;
            }
            6 => {
                let time = self.state.lock().chance.millis(500, 30_000);
                sleep(time).await;
            }
            _ => {
                let time = self.state.lock().chance.millis(1, 300);
                sleep(time).await;
            }
        }
        http::write(stream, answer(status, "", &body)).await.then_some(())
    }

    fn rotate(&self, token: &str, asked: Duration, withheld: bool) -> (u16, String) {
        let (now, state) = (elapsed(), &mut *self.state.lock());
        let refused = |why: &str| (400, json!({"error": "invalid_grant", "error_description": why}).to_string());
        let known = token.strip_prefix("refreshS3CRETa").and_then(|rest| rest.split('n').next()?.parse().ok());
        let Some(number) = known.filter(|number| *number < state.accounts.len()) else { return refused("unknown") };
        let (forgives, life) = (state.forgives, state.chance.millis(20_000, 60_000));
        let account: &mut Account = &mut state.accounts[number];
        if account.dead {
            return refused("revoked");
        }
        let forgiven = account.previous.as_ref().is_some_and(|(old, at)| old == token && forgives && now - *at < GRACE);
        if account.refresh != token {
            self.ledger.tell(format!("authority: {token} was replaced before, forgiven: {forgiven}"));
            self.ledger.count(if forgiven { "forgiven reuses" } else { "reuses" });
            self.ledger.lock().reuses.push(Reuse { account: number, token: token.to_owned(), at: now });
            if !forgiven {
                account.dead = true;
                return refused("reused");
            }
        }
        account.issued += 1;
        let access = access_token(number, account.issued);
        account.valid.insert(access.clone(), now + life);
        let refresh = refresh_token(number, account.issued);
        let old = std::mem::replace(&mut account.refresh, refresh.clone());
        if !forgiven {
            account.previous = Some((old, now));
        }
        let entries = &mut *self.ledger.lock();
        entries.count("rotations");
        let old = token.to_owned();
        entries.rotations.push(Rotation {
            account: number,
            old,
            new: refresh.clone(),
            access: access.clone(),
            ends: asked + life,
            at: now,
            withheld,
            settled: None,
        });
        let body = json!({"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": life.as_secs()});
        (200, body.to_string())
    }
}

/// `w7a1` is 7.
fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix('w')?.split('a').next()?.parse().ok()
}
