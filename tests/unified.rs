//! Every operation of the unified API on both sandboxes, through the real server.

mod support;

use serde_json::{Value, json};
use support::{Client, Server, all_pages, encode, ids, start};

const PROVIDERS: [&str; 2] = ["hubspot", "salesforce"];

async fn list(client: &Client, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("/v1/crm/contacts?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()["data"].as_array().expect("a list").clone()
}

async fn create(client: &Client, body: Value) -> Value {
    let answer = client.post("/v1/crm/contacts", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_list_has_the_shape_that_is_documented() {
    let server = start().await;
    for provider in PROVIDERS {
        for resource in ["contacts", "companies", "deals"] {
            let answer = server.on(provider).get(&format!("/v1/crm/{resource}?limit=3")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.header("content-type"), Some("application/json"));
            let body = answer.json();
            let members: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
            assert!(members.starts_with(&["data", "next_cursor"]), "{members:?}");
            let records = body["data"].as_array().expect("a list");
            assert_eq!(records.len(), 3);
            for record in records {
                assert!(record["id"].is_string() && record["custom_fields"].is_object(), "{record}");
                for time in ["created_at", "updated_at"] {
                    let time = record[time].as_str().expect("a time");
                    assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
                }
            }
            let cursor = body["next_cursor"].as_str().expect("there is more");
            let link = format!("</v1/crm/{resource}?cursor={cursor}>; rel=\"next\"");
            assert_eq!(answer.header("link"), Some(link.as_str()));
            // The link is good as it stands.
            let next = server.on(provider).get(&format!("/v1/crm/{resource}?cursor={cursor}")).await;
            assert_eq!(next.status, 200);
            let (first, second) = (ids(records), ids(next.json()["data"].as_array().expect("a list")));
            assert!(first.iter().all(|id| !second.contains(id)));
            let all = server.on(provider).get(&format!("/v1/crm/{resource}?limit=100")).await;
            assert!(all.json()["next_cursor"].is_null() && all.header("link").is_none(), "the last page says so");
        }
    }
}

#[tokio::test]
async fn every_answer_tells_its_timings() {
    let server = start().await;
    let client = server.on("hubspot");
    for path in ["/v1/crm/contacts", "/v1/crm/contacts/0", "/v1/passthrough/x", "/v1/providers", "/v1/keys", "/nothing"]
    {
        let answer = client.get(path).await;
        let timing = answer.header("server-timing").unwrap_or_else(|| panic!("{path} has no timings"));
        for part in ["upstream;dur=", "quota;dur=", "mapping;dur=", "overhead;dur="] {
            let value = timing.split(part).nth(1).unwrap_or_else(|| panic!("{part} is missing in {timing}"));
            let value = value.split(',').next().expect("a value").parse::<f64>().expect("a number");
            assert!(value >= 0.0, "{timing}");
        }
        assert!(answer.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn pages_lose_nothing_and_repeat_nothing() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let whole = ids(&list(&client, "limit=100").await);
        assert!(whole.len() >= 25, "the sandbox has records");
        let since = "filter[created_at][gte]=2020-01-01T00:00:00Z";
        for query in
            ["limit=1", "limit=4", "limit=24", "limit=25", &format!("limit=1&{since}"), &format!("limit=7&{since}")]
        {
            let pages = all_pages(&client, &format!("/v1/crm/contacts?{query}")).await;
            let size: usize = query[6..].split('&').next().and_then(|size| size.parse().ok()).expect("a size");
            assert!(pages.iter().all(|page| page.len() <= size), "{query}: a page is too large");
            let mut found = ids(&pages.concat());
            found.sort();
            let mut expected = whole.clone();
            expected.sort();
            assert_eq!(found, expected, "{provider} {query}");
        }
        for sort in ["id", "-id", "updated_at", "-updated_at", "last_name", "-last_name"] {
            let mut found = ids(&all_pages(&client, &format!("/v1/crm/contacts?limit=4&sort={sort}")).await.concat());
            found.sort();
            let mut expected = whole.clone();
            expected.sort();
            assert_eq!(found, expected, "{provider} sorted by {sort}");
        }
    }
}

#[tokio::test]
async fn changes_between_pages_do_not_disturb_the_rest() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let whole = ids(&list(&client, "limit=100&sort=id").await);
        let (first, deleted_later) = (whole[0].clone(), whole[whole.len() - 2].clone());
        let mut found = Vec::new();
        let mut path = "/v1/crm/contacts?limit=5&sort=id".to_owned();
        let mut page_number = 0;
        loop {
            let page = client.get(&path).await.json();
            found.extend(ids(page["data"].as_array().expect("a list")));
            page_number += 1;
            match page_number {
                // A row that was seen already goes, one that is still to come goes, one is changed, one is added.
                1 => assert_eq!(client.delete(&format!("/v1/crm/contacts/{first}")).await.status, 204),
                2 => {
                    let path = format!("/v1/crm/contacts/{deleted_later}");
                    assert_eq!(client.delete(&path).await.status, 204);
                    let path = format!("/v1/crm/contacts/{}", whole[12]);
                    assert_eq!(client.patch(&path, json!({"last_name": "Changed"})).await.status, 200);
                    create(&client, json!({"last_name": "New"})).await;
                }
                _ => {}
            }
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/v1/crm/contacts?cursor={cursor}");
        }
        let mut once = found.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), found.len(), "{provider}: nothing comes twice");
        let missing: Vec<&String> = whole.iter().filter(|id| !found.contains(id)).collect();
        if provider == "salesforce" {
            assert_eq!(missing, [&deleted_later], "what was there all the time is found");
        } else {
            // The vendor pages searches by offset: a row that goes shifts the rest, which its gotchas do not hide.
            assert!(missing.len() <= 2 && missing.contains(&&deleted_later), "{missing:?}");
        }
    }
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let whole = list(&client, "limit=100").await;
        let two: Vec<&Value> =
            whole.iter().filter(|one| !one["emails"].as_array().expect("a list").is_empty()).take(2).collect();
        let (one, other) = (two[0], two[1]);
        let email = |record: &Value| record["emails"][0]["email"].as_str().expect("an address").to_owned();
        let last = |record: &Value| record["last_name"].as_str().unwrap_or_default().to_owned();
        let time = |record: &Value| record["updated_at"].as_str().expect("a time").to_owned();

        let by_email = list(&client, &format!("filter[email]={}", encode(&email(one)))).await;
        assert_eq!(ids(&by_email), [one["id"].as_str().expect("an id")]);
        assert_eq!(by_email, list(&client, &format!("filter[email][eq]={}", encode(&email(one)))).await);

        let both = format!("filter[email][in]={},{}", encode(&email(one)), encode(&email(other)));
        let mut found = ids(&list(&client, &both).await);
        found.sort();
        let mut expected = ids(&[one.clone(), other.clone()]);
        expected.sort();
        assert_eq!(found, expected);

        let not = list(&client, &format!("limit=100&filter[last_name][ne]={}", encode(&last(one)))).await;
        assert_eq!(not.len(), whole.iter().filter(|record| last(record) != last(one)).count());

        let mut times: Vec<String> = whole.iter().map(time).collect();
        times.sort();
        let middle = &times[times.len() / 2];
        type Compares = fn(&String, &String) -> bool;
        let holds: [(&str, Compares); 4] =
            [("gt", |a, b| a > b), ("gte", |a, b| a >= b), ("lt", |a, b| a < b), ("lte", |a, b| a <= b)];
        for (op, holds) in holds {
            let found = list(&client, &format!("limit=100&filter[updated_at][{op}]={}", encode(middle))).await;
            assert_eq!(found.len(), times.iter().filter(|time| holds(time, middle)).count(), "{provider} {op}");
            assert!(found.iter().all(|record| holds(&time(record), middle)), "{provider} {op}");
        }
        let range = format!(
            "limit=100&filter[updated_at][gte]={}&filter[updated_at][lte]={}",
            encode(&times[2]),
            encode(&times[5])
        );
        let within = times.iter().filter(|time| **time >= times[2] && **time <= times[5]).count();
        assert_eq!(list(&client, &range).await.len(), within);

        let with: usize = whole.iter().filter(|record| !record["company"].is_null()).count();
        let exists = list(&client, "limit=100&filter[company.id][exists]=true").await;
        let lacks = list(&client, "limit=100&filter[company.id][exists]=false").await;
        assert_eq!((exists.len(), lacks.len()), (with, whole.len() - with), "{provider}");
        let company = exists[0]["company"]["id"].as_str().expect("an id").to_owned();
        let of_company = list(&client, &format!("limit=100&filter[company.id]={company}")).await;
        assert!(!of_company.is_empty() && of_company.iter().all(|record| record["company"]["id"] == company.as_str()));

        // Several filters are joined by AND.
        let narrow = format!("filter[email]={}&filter[last_name]={}", encode(&email(one)), encode(&last(other)));
        assert_eq!(list(&client, &narrow).await, Vec::<Value>::new());
    }
    let client = server.on("salesforce");
    let whole = list(&client, "limit=100").await;
    for (op, holds) in [
        ("contains", (|name: &str| name.to_lowercase().contains("an")) as fn(&str) -> bool),
        ("starts_with", |name: &str| name.to_lowercase().starts_with("an")),
    ] {
        let found = list(&client, &format!("limit=100&filter[last_name][{op}]=an")).await;
        let expected = whole.iter().filter(|record| record["last_name"].as_str().is_some_and(holds)).count();
        assert_eq!(found.len(), expected, "{op}");
    }
    let amounts = server.on("hubspot").get("/v1/crm/deals?limit=100&filter[amount][gte]=10000").await.json();
    let number = |deal: &Value| deal["amount"].as_str().and_then(|text| text.parse::<f64>().ok()).expect("an amount");
    let deals = amounts["data"].as_array().expect("a list");
    assert!(!deals.is_empty() && deals.iter().all(|deal| number(deal) >= 10_000.0), "{amounts}");
}

