//! `If-Match`: a write that depends on the version of its record, where the vendor has versions, and a refusal elsewhere.

mod support;

use serde_json::{Value, json};
use support::{Answer, Client, FakeVendor, on_shared, provider, start, start_alone};
use throughline::catalog::{Catalog, Files, Options};

const ABOUT: &str = "last_name,title";

async fn get(client: &Client, path: &str) -> (Value, String) {
    let answer = client.get(&format!("{path}?fields={ABOUT}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tag = answer.header("etag").expect("an ETag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "a strong tag: {tag}");
    (answer.json(), tag)
}

async fn update(client: &Client, path: &str, tag: &str, title: &str) -> Answer {
    client.request("PATCH", path).header("If-Match", tag).json(&json!({ "title": title })).send().await
}

#[test]
fn of_two_who_change_a_record_the_second_is_told() {
    on_shared(async |server| {
        let client = server.on("dynamics365");
        let list = client.get("/v1/crm/contacts?limit=2&fields=id").await.json();
        let path = format!("/v1/crm/contacts/{}", list["data"][0]["id"].as_str().expect("an id"));
        let (_, seen) = get(&client, &path).await;
        let first = update(&client, &path, &seen, "Abbess").await;
        assert_eq!(first.status, 200, "{}", first.text());
        let after = first.header("etag").expect("the new version").to_owned();
        assert_ne!(after, seen);
        let second = update(&client, &path, &seen, "Bishop").await;
        let problem = second.problem(412, "precondition-failed");
        assert_eq!((&problem["outcome"], &problem["origin"]), (&json!("not-executed"), &json!("provider")));
        let (record, now) = get(&client, &path).await;
        assert_eq!((&record["title"], now), (&json!("Abbess"), after), "nothing was lost");
        // Whatever its version.
        assert_eq!(update(&client, &path, "*", "Canon").await.status, 200);
        let delete = async |tag: &str| client.request("DELETE", &path).header("If-Match", tag).send().await;
        delete(&seen).await.problem(412, "precondition-failed");
        let (_, now) = get(&client, &path).await;
        assert_eq!(delete(&now).await.status, 204);
        assert_eq!(client.get(&path).await.status, 404);
    });
}

#[tokio::test]
async fn a_condition_that_cannot_be_held_is_refused_before_anything_is_sent() {
    // Of its own: it counts what is sent.
    let server = start().await;
    let client = server.on("dynamics365");
    let list = client.get("/v1/crm/contacts?limit=1&fields=id").await.json();
    let path = format!("/v1/crm/contacts/{}", list["data"][0]["id"].as_str().expect("an id"));
    let body = json!({"title": "Dean"});
    let before = server.seen("dynamics365");
    for (name, value) in [
        ("If-Match", "\"1\", \"2\""),
        ("If-Match", "W/\"1\""),
        ("If-Match", "1"),
        ("If-Match", "\"\""),
        ("If-Match", ""),
        ("If-None-Match", "*"),
        ("If-Unmodified-Since", "Sat, 21 Nov 2026 10:00:00 GMT"),
    ] {
        let answer = client.request("PATCH", &path).header(name, value).json(&body).send().await;
        let problem = answer.problem(400, "unsupported-precondition");
        assert_eq!(problem["outcome"], "not-executed", "{name}: {value}");
    }
    // Writes that no version holds for.
    let create = client.request("POST", "/v1/crm/contacts").header("If-Match", "\"1\"").json(&body).send().await;
    let problem = create.problem(400, "unsupported-precondition");
    assert_eq!(problem["supported"], json!(["update", "delete"]));
    let batch = json!({"operations": [{"operation": "delete", "id": "x"}]});
    let batch = client.request("POST", "/v1/crm/contacts/batch").header("If-Match", "\"1\"").json(&batch).send().await;
    batch.problem(400, "unsupported-precondition");
    // An update of a deal may be an action of the vendor's, which takes no condition.
    let deal = "/v1/crm/deals/03000000-5eed-4000-8000-000000000001";
    update(&client, deal, "\"1\"", "x").await;
    let deal = client.request("PATCH", deal).header("If-Match", "\"1\"").json(&json!({"name": "x"})).send().await;
    deal.problem(400, "unsupported-precondition");
    assert_eq!(server.seen("dynamics365"), before, "nothing was sent");
    // Nobody else has versions.
    for provider in ["hubspot", "salesforce", "pipedrive"] {
        let client = server.on(provider);
        let list = client.get("/v1/crm/contacts?limit=1").await;
        assert_eq!(list.header("etag"), None);
        let id = list.json()["data"][0]["id"].as_str().expect("an id").to_owned();
        let read = client.get(&format!("/v1/crm/contacts/{id}")).await;
        assert_eq!((read.status, read.header("etag")), (200, None), "{provider}");
        let write = update(&client, &format!("/v1/crm/contacts/{id}"), "\"1\"", "x").await;
        let problem = write.problem(400, "unsupported-precondition");
        assert_eq!(problem["outcome"], "not-executed", "{provider}");
    }
}

#[test]
fn a_request_cannot_depend_on_a_version_that_nobody_tells() {
    let mut files = provider("fake", None);
    for (name, text) in &mut files {
        if name.ends_with("contacts.yaml") {
            let request = "    request: PATCH /contacts/{id}\n";
            *text = text.replace(request, &format!("{request}    query: {{ if_revision: if_version }}\n"));
        }
    }
    let problems = Catalog::load(&Files::embedded().laid_over(Files::of(files)), &Options::default());
    let problems = problems.expect_err("a problem").iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(problems.contains("no `version` says where records have theirs"), "{problems}");
}

#[tokio::test]
async fn a_version_goes_where_the_mapping_says() {
    let vendor = FakeVendor::start().await;
    let mut files = provider("fake", None);
    for (name, text) in &mut files {
        if name.ends_with("contacts.yaml") {
            *text = format!("version: revision\n{text}").replace(
                "    request: PATCH /contacts/{id}\n",
                "    request: PATCH /contacts/{id}\n    query: { if_revision: if_version }\n",
            );
        }
    }
    let server = start_alone(files, &[("fake", &vendor)]).await;
    let client = server.on("fake");
    let answers = |revision: Value| {
        vendor.answers(support::json_answer(200, json!({"id": "1", "name": "King", "revision": revision}).to_string()));
    };
    answers(json!(7));
    let answer = client.get("/v1/crm/contacts/1").await;
    assert_eq!(answer.header("etag"), Some("\"7\""));
    let patch = |tag: &'static str| {
        client.request("PATCH", "/v1/crm/contacts/1").header("If-Match", tag).json(&json!({"last_name": "x"}))
    };
    assert_eq!(patch("\"7\"").send().await.status, 200);
    let sent = vendor.requests().into_iter().rev().find(|request| request.line().starts_with("PATCH"));
    assert_eq!(sent.expect("a write").line(), "PATCH /base/contacts/1?if_revision=7 HTTP/1.1");
    assert_eq!(patch("*").send().await.status, 200);
    let sent = vendor.requests().into_iter().rev().find(|request| request.line().starts_with("PATCH"));
    assert_eq!(sent.expect("a write").line(), "PATCH /base/contacts/1 HTTP/1.1");
    // Nothing tells of versions in the request of a delete.
    let delete = client.request("DELETE", "/v1/crm/contacts/1").header("If-Match", "\"7\"").send().await;
    assert_eq!(delete.problem(400, "unsupported-precondition")["supported"], json!(["update"]));
    // What cannot stand in a header is no version.
    for revision in [json!("a\"b"), json!("a b"), json!(""), Value::Null, json!("ü")] {
        answers(revision);
        assert_eq!(client.get("/v1/crm/contacts/1").await.header("etag"), None);
    }
}
