//! What callers get wrong, and what they are told: the right status and code, the place of the fault, what would be
//! right. Nothing of it reaches the vendor, and the process goes on answering.

mod support;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use support::{Answer, Client, Request, Server, encode, start};
use throughline::auth::{Caller, Keys, Mode, NewKey, Pepper, Scopes, TenantId};
use throughline::connections::Selector;
use throughline::unified::Cursor;

/// Both sandboxes: what holds for the API holds for every provider.
const PROVIDERS: [&str; 2] = ["hubspot", "salesforce"];

/// Sends what must be refused with this status and code, without the vendor hearing of it.
async fn refused(server: &Server, request: Request<'_>, status: u16, code: &str) -> Value {
    let before = server.seen_by_all();
    let answer = request.send().await;
    let problem = answer.problem(status, code);
    assert_eq!(server.seen_by_all(), before, "the vendor was asked: {problem}");
    alive(server).await;
    problem
}

async fn alive(server: &Server) {
    let answer = server.client().get("/v1/providers").await;
    assert_eq!(answer.status, 200, "the process still answers");
}

/// The problem points at one place and says what is expected there.
#[track_caller]
fn points_at(problem: &Value, kind: &str, place: &str, expected: &str) {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
    let found = errors.iter().find(|error| error[kind] == place);
    let found = found.unwrap_or_else(|| panic!("{kind} {place} is not named in {problem}"));
    assert!(found["detail"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    if !expected.is_empty() {
        assert!(found["expected"].as_str().is_some_and(|text| text.contains(expected)), "{expected}: {problem}");
    }
}

/// The problem lists what is supported, this among it.
#[track_caller]
fn supports(problem: &Value, wanted: &str) {
    let list = problem["supported"].as_array().unwrap_or_else(|| panic!("nothing is `supported` in {problem}"));
    assert!(list.iter().any(|item| item.as_str().is_some_and(|item| item.contains(wanted))), "{wanted}: {problem}");
}

#[tokio::test]
async fn bodies_that_are_not_the_json_they_should_be() {
    let server = start().await;
    let client = server.on("hubspot");
    let create = || client.request("POST", "/v1/crm/contacts");
    let deep = format!(r#"{{"first_name": {}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let big = format!(r#"{{"first_name": "{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let malformed = [
        r#"{"first_name": "#,
        "{'first_name': 1}",
        "[]",
        "null",
        "\"text\"",
        "",
        "{} x",
        "{\"a\": NaN}",
        "\u{feff}{}",
        r#"{"first_name": "a", "first_name": "b"}"#,
        r#"{"company": {"id": "1", "id": "2"}}"#,
        deep.as_str(),
    ];
    for body in malformed {
        let problem = refused(&server, create().body("application/json", body), 400, "invalid-request").await;
        assert_eq!(problem["outcome"], "not-executed", "{problem}");
    }
    let twice = create().body("application/json", r#"{"first_name": "a", "first_name": "b"}"#);
    let problem = refused(&server, twice, 400, "invalid-request").await;
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("first_name")), "{problem}");
    refused(&server, create().body("application/json", b"{\"a\": \"\xff\"}".to_vec()), 400, "invalid-request").await;
    refused(&server, create().body("application/json", big.clone()), 413, "payload-too-large").await;
    refused(&server, create().body("application/json", big).chunked(), 413, "payload-too-large").await;
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_refused_before_it_is_sent() {
    let server = start().await;
    let head = format!(
        "POST /v1/crm/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nThroughline-Connection: {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1099511627776\r\n\r\n",
        server.key,
        server.connection("hubspot")
    );
    server.client().raw(head.as_bytes()).await.problem(413, "payload-too-large");
    alive(&server).await;
}

#[tokio::test]
async fn bodies_of_another_kind() {
    let server = start().await;
    let client = server.on("hubspot");
    let create = || client.request("POST", "/v1/crm/contacts");
    let body = r#"{"first_name": "Ada"}"#;
    for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"] {
        let problem = refused(&server, create().body(kind, body), 415, "unsupported-media-type").await;
        supports(&problem, "application/json");
    }
    for encoding in ["gzip", "zstd", "br", "deflate"] {
        let request = create().body("application/json", body).header("Content-Encoding", encoding);
        refused(&server, request, 415, "unsupported-media-type").await;
    }
    let parameter = create().body("application/json; charset=utf-8", body).send().await;
    assert_eq!(parameter.status, 201, "{}", parameter.text());
}

#[tokio::test]
async fn members_that_a_record_does_not_have() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let create = |body: Value| client.request("POST", "/v1/crm/contacts").json(&body);
        for (body, status, code, pointer, expected) in [
            (json!({"last_name": "x", "amount": 1}), 422, "unknown-field", "/amount", "first_name"),
            (json!({"last_name": "x", "emails": [{"mail": "a@x.test"}]}), 422, "", "/emails/0/mail", "email"),
            (json!({"last_name": 5}), 422, "validation-failed", "/last_name", "string"),
            (json!({"last_name": "x", "birthday": "1980-13-40"}), 422, "validation-failed", "/birthday", "date"),
            (json!({"last_name": "x", "birthday": "soon"}), 422, "validation-failed", "/birthday", "date"),
            (json!({"last_name": "x", "emails": "a@x.test"}), 422, "validation-failed", "/emails", "array"),
            (json!({"last_name": "x", "emails": [null]}), 422, "validation-failed", "/emails/0", ""),
            (json!({"last_name": "x", "company": "30400100701"}), 422, "validation-failed", "/company", ""),
            (json!({"last_name": "x", "company": {"id": 5}}), 422, "validation-failed", "/company/id", "string"),
            (json!({"last_name": "x", "lifecycle": "whale"}), 422, "validation-failed", "/lifecycle", "customer"),
            (json!({"last_name": "x", "custom_fields": []}), 422, "validation-failed", "/custom_fields", "object"),
            (json!({"last_name": "x", "created_at": "2026-01-01T00:00:00Z"}), 422, "", "/created_at", ""),
            (json!({"last_name": "x", "id": "1"}), 422, "validation-failed", "/id", ""),
        ] {
            let shown = body.to_string();
            let before = server.seen_by_all();
            let answer = create(body).send().await;
            let code =
                if code.is_empty() { answer.json()["code"].as_str().unwrap_or("").to_owned() } else { code.into() };
            let problem = answer.problem(status, &code);
            assert_eq!(server.seen_by_all(), before, "the vendor was asked about {shown}");
            assert_eq!(problem["outcome"], "not-executed", "{problem}");
            points_at(&problem, "pointer", pointer, expected);
        }
    }
    alive(&server).await;
}

