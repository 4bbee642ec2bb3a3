//! Upserts, batches, associations, field metadata, custom objects and expanded references, against a vendor that tells
//! what it was asked.

mod support;

use serde_json::{Value, json};
use support::{Answer, CUSTOM_OBJECTS, FakeVendor, Recorded, Server, json_answer, provider, start_alone};

/// The stand-in's contacts, with everything this file is about.
const CONTACTS: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
limit: { default: 10, max: 100 }
select: { always: [id], max: 5 }
fields:
  id: { read: id }
  last_name: name
  emails:
    places:
      - { type: work, primary: true, email: mail }
  company: { fields: { id: company } }
  owner: { fields: { id: owner } }
  custom_fields: { in: extra }
filters:
  id: { on: id, ops: [in] }
  email: { on: mail, ops: [eq] }
  company.id: [eq]
  "custom_fields.*": [eq, gt]
operations:
  list:
    request: GET /contacts
    query:
      where: '$exists(conditions) ? $json(conditions.any)'
      columns: select
      limit: limit
      after: cursor
    records: items
    next: next
  get: { request: "GET /contacts/{id}", query: { columns: select } }
  create: { request: POST /contacts, id: id }
  update: { request: "PATCH /contacts/{id}", then: get }
  delete: { request: "DELETE /contacts/{id}" }
  upsert:
    - { match: [email], via: find }
    - match: ["custom_fields.*"]
      request: PUT /contacts/by/{match.on}/{match.value}
      id: id
      created: '$status = 201'
      then: get
  batch:
    create:
      max: 3
      request: POST /contacts/batch
      body: { rows: '[items.record]' }
      results: rows
      row: { ok: '$not($exists(problem))', error: '{"status": 422, "body": $}', id: id }
metadata:
  fetch: { request: GET /fields, query: { page: cursor }, records: fields, next: next }
  field:
    key: key
    name: label
    label: label
    type: type
    custom: own
    writable: '$not(locked)'
    options: '[choices.{"value": id, "label": text}]'
  types:
    text: text
    number: number
    choice: { type: choice, options: label }
    choices: { type: choice, list: true, options: label }
associations:
  companies: { field: company }
  notes:
    list: { request: "GET /contacts/{id}/notes", query: { limit: limit, after: cursor }, records: notes, next: next }
    item: { id: note, labels: '[kinds]' }
    add: { request: "PUT /contacts/{id}/notes/{other_id}", body: { kinds: labels } }
    remove: { request: "DELETE /contacts/{id}/notes/{other_id}" }
"#;

const COMPANIES: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
fields: { id: { read: id }, name: name }
filters: { id: { on: id, ops: [in] } }
operations:
  list: { request: GET /companies, query: { ids: filter.id.in, limit: limit, after: cursor }, records: items, next: next }
  get: { request: "GET /companies/{id}" }
associations:
  contacts: { resource: contacts, by: company }
"#;

async fn start(answer: impl Fn(&Recorded) -> (u16, Value) + Send + Sync + 'static) -> (Server, FakeVendor) {
    let vendor = FakeVendor::start().await;
    vendor.answers_with(move |request| {
        let (status, body) = answer(request);
        json_answer(status, body.to_string())
    });
    let mut files = provider("fake", Some(CONTACTS));
    files.push(("fake/companies.yaml".into(), COMPANIES.into()));
    files.push(("fake/objects.yaml".into(), CUSTOM_OBJECTS.into()));
    let server = start_alone(files, &[("fake", &vendor)]).await;
    (server, vendor)
}

/// Fields of the account: a text, a number, one choice, several choices, and one that is locked.
fn fields() -> Value {
    json!({"fields": [
        {"key": "id", "label": "Id", "own": false},
        {"key": "x1", "label": "Nick name", "type": "text", "own": true},
        {"key": "x2", "label": "Shoe size", "type": "number", "own": true},
        {"key": "x3", "label": "Colour", "type": "choice", "own": true,
         "choices": [{"id": 7, "text": "Red"}, {"id": 9, "text": "Blue"}]},
        {"key": "x4", "label": "Sports", "type": "choices", "own": true,
         "choices": [{"id": 1, "text": "Chess"}, {"id": 2, "text": "Golf"}]},
        {"key": "x5", "label": "Score", "type": "number", "own": true, "locked": true}
    ]})
}

