//! What one API key and one address may do.

use std::sync::Arc;

use serde_json::{Value, json};
use throughline::auth::{Mode, NewKey};
use throughline::limit::KeyLimits;
use tokio::sync::Notify;

use super::support::{Client, json_answer};
use super::{alive, scene, shed};

#[tokio::test]
async fn a_keys_rate_is_told_on_every_answer_and_kept() {
    let (server, vendor) = scene(|config| {
        config.limits.key.rate = Some(1);
        config.limits.key.burst = 5;
    })
    .await;
    let key = server.make_key("demo", "read,write,passthrough").await;
    let client = server.on("fake").key(&key);
    for left in (0..5).rev() {
        let answer = client.get("/v1/passthrough/a").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("ratelimit-policy"), Some(r#""key";q=5;w=5"#));
        let state = answer.header("ratelimit").expect("what is left");
        assert!(state.starts_with(&format!(r#""key";r={left};t="#)), "{state}");
    }
    let seen = vendor.requests().len();
    let answer = client.request("POST", "/v1/passthrough/a").body("a/b", "x").send().await;
    let problem = answer.problem(429, "rate-limited");
    assert_eq!((&problem["retryable"], &problem["outcome"]), (&json!(true), &json!("not-executed")));
    assert_eq!((answer.header("retry-after"), &problem["retry_after"]), (Some("1"), &json!(1)));
    assert!(answer.header("ratelimit").is_some_and(|state| state.starts_with(r#""key";r=0;t="#)));
    assert_eq!(vendor.requests().len(), seen, "the vendor hears nothing of it");
    assert_eq!(shed(&server, "key-rate").await, 1);
    // Another key has its own.
    alive(&server).await;
}

#[tokio::test]
async fn a_key_can_be_made_tighter_but_not_looser_than_its_maker() {
    let (server, _vendor) = scene(|config| config.limits.key.concurrency = Some(7)).await;
    let admin = server.client();
    let new = |limits: Value| json!({"scopes": ["read", "admin", "passthrough"], "limits": limits});
    for (limits, pointer) in [
        (json!({"rate": 100_000}), "/limits/rate"),
        (json!({"burst": 100_000}), "/limits/burst"),
        (json!({"concurrency": 8}), "/limits/concurrency"),
        (json!({"rate": 0}), "/limits/rate"),
        (json!({"rate": 1.5}), "/limits/rate"),
        (json!({"rate": "many"}), "/limits/rate"),
        (json!({"speed": 1}), "/limits/speed"),
        (json!([1]), "/limits"),
    ] {
        let problem = admin.post("/v1/keys", new(limits)).await.problem(422, "validation-failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        assert!(problem["errors"][0]["expected"].is_string(), "{problem}");
    }
    let made = admin.post("/v1/keys", new(json!({"rate": 2, "concurrency": 1}))).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(made["limits"], json!({"rate": 2, "concurrency": 1}));
    let listed = admin.get("/v1/keys").await.json();
    let listed = listed["data"].as_array().expect("a list").iter().find(|key| key["id"] == made["id"]).cloned();
    assert_eq!(listed.expect("the new key")["limits"], json!({"rate": 2, "concurrency": 1}));

    let tight = Client::new(server.api).key(made["key"].as_str().expect("its text"));
    let first = tight.get("/v1/providers").await;
    assert_eq!((first.status, first.header("ratelimit-policy")), (200, Some(r#""key";q=2;w=1"#)));
    // What it makes is as tight, asked for or not.
    let child = tight.post("/v1/keys", json!({"scopes": ["read"]})).await.json();
    assert_eq!(child["limits"], json!({"rate": 2, "concurrency": 1}));
    // The command line is not bound by the configuration.
    let limits = KeyLimits { rate: Some(1_000_000), burst: None, concurrency: Some(50) };
    let scopes = "read".parse().expect("scopes");
    server.make_key_as("demo", NewKey { limits, ..NewKey::with_scopes(Mode::Test, scopes) }).await;
}

#[tokio::test]
async fn a_keys_requests_at_a_time_last_until_their_answers_end() {
    let (server, vendor) = scene(|config| config.limits.key.concurrency = Some(2)).await;
    let open = Arc::new(Notify::new());
    let gate = open.clone();
    vendor.does(move |mut exchange| {
        let gate = gate.clone();
        async move {
            // The head is there: the answer has begun, and is not over.
            exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nConnection: close\r\n\r\nbegin").await;
            gate.notified().await;
            exchange.write(b" end").await;
        }
    });
    let client = server.on("fake");
    let held: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("/v1/passthrough/a").await })
        })
        .collect();
    vendor.wait_for(2).await;
    let answer = client.get("/v1/passthrough/a").await;
    answer.problem(429, "rate-limited");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(shed(&server, "key-concurrency").await, 1);
    open.notify_waiters();
    for one in held {
        assert_eq!(one.await.expect("no panic").text(), "begin end");
    }
    vendor.answers(json_answer(200, "{}"));
    assert_eq!(client.get("/v1/passthrough/a").await.status, 200);
}

#[tokio::test]
async fn s82_guesses_cost_no_lookups_and_known_keys_share_no_fate_with_them() {
    let (server, _vendor) = scene(|config| config.limits.failed_authentications.per_minute = Some(10)).await;
    alive(&server).await;
    let (revoked, id) =
        server.make_key_as("demo", NewKey::with_scopes(Mode::Test, "read".parse().expect("scopes"))).await;
    assert_eq!(server.client().delete(&format!("/v1/keys/{id}")).await.status, 204);
    let unknown = throughline::auth::ApiKey::generate(Mode::Test).expect("random");
    let mut bodies = Vec::new();
    for key in ["tl_test_nonsense", unknown.expose(), &revoked] {
        let answer = Client::new(server.api).key(key).get("/v1/providers").await;
        let mut problem = answer.problem(401, "unauthenticated");
        problem["request_id"] = Value::Null;
        bodies.push(problem);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "they cannot be told apart: {bodies:?}");
    let mut refused = 0;
    for _ in 0..20 {
        let guess = throughline::auth::ApiKey::generate(Mode::Test).expect("random");
        let before = server.store.calls();
        let answer = Client::new(server.api).key(guess.expose()).get("/v1/providers").await;
        if answer.status == 429 {
            answer.problem(429, "rate-limited");
            assert!(answer.header("retry-after").is_some());
            assert_eq!(server.store.calls(), before, "nothing is looked up");
            refused += 1;
        }
    }
    assert!(refused >= 12, "{refused}");
    assert_eq!(shed(&server, "failed-authentications").await, refused);
    // A good key from the same address works all the same.
    alive(&server).await;
}