#[tokio::test]
async fn every_fault_of_a_record_is_told_at_once() {
    let server = start().await;
    let body = json!({"first_name": 1, "birthday": "x", "emails": [{"email": 2}], "nope": true, "a/b~c": 1});
    let request = server.on("hubspot");
    let request = request.request("POST", "/v1/crm/contacts").json(&body);
    let problem = refused(&server, request, 422, "validation-failed").await;
    for pointer in ["/first_name", "/birthday", "/emails/0/email", "/nope", "/a~1b~0c"] {
        points_at(&problem, "pointer", pointer, "");
    }
}

#[tokio::test]
async fn changes_that_change_nothing_or_too_much() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let id = support::ids(client.get("/v1/crm/contacts?limit=1").await.json()["data"].as_array().expect("a list"))
            .remove(0);
        let update = |body: Value| client.request("PATCH", &format!("/v1/crm/contacts/{id}")).json(&body);
        let problem = refused(&server, update(json!({})), 422, "validation-failed").await;
        points_at(&problem, "pointer", "", "member");
        let problem = refused(&server, update(json!({"updated_at": null})), 422, "validation-failed").await;
        points_at(&problem, "pointer", "/updated_at", "");
        let problem = refused(&server, update(json!({"id": "another"})), 422, "validation-failed").await;
        points_at(&problem, "pointer", "/id", "");
    }
}

#[tokio::test]
async fn ids_that_nothing_has() {
    let server = start().await;
    let long = "1".repeat(10 * 1024);
    for provider in PROVIDERS {
        let client = server.on(provider);
        for id in [
            "nope!",
            "a%2fb",
            "1%2F..%2F2",
            "%2e%2e",
            "..",
            ".",
            "%00",
            "%0d%0aX:y",
            "1%0a",
            "1;x=1",
            "%27",
            &long,
            "-1",
        ] {
            for method in ["GET", "DELETE"] {
                let path = format!("/v1/crm/contacts/{id}");
                refused(&server, client.request(method, &path), 404, "not-found").await;
            }
            let path = format!("/v1/crm/contacts/{id}");
            let request = client.request("PATCH", &path).json(&json!({"first_name": "x"}));
            let problem = refused(&server, request, 404, "not-found").await;
            assert_eq!(problem["outcome"], "not-executed", "{problem}");
            assert!(!problem.to_string().contains("\\r"), "control characters are not repeated");
        }
    }
}