fn lines(vendor: &FakeVendor) -> Vec<String> {
    vendor.requests().iter().map(|request| request.line().replace(" HTTP/1.1", "")).collect()
}

fn json_of(request: &Recorded) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

fn ok(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn custom_fields_have_names_types_and_choices() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/fields") => (200, fields()),
        _ => (200, json!({"id": "1", "extra": {"x1": "Ada", "x2": 38.5, "x3": 9, "x4": [1, 2], "x5": 3}})),
    })
    .await;

    let read = ok(&server.on("fake").get("/v1/crm/contacts/1?fields=custom_fields").await, 200);

    let expected =
        json!({"nick_name": "Ada", "shoe_size": 38.5, "colour": "Blue", "sports": ["Chess", "Golf"], "score": 3});
    assert_eq!(read["custom_fields"], expected);
    let answer = server.on("fake").patch("/v1/crm/contacts/1", json!({"custom_fields": expected})).await;
    let problem = ok(&answer, 422);
    assert_eq!(problem["errors"][0]["pointer"], "/custom_fields/score", "it is locked");
    let written = json!({"custom_fields": {"colour": "Red", "sports": ["Golf"], "nick_name": null}});
    ok(&server.on("fake").patch("/v1/crm/contacts/1", written).await, 200);
    let patches = vendor.requests().into_iter().filter(|request| request.line().starts_with("PATCH"));
    let bodies: Vec<Value> = patches.map(|request| json_of(&request)).collect();
    assert_eq!(bodies, [json!({"extra": {"x3": 7, "x4": [2], "x1": null}})]);
}

#[tokio::test]
async fn custom_fields_that_the_account_lacks_are_not_asked_for() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/fields") => (200, fields()),
        _ => (200, json!({"id": "1", "extra": {"x1": "Ada"}})),
    })
    .await;
    let client = server.on("fake");

    for path in ["/v1/crm/contacts/1", "/v1/crm/contacts"] {
        for name in ["no%20name", "1st", "*", "(SELECT%20Id)"] {
            let problem = ok(&client.get(&format!("{path}?fields=custom_fields.{name}")).await, 400);
            assert_eq!(problem["errors"][0]["parameter"], "fields", "{problem}");
            let known = problem["supported"].as_array().expect("what there is");
            assert!(known.contains(&json!("custom_fields.nick_name")), "{problem}");
        }
    }
    // The star is how filters on custom fields are listed, and no custom field.
    let problem = ok(&client.get("/v1/crm/contacts?filter[custom_fields.*]=x").await, 400);
    assert_eq!(problem["code"], "unsupported-filter");
    assert!(vendor.requests().iter().all(|request| request.line().starts_with("GET /base/fields")));
    // The vendor's own name will do, and that of a column of which it does not tell.
    ok(&client.get("/v1/crm/contacts/1?fields=custom_fields.x1,custom_fields.untold").await, 200);
}

#[tokio::test]
async fn what_a_custom_field_cannot_hold_is_told_before_anything_is_sent() {
    let (server, vendor) = start(|_| (200, fields())).await;
    for (body, pointer, code) in [
        (json!({"colour": "Green"}), "/custom_fields/colour", "validation-failed"),
        (json!({"shoe_size": "large"}), "/custom_fields/shoe_size", "validation-failed"),
        (json!({"sports": "Golf"}), "/custom_fields/sports", "validation-failed"),
        (json!({"shoe": 1}), "/custom_fields/shoe", "unknown-field"),
    ] {
        let answer = server.on("fake").patch("/v1/crm/contacts/1", json!({"custom_fields": body})).await;
        let problem = ok(&answer, 422);
        assert_eq!((&problem["code"], &problem["errors"][0]["pointer"]), (&json!(code), &json!(pointer)), "{problem}");
        assert_eq!(problem["outcome"], "not-executed");
    }
    assert_eq!(lines(&vendor), ["GET /base/fields"], "asked for once");
}