#[tokio::test]
async fn text_is_searched_where_the_vendor_can() {
    let server = start().await;
    let client = server.on("hubspot");
    let whole = list(&client, "limit=100").await;
    let name = whole[3]["last_name"].as_str().expect("a name");
    let found = list(&client, &format!("q={}", encode(name))).await;
    assert!(found.iter().any(|record| record["id"] == whole[3]["id"]), "{found:?}");
    assert!(found.len() < whole.len());
}

#[tokio::test]
async fn sorts_sort() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        for field in ["created_at", "updated_at"] {
            let key = |record: &Value| record[field].as_str().expect("text").to_owned();
            let up: Vec<String> = list(&client, &format!("limit=100&sort={field}")).await.iter().map(key).collect();
            let down: Vec<String> = list(&client, &format!("limit=100&sort=-{field}")).await.iter().map(key).collect();
            assert!(up.is_sorted(), "{provider} {field}: {up:?}");
            assert!(down.is_sorted_by(|a, b| a >= b), "{provider} -{field}: {down:?}");
        }
    }
    let two = list(&server.on("salesforce"), "limit=100&sort=-created_at,last_name").await;
    assert!(
        two.is_sorted_by_key(|record| std::cmp::Reverse(record["created_at"].as_str().expect("a time").to_owned()))
    );
}