#[tokio::test]
async fn paths_that_are_not_utf_8_are_refused_as_problems() {
    let server = start().await;
    let client = server.on("hubspot");
    for path in ["/v1/crm/%ff", "/v1/crm/contacts/%ff", "/v1/connections/%ff", "/v1/providers/%ff"] {
        let answer = client.get(path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        answer.problem(answer.status, answer.json()["code"].as_str().expect("a code"));
    }
    let answer = client.delete("/v1/keys/%ff").await;
    assert!(matches!(answer.status, 400 | 404), "{}", answer.status);
    answer.problem(answer.status, answer.json()["code"].as_str().expect("a code"));
    alive(&server).await;
}

#[tokio::test]
async fn resources_and_routes_that_do_not_exist() {
    let server = start().await;
    let client = server.on("hubspot");
    let problem = refused(&server, client.request("GET", "/v1/crm/invoices"), 404, "not-found").await;
    supports(&problem, "contacts");
    for path in ["/", "/v1", "/v1/", "/v1/crm", "/v2/crm/contacts", "/v1/crm/contacts/1/2/3/4", "/V1/crm/contacts"] {
        refused(&server, client.request("GET", path), 404, "not-found").await;
    }
    let problem = refused(&server, client.request("GET", "/v1/providers/nobody"), 404, "provider-not-found").await;
    supports(&problem, "salesforce");
}

#[tokio::test]
async fn query_parameters_that_are_not_understood() {
    let server = start().await;
    let client = server.on("hubspot");
    let list = |query: &str| client.request("GET", &format!("/v1/crm/contacts?{query}")).bytes();
    for (query, code, parameter, expected) in [
        ("limit=0", "invalid-request", "limit", "integer"),
        ("limit=-1", "invalid-request", "limit", "integer"),
        ("limit=1000000000", "invalid-request", "limit", "integer"),
        ("limit=99999999999999999999", "invalid-request", "limit", "integer"),
        ("limit=abc", "invalid-request", "limit", "integer"),
        ("limit=", "invalid-request", "limit", "integer"),
        ("limit", "invalid-request", "limit", "integer"),
        ("limit=1.5", "invalid-request", "limit", "integer"),
        ("limit=%2B1", "invalid-request", "limit", "integer"),
        ("limit=1&limit=2", "invalid-request", "limit", "once"),
        ("limit=1&limit=1", "invalid-request", "limit", "once"),
        ("sort=id&sort=-id", "invalid-request", "sort", "once"),
        ("sort=id,-id", "invalid-request", "sort", "once"),
        ("filter[email]=a@x.test&filter[email]=b@x.test", "invalid-request", "filter[email]", "once"),
        ("colour=red", "unknown-parameter", "colour", ""),
        ("Limit=1", "unknown-parameter", "Limit", ""),
        ("include=everything", "invalid-request", "include", "raw"),
        ("fields=nope", "invalid-request", "fields", ""),
        ("fields=", "invalid-request", "fields", ""),
        ("filter[updated_at][gte]=yesterday", "invalid-request", "filter[updated_at][gte]", "date"),
        ("filter[email][exists]=maybe", "invalid-request", "filter[email][exists]", "true"),
        ("filter[email", "invalid-request", "filter[email", "filter["),
        ("filter[nope]=1", "unsupported-filter", "filter[nope]", ""),
        ("filter[email][like]=a", "unsupported-filter", "filter[email][like]", ""),
        ("filter[email][eq][x]=a", "unsupported-filter", "filter[email][eq][x]", ""),
    ] {
        let before = server.seen_by_all();
        let answer = client.raw(&list(query)).await;
        let problem = answer.problem(400, code);
        points_at(&problem, "parameter", parameter, expected);
        assert_eq!(server.seen_by_all(), before, "the vendor was asked: {query}");
    }
    for query in ["q=%ff", "%ff=1", "filter[email]=%c0%ae"] {
        client.raw(&list(query)).await.problem(400, "invalid-request");
    }
    alive(&server).await;
}

#[tokio::test]
async fn what_is_not_known_is_refused_with_what_is() {
    let server = start().await;
    let hubspot = server.on("hubspot");
    let salesforce = server.on("salesforce");
    for (client, query, code, supported) in [
        (&hubspot, "colour=red", "unknown-parameter", "sort"),
        (&hubspot, "filter[nope]=1", "unsupported-filter", "email"),
        (&hubspot, "filter[title]=x", "unsupported-filter", "email: eq, in, exists"),
        (&hubspot, "filter[email][contains]=x", "unsupported-filter", "email: eq, in, exists"),
        (&hubspot, "filter[email][like]=x", "unsupported-filter", "starts_with"),
        (&hubspot, "sort=nope", "unsupported-sort", "updated_at"),
        (&hubspot, "sort=", "unsupported-sort", "updated_at"),
        (&hubspot, "sort=title", "unsupported-sort", "updated_at"),
        (&hubspot, "sort=first_name,last_name", "unsupported-sort", "at most 1"),
        (&salesforce, "filter[lifecycle]=customer", "unsupported-filter", "last_name"),
        (&salesforce, "sort=first_name", "unsupported-sort", "last_name"),
    ] {
        let path = format!("/v1/crm/contacts?{query}");
        let problem = refused(&server, client.request("GET", &path), 400, code).await;
        supports(&problem, supported);
    }
    let many: Vec<String> = ["gt", "gte", "lt", "lte"]
        .iter()
        .flat_map(|op| ["created_at", "updated_at"].map(|f| format!("filter[{f}][{op}]=2026-01-01T00:00:00Z")))
        .collect();
    let path = format!("/v1/crm/contacts?{}", many.join("&"));
    let problem = refused(&server, hubspot.request("GET", &path), 400, "unsupported-filter").await;
    supports(&problem, "at most 6");
    let problem = refused(&server, salesforce.request("GET", "/v1/crm/contacts?q=x"), 400, "unknown-parameter").await;
    points_at(&problem, "parameter", "q", "");
}

#[tokio::test]
async fn routes_without_parameters_name_those_that_are_sent() {
    let server = start().await;
    let client = server.on("hubspot");
    let deletes =
        refused(&server, client.request("DELETE", "/v1/crm/contacts/120501?force=1"), 400, "unknown-parameter");
    points_at(&deletes.await, "parameter", "force", "");
    let search = client.request("POST", "/v1/crm/contacts/search?limit=1").json(&json!({}));
    points_at(&refused(&server, search, 400, "unknown-parameter").await, "parameter", "limit", "");
    for path in [
        "/v1/providers?colour=red",
        "/v1/providers/hubspot?colour=red",
        "/v1/keys?colour=red",
        "/v1/connections?colour=red",
        &format!("/v1/connections/{}?colour=red", server.connection("hubspot")),
    ] {
        let problem = refused(&server, client.request("GET", path), 400, "unknown-parameter").await;
        points_at(&problem, "parameter", "colour", "");
    }
}

#[tokio::test]
async fn searches_in_json_are_held_to_the_same_rules() {
    let server = start().await;
    let client = server.on("hubspot");
    for (body, code, parameter) in [
        (json!({"colour": "red"}), "unknown-parameter", "colour"),
        (json!({"limit": 0}), "invalid-request", "limit"),
        (json!({"limit": "abc"}), "invalid-request", "limit"),
        (json!({"filter": "abc"}), "invalid-request", "filter"),
        (json!({"filter": ["email"]}), "invalid-request", "filter"),
        (json!({"filter": {"nope": 1}}), "unsupported-filter", "filter[nope]"),
        (json!({"filter": {"email": {"like": "x"}}}), "unsupported-filter", "filter[email][like]"),
        (json!({"filter": {"email": {"eq": {"a": 1}}}}), "invalid-request", "filter[email][eq]"),
        (json!({"q": {"a": 1}}), "invalid-request", "q"),
        (json!({"fields": [1]}), "invalid-request", "fields"),
    ] {
        let shown = body.to_string();
        let before = server.seen_by_all();
        let answer = client.post("/v1/crm/contacts/search", body).await;
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        let problem = answer.problem(400, code);
        points_at(&problem, "parameter", parameter, "");
        assert_eq!(server.seen_by_all(), before, "{shown}");
    }
}

#[tokio::test]
async fn query_strings_that_are_far_too_long() {
    let server = start().await;
    let client = server.on("hubspot");
    let deep = format!("/v1/crm/contacts?filter{}=1", "[a]".repeat(5_000));
    refused(&server, client.request("GET", &deep), 400, "unsupported-filter").await;
    let many: Vec<String> = (0..500).map(|n| format!("filter[email][eq]={n}")).collect();
    let many = format!("/v1/crm/contacts?{}", many.join("&"));
    let answer = client.get(&many).await;
    assert!(matches!(answer.status, 400), "{}", answer.text());
    answer.problem(400, answer.json()["code"].as_str().expect("a code"));
    let huge = format!("/v1/crm/contacts?q={}", "x".repeat(100 * 1024));
    let answer = client.get(&huge).await;
    assert!(matches!(answer.status, 400 | 414 | 431), "{}", answer.status);
    // On the other provider the vendor's own limit of URLs is known, so it is told here.
    let list: Vec<String> = (0..900).map(|n| format!("person.{n}@example.test")).collect();
    let long = format!("/v1/crm/contacts?fields=id&filter[email][in]={}", list.join(","));
    let salesforce = server.on("salesforce");
    refused(&server, salesforce.request("GET", &long), 400, "invalid-request").await;
}

#[tokio::test]
async fn connections_of_others_look_like_absent_ones() {
    let server = start().await;
    let foreign = server.connect("other", "hubspot", "c").await;
    let absent = "conn_00000000000000000000";
    let routes: [(&str, &str, Option<Value>); 5] = [
        ("GET", "/v1/crm/contacts", None),
        ("GET", "/v1/crm/contacts/1", None),
        ("POST", "/v1/crm/contacts", Some(json!({"first_name": "x"}))),
        ("GET", "/v1/passthrough/x", None),
        ("DELETE", "/v1/crm/contacts/1", None),
    ];
    for (method, path, body) in &routes {
        let ask = async |id: &str| {
            let client = server.client().connection(id);
            let request = client.request(method, path);
            let request = body.iter().fold(request, |request, body| request.json(body));
            request.header("X-Request-Id", "same").send().await
        };
        let (theirs, none, nonsense) = (ask(&foreign).await, ask(absent).await, ask("nonsense").await);
        theirs.problem(404, "connection-not-found");
        for other in [&none, &nonsense] {
            assert_eq!(essence(&theirs), essence(other), "{method} {path}");
        }
    }
    for path in ["", "/passthrough/x"] {
        let ask = async |id: &str| {
            let client = server.client();
            client.request("GET", &format!("/v1/connections/{id}{path}")).header("X-Request-Id", "same").send().await
        };
        let (theirs, none) = (ask(&foreign).await, ask(absent).await);
        theirs.problem(404, "connection-not-found");
        assert_eq!(essence(&theirs), essence(&none), "{path}");
    }
    for method in ["PATCH", "DELETE"] {
        let client = server.client();
        let path = format!("/v1/connections/{foreign}");
        client.request(method, &path).json(&json!({"paused": true})).send().await.problem(404, "connection-not-found");
    }
    assert_eq!(server.seen_by_all(), 0);
}

/// Everything but the times.
fn essence(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    (answer.status, answer.lasting_headers(), answer.text())
}

#[tokio::test]
async fn keys_that_are_not_good_are_all_answered_alike() {
    let server = start().await;
    let tenant = || TenantId::parse("demo").expect("a tenant");
    let (revoked, id) = server.make_key_as("demo", NewKey::with_scopes(Mode::Test, scopes("read"))).await;
    server.app.keys.revoke(tenant(), &id).await.expect("revoked");
    let expired = {
        // Made two hours ago for an hour.
        let then = Timestamp::now() - SignedDuration::from_hours(2);
        let pepper = Pepper::new(server.app.vault.derive(b"throughline api keys"));
        let past = Keys::with(server.store.keys(), pepper, Vec::new(), Arc::new(move || then));
        let mut new = NewKey::with_scopes(Mode::Test, scopes("read"));
        new.expires_at = Some(then + SignedDuration::from_hours(1));
        past.create(tenant(), new).await.expect("a key").0
    };
    let unknown = {
        // Well formed, but of another server.
        let other = start().await;
        other.key.clone()
    };
    let mut wrong_secret = server.key.clone();
    let last = wrong_secret.pop().expect("a character");
    wrong_secret.push(if last == 'a' { 'b' } else { 'a' });
    let long = format!("tl_test_{}", "x".repeat(10 * 1024));
    let mut answers = Vec::new();
    for key in [&unknown, &revoked, &expired, &wrong_secret, "nonsense", "tl_live_", &long, "tl_test_%00"] {
        let client = Client::new(server.api).with("Authorization", &format!("Bearer {key}"));
        let request = client.request("GET", "/v1/crm/contacts").header("X-Request-Id", "same");
        answers.push((key.chars().take(20).collect::<String>(), request.send().await));
    }
    for (key, answer) in &answers {
        answer.problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(essence(answer), essence(&answers[0].1), "{key}");
    }
    let nothing = Client::new(server.api).request("GET", "/v1/crm/contacts").bytes();
    Client::new(server.api).raw(&nothing).await.problem(401, "unauthenticated");
    for value in ["Basic dGxfOg==", "Bearer", "tl_test_x", &format!("Bearer  {}x", server.key)] {
        Client::new(server.api)
            .with("Authorization", value)
            .get("/v1/crm/contacts")
            .await
            .problem(401, "unauthenticated");
    }
    // Two identities in one request are none, even if one of them is good.
    let twice = server.client();
    let twice = twice.request("GET", "/v1/providers").header("Authorization", &format!("Bearer {}", server.key));
    twice.send().await.problem(401, "unauthenticated");
    // A key does not authenticate from elsewhere than the header, outside passthrough.
    let in_query = format!("/v1/crm/contacts?key={}", server.key);
    Client::new(server.api).get(&in_query).await.problem(401, "unauthenticated");
    assert_eq!(server.seen_by_all(), 0);
    alive(&server).await;
}

fn scopes(text: &str) -> Scopes {
    text.parse().expect("known scopes")
}

#[tokio::test]
async fn every_route_wants_a_key() {
    let server = start().await;
    for (method, path) in ROUTES {
        let stranger = Client::new(server.api);
        let answer = stranger.request(method, path).header("Content-Type", "application/json").send().await;
        answer.problem(401, "unauthenticated");
    }
    Client::new(server.api).get("/nothing/here").await.problem(401, "unauthenticated");
}

const ROUTES: [(&str, &str); 16] = [
    ("GET", "/v1/crm/contacts"),
    ("POST", "/v1/crm/contacts"),
    ("POST", "/v1/crm/contacts/search"),
    ("GET", "/v1/crm/contacts/1"),
    ("PATCH", "/v1/crm/contacts/1"),
    ("DELETE", "/v1/crm/contacts/1"),
    ("GET", "/v1/passthrough/x"),
    ("GET", "/v1/connections/conn_x/passthrough/x"),
    ("GET", "/v1/connections"),
    ("POST", "/v1/connections"),
    ("GET", "/v1/connections/conn_x"),
    ("PATCH", "/v1/connections/conn_x"),
    ("DELETE", "/v1/connections/conn_x"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/x"),
];

#[tokio::test]
async fn cursors_that_are_not_of_this_list() {
    let server = start().await;
    let client = server.on("hubspot");
    let page = client.get("/v1/crm/contacts?limit=2").await.json();
    let cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
    let other = server.on("salesforce").get("/v1/crm/contacts?limit=2").await.json();
    let foreign = other["next_cursor"].as_str().expect("a cursor").to_owned();
    let half = cursor[..cursor.len() / 2].to_owned();
    let mut forged = cursor.clone().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("text");
    let old = outdated(&server, &cursor).await;
    let long = "A".repeat(20 * 1024);
    for bad in [&half, &forged, &foreign, &old, &long, "x", "", "%00", "bnVsbA"] {
        let path = format!("/v1/crm/contacts?cursor={bad}");
        refused(&server, client.request("GET", &path), 400, "invalid-cursor").await;
    }
    for path in [
        format!("/v1/crm/companies?cursor={cursor}"),
        format!("/v1/crm/contacts?cursor={cursor}&limit=3"),
        format!("/v1/crm/contacts?cursor={cursor}&sort=-updated_at"),
        format!("/v1/crm/contacts?cursor={cursor}&filter[email]=a@x.test"),
        format!("/v1/crm/contacts?cursor={cursor}&limit=2&include=raw"),
    ] {
        refused(&server, client.request("GET", &path), 400, "invalid-cursor").await;
    }
    // The same parameters beside it are no contradiction.
    for path in [format!("/v1/crm/contacts?cursor={cursor}"), format!("/v1/crm/contacts?limit=2&cursor={cursor}")] {
        assert_eq!(client.get(&path).await.status, 200);
    }
    // Nor does a cursor open the list of another tenant with the same customer.
    let theirs = server.connect("other", "hubspot", "demo-customer").await;
    let their_key = server.make_key("other", "read").await;
    let them = Client::new(server.api).key(&their_key).connection(&theirs);
    let path = format!("/v1/crm/contacts?cursor={cursor}");
    refused(&server, them.request("GET", &path), 400, "invalid-cursor").await;
}

/// The same cursor as it would have been made 25 hours ago.
async fn outdated(server: &Server, cursor: &str) -> String {
    let caller = Caller::operator(TenantId::parse("demo").expect("a tenant"));
    let id = server.connection("hubspot").to_owned();
    let selector = Selector { connection: Some(id), ..Selector::default() };
    let connection = server.app.connections.resolve(&caller, &selector).await.expect("a connection");
    let now = Timestamp::now();
    let opened = Cursor::open(cursor, &server.app.vault, &connection, "/v1/crm/contacts", now).expect("a good cursor");
    let made = now - SignedDuration::from_hours(25);
    let old = Cursor::new(opened.from, opened.query, made);
    old.seal(&server.app.vault, &connection, "/v1/crm/contacts").expect("a cursor")
}

#[tokio::test]
async fn two_connections_in_one_request() {
    let server = start().await;
    let (one, two) = (server.connection("hubspot"), server.connection("salesforce"));
    let client = server.client().connection(one);
    let cases = [
        ("/v1/crm/contacts".to_owned(), "Throughline-Connection", two, "throughline-connection"),
        ("/v1/crm/contacts".to_owned(), "Throughline-Customer", "another", "Throughline-Customer"),
        ("/v1/crm/contacts".to_owned(), "Throughline-Provider", "salesforce", "Throughline-Provider"),
        ("/v1/passthrough/x".to_owned(), "Throughline-Connection", two, "throughline-connection"),
    ];
    for (path, header, value, named) in cases {
        let request = client.request("GET", &path).header(header, value);
        let problem = refused(&server, request, 400, "invalid-request").await;
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
        let parameter = errors[0]["parameter"].as_str().unwrap_or_default();
        assert!(parameter.eq_ignore_ascii_case(named), "{problem}");
    }
    let path = format!("/v1/connections/{two}/passthrough/x");
    let problem = refused(&server, client.request("GET", &path), 400, "invalid-request").await;
    points_at(&problem, "parameter", "Throughline-Connection", "");
    let none = server.client();
    let problem = refused(&server, none.request("GET", "/v1/crm/contacts"), 400, "invalid-request").await;
    points_at(&problem, "parameter", "Throughline-Connection", "id");
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_is_no_method_here() {
    let server = start().await;
    let client = server.on("hubspot");
    let connection = server.connection("hubspot");
    let one = format!("/v1/connections/{connection}");
    for path in ["/v1/crm/contacts", "/v1/crm/contacts/120501", "/v1/connections", &one, "/v1/keys", "/v1/providers"] {
        let (get, head) = (client.get(path).await, client.request("HEAD", path).send().await);
        assert_eq!((get.status, head.status), (200, 200), "{path}");
        assert_eq!(get.header("content-type"), head.header("content-type"), "{path}");
        assert!(head.body.is_empty());
        assert!(head.header("x-request-id").is_some() && head.header("server-timing").is_some(), "{path}");
    }
    let missing = client.request("HEAD", "/v1/crm/invoices").send().await;
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("application/problem+json")));
    for path in ["/v1/crm/contacts/search", "/v1/keys/x"] {
        let answer = client.request("HEAD", path).send().await;
        // `search` could also be read as the id of a record, which there is none of.
        assert_eq!(answer.status, 405, "{path}");
        assert!(answer.header("allow").is_some_and(|allow| !allow.contains("GET")), "{path}");
    }
    for path in [
        "/v1/crm/contacts",
        "/v1/crm/contacts/search",
        "/v1/crm/contacts/1",
        "/v1/connections",
        &one,
        "/v1/keys",
        "/v1/keys/x",
        "/v1/providers",
        "/v1/providers/hubspot",
    ] {
        for method in ["OPTIONS", "BREW", "TRACE", "LINK"] {
            let answer = client.request(method, path).send().await;
            answer.problem(405, "unsupported-operation");
            assert!(answer.header("allow").is_some_and(|allow| !allow.is_empty()), "{method} {path}");
        }
    }
    alive(&server).await;
}

#[tokio::test]
async fn a_method_that_a_route_does_not_take_is_the_first_that_is_said() {
    let server = start().await;
    let client = server.on("hubspot").with("Throughline-Customer", "another's").with("Idempotency-Key", "k1");
    for (method, path, allow) in [
        ("PATCH", "/v1/crm/contacts", "GET,HEAD,POST,PUT"),
        ("PUT", "/v1/crm/contacts/batch", "POST"),
        ("POST", "/v1/crm/contacts/1/associations/companies/2", "PUT,DELETE"),
        ("PATCH", "/v1/keys", "GET,HEAD,POST"),
    ] {
        let answer = client.request(method, path).send().await;

        answer.problem(405, "unsupported-operation");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test]
async fn filter_values_are_values_and_nothing_else() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let all = support::all_pages(&client, "/v1/crm/contacts?limit=100").await.concat();
        for value in [
            "' OR Id != null OR LastName = '",
            "x' OR '1'='1",
            "\\' OR Id != null --",
            "\\",
            "'",
            "\"",
            "\"}]}],\"filterGroups\":[]",
            "x'); DELETE FROM Contact; --",
            "/* comment */ x",
            "-- ",
            "# ",
            "%",
            "_",
            "%25",
            "{value}",
            "$$",
            "`",
            "\n\r\t\u{8}\u{c}",
            "\u{0}",
            "(SELECT Id FROM Account)",
            "null",
            "\u{202e}'",
        ] {
            for op in ["eq", "in"] {
                let answer = client.get(&format!("/v1/crm/contacts?filter[last_name][{op}]={}", encode(value))).await;
                // A value with a comma is several for `in`; none of them is anybody's name.
                assert_eq!(answer.status, 200, "{provider} {op} {value:?}: {}", answer.text());
                assert_eq!(answer.json()["data"], json!([]), "{provider} {op} {value:?}");
            }
            if provider == "salesforce" {
                for op in ["contains", "starts_with"] {
                    let path = format!("/v1/crm/contacts?filter[last_name][{op}]={}", encode(value));
                    let answer = client.get(&path).await;
                    assert_eq!(answer.status, 200, "{op} {value:?}: {}", answer.text());
                    let found = answer.json()["data"].as_array().expect("a list").clone();
                    let really = |name: &Value| name.as_str().is_some_and(|name| name.contains(value));
                    assert!(found.iter().all(|record| really(&record["last_name"])), "{op} {value:?} found {found:?}");
                }
            }
        }
        let after = support::all_pages(&client, "/v1/crm/contacts?limit=100").await.concat();
        assert_eq!(all, after, "nothing has changed");
    }
}

