//! A store that does not answer, whatever it is asked: who waits for it waits no longer than the request says.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::support::{
    Answer, Client, FakeVendor, Gate, Held, Request, Server, held_store, json_answer, provider, start_configured,
};

/// What callers wait, and what an answer may come late by.
const WAIT: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(1);

struct Scene {
    vendor: FakeVendor,
    server: Server,
    gate: Gate,
}

impl Scene {
    async fn open() -> Self {
        let vendor = FakeVendor::start().await;
        vendor.answers(json_answer(200, r#"{"id": "1", "name": "King"}"#));
        let (store, gate) = held_store();
        let server = start_configured(provider("fake", None), &[("fake", &vendor)], store, |_| {}).await;
        Self { vendor, server, gate }
    }

    /// Somebody of whom nothing is in memory.
    async fn stranger(&self, tenant: &str) -> Client {
        let key = self.server.make_key(tenant, "read,write,passthrough").await;
        let connection = self.server.connect(tenant, "fake", "customer").await;
        self.server.client().key(&key).connection(&connection).with("Prefer", "wait=1, return=minimal")
    }
}

async fn in_time(request: Request<'_>) -> Answer {
    let began = Instant::now();
    let answer = request.send().await;
    assert!(began.elapsed() < WAIT + LATE, "it took {:?}: {}", began.elapsed(), answer.text());
    answer
}

#[tokio::test]
async fn nobody_waits_for_the_store_longer_than_the_request_says() {
    let scene = Scene::open().await;
    let king = json!({"last_name": "King"});
    let unified = "/v1/crm/contacts";
    // The credentials are the second thing that is looked up of a connection.
    let cases = [
        (Held::Key, 0, unified),
        (Held::Connection, 0, "/v1/passthrough/base/contacts"),
        (Held::Overrides, 0, unified),
        (Held::Connection, 1, unified),
    ];
    for (index, (held, after, path)) in cases.into_iter().enumerate() {
        let (reader, writer) = (scene.stranger(&format!("r{index}")).await, scene.stranger(&format!("w{index}")).await);
        scene.gate.hold(held, after);
        let read = in_time(reader.request("GET", "/v1/crm/contacts/1")).await;
        let problem = read.problem(503, "overloaded");
        assert_eq!((&problem["retryable"], &problem["origin"]), (&json!(true), &json!("throughline")), "{problem}");
        assert!(problem["retry_after"].is_u64() && problem["outcome"].is_null(), "{held:?}: {problem}");
        scene.gate.hold(held, after);
        let write = in_time(writer.request("POST", path).json(&king)).await;
        let problem = write.problem(503, "overloaded");
        assert_eq!((&problem["retryable"], &problem["outcome"]), (&json!(true), &json!("not-executed")), "{path}");
        scene.gate.open();
    }
    assert_eq!(scene.vendor.count(), 0, "what was given up is not sent later");
    let warm = scene.stranger("late").await;
    assert_eq!(warm.get("/v1/crm/contacts/1").await.status, 200);
}

#[tokio::test]
async fn a_claim_that_succeeds_when_its_caller_has_gone_is_given_back() {
    let scene = Scene::open().await;
    let king = json!({"last_name": "King"});
    let caller = scene.stranger("acme").await.with("Idempotency-Key", "\"one\"");
    scene.gate.hold(Held::Claim, 0);
    let problem = in_time(caller.request("POST", "/v1/crm/contacts").json(&king)).await.problem(503, "overloaded");
    assert_eq!((&problem["retryable"], &problem["outcome"]), (&json!(true), &json!("not-executed")), "{problem}");
    assert_eq!(scene.server.app.shield.under_way(), 1, "it still waits for the store");
    scene.gate.open();
    assert_eq!(scene.server.app.shield.finish(WAIT * 5).await, 0);
    assert_eq!(scene.vendor.count(), 0);
    let again = caller.post("/v1/crm/contacts", king.clone()).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, None), "{}", again.text());
    assert_eq!(scene.vendor.count(), 1);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_its_end_to_be_written_down() {
    let scene = Scene::open().await;
    let king = json!({"last_name": "King"});
    let caller = scene.stranger("acme").await.with("Idempotency-Key", "\"one\"");
    scene.gate.hold(Held::Settle, 0);
    let answer = in_time(caller.request("POST", "/v1/crm/contacts").json(&king)).await;
    assert_eq!(answer.status, 201, "what was done is told: {}", answer.text());
    let meanwhile = caller.post("/v1/crm/contacts", king.clone()).await;
    meanwhile.problem(409, "idempotency-in-flight");
    scene.gate.open();
    assert_eq!(scene.server.app.shield.finish(WAIT * 5).await, 0);
    let replayed = caller.post("/v1/crm/contacts", king).await;
    assert_eq!((replayed.status, replayed.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(replayed.body, answer.body);
    assert_eq!(scene.vendor.count(), 1);
}