#[tokio::test]
async fn metadata_is_asked_for_once_by_a_hundred_calls() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/fields") => (200, fields()),
        _ => (200, json!({"items": []})),
    })
    .await;
    let client = server.on("fake");
    let calls = (0..100).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.get("/v1/crm/contacts").await.status })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.expect("an answer"), 200);
    }
    assert_eq!(lines(&vendor).iter().filter(|line| line.contains("/fields")).count(), 1);
}

#[tokio::test]
async fn an_account_that_hides_its_fields_is_listed_all_the_same() {
    let (server, _vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/fields") => (403, json!({})),
        _ => (200, json!({"items": [{"id": "1", "name": "King"}]})),
    })
    .await;

    let answer = server.on("fake").get("/v1/crm/contacts").await;

    assert_eq!(answer.header("throughline-warning"), Some("custom-fields-unknown;pointer=\"/custom_fields\""));
    assert_eq!(ok(&answer, 200)["data"][0]["last_name"], "King");
    let named = server.on("fake").get("/v1/crm/contacts?fields=custom_fields.colour").await;
    assert_eq!(ok(&named, 403)["origin"], "provider", "a call that names one cannot be done");
}

#[tokio::test]
async fn more_columns_than_a_request_takes_come_in_pieces() {
    let many = |request: &Recorded| match request.line() {
        line if line.starts_with("GET /base/fields") => {
            let own = (0..12).map(|n| json!({"key": format!("c{n}"), "label": format!("C {n}"), "own": true}));
            (200, json!({"fields": own.collect::<Vec<_>>()}))
        }
        line => {
            let columns =
                line.split("columns=").nth(1).unwrap_or_default().split(['&', ' ']).next().unwrap_or_default();
            let extra: serde_json::Map<String, Value> = columns
                .split("%2C")
                .filter(|name| name.starts_with('c'))
                .map(|name| (name.to_owned(), json!(name)))
                .collect();
            let row = |id: &str| json!({"id": id, "extra": extra});
            (200, json!({"items": [row("1"), row("2")]}))
        }
    };
    let (server, vendor) = start(many).await;

    let listed = ok(&server.on("fake").get("/v1/crm/contacts?fields=custom_fields").await, 200);

    let records = listed["data"].as_array().expect("records");
    assert_eq!(records.len(), 2);
    for record in records {
        assert_eq!(record["custom_fields"].as_object().map(serde_json::Map::len), Some(12), "{record}");
        assert_eq!(record["custom_fields"]["c_11"], "c11");
    }
    assert_eq!(lines(&vendor).len(), 1 + 3, "twelve columns, four beside the id in each of three requests");
}

#[tokio::test]
async fn fields_are_described() {
    let (server, _vendor) = start(|_| (200, fields())).await;

    let told = ok(&server.on("fake").get("/v1/crm/contacts/fields").await, 200);

    let entry = |name: &str| told["data"].as_array().into_iter().flatten().find(|entry| entry["name"] == name).cloned();
    assert_eq!(
        entry("colour"),
        Some(json!({
            "name": "colour", "label": "Colour", "type": "choice", "list": false, "custom": true, "writable": true,
            "required": false,
            "options": [{"value": "Red", "label": "Red"}, {"value": "Blue", "label": "Blue"}],
        }))
    );
    let own = entry("last_name").expect("the model's own");
    assert_eq!((&own["label"], &own["custom"], &own["writable"]), (&json!("Last name"), &json!(false), &json!(true)));
    assert_eq!(entry("score").expect("the locked one")["writable"], false);
}

