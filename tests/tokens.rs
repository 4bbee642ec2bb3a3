//! Tokens are renewed ahead of their end, once, and none that was gained is lost.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Scene, json_answer, plain_answer};

fn ended() -> String {
    support::in_seconds(-60).to_string()
}

fn in_ten_minutes() -> String {
    support::in_seconds(600).to_string()
}

/// A connection whose token has ended.
async fn with_ended_token() -> Scene {
    let mut scene = Scene::start().await;
    let credentials = json!({"expires_at": ended(), "access_token": "old"});
    scene.connection = scene.import("late", credentials).await;
    scene
}

/// A connection whose token is good for ten more minutes of its hour and to be renewed.
async fn with_soft_token() -> Scene {
    let mut scene = Scene::start().await;
    scene.connection = scene.import("soft", json!({"expires_at": in_ten_minutes()})).await;
    scene.age(3000).await;
    scene
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "it never came: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_hundred_requests_with_an_ended_token_make_one_exchange() {
    let scene = with_ended_token().await;
    let client = scene.client();
    let requests = (0..100).map(|_| client.get("/v1/crm/contacts/1"));
    let answers = futures_util::future::join_all(requests).await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(scene.authority.exchanges().len(), 1);
    assert_eq!(scene.authority.reused(), 0);
    let record = scene.record().await;
    assert_eq!(record["state"], "active");
    assert!(record["refreshed_at"].is_string() && record["next_refresh_at"].is_string(), "{record}");
}

#[tokio::test]
async fn the_request_to_the_token_endpoint_is_the_standards() {
    let scene = with_ended_token().await;
    assert_eq!(scene.get().await.status, 200);
    let sent = scene.authority.exchanges().remove(0);
    for part in ["grant_type=refresh_token", "refresh_token=refresh-0", "client_id=our-app", "client_secret=app-s3cret"]
    {
        assert!(sent.contains(part), "{part} is not in the request");
    }
}

#[tokio::test]
async fn a_good_token_works_at_its_usual_pace_while_the_token_endpoint_is_silent_or_failing() {
    let scene = with_soft_token().await;
    let open = scene.authority.holds();
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(scene.get().await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(1), "a request has waited for the renewal");
    }
    assert_eq!(scene.authority.exchanges().len(), 1, "one renewal is under way");
    scene.authority.answers(|_| Some(plain_answer(500, "", "down")));
    open.send(true).expect("it waits");
    until("the failure is known", async || scene.record().await["state"] == "degraded").await;
    assert_eq!(scene.get().await.status, 200);
    let record = scene.record().await;
    assert_eq!(record["state_reason"], "refresh_failing");
    assert!(record["last_error"].as_str().is_some_and(|error| error.contains("500")), "{record}");

    scene.authority.recovers();
    until("it recovers by itself", async || {
        scene.get().await;
        scene.record().await["state"] == "active"
    })
    .await;
    assert_eq!(scene.record().await["last_error"], Value::Null);
    assert_eq!(scene.authority.reused(), 0);
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_no_renewal() {
    let scene = with_ended_token().await;
    let open = scene.authority.holds();
    let waiting = tokio::spawn({
        let client = scene.client();
        async move { client.get("/v1/crm/contacts/1").await }
    });
    scene.authority.wait_for_exchange().await;
    waiting.abort();
    open.send(true).expect("it waits");
    until("the token is stored", async || scene.row().await.generation == 2).await;
    assert_eq!(scene.get().await.status, 200);
    assert_eq!(scene.authority.exchanges().len(), 1);
}

#[tokio::test]
async fn a_caller_waits_no_longer_than_its_deadline_and_learns_when_to_come_back() {
    let scene = with_ended_token().await;
    let _open = scene.authority.holds();
    let answer = scene.client().with("Prefer", "wait=1").get("/v1/crm/contacts/1").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("credential-refresh-pending")));
    assert!(answer.header("retry-after").is_some(), "{}", answer.text());
}