#[tokio::test]
async fn a_record_lives_from_create_to_delete() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let body = json!({
            "first_name": "Ada",
            "last_name": "O'Lovelace \u{1f600}",
            "title": "Analyst",
            "birthday": "1815-12-10",
            "emails": [{"type": "work", "email": "ada@example.test"}],
            "phones": [{"type": "mobile", "number": "+44 20 7946 0000"}],
            "addresses": [{"type": "mailing", "city": "London", "country": "United Kingdom"}],
        });
        let answer = client.post("/v1/crm/contacts", body.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let created = answer.json();
        let id = created["id"].as_str().expect("an id").to_owned();
        let path = format!("/v1/crm/contacts/{id}");
        assert_eq!(answer.header("location"), Some(path.as_str()));
        for name in ["first_name", "last_name", "title", "birthday"] {
            assert_eq!(created[name], body[name], "{provider} {name}");
        }
        assert_eq!(created["emails"][0]["email"], "ada@example.test");
        assert_eq!(created["phones"][0]["number"], "+44 20 7946 0000");
        assert_eq!(created["addresses"][0]["city"], "London");

        let got = client.get(&path).await;
        assert_eq!((got.status, got.json()), (200, created.clone()));

        // Only what is sent changes; null clears.
        let answer = client.patch(&path, json!({"title": null, "first_name": "Augusta"})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let updated = answer.json();
        assert_eq!((&updated["title"], &updated["first_name"]), (&Value::Null, &json!("Augusta")));
        for name in ["last_name", "birthday", "emails", "phones", "addresses", "created_at"] {
            assert_eq!(updated[name], created[name], "{provider} {name}");
        }
        assert_eq!(client.get(&path).await.json(), updated);
        let merge = client.request("PATCH", &path).body("application/merge-patch+json", r#"{"title": "Countess"}"#);
        assert_eq!(merge.send().await.json()["title"], "Countess");

        let cleared = client.patch(&path, json!({"phones": null, "emails": []})).await;
        assert_eq!(cleared.status, 200, "{}", cleared.text());
        assert_eq!((&cleared.json()["phones"], &cleared.json()["emails"]), (&json!([]), &json!([])), "{provider}");

        // What was read can be sent back, but for what is read-only.
        let mut back = client.get(&path).await.json();
        back.as_object_mut().expect("a record").retain(|name, value| {
            !["created_at", "updated_at", "name", "custom_fields", "owner", "company"].contains(&name.as_str())
                && !value.is_null()
                && *value != json!([])
        });
        let answer = client.patch(&path, back).await;
        assert_eq!(answer.status, 200, "{}", answer.text());

        let deleted = client.delete(&path).await;
        assert_eq!((deleted.status, deleted.body.len()), (204, 0));
        for answer in
            [client.get(&path).await, client.delete(&path).await, client.patch(&path, json!({"title": "x"})).await]
        {
            answer.problem(404, "not-found");
        }
        assert!(list(&client, "filter[email]=ada@example.test").await.is_empty());
    }
}

#[tokio::test]
async fn references_are_written_by_id() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let companies = client.get("/v1/crm/companies?limit=2").await.json();
        let company = companies["data"][1]["id"].clone();
        let made = create(&client, json!({"last_name": "Ref", "company": {"id": company}})).await;
        assert_eq!(made["company"]["id"], company, "{provider}: {made}");
        let path = format!("/v1/crm/contacts/{}", made["id"].as_str().expect("an id"));
        let answer =
            client.patch(&path, json!({"company": {"id": companies["data"][0]["id"], "name": "ignored"}})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.header("throughline-warning").is_some(), "the name beside the id is ignored, and that is said");
        assert_eq!(answer.json()["company"]["id"], companies["data"][0]["id"]);
        let cleared = client.patch(&path, json!({"company": null})).await.json();
        assert!(cleared["company"].is_null(), "{provider}: {cleared}");
    }
}