#[tokio::test]
async fn custom_fields_are_filtered_by_their_type() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/fields") => (200, fields()),
        _ => (200, json!({"items": []})),
    })
    .await;
    let client = server.on("fake");

    ok(
        &client
            .get("/v1/crm/contacts?fields=id&filter[custom_fields.shoe_size][gt]=38&filter[custom_fields.colour]=Red")
            .await,
        200,
    );

    let line = percent_encoding::percent_decode_str(vendor.last().line()).decode_utf8_lossy().into_owned();
    assert!(line.contains(r#"{"on":"x2","op":"gt","value":38,"type":"number"}"#), "{line}");
    assert!(line.contains(r#"{"on":"x3","op":"eq","value":7"#), "{line}");
    let refused = client.get("/v1/crm/contacts?filter[custom_fields.nick_name][gt]=a").await;
    assert_eq!(ok(&refused, 400)["code"], "unsupported-filter");
}

#[tokio::test]
async fn an_upsert_finds_creates_or_is_told_of_a_conflict() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/contacts?") && line.contains("new%40") => (200, json!({"items": []})),
        line if line.starts_with("GET /base/contacts?") && line.contains("two%40") => {
            (200, json!({"items": [{"id": "1"}, {"id": "2"}]}))
        }
        line if line.starts_with("GET /base/contacts?") => (200, json!({"items": [{"id": "1"}]})),
        line if line.starts_with("POST") => (201, json!({"id": "5"})),
        _ => (200, json!({"id": "1", "name": "King"})),
    })
    .await;
    let put = |mail: &str| {
        let body = json!({"last_name": "King", "emails": [{"email": mail}]});
        let client = server.on("fake").with("Prefer", "return=minimal");
        async move { client.request("PUT", "/v1/crm/contacts?match=email").json(&body).send().await }
    };

    let created = put("new@example.test").await;
    assert_eq!((created.status, created.header("location")), (201, Some("/v1/crm/contacts/5")));
    assert_eq!(created.header("throughline-warning"), Some("upsert-not-atomic"));
    let updated = put("one@example.test").await;
    assert_eq!((updated.status, &updated.json()["id"]), (200, &json!("1")));
    let conflict = put("two@example.test").await;
    let problem = ok(&conflict, 409);
    assert_eq!((&problem["code"], &problem["outcome"]), (&json!("conflict"), &json!("not-executed")));
    assert_eq!(lines(&vendor).iter().filter(|line| !line.starts_with("GET")).count(), 2);
}

#[tokio::test]
async fn upserts_of_one_key_take_turns() {
    let known = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (server, vendor) = start(move |request| match request.line() {
        line if line.starts_with("POST") => {
            known.store(true, std::sync::atomic::Ordering::SeqCst);
            (201, json!({"id": "5"}))
        }
        line if line.starts_with("GET /base/contacts?") => {
            let found = known.load(std::sync::atomic::Ordering::SeqCst);
            (200, json!({"items": if found { vec![json!({"id": "5"})] } else { Vec::new() }}))
        }
        _ => (200, json!({"id": "5"})),
    })
    .await;
    let calls = (0..8).map(|_| {
        let client = server.on("fake").with("Prefer", "return=minimal");
        tokio::spawn(async move {
            let body = json!({"emails": [{"email": "same@example.test"}]});
            client.request("PUT", "/v1/crm/contacts?match=email").json(&body).send().await.status
        })
    });
    let mut statuses = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        statuses.push(call.await.expect("an answer"));
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(lines(&vendor).iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn an_upsert_by_the_vendors_own_request() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/fields") => (200, fields()),
        line if line.starts_with("PUT") => (201, json!({"id": "7"})),
        _ => (200, json!({"id": "7", "name": "King", "extra": {"x1": "king/1"}})),
    })
    .await;
    let body = json!({"last_name": "King", "custom_fields": {"nick_name": "king/1"}});

    let answer =
        server.on("fake").request("PUT", "/v1/crm/contacts?match=custom_fields.nick_name").json(&body).send().await;

    assert_eq!(ok(&answer, 201)["last_name"], "King");
    let put = vendor.requests().into_iter().find(|request| request.line().starts_with("PUT")).expect("the upsert");
    assert_eq!(put.line(), "PUT /base/contacts/by/x1/king%2F1 HTTP/1.1");
}

#[tokio::test]
async fn an_upsert_needs_its_key() {
    let (server, vendor) = start(|_| (200, json!({}))).await;
    let client = server.on("fake");
    for (target, body, status, place) in [
        ("/v1/crm/contacts", json!({"last_name": "K"}), 400, "match"),
        ("/v1/crm/contacts?match=last_name", json!({"last_name": "K"}), 400, "match"),
        ("/v1/crm/contacts?match=email", json!({"last_name": "K"}), 422, "/emails/email"),
        ("/v1/crm/contacts?match=email&match=email", json!({"last_name": "K"}), 400, "match"),
    ] {
        let problem = ok(&client.request("PUT", target).json(&body).send().await, status);
        let error = &problem["errors"][0];
        assert_eq!(error.get("pointer").or(error.get("parameter")), Some(&json!(place)), "{target}: {problem}");
        assert_eq!(problem["outcome"], "not-executed");
    }
    assert_eq!(lines(&vendor), [""; 0]);
}

