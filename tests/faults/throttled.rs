//! "Too much", in every form in which a vendor says it: what is waited for within the caller's time, and what the caller is
//! told where it is not. A refusal for a limit was not executed, so that a write is sent again like a read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::matrix::{Asked, COLUMNS, CONTACTS, is_once};
use crate::scene::Scene;
use crate::support::Answer;
use crate::vendor::{Line, Vendor};

const ONE: &str = r#"{"id": "1", "name": "King", "items": []}"#;

/// Its 403 may mean a limit, and its 200 as well: which it is stands in the body.
const LIMITS: &str = r#"limits:
  - { name: burst, count: 1000, per: 1s }
errors:
  read: { code: code, message: message }
  classify:
    - { status: [200, 403], code: TOO_MUCH, is: rate-limited, retryable: true }
"#;

#[derive(Clone, Copy)]
enum Told {
    Nothing,
    Is(&'static str),
    /// A date so many seconds from now.
    Date(i64),
}

impl Told {
    fn line(self) -> String {
        match self {
            Told::Nothing => String::new(),
            Told::Is(text) => format!("Retry-After: {text}\r\n"),
            Told::Date(seconds) => {
                let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
                format!("Retry-After: {}\r\n", at.strftime("%a, %d %b %Y %H:%M:%S GMT"))
            }
        }
    }
}

/// What the vendor says, and how long it is left alone then, from and to.
struct Row {
    name: &'static str,
    status: u16,
    told: Told,
    body: &'static str,
    pause: (u64, u64),
}

const fn row(name: &'static str, status: u16, told: Told, body: &'static str, pause: (u64, u64)) -> Row {
    Row { name, status, told, body, pause }
}

/// Milliseconds. Without a delay of the vendor's it is left alone for half a second to one, and twice as long at each
/// further refusal.
const ROWS: [Row; 9] = [
    row("429 and a second", 429, Told::Is("1"), "{}", (1000, 1300)),
    row("429 and half a second", 429, Told::Is("0.5"), "{}", (500, 800)),
    row("429 and no time at all", 429, Told::Is("0"), "{}", (0, 300)),
    // Dates are in whole seconds.
    row("429 and a date", 429, Told::Date(2), "{}", (900, 2300)),
    row("429 and a date in the past", 429, Told::Date(-3600), "{}", (0, 300)),
    row("429 and an absurd time", 429, Told::Is("1000000000000"), "{}", (500, 1300)),
    row("429 and nonsense", 429, Told::Is("soon"), "{}", (500, 1300)),
    row("429 and nothing else", 429, Told::Nothing, "{}", (500, 1300)),
    row("403 whose body means it", 403, Told::Nothing, r#"{"code": "TOO_MUCH"}"#, (500, 1300)),
];

/// When its requests arrived. It refuses as the row says, so many times.
async fn vendor(row: &'static Row, refusals: Arc<AtomicUsize>) -> (Vendor, Arc<Mutex<Vec<Instant>>>) {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let noted = arrivals.clone();
    let vendor = Vendor::start(move |_, mut line: Line| {
        let (refusals, noted) = (refusals.clone(), noted.clone());
        async move {
            while let Some(request) = line.request().await {
                noted.lock().push(Instant::now());
                let left = refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if left.is_ok() {
                    line.answer(row.status, &row.told.line(), row.body).await;
                } else {
                    if is_once(request.line()) {
                        line.seen.execute();
                    }
                    line.answer(200, "", ONE).await;
                }
            }
        }
    })
    .await;
    (vendor, arrivals)
}

async fn asks(scene: &Scene, asked: &Asked, wait: u64) -> Answer {
    let body: Option<Value> = (asked.write && asked.method != "DELETE").then(|| json!({"last_name": "King"}));
    scene.ask(asked.method, asked.path, body, wait).await
}

#[track_caller]
fn told_and_not_executed(asked: &Asked, answer: &Answer, seconds: std::ops::RangeInclusive<u64>, said: &str) {
    let problem = answer.problem(429, "rate-limited");
    let told = problem["retry_after"].as_u64().unwrap_or_else(|| panic!("{said}: {problem}"));
    assert!(seconds.contains(&told), "{said}: {problem}");
    assert_eq!(answer.header("retry-after"), Some(told.to_string().as_str()), "{said}");
    let outcome = if asked.write { json!("not-executed") } else { Value::Null };
    assert_eq!((&problem["retryable"], &problem["outcome"]), (&json!(true), &outcome), "{said}: {problem}");
}

#[tokio::test]
async fn within_the_callers_time_it_is_waited_for_and_sent_again() {
    let mut rows = JoinSet::new();
    for row in &ROWS {
        rows.spawn(async move {
            let refusals = Arc::new(AtomicUsize::new(0));
            let (vendor, arrivals) = vendor(row, refusals.clone()).await;
            for asked in &COLUMNS {
                // Anew for each: further refusals make it more careful.
                let scene = Scene::limited(&vendor, CONTACTS, LIMITS).await;
                let said = format!("{} after {}", asked.name, row.name);
                refusals.store(1, Ordering::SeqCst);
                arrivals.lock().clear();
                let answer = asks(&scene, asked, 20).await;
                assert!(answer.status < 300, "{said}: {}", answer.text());
                let arrived = arrivals.lock().clone();
                let [refused, done] = arrived.as_slice() else { panic!("{said}: {} attempts", arrived.len()) };
                let pause = (*done - *refused).as_millis() as u64;
                // Other tests run beside this one.
                assert!((row.pause.0..=row.pause.1 + 2000).contains(&pause), "{said}: {pause} ms");
            }
            assert_eq!(vendor.seen.executed(), COLUMNS.iter().filter(|asked| asked.write).count() - 1, "{}", row.name);
        });
    }
    rows.join_all().await;
}

/// The caller has a second. Whatever takes longer is told at once, and after three attempts it is enough.
#[tokio::test]
async fn what_takes_longer_than_the_caller_waits_is_told() {
    const HOUR: Row = row("429 and an hour", 429, Told::Is("3600"), "{}", (0, 0));
    const TOMORROW: Row = row("429 and tomorrow", 429, Told::Date(86_400), "{}", (0, 0));
    const NOTHING: Row = row("429 and nothing else", 429, Told::Nothing, "{}", (0, 0));
    const ABSURD: Row = row("429 and an absurd time", 429, Told::Is("1000000000000"), "{}", (0, 0));
    const BODY: Row = row("403 whose body means it", 403, Told::Nothing, r#"{"code": "TOO_MUCH"}"#, (0, 0));
    let cases: [(&'static Row, std::ops::RangeInclusive<u64>, usize); 5] = [
        (&HOUR, 3600..=3600, 1),
        (&TOMORROW, 86_390..=86_400, 1),
        (&NOTHING, 1..=4, 3),
        (&ABSURD, 1..=4, 3),
        (&BODY, 1..=4, 3),
    ];
    let mut scenes = Vec::new();
    for (row, seconds, most) in cases {
        for asked in &COLUMNS {
            // Anew for each: after the first refusal the vendor is left alone.
            let (vendor, arrivals) = vendor(row, Arc::new(AtomicUsize::new(usize::MAX))).await;
            let scene = Scene::limited(&vendor, CONTACTS, LIMITS).await;
            scenes.push((row, seconds.clone(), most, asked, vendor, arrivals, scene));
        }
    }
    let mut running = JoinSet::new();
    // Not before all are there: on their way they take the time that callers count.
    for (row, seconds, most, asked, vendor, arrivals, scene) in scenes {
        running.spawn(async move {
            let said = format!("{} after {}", asked.name, row.name);
            let answer = asks(&scene, asked, 1).await;
            told_and_not_executed(asked, &answer, seconds, &said);
            assert!((1..=most).contains(&arrivals.lock().len()), "{said}: {} attempts", arrivals.lock().len());
            assert_eq!(vendor.seen.executed(), 0, "{said}");
        });
    }
    running.join_all().await;
}

/// Some vendors say it in an answer that looks like a good one.
#[tokio::test]
async fn a_200_that_means_too_much_is_one() {
    const REFUSED: Row = row("200 whose body means it", 200, Told::Is("3600"), r#"{"code": "TOO_MUCH"}"#, (0, 0));
    let (vendor, arrivals) = vendor(&REFUSED, Arc::new(AtomicUsize::new(usize::MAX))).await;
    // A contact that comes with an error in it is none.
    let contacts: String = CONTACTS
        .lines()
        .flat_map(|line| match line.split_once("request:") {
            Some((space, _)) => vec![line.to_owned(), format!("{space}ok: '$not($exists(code))'")],
            None => vec![line.to_owned()],
        })
        .map(|line| line + "\n")
        .collect();
    for asked in &COLUMNS {
        let scene = Scene::limited(&vendor, &contacts, LIMITS).await;
        arrivals.lock().clear();
        let answer = asks(&scene, asked, 20).await;
        told_and_not_executed(asked, &answer, 3600..=3600, asked.name);
        assert_eq!(arrivals.lock().len(), 1);
    }
}

/// S-34: a vendor that says no more than that is asked half as often for a while.
#[tokio::test]
async fn a_refusal_that_names_no_delay_halves_the_rate() {
    const REFUSED: Row = row("429 and nothing else", 429, Told::Nothing, "{}", (0, 0));
    let refusals = Arc::new(AtomicUsize::new(1));
    let (vendor, arrivals) = vendor(&REFUSED, refusals).await;
    let scene = Scene::limited(&vendor, CONTACTS, "limits:\n  - { name: burst, count: 40, per: 2s }\n").await;
    assert_eq!(scene.get("/v1/crm/contacts/1").await.status, 200);
    arrivals.lock().clear();
    let mut asking = JoinSet::new();
    for _ in 0..40 {
        let client = scene.client();
        asking.spawn(async move { client.get("/v1/crm/contacts/1").await.status });
    }
    assert!(asking.join_all().await.iter().all(|status| *status == 200));
    let arrived = arrivals.lock().clone();
    let within =
        |first: &Instant| arrived.iter().filter(|at| *at >= first && **at - *first < Duration::from_secs(2)).count();
    let most = arrived.iter().map(within).max().unwrap_or_default();
    // A little more is used again after each span without a refusal.
    assert!((15..=23).contains(&most), "{most} of 40 in two seconds");
}
