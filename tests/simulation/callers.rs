//! The product backends: reads and writes with and without keys, sent again after failures, sometimes twice at a time,
//! sometimes left alone before the answer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};
use turmoil::net::TcpStream;

use crate::chance::Chance;
use crate::http;
use crate::ledger::{Answered, Asked, Ledger, Write};
use crate::net::elapsed;
use crate::vendor::Vendor;
use crate::world::{ADMIN, API, REPLICAS};

/// A caller gives up this long after its deadline: by then something hangs.
const HUNG: Duration = Duration::from_secs(30);
/// After the last fault everything has to be well again: twice the longest pause of a breaker, and a request's time.
const WELL_AGAIN: Duration = Duration::from_secs(2 * 120 + 30);

/// Kinds of writes.
const CREATE: usize = 0;
const UPDATE: usize = 1;
const DELETE: usize = 2;
const RAW: usize = 3;

#[derive(Clone)]
pub struct Callers {
    /// Of each tenant.
    pub keys: Arc<[String]>,
    pub accounts: usize,
    pub ledger: Ledger,
    pub vendor: Vendor,
}

/// What is sent.
#[derive(Clone)]
struct Request {
    account: usize,
    line: String,
    headers: String,
    body: String,
    write: Option<usize>,
    wait: u64,
    /// The caller leaves after that.
    leaves: Option<Duration>,
}

impl Callers {
    /// One of them, until `end`.
    pub async fn work(self, number: usize, mut chance: Chance, pace: u64, end: Duration) -> Vec<Pending> {
        let mut pending = Vec::new();
        let mut turn = 0;
        loop {
            sleep(chance.millis(50, pace)).await;
            if elapsed() >= end {
                return pending;
            }
            turn += 1;
            if chance.is(400) {
                self.read(&mut chance, number * 1000 + turn).await;
            } else {
                pending.extend(self.write(&mut chance, format!("key-{number}-{turn}"), end).await);
            }
        }
    }

    /// Many reads of one account at once, through both replicas.
    pub async fn flood(self, mut chance: Chance) {
        sleep(chance.millis(5_000, 35_000)).await;
        let reads = (0..40).map(|number| {
            let (callers, mut chance) = (self.clone(), chance.clone());
            let (replica, after) =
                (number % REPLICAS.len(), chance.millis(0, 1_000) + Duration::from_millis(40) * number as u32);
            async move {
                sleep(after).await;
                let line = format!("GET /v1/crm/contacts/r9{number}a0");
                let (headers, body) = (String::new(), String::new());
                let request = Request { account: 0, line, headers, body, write: None, wait: 20, leaves: None };
                callers.ask(replica, &request).await;
            }
        });
        futures_util::future::join_all(reads).await;
    }

    async fn read(&self, chance: &mut Chance, number: usize) {
        let account = chance.below(self.accounts);
        let foreign = chance.is(30);
        let request = Request {
            account,
            line: format!("GET /v1/crm/contacts/r{number}a{account}"),
            headers: String::new(),
            body: String::new(),
            write: None,
            wait: 2 + chance.below(18) as u64,
            leaves: chance.is(50).then(|| chance.millis(10, 3000)),
        };
        let replica = chance.below(REPLICAS.len());
        if foreign {
            return self.ask_as_another(replica, &request).await;
        }
        if let Some(answer) = self.ask(replica, &request).await
            && answer.status == 200
            && answer.json["last_name"] != format!("r{number}a{account}")
        {
            self.ledger.violation(format!("I3: another record than was asked for: {}", answer.body));
        }
    }

    /// A tenant's key on another's connection finds nothing.
    async fn ask_as_another(&self, replica: usize, request: &Request) {
        let key = &self.keys[(request.account + 1) % self.keys.len()];
        let text = self.text(request, key);
        self.ledger.count("requests with another tenant's key");
        if let Ok(Some(answer)) = timeout(HUNG, exchange(replica, API, &text)).await
            && answer.status() < 500
            && answer.status() != 404
        {
            self.ledger.violation(format!("I3: another tenant's key got {}: {}", answer.status(), answer.text()));
        }
    }