#[tokio::test]
async fn every_operation_of_a_batch_has_its_own_result() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("POST /base/contacts/batch") => {
            let rows = json_of(request)["rows"].as_array().cloned().unwrap_or_default();
            let row = |row: &Value| match row["name"].as_str() {
                Some("bad") => json!({"problem": "no such name"}),
                Some(name) => json!({"id": format!("new{name}")}),
                None => json!({}),
            };
            (200, json!({"rows": rows.iter().map(row).collect::<Vec<_>>()}))
        }
        line if line.starts_with("GET /base/contacts?") => {
            (200, json!({"items": [{"id": "newa", "name": "a"}, {"id": "newb", "name": "b"}]}))
        }
        line if line.starts_with("DELETE /base/contacts/gone") => (404, json!({})),
        line if line.starts_with("DELETE") => (204, Value::Null),
        line => (200, json!({"id": line.split(['/', '?', ' ']).nth(4), "name": "read"})),
    })
    .await;
    let operations = json!({"operations": [
        {"operation": "create", "data": {"last_name": "a"}, "ref": "first"},
        {"operation": "create", "data": {"last_name": "bad"}},
        {"operation": "get", "id": "9"},
        {"operation": "create", "data": {"last_name": 5}},
        {"operation": "delete", "id": "gone"},
        {"operation": "delete", "id": "8", "ref": 4},
        {"operation": "create", "data": {"last_name": "b"}},
        {"operation": "update", "id": "8", "data": {"last_name": "c"}},
        {"operation": "create", "data": {"custom": 1}},
    ]});

    let answer = server.on("fake").post("/v1/crm/contacts/batch?fields=last_name", operations).await;

    let results = ok(&answer, 200)["results"].as_array().cloned().expect("results");
    let statuses: Vec<u64> = results.iter().map(|result| result["status"].as_u64().expect("a status")).collect();
    assert_eq!(statuses, [201, 422, 200, 422, 404, 204, 201, 409, 422], "{results:#?}");
    assert_eq!(results[0]["ref"], "first");
    assert_eq!(results[0]["data"], json!({"id": "newa", "created_at": null, "updated_at": null, "last_name": "a"}));
    assert_eq!(results[1]["error"]["provider"]["body"], json!({"problem": "no such name"}));
    assert_eq!(results[3]["error"]["errors"][0]["pointer"], "/last_name");
    assert_eq!(results[7]["error"]["code"], "conflict", "the same record twice");
    assert!(results.iter().all(|result| result["error"].is_null() || result["error"]["request_id"].is_string()));
    assert_eq!(lines(&vendor).iter().filter(|line| line.contains("/batch")).count(), 1, "three creates, one request");
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_is_taken_apart() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("POST /base/contacts/batch") => (400, json!({"message": "one of them is bad"})),
        line if line.starts_with("POST") && json_of(request)["name"] == "bad" => (422, json!({"message": "bad"})),
        line if line.starts_with("POST") => (201, json!({"id": "5", "name": "good"})),
        _ => (200, json!({"id": "5", "name": "good"})),
    })
    .await;
    let operations = json!({"operations": [
        {"operation": "create", "data": {"last_name": "good"}},
        {"operation": "create", "data": {"last_name": "bad"}},
    ]});

    let answer = server.on("fake").with("Prefer", "return=minimal").post("/v1/crm/contacts/batch", operations).await;

    let results = ok(&answer, 200)["results"].as_array().cloned().expect("results");
    assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!(201), &json!(422)), "{results:#?}");
    assert_eq!(lines(&vendor).len(), 3);
}

