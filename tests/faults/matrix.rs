//! What is sent again after a failed attempt, cell by cell: how the attempt failed, and what the request does. Whatever is
//! not sent again tells what is known of its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use h2::Reason;
use serde_json::{Value, json};

use crate::http2;
use crate::scene::Scene;
use crate::vendor::{Line, Vendor};

pub const CONTACTS: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
limit: { default: 10, max: 100 }
fields:
  id: { read: id }
  last_name: name
filters:
  last_name: { on: name, ops: [eq] }
operations:
  list:
    request: POST /contacts/find
    safe: true
    body: { limit: limit, name: filter.last_name.eq }
    records: items
  get:
    request: GET /contacts/{id}
  create:
    request: POST /contacts
    id: id
  update:
    request: PATCH /contacts/{id}
  upsert:
    - match: [last_name]
      request: POST /contacts/keep
      repeatable: true
      id: id
  delete:
    request: DELETE /contacts/{id}
"#;

const ONE: &str = r#"{"id": "1", "name": "King", "items": []}"#;

/// A request by what sending it twice does.
pub struct Asked {
    pub name: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    pub write: bool,
}

const fn asked(name: &'static str, method: &'static str, path: &'static str, write: bool) -> Asked {
    Asked { name, method, path, write }
}

pub const COLUMNS: [Asked; 6] = [
    asked("a read", "GET", "/v1/crm/contacts/1", false),
    asked("a search by POST", "GET", "/v1/crm/contacts", false),
    asked("an upsert that is repeatable", "PUT", "/v1/crm/contacts?match=last_name", true),
    asked("a delete", "DELETE", "/v1/crm/contacts/1", true),
    asked("a create", "POST", "/v1/crm/contacts", true),
    asked("an update", "PATCH", "/v1/crm/contacts/1", true),
];

/// How the first attempt ends.
#[derive(Clone, Copy)]
enum End {
    /// Before there is a connection.
    Handshake,
    /// The stream is refused, unprocessed.
    Refused,
    /// The request is read whole, and the connection closed.
    Silence,
    /// With this status and these header lines.
    Status(u16, &'static str),
    /// With a good head and a part of its body.
    Truncated,
}

/// How the attempt ends; for each column whether it is sent again; and what is known of a write that is not.
const ROWS: [(&str, End, [bool; 6], &str); 9] = [
    ("the handshake is cut off", End::Handshake, [true; 6], ""),
    ("the stream is refused", End::Refused, [true; 6], ""),
    ("no answer", End::Silence, [true, true, true, false, false, false], "unknown"),
    ("500", End::Status(500, ""), [true, true, true, false, false, false], "unknown"),
    ("502", End::Status(502, ""), [true, true, true, false, false, false], "unknown"),
    ("503", End::Status(503, ""), [true, true, true, false, false, false], "unknown"),
    ("503 with Retry-After", End::Status(503, "Retry-After: 0\r\n"), [true, true, true, true, false, false], "unknown"),
    ("504", End::Status(504, ""), [true, true, true, false, false, false], "unknown"),
    ("a part of an answer", End::Truncated, [true, true, false, false, false, false], "executed"),
];

/// Whether a request is a write that must not be executed twice.
pub fn is_once(line: &str) -> bool {
    !["GET ", "POST /base/contacts/find", "POST /base/contacts/keep"].iter().any(|start| line.starts_with(start))
}

/// A vendor whose attempts end so whenever the switch is on, which turns it off.
async fn vendor(end: End, fails: Arc<AtomicBool>) -> Vendor {
    let serve = move |mut line: Line| {
        let fails = fails.clone();
        async move {
            let Some(request) = line.request().await else { return };
            let failing = fails.swap(false, Ordering::SeqCst);
            let once = is_once(request.line());
            match end {
                End::Silence | End::Truncated if failing && once => line.seen.execute(),
                _ if !failing && once => line.seen.execute(),
                _ => {}
            }
            match (failing, end) {
                (true, End::Silence) => {}
                (true, End::Status(status, headers)) => {
                    line.answer(status, &format!("{headers}Connection: close\r\n"), "{}").await;
                }
                (true, End::Truncated) => {
                    line.say(format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{ONE}"
                    ))
                    .await;
                }
                // A connection a request, so that each attempt has a handshake.
                _ => line.answer(200, "Connection: close\r\n", ONE).await,
            }
        }
    };
    match end {
        End::Handshake => Vendor::secure("good", move |_, line| serve(line)).await,
        End::Refused => unreachable!("it is spoken in HTTP/2"),
        _ => Vendor::start(move |_, line| serve(line)).await,
    }
}

async fn refusing(fails: Arc<AtomicBool>) -> Vendor {
    Vendor::http2(move |_, mut connection, seen| {
        let fails = fails.clone();
        async move {
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                seen.arrive();
                match fails.swap(false, Ordering::SeqCst) {
                    true => respond.send_reset(Reason::REFUSED_STREAM),
                    false => {
                        let once = is_once(&format!("{} {}", request.method(), request.uri().path()));
                        http2::answer(respond, once, &seen);
                    }
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn every_cell_of_the_table() {
    for (row, end, again, outcome) in ROWS {
        let fails = Arc::new(AtomicBool::new(false));
        let vendor = match end {
            End::Refused => refusing(fails.clone()).await,
            _ => vendor(end, fails.clone()).await,
        };
        let scene = Scene::mapped(&vendor, CONTACTS).await;
        for (asked, again) in COLUMNS.iter().zip(again) {
            let cell = format!("{} after {row}", asked.name);
            let (requests, connections) = (vendor.seen.requests(), vendor.connections());
            match end {
                End::Handshake => vendor.cut_next(),
                _ => fails.store(true, Ordering::SeqCst),
            }
            let body: Option<Value> = (asked.write && asked.method != "DELETE").then(|| json!({"last_name": "King"}));
            let answer = scene.ask(asked.method, asked.path, body, 20).await;
            let said = format!("{cell}: {} {}", answer.status, answer.text());
            assert!(!fails.load(Ordering::SeqCst), "{said}: the attempt did not fail");
            assert_eq!(answer.status < 300, again, "{said}");
            let attempts = match end {
                End::Handshake => vendor.connections() - connections,
                _ => vendor.seen.requests() - requests,
            };
            assert_eq!(attempts, 1 + usize::from(again), "{said}");
            if !again && asked.write {
                assert_eq!(answer.json()["outcome"], outcome, "{said}");
            }
        }
        scene.end().await;
    }
}