    /// A write, sent again until its end is known; what is left of it if it is not.
    async fn write(&self, chance: &mut Chance, key: String, end: Duration) -> Option<Pending> {
        let account = chance.below(self.accounts);
        let keyed = chance.is(650);
        let kind = *chance.one_of(&[CREATE, CREATE, UPDATE, DELETE, RAW]);
        let request = self.new_write(chance, kind, account, keyed.then_some(&key));
        if !keyed {
            self.ask(chance.below(REPLICAS.len()), &request).await;
            return None;
        }
        if chance.is(150) {
            // Twice at the same time.
            let again = Request { leaves: None, ..request.clone() };
            let (one, other) = (chance.below(REPLICAS.len()), chance.below(REPLICAS.len()));
            let both = tokio::join!(self.ask(one, &request), self.ask(other, &again));
            if [&both.0, &both.1].iter().any(|answer| answer.as_ref().is_some_and(is_final)) {
                return None;
            }
        }
        if chance.is(60) && matches!(kind, CREATE | RAW) {
            // The same key for something else.
            let other = self.new_write(chance, kind, account, Some(&key));
            self.ask(chance.below(REPLICAS.len()), &request).await;
            self.ask(chance.below(REPLICAS.len()), &other).await;
        }
        let mut request = request;
        for _ in 0..4 {
            if self.ask(chance.below(REPLICAS.len()), &request).await.is_some_and(|answer| is_final(&answer)) {
                // And once more, for the same answer.
                if chance.is(300) {
                    self.ask(chance.below(REPLICAS.len()), &Request { leaves: None, ..request }).await;
                }
                return None;
            }
            request.leaves = None;
            sleep(chance.millis(200, 4000)).await;
            if elapsed() >= end {
                break;
            }
        }
        Some(Pending(request))
    }

    fn new_write(&self, chance: &mut Chance, kind: usize, account: usize, key: Option<&String>) -> Request {
        let repeatable = kind == DELETE;
        let number = {
            let writes = &mut self.ledger.lock().writes;
            writes.push(Write { key: key.cloned(), account, repeatable, executed: Vec::new() });
            writes.len() - 1
        };
        let name = format!("w{number}a{account}");
        let line = match kind {
            UPDATE => format!("PATCH /v1/crm/contacts/{name}"),
            DELETE => format!("DELETE /v1/crm/contacts/{name}"),
            RAW => "POST /v1/passthrough/contacts".to_owned(),
            _ => "POST /v1/crm/contacts".to_owned(),
        };
        let body = match kind {
            DELETE => String::new(),
            RAW => serde_json::json!({"name": name}).to_string(),
            _ => serde_json::json!({"last_name": name}).to_string(),
        };
        let headers = key.map(|key| format!("Idempotency-Key: \"{key}\"\r\n")).unwrap_or_default();
        let wait = 2 + chance.below(18) as u64;
        let leaves = chance.is(60).then(|| chance.millis(10, 3000));
        Request { account, line, headers, body, write: Some(number), wait, leaves }
    }