#[test]
fn a_batch_whose_operations_are_expanded_fits_a_small_stack() {
    let scenario = async {
        let (server, _vendor) = start(|request| match request.line() {
            line if line.starts_with("GET /base/companies") => (200, json!({"items": [{"id": "c1", "name": "Byron"}]})),
            line if line.starts_with("POST") => (201, json!({"id": "5", "company": "c1"})),
            _ => (200, json!({"id": "5", "company": "c1"})),
        })
        .await;
        let operations = json!({"operations": [{"operation": "create", "data": {"last_name": "a"}}]});

        let answer = server.on("fake").post("/v1/crm/contacts/batch?expand=company", operations).await;

        let results = ok(&answer, 200)["results"].clone();
        assert_eq!(results[0]["data"]["company"]["record"]["name"], "Byron", "{results:#}");
    };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Half of what the threads have that serve. An overflow ends the process.
    let small = std::thread::Builder::new().stack_size(1024 * 1024).spawn(move || runtime().block_on(scenario));
    small.expect("a thread").join().expect("no panic");
}

#[tokio::test]
async fn batches_that_are_none() {
    let (server, vendor) = start(|_| (200, json!({}))).await;
    let client = server.on("fake");
    let get = json!({"operation": "get", "id": "1"});
    for (body, pointer) in [
        (json!({}), "/operations"),
        (json!({"operations": []}), "/operations"),
        (json!({"operations": vec![get.clone(); 101]}), "/operations"),
        (json!({"operations": [get], "atomic": true}), "/atomic"),
        (json!({"operations": [7]}), "/operations/0"),
        (json!({"operations": [{"operation": "list"}]}), "/operations/0/operation"),
        (json!({"operations": [{"operation": "get"}]}), "/operations/0/id"),
        (json!({"operations": [{"operation": "create", "data": {}, "id": "1"}]}), "/operations/0/id"),
        (json!({"operations": [{"operation": "create", "data": []}]}), "/operations/0/data"),
        (json!({"operations": [{"operation": "upsert", "data": {}}]}), "/operations/0/match"),
    ] {
        let problem = ok(&client.post("/v1/crm/contacts/batch", body).await, 422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    assert_eq!(lines(&vendor), [""; 0]);
}

#[tokio::test]
async fn associations_by_reference() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/contacts?") => (200, json!({"items": [{"id": "1"}, {"id": "2"}]})),
        _ => (200, json!({"id": "1", "company": "c9"})),
    })
    .await;
    let client = server.on("fake");

    let companies = ok(&client.get("/v1/crm/contacts/1/associations/companies").await, 200);
    assert_eq!(companies["data"], json!([{"id": "c9", "labels": []}]));
    let contacts = ok(&client.get("/v1/crm/companies/c9/associations/contacts").await, 200);
    assert_eq!(contacts["data"], json!([{"id": "1", "labels": []}, {"id": "2", "labels": []}]));
    let added = client.request("PUT", "/v1/crm/companies/c7/associations/contacts/1").send().await;
    assert_eq!(ok(&added, 200), json!({"id": "1", "labels": []}));
    assert_eq!(
        (vendor.last().line(), json_of(&vendor.last())),
        ("PATCH /base/contacts/1 HTTP/1.1", json!({"company": "c7"}))
    );
    let removed = client.request("DELETE", "/v1/crm/contacts/1/associations/companies/c9").send().await;
    assert_eq!(removed.status, 204, "{}", removed.text());
    assert_eq!(json_of(&vendor.last()), json!({"company": null}));
    let absent = client.request("DELETE", "/v1/crm/contacts/1/associations/companies/c5").send().await;
    assert_eq!(ok(&absent, 404)["outcome"], "not-executed");
}

