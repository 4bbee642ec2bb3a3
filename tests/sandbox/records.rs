//! Records: lists, search, get, writes, links.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{call, json_of, searching, send};

fn ids(list: &Value) -> Vec<String> {
    let results = list["results"].as_array().cloned().unwrap_or_default();
    results.iter().map(|record| record["id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn pages_hold_every_record_once() {
    let sandbox = searching();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = call(&sandbox, &format!("GET /crm/objects/2026-03/contacts?limit=7{after}"), None).await;
        assert_eq!(status, 200);
        seen.extend(ids(&page));
        match page["paging"]["next"]["after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => {
                assert_eq!(page.get("paging"), None);
                break;
            }
        }
    }
    assert_eq!(seen.len(), 25);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 25);
}

#[tokio::test]
async fn a_list_goes_on_although_its_last_record_was_deleted() {
    let sandbox = searching();
    let (_, page) = call(&sandbox, "GET /crm/objects/2026-03/contacts?limit=5", None).await;
    let after = page["paging"]["next"]["after"].as_str().expect("a next page").to_owned();
    assert_eq!(call(&sandbox, &format!("DELETE /crm/objects/2026-03/contacts/{after}"), None).await.0, 204);
    let (_, next) = call(&sandbox, &format!("GET /crm/objects/2026-03/contacts?limit=100&after={after}"), None).await;
    assert_eq!(ids(&next).len(), 20);
}

#[tokio::test]
async fn columns_are_those_that_were_asked_for() {
    let sandbox = searching();
    let target = "GET /crm/objects/2026-03/contacts/120501?properties=email,is_vip,nonsense&associations=companies";
    let (status, record) = call(&sandbox, target, None).await;
    assert_eq!(status, 200);
    let names: BTreeSet<_> = record["properties"].as_object().expect("a map").keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["createdate", "email", "hs_object_id", "is_vip", "lastmodifieddate"]));
    assert_eq!(record["properties"]["is_vip"], "true", "all values are text");
    assert_eq!(record["associations"]["companies"]["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(record["createdAt"], record["properties"]["createdate"]);
}

#[tokio::test]
async fn search_filters_sorts_and_pages() {
    let sandbox = searching();
    let search = "POST /crm/objects/2026-03/contacts/search";
    let body = json!({
        "filterGroups": [
            { "filters": [{ "propertyName": "lifecyclestage", "operator": "IN", "values": ["lead", "customer"] }] },
            { "filters": [
                { "propertyName": "email", "operator": "CONTAINS_TOKEN", "value": "chiara*" },
                { "propertyName": "lastmodifieddate", "operator": "GTE", "value": "1738368000000" },
            ] },
        ],
        "sorts": [{ "propertyName": "lastname", "direction": "DESCENDING" }],
        "properties": ["lastname", "lifecyclestage"],
        "limit": 4,
    });
    let (mut names, mut after) = (Vec::new(), json!("0"));
    loop {
        let mut body = body.clone();
        body["after"] = after;
        let (status, page) = call(&sandbox, search, Some(body)).await;
        assert_eq!((status, &page["total"]), (200, &json!(11)), "{page}");
        let results = page["results"].as_array().expect("results");
        names.extend(results.iter().map(|r| r["properties"]["lastname"].as_str().expect("a name").to_owned()));
        after = page["paging"]["next"]["after"].clone();
        if after.is_null() {
            break;
        }
    }
    let mut sorted = names.clone();
    sorted.sort_by_key(|name| std::cmp::Reverse(name.to_lowercase()));
    assert_eq!((names.len(), &names), (11, &sorted));
}

#[tokio::test]
async fn search_knows_links_numbers_and_absence() {
    let sandbox = searching();
    let count = |object: &'static str, filter: Value| {
        let sandbox = &sandbox;
        async move {
            let body = json!({ "filterGroups": [{ "filters": [filter] }] });
            let (status, page) = call(sandbox, &format!("POST /crm/objects/2026-03/{object}/search"), Some(body)).await;
            assert_eq!(status, 200, "{page}");
            page["total"].as_u64().expect("a total")
        }
    };
    let test = |name: &str, operator: &str, value: Value| json!({ "propertyName": name, "operator": operator, "value": value });
    assert_eq!(count("deals", test("amount", "GT", json!("9150.5"))).await, 8);
    assert_eq!(count("deals", test("amount", "NOT_HAS_PROPERTY", Value::Null)).await, 1);
    assert_eq!(count("deals", test("hs_is_closed_won", "EQ", json!("true"))).await, 3);
    assert_eq!(count("contacts", test("associatedcompanyid", "EQ", json!("30400100701"))).await, 4);
    assert_eq!(count("deals", test("associations.company", "EQ", json!("30400100701"))).await, 2);
    assert_eq!(count("contacts", test("hs_object_id", "GT", json!("121651"))).await, 1);
    let between = json!({ "propertyName": "amount", "operator": "BETWEEN", "value": "5000", "highValue": "10000" });
    assert_eq!(count("deals", between).await, 2);
    let (_, page) =
        call(&sandbox, "POST /crm/objects/2026-03/contacts/search", Some(json!({ "query": "okonjo" }))).await;
    assert_eq!(page["total"], 1);
}