#[tokio::test]
async fn preconditions_preferences_and_request_ids() {
    let server = start().await;
    let client = server.on("hubspot");
    let get = || client.request("GET", "/v1/crm/contacts/120501");
    for header in ["If-Match", "If-Unmodified-Since"] {
        refused(&server, get().header(header, "\"1\""), 400, "unsupported-precondition").await;
    }
    for value in ["wait=abc", "wait=0", "wait=-1", "wait=100000", "wait=", "return=minimal, wait=x"] {
        let problem = refused(&server, get().header("Prefer", value), 400, "invalid-request").await;
        points_at(&problem, "parameter", "Prefer", "seconds");
    }
    assert_eq!(get().header("Prefer", "shoes=red; size=9, wait=5").send().await.status, 200, "others are ignored");
    for id in ["two words", "\u{e9}", &"x".repeat(200), "a\tb"] {
        let answer = get().header("X-Request-Id", id).send().await;
        let given = answer.header("x-request-id").expect("an id");
        assert!(given.starts_with("req_"), "{id:?} was taken as {given:?}");
    }
    let answer = get().header("X-Request-Id", "trace-7").send().await;
    assert_eq!(answer.header("x-request-id"), Some("trace-7"));
}

#[tokio::test]
async fn a_missing_scope_is_named() {
    let server = start().await;
    let all = ["read", "write", "passthrough", "connect", "admin"];
    let connection = server.connection("hubspot").to_owned();
    for (method, path, scope) in [
        ("GET", "/v1/crm/contacts", "read"),
        ("GET", "/v1/crm/contacts/1", "read"),
        ("POST", "/v1/crm/contacts/search", "read"),
        ("POST", "/v1/crm/contacts", "write"),
        ("PATCH", "/v1/crm/contacts/1", "write"),
        ("DELETE", "/v1/crm/contacts/1", "write"),
        ("GET", "/v1/passthrough/x", "passthrough"),
        ("POST", "/v1/passthrough/x", "write"),
        ("GET", "/v1/keys", "admin"),
        ("POST", "/v1/keys", "admin"),
        ("DELETE", "/v1/keys/x", "admin"),
    ] {
        let others: Vec<&str> = all.iter().copied().filter(|one| *one != scope).collect();
        let key = server.make_key("demo", &others.join(",")).await;
        let client = Client::new(server.api).key(&key).connection(&connection);
        let request = client.request(method, path).header("Content-Type", "application/json");
        let problem = refused(&server, request, 403, "missing-scope").await;
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(&format!("`{scope}`"))), "{problem}");
    }
    let key = server.make_key("demo", "read,write,passthrough").await;
    let client = Client::new(server.api).key(&key);
    let create = client.request("POST", "/v1/connections").json(&json!({}));
    let problem = refused(&server, create, 403, "missing-scope").await;
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("`connect`")), "{problem}");
}

#[tokio::test]
async fn requests_that_are_hardly_http() {
    let server = start().await;
    for bytes in [
        &b"GET /v1/crm/contacts HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"[..],
        b"GET /v1/crm/contacts HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /v1/crm/contacts HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        b"GET /v1/crm/contacts HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /v1/crm/con tacts HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"\r\n\r\nnonsense\r\n\r\n",
    ] {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        let mut stream = tokio::net::TcpStream::connect(server.api).await.expect("the server listens");
        tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await.expect("written");
        let mut answer = Vec::new();
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await.expect("closed");
        // A reset is as good an end as any: what counts is what was said before it.
        let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(30), reading).await.expect("the server ends it");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{shown:?} got {answer:?}");
    }
    assert_eq!(server.seen_by_all(), 0);
    alive(&server).await;
}