#[tokio::test]
async fn associations_with_labels_and_pages() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.contains("after=n2") => (200, json!({"notes": [{"note": 3}]})),
        line if line.starts_with("GET") => {
            (200, json!({"notes": [{"note": 1, "kinds": ["Primary"]}, {"note": 2, "kinds": []}], "next": "n2"}))
        }
        _ => (204, Value::Null),
    })
    .await;
    let client = server.on("fake");

    let first = ok(&client.get("/v1/crm/contacts/1/associations/notes?limit=2").await, 200);
    assert_eq!(first["data"], json!([{"id": "1", "labels": ["Primary"]}, {"id": "2", "labels": []}]));
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = ok(&client.get(&format!("/v1/crm/contacts/1/associations/notes?cursor={cursor}")).await, 200);
    assert_eq!((&second["data"], &second["next_cursor"]), (&json!([{"id": "3", "labels": []}]), &Value::Null));
    let foreign = client.get(&format!("/v1/crm/contacts/2/associations/notes?cursor={cursor}")).await;
    assert_eq!(ok(&foreign, 400)["code"], "invalid-cursor", "a cursor belongs to one list");
    let body = json!({"labels": ["Primary"]});
    let added = client.request("PUT", "/v1/crm/contacts/1/associations/notes/7").json(&body).send().await;
    assert_eq!(ok(&added, 200), json!({"id": "7", "labels": ["Primary"]}));
    assert_eq!(json_of(&vendor.last()), json!({"kinds": ["Primary"]}));
    let unlabelled = client.request("PUT", "/v1/crm/contacts/1/associations/companies/7").json(&body).send().await;
    assert_eq!(ok(&unlabelled, 422)["errors"][0]["pointer"], "/labels");
    let unknown = ok(&client.get("/v1/crm/contacts/1/associations/deals").await, 405);
    assert_eq!(unknown["supported"], json!(["companies", "notes"]));
}

#[tokio::test]
async fn references_are_expanded_by_one_call_a_kind() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/companies") => {
            (200, json!({"items": [{"id": "c1", "name": "Byron"}, {"id": "c2", "name": "King"}]}))
        }
        _ => {
            let row = |id: u32, company: &str| json!({"id": id, "company": company});
            (200, json!({"items": [row(1, "c1"), row(2, "c2"), row(3, "c1"), row(4, "c3")]}))
        }
    })
    .await;

    let listed = ok(&server.on("fake").get("/v1/crm/contacts?fields=company&expand=company").await, 200);

    let names: Vec<&Value> =
        listed["data"].as_array().expect("records").iter().map(|record| &record["company"]["record"]["name"]).collect();
    assert_eq!(names, [&json!("Byron"), &json!("King"), &json!("Byron"), &Value::Null]);
    assert_eq!(listed["warnings"][0]["code"], "not-expanded", "c3 is not there");
    assert_eq!(lines(&vendor).len(), 2);
    assert!(vendor.last().line().starts_with("GET /base/companies?ids=c1%2Cc2%2Cc3&"), "{}", vendor.last().line());
    let refused = ok(&server.on("fake").get("/v1/crm/contacts?expand=owner").await, 400);
    assert_eq!(refused["supported"], json!(["company"]), "there are no users here");
    assert_eq!(lines(&vendor).len(), 2);
}

#[tokio::test]
async fn custom_objects_are_resources() {
    let (server, vendor) = start(|request| match request.line() {
        line if line.starts_with("GET /base/schemas") => {
            (200, json!({"schemas": [{"name": "boats", "label": "Boat", "url": "b-17"}]}))
        }
        line if line.starts_with("POST") => (201, json!({"id": "s1", "title": "Ada"})),
        line if line.starts_with("GET /base/things/b-17?") || line == "GET /base/things/b-17 HTTP/1.1" => {
            (200, json!({"items": [{"id": "s1", "title": "Ada"}]}))
        }
        _ => (200, json!({"id": "s1", "title": "Ada"})),
    })
    .await;
    let client = server.on("fake");

    let types = ok(&client.get("/v1/crm/objects").await, 200);
    assert_eq!(types["data"][0]["name"], "boats");
    let listed = ok(&client.get("/v1/crm/objects/boats").await, 200);
    assert_eq!(listed["data"][0]["name"], "Ada");
    let created = client.post("/v1/crm/objects/boats", json!({"name": "Ada"})).await;
    assert_eq!((created.status, created.header("location")), (201, Some("/v1/crm/objects/boats/s1")));
    ok(&client.get("/v1/crm/objects/boats/s1").await, 200);
    let unknown = ok(&client.get("/v1/crm/objects/planes").await, 404);
    assert_eq!(unknown["supported"], json!(["boats"]));
    assert_eq!(lines(&vendor).iter().filter(|line| line.contains("schemas")).count(), 1);
}