#[tokio::test]
async fn a_record_lives() {
    let sandbox = searching();
    let body = json!({
        "properties": { "email": "new@example.test", "firstname": "New", "annual_income": 12.5, "is_vip": true, "phone": "" },
        "associations": [{ "to": { "id": "30400100708" }, "types": [{ "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1 }] }],
    });
    let (status, made) = call(&sandbox, "POST /crm/objects/2026-03/contacts", Some(body.clone())).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["createdAt"], "2026-11-02T10:00:00.000Z");
    assert_eq!(made["properties"]["annual_income"], "12.5");
    assert_eq!(made["properties"]["is_vip"], "true");
    assert_eq!(made["properties"].get("phone"), None, "empty is no value");
    assert_eq!(made["properties"]["associatedcompanyid"], "30400100708");
    let id = made["id"].as_str().expect("an id");
    let one = format!("/crm/objects/2026-03/contacts/{id}");

    let (status, answer) = call(&sandbox, "POST /crm/objects/2026-03/contacts", Some(body)).await;
    assert_eq!(status, 409);
    assert!(answer["message"].as_str().is_some_and(|message| message.ends_with(&format!("Existing ID: {id}"))));

    let change = json!({ "properties": { "firstname": "Other", "associatedcompanyid": "30400100715" } });
    assert_eq!(call(&sandbox, &format!("PATCH {one}"), Some(change)).await.0, 200);
    let (_, read) = call(&sandbox, &format!("GET {one}?properties=firstname,email,associatedcompanyid"), None).await;
    assert_eq!(read["properties"]["firstname"], "Other");
    assert_eq!(read["properties"]["email"], "new@example.test");
    assert_eq!(read["properties"]["associatedcompanyid"], "30400100715");
    let (_, links) = call(&sandbox, &format!("GET {one}/associations/companies"), None).await;
    assert_eq!(links["results"][0]["toObjectId"], "30400100715");
    assert_eq!(links["results"].as_array().map(Vec::len), Some(1));

    let response = send(&sandbox, &format!("DELETE {one}"), None, &[("authorization", "Bearer secret")]).await;
    assert_eq!((response.status().as_u16(), response.body().len()), (204, 0));
    assert_eq!(response.headers().get("content-type"), None);
    assert_eq!(call(&sandbox, &format!("GET {one}"), None).await.0, 404);
    assert_eq!(call(&sandbox, &format!("DELETE {one}"), None).await.0, 404);
}

#[tokio::test]
async fn links_are_made_and_taken_away() {
    let sandbox = searching();
    let deal = "/crm/objects/2026-03/deals/9100220";
    let (_, before) = call(&sandbox, &format!("GET {deal}/associations/contacts"), None).await;
    assert_eq!(before["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(call(&sandbox, &format!("PUT {deal}/associations/default/contacts/121701"), None).await.0, 200);
    let (_, back) = call(&sandbox, "GET /crm/objects/2026-03/contacts/121701/associations/deals", None).await;
    assert_eq!(back["results"][0]["toObjectId"], "9100220");
    assert_eq!(call(&sandbox, &format!("DELETE {deal}/associations/contacts/121701"), None).await.0, 204);
    let (_, after) = call(&sandbox, &format!("GET {deal}/associations/contacts"), None).await;
    assert_eq!(after, before);
    assert_eq!(call(&sandbox, &format!("PUT {deal}/associations/default/contacts/1"), None).await.0, 404);
}

#[tokio::test]
async fn owners_are_listed_and_found() {
    let sandbox = searching();
    let (_, list) = call(&sandbox, "GET /crm/owners/2026-03?limit=2", None).await;
    assert_eq!(ids(&list).len(), 2);
    let target = "GET /crm/owners/2026-03?email=idris.bakare%40demo.example.test";
    let (_, one) = call(&sandbox, target, None).await;
    assert_eq!(ids(&one).len(), 1);
    let (status, _) = call(&sandbox, "GET /crm/owners/2026-03/70110001", None).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_same_calls_get_the_same_answers() {
    let (one, other) = (searching(), searching());
    for request in ["GET /crm/objects/2026-03/deals?limit=100", "GET /crm/objects/2026-03/companies", "GET /nothing"] {
        let headers = [("authorization", "Bearer secret")];
        let (a, b) = (send(&one, request, None, &headers).await, send(&other, request, None, &headers).await);
        assert_eq!((a.status(), a.headers(), json_of(&a)), (b.status(), b.headers(), json_of(&b)));
    }
}