#[tokio::test]
async fn fields_narrow_the_record() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let id = ids(&list(&client, "limit=1").await).remove(0);
        let whole = client.get(&format!("/v1/crm/contacts/{id}")).await.json();
        let names = |record: &Value| record.as_object().expect("a record").keys().cloned().collect::<Vec<_>>();
        let some = client.get(&format!("/v1/crm/contacts/{id}?fields=last_name,emails.email,company.id")).await.json();
        assert_eq!(names(&some), ["id", "created_at", "updated_at", "last_name", "emails", "company"]);
        assert_eq!(names(&some["emails"][0]), ["email"]);
        assert_eq!(some["emails"][0]["email"], whole["emails"][0]["email"]);
        assert_eq!(names(&some["company"]), ["id"]);
        for name in ["id", "created_at", "updated_at", "last_name"] {
            assert_eq!(some[name], whole[name], "{name}");
        }
        // A list narrows in the same way.
        let listed = list(&client, "limit=1&fields=last_name,emails.email,company.id").await;
        assert_eq!(listed[0], some);
        // A created record too.
        let made = client.post("/v1/crm/contacts?fields=title", json!({"last_name": "X", "title": "T"})).await.json();
        assert_eq!(names(&made), ["id", "created_at", "updated_at", "title"]);
    }
    // A custom field goes by the vendor's own name.
    for (provider, name) in [("hubspot", "favourite_colour"), ("salesforce", "Level__c")] {
        let client = server.on(provider);
        let vendors_own = if provider == "hubspot" { "jobtitle" } else { name };
        let answer = client.get(&format!("/v1/crm/contacts?limit=1&fields=custom_fields.{vendors_own}")).await;
        if answer.status == 200 {
            let record = &answer.json()["data"][0];
            let names: Vec<&str> = record.as_object().expect("a record").keys().map(String::as_str).collect();
            assert_eq!(names, ["id", "created_at", "updated_at", "custom_fields"]);
        } else {
            // The vendor refuses columns that it does not have, and that is told as what it is.
            assert!((400..500).contains(&answer.status), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn raw_is_the_vendors_own_data() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let with = list(&client, "limit=2&include=raw").await;
        let without = list(&client, "limit=2").await;
        assert!(without.iter().all(|record| record.get("raw").is_none()));
        let raw = &with[0]["raw"];
        let id = raw.get("id").or_else(|| raw.get("Id")).and_then(Value::as_str);
        assert_eq!(id, with[0]["id"].as_str(), "{raw}");
        let one = client.get(&format!("/v1/crm/contacts/{}?include=raw", with[0]["id"].as_str().expect("an id"))).await;
        assert!(one.json()["raw"].is_object());
    }
}

#[tokio::test]
async fn raw_numbers_keep_every_digit() {
    let vendor = support::FakeVendor::start().await;
    let row = r#"{"id":"1","name":"Ada","big":123456789012345678901234567890,"cents":12500.10,"tiny":1e-400}"#;
    vendor.answers(support::json_answer(200, format!("{{\"items\":[{row}]}}")));
    let server = support::start_with(support::provider("fake", None), &[("fake", &vendor)]).await;
    let answer = server.on("fake").get("/v1/crm/contacts?include=raw").await;
    assert!(answer.text().contains(&format!("\"raw\":{row}")), "{}", answer.text());
}

#[tokio::test]
async fn a_minimal_answer_holds_the_id_and_saves_the_read_back() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider).with("Prefer", "return=minimal");
        let before = server.seen(provider);
        let answer = client.post("/v1/crm/contacts", json!({"last_name": "Minimal"})).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let record = answer.json();
        let id = record["id"].as_str().expect("an id").to_owned();
        assert_eq!(record, json!({"id": id}));
        assert_eq!(answer.header("location"), Some(format!("/v1/crm/contacts/{id}").as_str()));
        assert_eq!(server.seen(provider) - before, 1, "{provider}: one request");
        let updated = client.patch(&format!("/v1/crm/contacts/{id}"), json!({"last_name": "Less"})).await;
        assert_eq!((updated.status, updated.json()), (200, json!({"id": id})));
        assert_eq!(server.seen(provider) - before, 2, "{provider}: one request each");
    }
}