#[tokio::test]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    for refresh_token in [Value::Null, json!("")] {
        let scene = with_ended_token().await;
        let access = scene.authority.issue();
        let answer = json!({"access_token": access, "refresh_token": refresh_token, "expires_in": 1});
        scene.authority.answers(move |_| Some(json_answer(200, answer.to_string())));
        assert_eq!(scene.get().await.status, 200);
        scene.authority.recovers();
        // A second was its whole life.
        until("the next renewal", async || {
            scene.get().await;
            scene.authority.exchanges().len() > 1
        })
        .await;
        assert!(scene.authority.exchanges().iter().all(|sent| sent.contains("refresh_token=refresh-0")));
    }
}

#[tokio::test]
async fn lifetimes_are_read_with_care() {
    let hour = 3600.0;
    for (told, seconds) in [
        (json!(3600), hour),
        (json!("3600"), hour),
        // What the provider file says.
        (Value::Null, 1800.0),
        (json!(-1), 1800.0),
        (json!(0), 1800.0),
        (json!("soon"), 1800.0),
        (json!(1e12), 365.0 * 24.0 * hour),
    ] {
        let scene = with_ended_token().await;
        scene.authority.lives_for(told.clone());
        assert_eq!(scene.get().await.status, 200, "{told}");
        let expires_at = scene.row().await.times.expires_at.expect("an end");
        let left = expires_at.duration_since(jiff::Timestamp::now()).as_secs_f64();
        assert!((seconds - left).abs() < 30.0, "{told} became {left} seconds");
    }
}

/// One strange answer, then the usual ones.
struct Strange {
    name: &'static str,
    answer: Vec<u8>,
    /// What the request that met it gets.
    status: u16,
    state: &'static str,
    reason: Option<&'static str>,
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let error = |status: u16, body: Value| json_answer(status, body.to_string());
    let cases = [
        Strange {
            name: "invalid_grant is final",
            answer: error(
                400,
                json!({"error": "invalid_grant", "error_description": "refresh-0 was revoked by the user"}),
            ),
            status: 409,
            state: "needs_reauth",
            reason: Some("refused"),
        },
        Strange {
            name: "consent is the customer's",
            answer: error(400, json!({"error": "interaction_required"})),
            status: 409,
            state: "needs_reauth",
            reason: Some("consent_required"),
        },
        Strange {
            name: "a wrong client is nobody's customer",
            answer: error(401, json!({"error": "invalid_client"})),
            status: 503,
            state: "active",
            reason: None,
        },
        Strange {
            name: "a success with an error inside",
            answer: error(200, json!({"error": "temporarily_unavailable"})),
            status: 503,
            state: "degraded",
            reason: Some("refresh_failing"),
        },
        Strange {
            name: "a page",
            answer: plain_answer(200, "Content-Type: text/html\r\n", "<html>Maintenance</html>"),
            status: 503,
            state: "degraded",
            reason: Some("refresh_failing"),
        },
        Strange {
            name: "a redirect is not followed",
            answer: plain_answer(302, "Location: http://127.0.0.1:9/token\r\n", ""),
            status: 503,
            state: "degraded",
            reason: Some("refresh_failing"),
        },
        Strange {
            name: "a refusal that no table knows is not final at first sight",
            answer: error(400, json!({"error": "flux_capacitor"})),
            status: 503,
            state: "degraded",
            reason: Some("refresh_failing"),
        },
        Strange {
            name: "an answer that is too large may hold the token that replaced ours",
            answer: plain_answer(200, "Content-Type: application/json\r\n", vec![b' '; 1_000_000]),
            status: 503,
            state: "degraded",
            reason: Some("refresh_outcome_unknown"),
        },
        Strange {
            name: "an answer that breaks off",
            answer: b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"access_token\": \"a".to_vec(),
            status: 503,
            state: "degraded",
            reason: Some("refresh_outcome_unknown"),
        },
    ];
    for Strange { name, answer, status, state, reason } in cases {
        let scene = with_ended_token().await;
        scene.authority.answers(move |_| Some(answer.clone()));
        let got = scene.get().await;
        assert_eq!(got.status, status, "{name}: {}", got.text());
        let record = scene.record().await;
        assert_eq!(
            (record["state"].as_str(), record["state_reason"].as_str()),
            (Some(state), reason),
            "{name}: {record}"
        );
        assert!(record["last_error"].is_string(), "{name}");
        assert!(!got.text().contains("refresh-0") && !record.to_string().contains("refresh-0"), "{name}");
        if status == 503 {
            assert!(got.header("retry-after").is_some(), "{name}");
            assert!(record["next_refresh_at"].is_string(), "{name}: nobody tries again");
        }
    }
}

