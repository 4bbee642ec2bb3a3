//! The resources and operations that all five stand-ins have, through the real server: what one product backend does
//! with whatever CRM its customer uses.

mod support;

use serde_json::{Map, Value, json};
use support::{Client, all_pages, encode, ids, on_shared, start};

struct Vendor {
    name: &'static str,
    /// A custom field of contacts that holds text and is unique where the vendor knows such fields.
    custom: &'static str,
    /// By what else than that contacts are upserted.
    by_email: bool,
    /// Members that a new lead needs besides.
    lead: fn() -> Value,
    /// The role of a contact in a deal, where the vendor has roles.
    label: Option<&'static str>,
}

const VENDORS: &[Vendor] = &[
    Vendor {
        name: "hubspot",
        custom: "customer_number",
        by_email: true,
        lead: || json!({"name": "Inquiry"}),
        label: None,
    },
    Vendor {
        name: "salesforce",
        custom: "Ext_Id__c",
        by_email: true,
        lead: || json!({"last_name": "Inquiry", "company_name": "Asking Ltd"}),
        label: Some("Evaluator"),
    },
    Vendor {
        name: "dynamics365",
        custom: "cr5_extid",
        by_email: false,
        lead: || json!({"last_name": "Inquiry"}),
        label: None,
    },
    Vendor {
        name: "zoho",
        custom: "Customer_No",
        by_email: true,
        lead: || json!({"last_name": "Inquiry", "company_name": "Asking Ltd"}),
        label: None,
    },
    Vendor {
        name: "pipedrive",
        custom: "customer_number",
        by_email: true,
        lead: || json!({"title": "Inquiry"}),
        label: None,
    },
];

async fn first(client: &Client, resource: &str) -> Vec<String> {
    let answer = client.get(&format!("/v1/crm/{resource}?limit=5")).await;
    assert_eq!(answer.status, 200, "{resource}: {}", answer.text());
    ids(answer.json()["data"].as_array().expect("a list"))
}