    fn text(&self, request: &Request, key: &str) -> String {
        let Request { account, line, headers, body, wait, .. } = request;
        let minimal = if account.is_multiple_of(2) { ", return=minimal" } else { "" };
        let content = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
        };
        format!(
            "{line} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
             Throughline-Customer: customer{account}\r\nPrefer: wait={wait}{minimal}\r\n{headers}{content}\r\n{body}"
        )
    }

    async fn ask(&self, replica: usize, request: &Request) -> Option<Answered> {
        let key = &self.keys[request.account % self.keys.len()];
        let text = self.text(request, key);
        let at = elapsed();
        let number = {
            let entries = &mut *self.ledger.lock();
            entries.asked.push(Asked {
                write: request.write,
                account: request.account,
                at,
                wait: Duration::from_secs(request.wait),
                patient: request.leaves.is_none(),
                left: false,
                answered: None,
            });
            entries.asked.len() - 1
        };
        let what = format!("{number}: {} of {:?}, account {}", request.line, request.write, request.account);
        self.ledger.tell(format!("caller: {what}, at {}", REPLICAS[replica]));
        let patience = request.leaves.unwrap_or(Duration::from_secs(request.wait) + HUNG);
        let answer = timeout(patience, exchange(replica, API, &text)).await;
        let entries = &mut *self.ledger.lock();
        let said = match answer {
            Ok(Some(answer)) => {
                let replayed = answer.header("idempotency-replayed").is_some();
                let (body, json): (String, Value) = (answer.text(), answer.json());
                let code = json["code"].as_str().unwrap_or_default();
                let said = format!(
                    "{} {code} {}{}",
                    answer.status(),
                    json["outcome"],
                    if replayed { " replayed" } else { "" }
                );
                entries.count_answer(answer.status(), code, replayed);
                let secret =
                    ["S3CRET", "s3cret"].iter().any(|secret| body.contains(secret) || answer.head.contains(secret));
                if secret {
                    entries.violations.push(format!("I9: an answer tells a secret: {body}"));
                }
                let answered = Answered { at: elapsed(), status: answer.status(), replayed, body, json };
                entries.asked[number].answered = Some(answered);
                said
            }
            Ok(None) => "no answer".to_owned(),
            Err(_) => {
                entries.asked[number].left = true;
                if request.leaves.is_none() {
                    entries.count("requests that nobody answered");
                }
                "left".to_owned()
            }
        };
        let line = format!("{:9.3} answer: {what}: {said}", elapsed().as_secs_f64());
        entries.story.push(line);
        entries.asked[number].answered.clone()
    }

    /// What the replicas counted since they last began.
    async fn read_metrics(&self) {
        const COUNTED: [(&str, &str, &str); 5] = [
            ("resends", "throughline_retries_total", "result=\"sent\""),
            ("resends without a budget", "throughline_retries_total", "result=\"no-budget\""),
            ("breakers that opened", "throughline_breaker_total", "event=\"opened\""),
            ("breakers that closed", "throughline_breaker_total", "event=\"closed\""),
            ("requests that a breaker refused", "throughline_breaker_total", "event=\"refused\""),
        ];
        for replica in 0..REPLICAS.len() {
            let text = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
            let Ok(Some(answer)) = timeout(HUNG, exchange(replica, ADMIN, text)).await else { continue };
            let text = answer.text();
            if ["S3CRET", "s3cret"].iter().any(|secret| text.contains(secret)) {
                self.ledger.violation("I9: the metrics tell a secret");
            }
            for (what, family, label) in COUNTED {
                let lines = text.lines().filter(|line| line.starts_with(family) && line.contains(label));
                let count = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
                *self.ledger.lock().counts.entry(what).or_default() += count as u64;
            }
        }
    }

    /// After the last fault: every account that works can be read through every replica, and every key has an end.
    pub async fn look_around(self, pending: Vec<Pending>) {
        self.read_metrics().await;
        let until = elapsed() + WELL_AGAIN;
        for account in 0..self.accounts {
            for replica in 0..REPLICAS.len() {
                loop {
                    let request = Request {
                        account,
                        line: format!("GET /v1/crm/contacts/r{replica}a{account}"),
                        headers: String::new(),
                        body: String::new(),
                        write: None,
                        wait: 10,
                        leaves: None,
                    };
                    let answer = self.ask(replica, &request).await;
                    let well = answer.as_ref().is_some_and(|answer| match self.vendor.is_dead(account) {
                        true => answer.code() == "needs-reauth",
                        false => answer.status == 200,
                    });
                    if well {
                        break;
                    }
                    if elapsed() > until {
                        let last = answer.map(|answer| answer.body);
                        self.ledger.violation(format!("I10: account {account} does not come back: {last:?}"));
                        return;
                    }
                    sleep(Duration::from_secs(3)).await;
                }
            }
        }
        for Pending(request) in pending {
            loop {
                let answer = self.ask(0, &request).await;
                let over = answer.as_ref().is_some_and(|answer| is_final(answer) || answer.code() == "needs-reauth");
                if over {
                    break;
                }
                if elapsed() > until {
                    let last = answer.map(|answer| answer.body);
                    self.ledger.violation(format!("I10: a key has no end: {last:?}"));
                    return;
                }
                sleep(Duration::from_secs(3)).await;
            }
        }
    }
}

/// A write whose end its caller does not know.
pub struct Pending(Request);

/// Sending it again would not change the answer.
pub fn is_final(answer: &Answered) -> bool {
    let passing = ["idempotency-in-flight", "needs-reauth", "rate-limited", "quota-exhausted", "connection-not-found"];
    match answer.status {
        200..=299 => true,
        401 | 408 | 429 => false,
        400..=499 => !passing.contains(&answer.code()),
        _ => answer.outcome() == "executed",
    }
}

async fn exchange(replica: usize, port: u16, text: &str) -> Option<http::Message> {
    let mut stream = TcpStream::connect((REPLICAS[replica], port)).await.ok()?;
    http::write(&mut stream, text).await.then_some(())?;
    http::read(&mut stream, &mut Vec::new()).await
}
