//! The life of connections and keys over the API, and what a key may reach.

mod support;

use serde_json::json;
use support::{
    Client, FakeVendor, Process, Server, free_port, json_answer, provider, scratch, start, start_with, throughline,
};

const CONTACTS: &str = r#"{"items":[{"id":"1","name":"Ada"}]}"#;

async fn with_fake() -> (Server, FakeVendor) {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, CONTACTS));
    let server = start_with(provider("fake", None), &[("fake", &vendor)]).await;
    (server, vendor)
}

#[tokio::test]
async fn a_connection_is_made_with_every_kind_of_credential() {
    let (server, vendor) = with_fake().await;
    let client = server.client();
    let cases = [
        (
            json!({"type": "oauth2", "access_token": "s3cret-a", "refresh_token": "s3cret-r", "expires_at": "2030-01-01T00:00:00Z"}),
            "authorization",
            "Bearer s3cret-a",
        ),
        (json!({"type": "token", "token": "s3cret-t"}), "x-fake-key", "Key s3cret-t"),
        (
            json!({"type": "basic", "username": "s3cret-u", "password": "s3cret-p"}),
            "authorization",
            "Basic czNjcmV0LXU6czNjcmV0LXA=",
        ),
        (json!({"type": "headers", "headers": {"X-One": "s3cret-1", "X-Two": "s3cret-2"}}), "x-two", "s3cret-2"),
    ];
    for (number, (credentials, header, sent)) in cases.into_iter().enumerate() {
        let body = json!({"provider": "fake", "customer_id": format!("c{number}"), "credentials": credentials});
        let answer = client.post("/v1/connections", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let record = answer.json();
        let id = record["id"].as_str().expect("an id").to_owned();
        assert_eq!(answer.header("location"), Some(format!("/v1/connections/{id}").as_str()));
        assert_eq!((&record["state"], &record["provider"]), (&json!("active"), &json!("fake")));

        let list = client.connection(&id).get("/v1/crm/contacts").await;
        assert_eq!(list.status, 200, "{}", list.text());
        assert_eq!(vendor.last().header(header), Some(sent));
        assert!(vendor.last().head.find(server.key.as_str()).is_none(), "our key stays here");
    }
}

#[tokio::test]
async fn a_connection_lives_from_post_to_delete() {
    let (server, vendor) = with_fake().await;
    let client = server.client();
    let body = |token: &str| json!({"provider": "fake", "customer_id": "acme", "credentials": {"type": "token", "token": token}});
    let created = client.post("/v1/connections", body("s3cret-1")).await.json();
    let id = created["id"].as_str().expect("an id").to_owned();
    let one = format!("/v1/connections/{id}");
    let names: Vec<&String> = created.as_object().expect("a record").keys().collect();
    for name in [
        "id",
        "provider",
        "customer_id",
        "state",
        "state_reason",
        "settings",
        "scopes",
        "last_used_at",
        "refreshed_at",
        "next_refresh_at",
        "last_error",
        "created_at",
    ] {
        assert!(names.iter().any(|known| *known == name), "{name} is missing in {created}");
    }
    let shown = client.get(&one).await.json();
    let same = |(name, value): (&String, &serde_json::Value)| shown.get(name) == Some(value);
    assert!(created.as_object().expect("a record").iter().all(same), "{shown}");

    // A second one for the same customer is refused with the id of the first, unless it is to replace it.
    let problem = client.post("/v1/connections", body("s3cret-2")).await.problem(409, "conflict");
    assert!(problem.to_string().contains(&id), "{problem}");
    let replaced = client.post("/v1/connections?on_conflict=replace", body("s3cret-2")).await;
    assert_eq!((replaced.status, &replaced.json()["id"]), (200, &json!(id)));
    let on = client.connection(&id);
    assert_eq!(on.get("/v1/crm/contacts").await.status, 200);
    assert_eq!(vendor.last().header("x-fake-key"), Some("Key s3cret-2"), "the new credential is used at once");

    // Paused, nothing goes through it; woken up, everything does again.
    let paused = client.patch(&one, json!({"paused": true})).await.json();
    assert_eq!(paused["state"], "paused");
    let before = vendor.count();
    on.get("/v1/crm/contacts").await.problem(409, "connection-paused");
    on.get("/v1/passthrough/x").await.problem(409, "connection-paused");
    assert_eq!(vendor.count(), before);
    assert_eq!(client.patch(&one, json!({"paused": false})).await.json()["state"], "active");
    assert_eq!(on.get("/v1/crm/contacts").await.status, 200);

    // Its customer may change, and is found under the new name only.
    client.patch(&one, json!({"customer_id": "acme-2"})).await;
    let by = |customer: &str| server.client().with("Throughline-Customer", customer);
    by("acme").get("/v1/crm/contacts").await.problem(404, "connection-not-found");
    assert_eq!(by("acme-2").get("/v1/crm/contacts").await.status, 200);

    let gone = client.delete(&one).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    for answer in [client.get(&one).await, client.delete(&one).await, on.get("/v1/crm/contacts").await] {
        answer.problem(404, "connection-not-found");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_connection_is_told_at_once_and_without_secrets() {
    let server = start().await;
    let client = server.client();
    let good = json!({"type": "token", "token": "s3cret"});
    for (body, status, code, pointers) in [
        (json!({}), 422, "validation-failed", vec!["/provider", "/customer_id", "/credentials"]),
        (
            json!({"provider": "nobody", "customer_id": "c", "credentials": good}),
            404,
            "provider-not-found",
            vec!["/provider"],
        ),
        (
            json!({"provider": "hubspot", "customer_id": "c", "credentials": {"type": "basic", "username": "s3cret", "password": "s3cret"}}),
            422,
            "validation-failed",
            vec!["/credentials/type"],
        ),
        (
            json!({"provider": "hubspot", "customer_id": "c", "settings": {"s3": "x"}, "credentials": good}),
            422,
            "validation-failed",
            vec!["/settings/s3"],
        ),
        (
            json!({"provider": "salesforce", "customer_id": "c", "credentials": good}),
            422,
            "validation-failed",
            vec!["/settings/instance_url"],
        ),
        (
            json!({"provider": "salesforce", "customer_id": "c", "settings": {"instance_url": "https://evil.test"}, "credentials": good}),
            422,
            "validation-failed",
            vec!["/settings/instance_url"],
        ),
        (
            json!({"provider": "hubspot", "customer_id": "c\n", "credentials": {"type": "token", "token": "s3cret\r\nX: y"}, "extra": 1}),
            422,
            "validation-failed",
            vec!["/customer_id", "/credentials/token", "/extra"],
        ),
        (
            json!({"provider": "hubspot", "customer_id": "c", "credentials": {"type": "headers", "headers": {"a b": "s3cret"}}}),
            422,
            "validation-failed",
            vec!["/credentials/headers/a b"],
        ),
    ] {
        let shown = body.to_string();
        let answer = client.post("/v1/connections", body).await;
        let problem = answer.problem(status, code);
        for pointer in pointers {
            let found = problem["errors"].as_array().is_some_and(|e| e.iter().any(|e| e["pointer"] == pointer));
            assert!(found, "{pointer} is not named for {shown}: {problem}");
        }
        assert!(!answer.text().contains("s3cret"), "{}", answer.text());
    }
    client.post("/v1/connections?on_conflict=merge", json!({})).await.problem(400, "invalid-request");
    client.post("/v1/connections?colour=red", json!({})).await.problem(400, "unknown-parameter");
    let one = format!("/v1/connections/{}", server.connection("salesforce"));
    let wrong = client.patch(&one, json!({"settings": {"instance_url": "http://x.my.salesforce.com"}})).await;
    wrong.problem(422, "validation-failed");
    client.patch(&one, json!({"credentials": {}})).await.problem(422, "validation-failed");
    client.patch(&one, json!({"paused": "yes"})).await.problem(422, "validation-failed");
}

#[tokio::test]
async fn connections_are_listed_in_pages_and_by_what_they_are_for() {
    let (server, _vendor) = with_fake().await;
    let client = server.client();
    for number in 0..5 {
        server.connect("demo", "fake", &format!("c{number}")).await;
    }
    server.connect("other", "fake", "theirs").await;
    let pages = support::all_pages(&client, "/v1/connections?limit=1000").await.concat();
    assert_eq!(pages.len(), 5 + 1 + server.stand_ins());
    assert!(!format!("{pages:?}").contains("theirs"), "other tenants' connections are not listed");
    let mut found = Vec::new();
    let mut path = "/v1/connections?limit=3".to_owned();
    loop {
        let page = client.get(&path).await.json();
        found.extend(support::ids(page["data"].as_array().expect("a list")));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/connections?limit=3&cursor={cursor}");
    }
    let mut all = support::ids(&pages);
    all.sort();
    found.sort();
    assert_eq!(found, all);
    let some = client.get("/v1/connections?provider=fake&customer_id=c3").await.json();
    assert_eq!(some["data"].as_array().map(Vec::len), Some(1), "{some}");
    for bad in ["limit=0", "limit=x", "limit=1&limit=2"] {
        client.get(&format!("/v1/connections?{bad}")).await.problem(400, "invalid-request");
    }
    client.get("/v1/connections?cursor=x").await.problem(400, "invalid-cursor");
}

#[tokio::test]
async fn a_key_is_shown_once_and_ends_when_revoked() {
    let server = start().await;
    let client = server.client();
    let created = client.post("/v1/keys", json!({"scopes": ["read"], "name": "reader"})).await;
    assert_eq!(created.status, 201, "{}", created.text());
    let created = created.json();
    let (secret, id) = (created["key"].as_str().expect("the key").to_owned(), created["id"].clone());
    assert!(secret.starts_with("tl_test_"), "the key of a demo is a test key");
    let id = id.as_str().expect("an id");
    let list = client.get("/v1/keys").await;
    let listed = list.json();
    assert!(listed["data"].as_array().is_some_and(|keys| keys.iter().any(|key| key["id"] == id)), "{listed}");
    assert!(!list.text().contains(&secret) && listed["next_cursor"].is_null());

    let reader = Client::new(server.api).key(&secret).connection(server.connection("hubspot"));
    assert_eq!(reader.get("/v1/crm/contacts?limit=1").await.status, 200);
    assert_eq!(client.delete(&format!("/v1/keys/{id}")).await.status, 204);
    reader.get("/v1/crm/contacts?limit=1").await.problem(401, "unauthenticated");
    client.delete("/v1/keys/nosuchkey").await.problem(404, "not-found");
    let other = server.make_key("other", "admin").await;
    let them = Client::new(server.api).key(&other);
    them.delete(&format!("/v1/keys/{id}")).await.problem(404, "not-found");
    assert_eq!(them.get("/v1/keys").await.json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_key_cannot_make_one_that_may_do_more() {
    let server = start().await;
    let client = server.client();
    for (body, pointer) in [
        (json!({}), "/scopes"),
        (json!({"scopes": []}), "/scopes"),
        (json!({"scopes": ["fly"]}), "/scopes"),
        (json!({"scopes": "read"}), "/scopes"),
        (json!({"scopes": ["read"], "colour": "red"}), "/colour"),
        (json!({"scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"scopes": ["read"], "expires_at": 5}), "/expires_at"),
        (json!({"scopes": ["read"], "name": "a\nb"}), "/name"),
        (json!({"scopes": ["read"], "providers": "hubspot"}), "/providers"),
    ] {
        let shown = body.to_string();
        let problem = client.post("/v1/keys", body).await.problem(422, "validation-failed");
        let named = problem["errors"].as_array().is_some_and(|errors| errors.iter().any(|e| e["pointer"] == pointer));
        assert!(named, "{shown}: {problem}");
    }
    client.post("/v1/keys", json!({"scopes": ["export"]})).await.problem(403, "missing-scope");
    let limited = client.post("/v1/keys", json!({"scopes": ["admin", "read"], "providers": ["hubspot"]})).await.json();
    let limited = Client::new(server.api).key(limited["key"].as_str().expect("a key"));
    limited.post("/v1/keys", json!({"scopes": ["read"]})).await.problem(403, "forbidden");
    limited
        .post("/v1/keys", json!({"scopes": ["write"], "providers": ["hubspot"]}))
        .await
        .problem(403, "missing-scope");
    let tighter = limited.post("/v1/keys", json!({"scopes": ["read"], "providers": ["hubspot"]})).await;
    assert_eq!(tighter.status, 201, "{}", tighter.text());
}

#[tokio::test]
async fn limited_keys_reach_nothing_else() {
    let server = start().await;
    let client = server.client();
    let (hubspot, salesforce) = (server.connection("hubspot"), server.connection("salesforce"));
    let scopes = json!(["read", "write", "passthrough", "connect"]);
    let by_provider = client.post("/v1/keys", json!({"scopes": scopes, "providers": ["hubspot"]})).await.json();
    let by_connection = client.post("/v1/keys", json!({"scopes": scopes, "connections": [hubspot]})).await.json();
    for key in [&by_provider, &by_connection] {
        let key = Client::new(server.api).key(key["key"].as_str().expect("a key"));
        assert_eq!(key.connection(hubspot).get("/v1/crm/contacts?limit=1").await.status, 200);
        key.connection(salesforce).get("/v1/crm/contacts").await.problem(404, "connection-not-found");
        key.connection(salesforce).get("/v1/passthrough/x").await.problem(404, "connection-not-found");
        key.get(&format!("/v1/connections/{salesforce}")).await.problem(404, "connection-not-found");
        let by_customer = key.with("Throughline-Customer", "demo-customer");
        assert_eq!(by_customer.get("/v1/crm/contacts?limit=1").await.status, 200, "only one of two is within reach");
        let listed = key.get("/v1/connections").await.json();
        assert_eq!(support::ids(listed["data"].as_array().expect("a list")), [hubspot]);
        let new = json!({"provider": "salesforce", "customer_id": "n", "settings": {"instance_url": "https://a.my.salesforce.com"},
            "credentials": {"type": "token", "token": "t"}});
        key.post("/v1/connections", new).await.problem(403, "forbidden");
    }
    // A key for one connection needs no header, and a header that says otherwise is no way round.
    let only = Client::new(server.api).key(by_connection["key"].as_str().expect("a key"));
    assert_eq!(only.get("/v1/crm/contacts?limit=1").await.status, 200);
    assert_eq!(only.get("/v1/passthrough/crm/objects/2026-03/contacts").await.status, 200);
    only.connection(salesforce).get("/v1/crm/contacts").await.problem(404, "connection-not-found");
    let providers = Client::new(server.api).key(by_provider["key"].as_str().expect("a key")).get("/v1/providers").await;
    assert_eq!(providers.json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_customer_with_several_connections_has_to_say_which() {
    let server = start().await;
    let client = server.client().with("Throughline-Customer", "demo-customer");
    let problem = client.get("/v1/crm/contacts").await.problem(400, "invalid-request");
    assert_eq!(problem["errors"][0]["parameter"], "Throughline-Provider", "{problem}");
    assert!(problem["supported"].as_array().is_some_and(|known| known.len() == server.stand_ins()), "{problem}");
    for provider in ["hubspot", "salesforce"] {
        let one = client.with("Throughline-Provider", provider).get("/v1/crm/contacts?limit=1").await;
        assert_eq!(one.status, 200, "{}", one.text());
    }
    client.with("Throughline-Provider", "tryton").get("/v1/crm/contacts").await.problem(404, "connection-not-found");
    client.with("Throughline-Customer", "nobody").get("/v1/crm/contacts").await.problem(404, "connection-not-found");
}

#[tokio::test]
async fn a_warm_read_does_not_touch_the_store() {
    let server = start().await;
    for provider in ["hubspot", "salesforce"] {
        let by_id = server.on(provider);
        let by_customer = server.client().with("Throughline-Customer", "demo-customer");
        let by_customer = by_customer.with("Throughline-Provider", provider);
        let passthrough = server.on(provider);
        let id = support::ids(by_id.get("/v1/crm/contacts?limit=1").await.json()["data"].as_array().expect("a list"));
        let one = format!("/v1/crm/contacts/{}", id[0]);
        by_customer.get(&one).await;
        let before = server.store.calls();
        for _ in 0..20 {
            assert_eq!(by_id.get(&one).await.status, 200);
            assert_eq!(by_customer.get("/v1/crm/contacts?limit=1").await.status, 200);
            passthrough.get("/v1/passthrough/x").await;
        }
        let body = json!({"last_name": "Warm"});
        assert_eq!(by_id.patch(&one, body).await.status, 200);
        assert_eq!(server.store.calls(), before, "calls to the store for {provider}");
    }
}

#[tokio::test]
async fn no_answer_ever_holds_a_secret() {
    let server = start().await;
    let client = server.client();
    let one = format!("/v1/connections/{}", server.connection("hubspot"));
    for path in ["/v1/connections", &one, "/v1/keys", "/v1/providers", "/v1/providers/hubspot"] {
        let answer = client.get(path).await;
        for secret in [support::TOKEN, server.key.as_str()] {
            let head = format!("{:?}", answer.headers);
            assert!(!answer.text().contains(secret) && !head.contains(secret), "{path}");
        }
    }
    let metrics = Client::new(server.admin).get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(!metrics.text().contains(support::TOKEN) && !metrics.text().contains(&server.key));
}

#[tokio::test]
async fn a_revocation_by_another_process_is_seen_within_five_seconds() {
    let folder = scratch("revocation");
    let (api, admin) = (free_port(), free_port());
    let config = folder.join("throughline.yaml");
    let text = format!(
        "listen: {api}\nadmin_listen: {admin}\nstore: sqlite:{0}/store.db\nvault: {{ key_file: {0}/vault.key }}\n",
        folder.display()
    );
    std::fs::write(&config, text).expect("a config file");
    let run = |arguments: &[&str]| -> String {
        let mut command = throughline();
        let output = command.args(arguments).output().expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let file = config.to_str().expect("a plain path");
    run(&["vault", "init", folder.join("vault.key").to_str().expect("a plain path")]);
    let key = run(&["keys", "create", "--config", file, "--tenant", "acme", "--scopes", "read"]);
    assert_eq!(key.lines().count(), 1, "the key is the only line on standard output");
    let mut command = throughline();
    command.args(["serve", "--config", file]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut server = Process::start(command);
    server.listening(api).await;
    let client = Client::new(api).key(&key);
    assert_eq!(client.get("/v1/providers").await.status, 200);

    let id = key.split('_').nth(2).expect("an id in the key");
    run(&["keys", "revoke", "--config", file, "--tenant", "acme", id]);
    let revoked = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    while client.get("/v1/providers").await.status != 401 {
        assert!(revoked.elapsed().as_secs() < 5, "the key still works five seconds after it was revoked");
        ticks.tick().await;
    }
    println!("the revocation was seen after {:?}", revoked.elapsed());

    // A key that is made beside the server works there as well.
    let second = run(&["keys", "create", "--config", file, "--tenant", "acme", "--scopes", "read"]);
    assert_eq!(Client::new(api).key(&second).get("/v1/providers").await.status, 200);
    // Only one server may use the store.
    let another = throughline().args(["serve", "--config", file]).output().expect("the binary runs");
    assert_eq!(another.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&another.stderr).contains("store"), "{another:?}");
}

/// The state once it is the one that is waited for; it is written in the background.
async fn until_state(client: &Client, id: &str, wanted: &str) -> serde_json::Value {
    for _ in 0..200 {
        let record = client.get(&format!("/v1/connections/{id}")).await.json();
        if record["state"] == wanted {
            return record;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never became {wanted}");
}

#[tokio::test]
async fn a_credential_that_the_vendor_refuses_shows_until_it_is_taken_again() {
    let (server, vendor) = with_fake().await;
    let (client, id) = (server.client(), server.connection("fake").to_owned());
    vendor.answers(json_answer(401, r#"{"error":"who are you"}"#));
    let answer = server.on("fake").get("/v1/crm/contacts").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("needs-reauth")));
    let record = until_state(&client, &id, "degraded").await;
    assert_eq!(record["state_reason"], "credentials_refused");
    assert!(record["last_error"].as_str().is_some_and(|said| said.contains("401")), "{record}");

    vendor.answers(json_answer(200, CONTACTS));
    assert_eq!(server.on("fake").get("/v1/crm/contacts").await.status, 200);
    let record = until_state(&client, &id, "active").await;
    assert_eq!((&record["state_reason"], &record["last_error"]), (&json!(null), &json!(null)));
    let events = client.get(&format!("/v1/connections/{id}/events")).await.json();
    let kinds: Vec<&str> =
        events["data"].as_array().expect("events").iter().filter_map(|e| e["kind"].as_str()).collect();
    assert!(kinds.starts_with(&["recovered", "refused"]), "{kinds:?}");
}