async fn create(client: &Client, resource: &str, body: &Value) -> Value {
    let answer = client.post(&format!("/v1/crm/{resource}"), body.clone()).await;
    assert_eq!(answer.status, 201, "{resource}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn every_resource_is_listed_to_its_end() {
    // Alone with its server: pages would move under records that other scenarios make.
    let server = start().await;
    for vendor in VENDORS {
        let client = server.on(vendor.name);
        for resource in
            ["contacts", "companies", "deals", "leads", "users", "tasks", "notes", "calls", "meetings", "products"]
        {
            let pages = all_pages(&client, &format!("/v1/crm/{resource}?limit=2")).await;
            let mut found = ids(&pages.concat());
            let count = found.len();
            assert!(count > 0, "{} has no {resource}", vendor.name);
            found.sort();
            found.dedup();
            assert_eq!(found.len(), count, "{} repeats {resource}", vendor.name);
            let one = client.get(&format!("/v1/crm/{resource}/{}", encode(&found[0]))).await;
            assert_eq!(one.status, 200, "{} {resource}: {}", vendor.name, one.text());
        }
        let pipelines = client.get("/v1/crm/pipelines").await.json();
        assert!(pipelines["data"][0]["stages"][0]["id"].is_string(), "{}: {pipelines}", vendor.name);
    }
}

#[test]
fn filters_find_what_is_there() {
    on_shared(async |server| {
        for vendor in VENDORS {
            let client = server.on(vendor.name);
            // Other scenarios make contacts without an address meanwhile.
            let contacts = client.get("/v1/crm/contacts?limit=50").await.json();
            let contacts = contacts["data"].as_array().expect("a list");
            let seeded = contacts.iter().find_map(|contact| Some((contact, contact["emails"][0]["email"].as_str()?)));
            let (contact, email) = seeded.expect("a contact with an address");
            let found = client.get(&format!("/v1/crm/contacts?filter[email]={}", encode(email))).await.json();
            assert_eq!(found["data"][0]["id"], contact["id"], "{}: {found}", vendor.name);
            let none = client.get("/v1/crm/contacts?filter[updated_at][gt]=2099-01-01T00:00:00Z").await.json();
            assert_eq!(none["data"], json!([]), "{}", vendor.name);
            let since = client.get("/v1/crm/contacts?filter[updated_at][gte]=2020-01-01T00:00:00Z&limit=3").await;
            assert_eq!(since.json()["data"].as_array().map(Vec::len), Some(3), "{}: {}", vendor.name, since.text());
        }
    });
}

#[test]
fn leads_tasks_and_notes_live() {
    on_shared(async |server| {
        for vendor in VENDORS {
            let client = server.on(vendor.name);
            let contact = first(&client, "contacts").await.remove(0);
            let mut lead = (vendor.lead)();
            if matches!(vendor.name, "hubspot" | "pipedrive") {
                lead["contact"] = json!({"id": contact});
            }
            let about = json!([{"id": contact}]);
            for (resource, body, change) in [
                ("leads", lead, None),
                (
                    "tasks",
                    json!({"subject": "Ask again", "due_at": "2026-12-24T10:00:00Z", "contacts": about}),
                    Some("subject"),
                ),
                ("notes", json!({"title": "Heard", "body": "They will call.", "contacts": about}), Some("body")),
            ] {
                let body = accepted(&client, resource, body).await;
                let made = create(&client, resource, &body).await;
                let path = format!("/v1/crm/{resource}/{}", encode(made["id"].as_str().expect("an id")));
                let read = client.get(&path).await;
                assert_eq!(read.status, 200, "{} {resource}: {}", vendor.name, read.text());
                if resource != "leads" {
                    assert_eq!(
                        read.json()["contacts"][0]["id"],
                        contact,
                        "{} {resource}: {}",
                        vendor.name,
                        read.text()
                    );
                }
                if let Some(field) = change {
                    let changed = client.patch(&path, json!({field: "Changed"})).await;
                    assert_eq!(changed.status, 200, "{} {resource}: {}", vendor.name, changed.text());
                    assert_eq!(changed.json()[field], "Changed", "{} {resource}", vendor.name);
                }
                assert_eq!(client.delete(&path).await.status, 204, "{} {resource}", vendor.name);
                client.get(&path).await.problem(404, "not-found");
            }
        }
    });
}

/// The record without the members that this vendor says it does not take: a task without an hour has a day.
async fn accepted(client: &Client, resource: &str, body: Value) -> Value {
    let fields = client.get(&format!("/v1/crm/{resource}/fields")).await.json();
    let fields = fields["data"].as_array().expect("fields");
    let takes = |name: &str| fields.iter().any(|field| field["name"] == name && field["writable"] == json!(true));
    let members = body.as_object().expect("a record").clone();
    let (mut kept, left): (Map<_, _>, Map<_, _>) = members.into_iter().partition(|(name, _)| takes(name));
    if left.contains_key("due_at") {
        kept.insert("due_date".into(), json!("2026-12-24"));
    }
    Value::Object(kept)
}

#[test]
fn custom_fields_are_told_written_and_read() {
    on_shared(async |server| {
        for vendor in VENDORS {
            let client = server.on(vendor.name);
            let fields = client.get("/v1/crm/contacts/fields").await.json();
            let field = fields["data"].as_array().expect("fields").iter().find(|field| field["name"] == vendor.custom);
            let field = field.unwrap_or_else(|| panic!("{} does not tell {}", vendor.name, vendor.custom));
            assert_eq!((&field["custom"], &field["writable"]), (&json!(true), &json!(true)), "{field}");
            let custom = json!({ vendor.custom: "own-1" });
            let made = create(&client, "contacts", &json!({"last_name": "Own", "custom_fields": custom})).await;
            assert_eq!(made["custom_fields"][vendor.custom], "own-1", "{}: {made}", vendor.name);
            let path = format!("/v1/crm/contacts/{}", made["id"].as_str().expect("an id"));
            let changed = client.patch(&path, json!({"custom_fields": { vendor.custom: "own-2" }})).await;
            assert_eq!(changed.status, 200, "{}: {}", vendor.name, changed.text());
            let read = client.get(&format!("{path}?fields=custom_fields.{}", vendor.custom)).await.json();
            assert_eq!(read["custom_fields"][vendor.custom], "own-2", "{}: {read}", vendor.name);
            assert_eq!(client.delete(&path).await.status, 204);
        }
    });
}

#[test]
fn an_upsert_creates_once() {
    on_shared(async |server| {
        for vendor in VENDORS {
            let client = server.on(vendor.name);
            let custom = format!("custom_fields.{}", vendor.custom);
            let keys = [("email", vendor.by_email), (custom.as_str(), true)];
            for (key, _) in keys.iter().filter(|(_, there)| *there) {
                let address = json!([{"type": "work", "email": "upsert@example.test"}]);
                let mut body = json!({"last_name": "Once"});
                match *key {
                    "email" => body["emails"] = address,
                    _ => body["custom_fields"] = json!({ vendor.custom: "once-1" }),
                }
                let path = format!("/v1/crm/contacts?match={key}");
                let made = client.request("PUT", &path).json(&body).send().await;
                assert_eq!(made.status, 201, "{} {key}: {}", vendor.name, made.text());
                body["last_name"] = json!("Twice");
                let kept = client.request("PUT", &path).json(&body).send().await;
                assert_eq!(kept.status, 200, "{} {key}: {}", vendor.name, kept.text());
                assert_eq!((&kept.json()["id"], &kept.json()["last_name"]), (&made.json()["id"], &json!("Twice")));
                let id = made.json()["id"].as_str().expect("an id").to_owned();
                assert_eq!(client.delete(&format!("/v1/crm/contacts/{id}")).await.status, 204);
            }
        }
    });
}

#[test]
fn a_batch_tells_the_outcome_of_every_row() {
    on_shared(async |server| {
        for vendor in VENDORS {
            let client = server.on(vendor.name);
            let batch = async |operations: Value| {
                let answer = client.post("/v1/crm/contacts/batch", json!({ "operations": operations })).await;
                assert_eq!(answer.status, 200, "{}: {}", vendor.name, answer.text());
                let results = answer.json()["results"].as_array().expect("results").clone();
                let statuses: Vec<u64> = results.iter().filter_map(|row| row["status"].as_u64()).collect();
                (statuses, results)
            };
            let row =
                |n: u32| json!({"operation": "create", "data": {"first_name": "Row", "last_name": format!("N{n}")}});
            let (statuses, made) = batch(json!([row(1), row(2), row(3)])).await;
            assert_eq!(statuses, [201, 201, 201], "{}: {made:?}", vendor.name);
            let id = |n: usize| made[n]["data"]["id"].clone();
            let change = json!({"operation": "update", "id": id(0), "data": {"last_name": "Changed"}});
            let (statuses, rows) =
                batch(json!([change, {"operation": "get", "id": id(1)}, {"operation": "get", "id": id(2)}])).await;
            assert_eq!(statuses, [200, 200, 200], "{}: {rows:?}", vendor.name);
            assert_eq!(rows[1]["data"]["last_name"], "N2", "{}: {rows:?}", vendor.name);
            let gone = |n: usize| json!({"operation": "delete", "id": id(n)});
            let (statuses, rows) = batch(json!([gone(0), gone(1), gone(2)])).await;
            assert_eq!(statuses, [204, 204, 204], "{}: {rows:?}", vendor.name);
            let path = format!("/v1/crm/contacts/{}", id(1).as_str().expect("an id"));
            client.get(&path).await.problem(404, "not-found");
        }
    });
}

#[test]
fn records_are_linked_and_parted() {
    on_shared(async |server| {
        for vendor in VENDORS {
            let client = server.on(vendor.name);
            let contact = create(&client, "contacts", &json!({"last_name": "Linked"})).await;
            let contact = format!("/v1/crm/contacts/{}", contact["id"].as_str().expect("an id"));
            let company = first(&client, "companies").await.remove(1);
            let mut others = vec![("companies", company, None)];
            if vendor.name == "hubspot" || vendor.name == "salesforce" {
                others.push(("deals", first(&client, "deals").await.remove(1), vendor.label));
            }
            for (other, id, label) in others {
                let list = async || {
                    let answer = client.get(&format!("{contact}/associations/{other}")).await;
                    assert_eq!(answer.status, 200, "{}: {}", vendor.name, answer.text());
                    answer.json()["data"].as_array().expect("a list").clone()
                };
                assert_eq!(list().await, Vec::<Value>::new(), "{} {other}", vendor.name);
                let path = format!("{contact}/associations/{other}/{}", encode(&id));
                let body = label.map_or(json!({}), |label| json!({ "labels": [label] }));
                let linked = client.request("PUT", &path).json(&body).send().await;
                assert!((200..300).contains(&linked.status), "{} {other}: {}", vendor.name, linked.text());
                let there = list().await;
                assert_eq!(there[0]["id"], id, "{} {other}: {there:?}", vendor.name);
                if let Some(label) = label {
                    assert_eq!(there[0]["labels"], json!([label]), "{} {other}", vendor.name);
                }
                let parted = client.delete(&path).await;
                assert_eq!(parted.status, 204, "{} {other}: {}", vendor.name, parted.text());
                assert_eq!(list().await, Vec::<Value>::new(), "{} {other}", vendor.name);
            }
            assert_eq!(client.delete(&contact).await.status, 204);
        }
    });
}

#[test]
fn what_a_contact_was_given_is_listed_again() {
    on_shared(async |server| {
        let client = server.on("pipedrive");
        let contact = create(&client, "contacts", &json!({"last_name": "Linked"})).await;
        let contact = format!("/v1/crm/contacts/{}", contact["id"].as_str().expect("an id"));
        for (other, body) in [
            ("deals", json!({"name": "Linked"})),
            ("tasks", json!({"subject": "Linked"})),
            ("meetings", json!({"subject": "Linked"})),
        ] {
            let made = create(&client, other, &body).await["id"].as_str().expect("an id").to_owned();
            let list = async || client.get(&format!("{contact}/associations/{other}")).await.json()["data"].clone();
            let path = format!("{contact}/associations/{other}/{made}");
            let linked = client.request("PUT", &path).send().await;
            assert_eq!(linked.status, 200, "{other}: {}", linked.text());
            assert_eq!(list().await, json!([{"id": made, "labels": []}]), "{other}");
            let of_another = client.request("PUT", &path.replace(&contact, "/v1/crm/contacts/1")).send().await;
            of_another.problem(422, "validation-failed");
            assert_eq!(client.delete(&path).await.status, 204, "{other}");
            assert_eq!(list().await, json!([]), "{other}");
            assert_eq!(client.delete(&format!("/v1/crm/{other}/{made}")).await.status, 204, "{other}");
        }
        assert_eq!(client.delete(&contact).await.status, 204);
    });
}

#[test]
fn activities_are_those_of_all_kinds() {
    on_shared(async |server| {
        let client = server.on("dynamics365");
        let listed = async |filter: &str| {
            let pages = all_pages(&client, &format!("/v1/crm/activities?limit=3{filter}")).await;
            pages.concat()
        };
        let contact = create(&client, "contacts", &json!({"last_name": "Busy"})).await["id"].clone();
        let about = json!({"subject": "All kinds", "contacts": [{"id": contact}]});
        let mut meeting = about.clone();
        meeting["starts_at"] = json!("2026-12-01T09:00:00Z");
        meeting["ends_at"] = json!("2026-12-01T10:00:00Z");
        let mut made = Vec::new();
        for (resource, kind, body) in
            [("tasks", "task", &about), ("calls", "call", &about), ("meetings", "meeting", &meeting)]
        {
            let id = create(&client, resource, body).await["id"].as_str().expect("an id").to_owned();
            let found = listed(&format!("&filter[type]={kind}&filter[subject]=All%20kinds")).await;
            assert_eq!(ids(&found), std::slice::from_ref(&id), "{kind}: {found:?}");
            assert_eq!(found[0]["contacts"][0]["id"], contact, "{found:?}");
            let got = client.get(&format!("/v1/crm/activities/{id}")).await.json();
            assert_eq!((&got["type"], &got["subject"]), (&json!(kind), &json!("All kinds")), "{got}");
            made.push((resource, id));
        }
        let of_contact = listed(&format!("&filter[contacts.id]={}", contact.as_str().expect("an id"))).await;
        assert_eq!(ids(&of_contact).len(), made.len());
        let mut kinds: Vec<Value> = listed("").await.iter().map(|one| one["type"].clone()).collect();
        kinds.sort_by_key(Value::to_string);
        kinds.dedup();
        assert_eq!(kinds, ["call", "email", "meeting", "task"]);
        for (resource, id) in made {
            assert_eq!(client.delete(&format!("/v1/crm/{resource}/{id}")).await.status, 204);
            client.get(&format!("/v1/crm/activities/{id}")).await.problem(404, "not-found");
        }
    });
}

#[test]
fn an_amount_keeps_its_digits() {
    on_shared(async |server| {
        let kept = async |vendor: &str, resource: &str, member: &str, body: Value| {
            let client = server.on(vendor);
            let made = create(&client, resource, &body).await;
            assert_eq!(made[member], body[member], "{vendor} {resource}");
            let path = format!("/v1/crm/{resource}/{}", made["id"].as_str().expect("an id"));
            assert_eq!(client.get(&path).await.json()[member], body[member], "{vendor} {resource}");
            let listed = all_pages(&client, &format!("/v1/crm/{resource}?limit=50")).await.concat();
            let listed = listed.iter().find(|one| one["id"] == made["id"]).expect("the record");
            assert_eq!(listed[member], body[member], "{vendor} {resource}");
            assert_eq!(client.delete(&path).await.status, 204, "{vendor} {resource}");
        };
        for vendor in VENDORS {
            let pipelines = server.on(vendor.name).get("/v1/crm/pipelines").await.json();
            let pipeline = &pipelines["data"][0];
            let deal = json!({
                "name": "Digits", "amount": "1250.50", "close_date": "2026-12-31",
                "pipeline": {"id": pipeline["id"]}, "stage": {"id": pipeline["stages"][0]["id"]},
            });
            kept(vendor.name, "deals", "amount", deal).await;
            if vendor.name != "pipedrive" {
                let company = json!({"name": "Digits", "annual_revenue": "7000000.10"});
                kept(vendor.name, "companies", "annual_revenue", company).await;
            }
        }
        kept("dynamics365", "products", "price", json!({"name": "Digits", "code": "D-1", "price": "0.10"})).await;
        kept("zoho", "products", "price", json!({"name": "Digits", "price": "0.10"})).await;
        kept("pipedrive", "products", "price", json!({"name": "Digits", "price": "0.10", "currency": "EUR"})).await;
        let lead = json!({"title": "Digits", "amount": "99.00", "currency": "EUR", "company": {"id": "1"}});
        kept("pipedrive", "leads", "amount", lead).await;
    });
}

#[test]
fn a_label_of_the_accounts_own_is_on_the_link_that_was_given_it() {
    on_shared(async |server| {
        let client = server.on("hubspot");
        let contact = create(&client, "contacts", &json!({"last_name": "Labelled"})).await;
        let contact = format!("/v1/crm/contacts/{}", contact["id"].as_str().expect("an id"));
        let deals = first(&client, "deals").await;
        for (deal, body) in [(&deals[0], json!({"labels": ["Decision maker"]})), (&deals[1], json!({}))] {
            let linked =
                client.request("PUT", &format!("{contact}/associations/deals/{deal}")).json(&body).send().await;
            assert!((200..300).contains(&linked.status), "{}", linked.text());
        }
        let links = client.get(&format!("{contact}/associations/deals")).await.json();
        let labels = |id: &str| links["data"].as_array().expect("a list").iter().find(|link| link["id"] == id).cloned();
        assert_eq!(labels(&deals[0]).expect("a link")["labels"], json!(["Decision maker"]), "{links}");
        assert_eq!(labels(&deals[1]).expect("a link")["labels"], json!([]), "{links}");
        assert_eq!(client.delete(&contact).await.status, 204);
    });
}
