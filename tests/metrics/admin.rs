//! The admin listener: who may use it, and what it tells of the process's health.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    Client, FakeVendor, Process, Server, free_port, provider, scratch, start_alone, start_configured, throughline,
};
use throughline::config::Config;
use throughline::store::Store;

const FIRST: &str = "the-first-token-of-this-test";
const SECOND: &str = "the-second-token-of-this-test";

/// A server whose admin listener asks for the token in the file.
async fn guarded(name: &str) -> Server {
    let file = scratch(name).join("admin.token");
    std::fs::write(&file, format!("{FIRST}\n")).expect("written");
    let vendor = FakeVendor::start().await;
    let store = Store::memory().expect("a store");
    let configure = |config: &mut Config| config.admin_token_file = Some(file);
    start_configured(provider("fake", None), &[("fake", &vendor)], store, configure).await
}

#[tokio::test]
async fn what_is_not_for_probes_needs_the_token() {
    let server = guarded("admin-token").await;
    let stranger = Client::new(server.admin);
    let operator = stranger.key(FIRST);

    for client in [&stranger, &stranger.key("wrong"), &stranger.key(""), &stranger.with("Authorization", "Basic eDp5")]
    {
        for answer in [
            client.get("/metrics").await,
            client.post("/reload", json!({})).await,
            client.post("/connections:revoke", json!({"provider": "fake"})).await,
        ] {
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{}", answer.text());
            let problem = answer.json();
            assert_eq!(problem["code"], "unauthenticated");
            assert!(problem["detail"].as_str().expect("a text").contains("admin_token_file"), "{problem}");
        }
        assert_eq!(client.get("/healthz").await.status, 200);
        assert_eq!(client.get("/readyz").await.status, 200);
    }
    // An API key is none, whatever it may do.
    let with_key = Client::new(server.admin).key(&server.key).get("/metrics").await;
    assert_eq!(with_key.status, 401);
    assert_eq!(server.client().get("/v1/providers").await.status, 200, "the API knows nothing of it");

    let metrics = operator.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("throughline_admin_refused_total 13"), "four strangers and a key");
    assert!(!metrics.text().contains(FIRST));
    let revoked = operator.post("/connections:revoke", json!({"provider": "fake"})).await;
    assert_eq!((revoked.status, revoked.json()["revoked"].as_u64()), (200, Some(1)), "{}", revoked.text());
}

#[tokio::test]
async fn what_the_listener_does_not_have_and_bodies_it_cannot_use_are_told() {
    let vendor = FakeVendor::start().await;
    let server = start_alone(provider("fake", None), &[("fake", &vendor)]).await;
    let operator = Client::new(server.admin);
    let nothing = operator.get("/metricz").await;
    assert_eq!(nothing.status, 404);
    assert!(nothing.json()["detail"].as_str().expect("a text").contains("/metrics"), "{}", nothing.text());
    let everything = operator.post("/connections:revoke", json!({"reason": "a leak"})).await;
    assert_eq!(everything.status, 400);
    assert_eq!(everything.json()["errors"][0]["expected"], "provider, tenant or both", "{}", everything.text());
}

#[tokio::test]
async fn readiness_says_what_stands_against_it() {
    let vendor = FakeVendor::start().await;
    let mut server = start_alone(provider("fake", None), &[("fake", &vendor)]).await;
    let probe = Client::new(server.admin);
    let ready = probe.get("/readyz").await;
    let told = ready.json();
    assert_eq!((ready.status, &told["ready"]), (200, &json!(true)), "{told}");
    assert_eq!(told["revision"], server.app.catalog().revision.as_str());
    for check in ["catalog", "store", "vault", "draining"] {
        assert_eq!(told["checks"][check]["ok"], true, "{told}");
    }

    // The last answer of the store is believed for a second.
    server.store.close().await;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let told = loop {
        let answer = probe.get("/readyz").await;
        if answer.status == 503 {
            break answer.json();
        }
        ticks.tick().await;
    };
    assert_eq!(told["ready"], false);
    assert_eq!(told["checks"]["store"]["ok"], false, "{told}");
    assert_eq!(told["checks"]["catalog"]["ok"], true, "{told}");
    assert_eq!(probe.get("/healthz").await.status, 200, "a restart would not mend the store");
    server.stop();
}

#[tokio::test]
async fn other_addresses_are_listened_on_with_a_token_alone() {
    let folder = scratch("admin-addresses");
    let admin = free_port();
    let config = |token: &str| {
        format!(
            "listen: {}\nadmin_listen: 0.0.0.0:{}\n{token}store: sqlite:{}\nvault: {{ key_file: vault.key }}\n",
            free_port(),
            admin.port(),
            folder.join("store.db").display()
        )
    };
    let run = |words: &[&str]| throughline().args(words).current_dir(&folder).output().expect("it runs");
    assert!(run(&["vault", "init", "vault.key"]).status.success());
    let serve = ["serve", "--config", "throughline.yaml"];

    std::fs::write(folder.join("throughline.yaml"), config("")).expect("written");
    let refused = run(&serve);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!((refused.status.code(), words.lines().count()), (Some(1), 1), "{words}");
    assert!(words.contains("not a loopback address") && words.contains("admin_token_file"), "{words}");

    std::fs::write(folder.join("throughline.yaml"), config("admin_token_file: admin.token\n")).expect("written");
    for (token, expected) in
        [(None, "admin.token cannot be read"), (Some("letmein"), "7 letters, and 16 are the least")]
    {
        if let Some(token) = token {
            std::fs::write(folder.join("admin.token"), token).expect("written");
        }
        let refused = run(&serve);
        let words = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{words}");
        assert!(words.contains(expected) && !words.contains("letmein"), "{words}");
    }

    std::fs::write(folder.join("admin.token"), FIRST).expect("written");
    let mut command = throughline();
    command.args(serve).current_dir(&folder);
    let mut process = Process::start(command);
    process.listening(admin).await;
    let (stranger, first, second) = (Client::new(admin), Client::new(admin).key(FIRST), Client::new(admin).key(SECOND));
    assert_eq!((stranger.get("/metrics").await.status, stranger.get("/readyz").await.status), (401, 200));
    assert_eq!(first.get("/metrics").await.status, 200);

    // Read again with a reload; a file without a token leaves the old one in force.
    std::fs::write(folder.join("admin.token"), "letmein").expect("written");
    let refused = first.post("/reload", json!({})).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let problems = refused.json()["problems"].to_string();
    assert!(problems.contains("admin_token_file: admin.token holds a token of 7 letters"), "{problems}");
    assert!(!problems.contains("letmein"), "{problems}");
    assert_eq!(first.get("/metrics").await.status, 200);
    std::fs::write(folder.join("admin.token"), SECOND).expect("written");
    let reloaded = first.post("/reload", json!({})).await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    assert_eq!((first.get("/metrics").await.status, second.get("/metrics").await.status), (401, 200));
}