#[tokio::test]
async fn somebody_else_being_faster_is_no_failure() {
    let scene = with_ended_token().await;
    let first = std::sync::atomic::AtomicBool::new(true);
    scene.authority.answers(move |_| {
        let first = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        let refusal = json!({"error": "invalid_grant", "error_description": "token is already being processed"});
        first.then(|| json_answer(400, refusal.to_string()))
    });
    assert_eq!(scene.get().await.status, 200);
    assert_eq!(scene.record().await["state"], "active");
    assert_eq!(scene.authority.exchanges().len(), 2);
}

#[tokio::test]
async fn a_token_that_may_have_been_spent_and_is_refused_then_was_lost() {
    let scene = with_ended_token().await;
    scene.authority.answers(|_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{".to_vec()));
    assert_eq!(scene.get().await.status, 503);
    scene.authority.answers(|_| Some(json_answer(400, json!({"error": "invalid_grant"}).to_string())));
    until("it is given up", async || {
        scene.get().await;
        scene.record().await["state"] == "needs_reauth"
    })
    .await;
    assert_eq!(scene.record().await["state_reason"], "lost_rotation");
    let metrics = support::Client::new(scene.server.admin).get("/metrics").await.text();
    assert!(metrics.contains("throughline_token_rotations_lost_total{provider=\"fake\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_401_renews_once_and_the_request_is_sent_again_writes_included() {
    let scene = Scene::start().await;
    assert_eq!(scene.get().await.status, 200);
    scene.authority.forgets_access_tokens();
    let answer = scene.client().post("/v1/crm/contacts", json!({"last_name": "Khan"})).await;
    assert!(answer.status < 300, "{}", answer.text());
    assert_eq!(scene.authority.exchanges().len(), 1);
    let (_, refused) = scene.authority.calls();
    assert_eq!(refused, 1);
    assert_eq!(scene.get().await.status, 200);
    assert_eq!(scene.authority.calls().1, 1, "the new token is in memory");
}

#[tokio::test]
async fn a_vendor_that_answers_401_for_other_reasons_is_not_flooded_with_renewals() {
    let scene = Scene::start().await;
    scene
        .authority
        .answers(|_| Some(json_answer(200, json!({"access_token": "useless", "expires_in": 1800}).to_string())));
    scene.authority.forgets_access_tokens();
    for _ in 0..30 {
        assert_eq!(scene.get().await.status, 409);
    }
    assert_eq!(scene.authority.exchanges().len(), 1);
}

#[tokio::test]
async fn a_connection_that_is_deleted_while_its_token_is_renewed_stays_deleted_and_nothing_stays_valid() {
    let scene = with_ended_token().await;
    let open = scene.authority.holds();
    let waiting = tokio::spawn({
        let client = scene.client();
        async move { client.get("/v1/crm/contacts/1").await }
    });
    scene.authority.wait_for_exchange().await;
    let path = format!("/v1/connections/{}", scene.connection);
    assert_eq!(scene.server.client().request("DELETE", &path).send().await.status, 204);
    open.send(true).expect("it waits");
    let answer = waiting.await.expect("no panic");
    assert!(answer.status >= 400, "{}", answer.text());
    assert_eq!(scene.server.client().get(&path).await.status, 404);
    until("both tokens are given back", async || {
        let revoked = scene.authority.revoked().join(" ");
        revoked.contains("token=refresh%2D0") && revoked.contains("token=refresh%2D3")
    })
    .await;
}

#[tokio::test]
async fn tokens_that_the_app_gets_by_itself_need_no_customer() {
    let mut scene = Scene::start().await;
    let credentials = json!({"flow": "client-credentials", "access_token": null, "refresh_token": null});
    scene.connection = scene.import("machine", credentials).await;
    assert_eq!(scene.get().await.status, 200);
    let sent = scene.authority.exchanges().remove(0);
    assert!(sent.contains("grant_type=client_credentials"), "{sent}");
    // Without a refresh token the way is the same again.
    scene.authority.forgets_access_tokens();
    assert_eq!(scene.get().await.status, 200);
    assert_eq!(scene.authority.exchanges().len(), 2);
}

#[tokio::test]
async fn the_scheduler_renews_what_is_due_before_any_request() {
    let scene = Scene::start().await;
    let mut row = scene.row().await;
    let expected = row.revision;
    row.revision += 1;
    row.times.next_refresh_at = Some(support::in_seconds(-1));
    let store = scene.server.store.connections();
    store.update(row, expected, throughline::connections::Along::default()).await.expect("written");
    until("a renewal that nobody asked for", async || scene.row().await.generation == 2).await;
    assert_eq!(scene.authority.calls().0, 0);
    assert_eq!(scene.get().await.status, 200);
}

#[tokio::test]
async fn refresh_and_verify_do_what_they_say() {
    let scene = Scene::start().await;
    let at = |what: &str| format!("/v1/connections/{}/{what}", scene.connection);
    let client = scene.server.client();
    let verified = client.post(&at("verify"), json!({})).await;
    assert_eq!((verified.status, verified.json()["works"].clone()), (200, json!(true)), "{}", verified.text());
    let refreshed = client.post(&at("refresh"), json!({})).await;
    assert_eq!((refreshed.status, refreshed.json()["state"].clone()), (200, json!("active")), "{}", refreshed.text());
    assert_eq!(scene.authority.exchanges().len(), 1);
    scene.authority.forgets_access_tokens();
    scene.authority.answers(|_| Some(json_answer(503, "{}")));
    let verified = client.post(&at("verify"), json!({})).await.json();
    assert_eq!((verified["works"].clone(), verified["status"].clone()), (json!(false), json!(401)));
}

#[tokio::test]
async fn the_kill_switch_ends_all_connections_of_a_provider() {
    let scene = Scene::start().await;
    scene.import("another", json!({"expires_at": in_ten_minutes()})).await;
    let admin = support::Client::new(scene.server.admin);
    let nothing = admin.post("/connections:revoke", json!({"reason": "x"})).await;
    assert_eq!(nothing.status, 400, "{}", nothing.text());
    let ended = admin.post("/connections:revoke", json!({"provider": "fake", "reason": "incident 7"})).await;
    assert_eq!((ended.status, ended.json()), (200, json!({"revoked": 2})), "{}", ended.text());
    let answer = scene.get().await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (409, json!("needs-reauth")), "{}", answer.text());
    let record = scene.record().await;
    assert_eq!((record["state"].clone(), record["state_reason"].clone()), (json!("revoked"), json!("incident 7")));
    assert!(scene.row().await.sealed.is_empty());
    until("tokens are given back", async || scene.authority.revoked().len() == 2).await;
}

#[tokio::test]
async fn where_the_provider_forgives_the_token_before_is_tried_before_a_connection_is_given_up() {
    let mut scene = Scene::start().await;
    let credentials = |replaced_at: i64| {
        json!({
            "access_token": "old", "expires_at": ended(), "refresh_token": "never-arrived",
            "previous_refresh_token": "refresh-0", "replaced_at": support::in_seconds(replaced_at).to_string(),
        })
    };
    scene.connection = scene.import("forgotten", credentials(-600)).await;
    assert_eq!(scene.get().await.status, 409, "ten minutes are more than the provider's grace");
    scene.connection = scene.import("forgiven", credentials(-20)).await;
    assert_eq!(scene.get().await.status, 200);
    let sent = scene.authority.exchanges().join(" ");
    assert_eq!(sent.matches("refresh_token=never-arrived").count(), 2, "each is tried once: {sent}");
    assert_eq!(sent.matches("refresh_token=refresh-0").count(), 1);
}

#[tokio::test]
async fn an_app_signs_for_its_user() {
    let folder = support::scratch("assertion");
    let pem = folder.join("app.pem");
    std::fs::write(&pem, private_key()).expect("written");
    let store = throughline::store::Store::memory().expect("a store");
    let mut scene = Scene::on(store, |config| {
        if let Some(provider) = config.providers.get_mut("fake") {
            provider.private_key_file = Some(pem);
        }
    })
    .await;
    let credentials = json!({
        "flow": "jwt-bearer", "subject": "robot@customer.test", "access_token": null, "refresh_token": null,
    });
    scene.connection = scene.import("robot", credentials).await;
    let answer = scene.get().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = scene.authority.exchanges().remove(0);
    let assertion = sent.split("assertion=").nth(1).expect("an assertion").replace("%2E", ".").replace("%2D", "-");
    let claims = assertion.replace("%5F", "_");
    let claims = claims.split('.').nth(1).expect("three parts");
    use base64::Engine as _;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("our-app"), Some("robot@customer.test")));
    let (issued, ends) = (claims["iat"].as_i64().expect("a time"), claims["exp"].as_i64().expect("a time"));
    assert_eq!(ends - issued, 180);
}

/// An EC key as `openssl genpkey` writes it.
fn private_key() -> String {
    use aws_lc_rs::{rand::SystemRandom, signature};
    use base64::Engine as _;
    let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).expect("a key");
    let text = base64::engine::general_purpose::STANDARD.encode(key.as_ref());
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[tokio::test]
async fn what_nobody_uses_is_left_alone_but_for_keeping_the_grant_alive() {
    let scene = Scene::start().await;
    let mut row = scene.row().await;
    let expected = row.revision;
    row.revision += 1;
    let weeks_ago = Some(support::in_seconds(-30 * 24 * 3600));
    (row.times.last_used_at, row.times.refreshed_at) = (weeks_ago, weeks_ago);
    row.times.next_refresh_at = Some(support::in_seconds(-1));
    let store = scene.server.store.connections();
    store.update(row, expected, throughline::connections::Along::default()).await.expect("written");
    scene.server.app.connections.forget_all();
    // Refresh tokens of this provider live without use for as long as anybody knows: nothing to keep alive.
    until("it is not looked at again", async || scene.row().await.times.next_refresh_at.is_none()).await;
    assert!(scene.authority.exchanges().is_empty());
    assert_eq!(scene.get().await.status, 200);
}

#[tokio::test]
async fn a_write_that_finds_no_token_or_no_connection_was_not_executed() {
    let scene = with_ended_token().await;
    scene.authority.answers(|_| Some(plain_answer(500, "", "down")));
    let answer = scene.client().post("/v1/crm/contacts", json!({"last_name": "Khan"})).await;
    assert_eq!((answer.status, answer.json()["outcome"].clone()), (503, json!("not-executed")), "{}", answer.text());
    assert_eq!(scene.authority.calls().0, 0);
    let nowhere = scene.server.client().connection("conn_00000000000000000000");
    for path in ["/v1/crm/contacts", "/v1/passthrough/contacts"] {
        let answer = nowhere.post(path, json!({"last_name": "Khan"})).await;
        assert_eq!((answer.status, answer.json()["outcome"].clone()), (404, json!("not-executed")), "{path}");
    }
}