#[tokio::test]
async fn warnings_are_told_in_the_header_and_in_the_body() {
    let server = start().await;
    let client = server.on("hubspot");
    let answer = client.get("/v1/crm/contacts?limit=5000").await;
    assert_eq!(answer.status, 200);
    let warnings = answer.json()["warnings"].as_array().expect("warnings").clone();
    assert_eq!(warnings[0]["code"], "limit-reduced", "{warnings:?}");
    let header = answer.header("throughline-warning").expect("the header");
    let codes: Vec<&str> = header.split(", ").map(|item| item.split(';').next().expect("a code")).collect();
    let members: Vec<&str> = warnings.iter().map(|warning| warning["code"].as_str().expect("a code")).collect();
    assert_eq!(codes, members);
    let deals = client.get("/v1/crm/deals?limit=2&sort=-updated_at").await;
    let warnings = deals.json()["warnings"].as_array().expect("warnings").clone();
    let header = deals.header("throughline-warning").expect("the header");
    for warning in &warnings {
        let (code, pointer) = (warning["code"].as_str().expect("a code"), warning["pointer"].as_str());
        let item = pointer.map_or(code.to_owned(), |pointer| format!("{code};pointer=\"{pointer}\""));
        assert!(header.contains(&item), "{item} is not in {header}");
        assert!(warning["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    let plain = client.get("/v1/crm/contacts?limit=5").await;
    assert!(plain.header("throughline-warning").is_none() && plain.json().get("warnings").is_none());
}

#[tokio::test]
async fn a_search_in_json_is_the_same_list() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let whole = list(&client, "limit=100").await;
        let names: Vec<String> =
            whole.iter().take(2).map(|record| record["last_name"].as_str().expect("a name").to_owned()).collect();
        let since = "2020-01-01T00:00:00Z";
        for (query, body) in [
            ("limit=3".to_owned(), json!({"limit": 3})),
            ("limit=3&sort=-updated_at".into(), json!({"limit": 3, "sort": "-updated_at"})),
            ("limit=3&sort=-updated_at".into(), json!({"limit": 3, "sort": ["-updated_at"]})),
            ("limit=3&fields=title,emails.email".into(), json!({"limit": 3, "fields": ["title", "emails.email"]})),
            ("limit=3&include=raw".into(), json!({"limit": 3, "include": "raw"})),
            (
                format!("limit=3&filter[last_name]={}", encode(&names[0])),
                json!({"limit": 3, "filter": {"last_name": names[0]}}),
            ),
            (
                format!(
                    "limit=50&filter[last_name][in]={},{}&filter[updated_at][gte]={since}",
                    encode(&names[0]),
                    encode(&names[1])
                ),
                json!({"limit": 50, "filter": {"last_name": {"in": names}, "updated_at": {"gte": since}}}),
            ),
            ("filter[company.id][exists]=true".into(), json!({"filter": {"company.id": {"exists": true}}})),
        ] {
            let asked = client.get(&format!("/v1/crm/contacts?{query}")).await;
            let searched = client.post("/v1/crm/contacts/search", body).await;
            assert_eq!((asked.status, searched.status), (200, 200), "{query}: {} {}", asked.text(), searched.text());
            let (asked, searched) = (asked.json(), searched.json());
            assert_eq!(asked["data"], searched["data"], "{provider} {query}");
            assert_eq!(asked["next_cursor"].is_null(), searched["next_cursor"].is_null());
        }
        // A cursor of the one goes on in the other.
        let first = client.post("/v1/crm/contacts/search", json!({"limit": 2})).await.json();
        let next = client.post("/v1/crm/contacts/search", json!({"cursor": first["next_cursor"]})).await.json();
        let cursor = first["next_cursor"].as_str().expect("a cursor");
        assert_eq!(next["data"], client.get(&format!("/v1/crm/contacts?cursor={cursor}")).await.json()["data"]);
    }
    // In JSON, a comma in a value separates nothing.
    let client = server.on("salesforce");
    let made = create(&client, json!({"last_name": "Smith, Jr."})).await;
    let body = json!({"filter": {"last_name": {"in": ["Smith, Jr."]}}});
    let found = client.post("/v1/crm/contacts/search", body).await.json();
    assert_eq!(found["data"][0]["id"], made["id"], "{found}");
    client
        .post("/v1/crm/contacts/search", json!({"filter": {"last_name": {"eq": ["a", "b"]}}}))
        .await
        .problem(400, "invalid-request");
    client
        .post("/v1/crm/contacts/search", json!({"filter": {"last_name": null}}))
        .await
        .problem(400, "invalid-request");
}

#[tokio::test]
async fn the_vendors_refusals_come_as_problems() {
    let server = start().await;
    for provider in PROVIDERS {
        let client = server.on(provider);
        let id = if provider == "hubspot" { "999999999" } else { "003000000000000AAA" };
        client.get(&format!("/v1/crm/contacts/{id}")).await.problem(404, "not-found");
        let body = json!({"last_name": "x", "company": {"id": "no-such-company"}});
        let problem = client.post("/v1/crm/contacts", body).await.problem(422, "validation-failed");
        assert_eq!(
            (&problem["origin"], &problem["outcome"]),
            (&json!("provider"), &json!("not-executed")),
            "{problem}"
        );
        assert_eq!(problem["provider"]["name"], provider);
        assert!(problem["provider"]["status"].is_u64());
        assert!(problem["errors"][0]["pointer"].as_str().is_some_and(|p| p.starts_with("/company")), "{problem}");
        // A refused credential of the connection is not the caller's key.
        let bad = json!({"provider": provider, "customer_id": "refused", "credentials": {"type": "token", "token": "wrong"},
            "settings": server.app.catalog().provider(provider).expect("a provider").example_settings()});
        let refused = server.client().connection(&server.connect_as("demo", bad).await);
        refused.get("/v1/crm/contacts").await.problem(409, "needs-reauth");
    }
    let taken = server.on("hubspot").get("/v1/crm/contacts?limit=1").await.json();
    let email = taken["data"][0]["emails"][0]["email"].clone();
    let problem =
        server.on("hubspot").post("/v1/crm/contacts", json!({"emails": [{"type": "work", "email": email}]})).await;
    let problem = problem.problem(409, "duplicate");
    assert_eq!(problem["provider"]["other_id"], taken["data"][0]["id"], "{problem}");
}

#[tokio::test]
async fn providers_tell_what_they_can() {
    let server = start().await;
    let client = server.client();
    let listed = client.get("/v1/providers").await.json();
    let names: Vec<&str> =
        listed["data"].as_array().expect("a list").iter().filter_map(|p| p["name"].as_str()).collect();
    assert!(PROVIDERS.iter().all(|provider| names.contains(provider)), "{names:?}");
    assert!(listed["next_cursor"].is_null());
    for provider in PROVIDERS {
        let detail = client.get(&format!("/v1/providers/{provider}")).await.json();
        assert_eq!(detail["name"], provider);
        let contacts = &detail["resources"]["contacts"];
        let operations: Vec<&String> = contacts["operations"].as_object().expect("an object").keys().collect();
        assert!(
            operations.starts_with(&["list", "get", "create", "update", "delete"].map(str::to_owned).each_ref()),
            "{operations:?}"
        );
        check_matrix(&server, provider, contacts).await;
    }
}

/// What the matrix says is what the list does.
async fn check_matrix(server: &Server, provider: &str, contacts: &Value) {
    let client = server.on(provider);
    for sort in contacts["sorts"].as_array().expect("a list").iter().filter_map(Value::as_str) {
        let answer = client.get(&format!("/v1/crm/contacts?limit=1&sort={sort}")).await;
        assert_eq!(answer.status, 200, "{provider} sort={sort}: {}", answer.text());
    }
    let id = ids(&list(&client, "limit=1").await).remove(0);
    let filters = contacts["filters"].as_object().expect("an object");
    // A pattern stands for the account's own fields, which other scenarios name.
    for (field, filter) in filters.iter().filter(|(field, _)| !field.contains('*')) {
        for op in filter["operators"].as_array().expect("a list").iter().filter_map(Value::as_str) {
            let value = match (field.as_str(), op) {
                (_, "exists") => "true",
                ("id" | "owner.id" | "company.id", _) => id.as_str(),
                ("created_at" | "updated_at" | "last_activity_at", _) => "2026-01-01T00:00:00Z",
                ("birthday", _) => "1980-01-31",
                ("lifecycle", _) => "customer",
                _ => "x",
            };
            let answer = client.get(&format!("/v1/crm/contacts?limit=1&filter[{field}][{op}]={value}")).await;
            assert_eq!(answer.status, 200, "{provider} filter[{field}][{op}]={value}: {}", answer.text());
        }
    }
}
