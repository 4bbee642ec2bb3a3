//! What is refused, and how the vendors say it.

use serde_json::{Value, json};

use super::{call, json_of, querying, searching, send};

const LIST: &str = "GET /crm/objects/2026-03/contacts";

#[tokio::test]
async fn only_the_token_is_accepted() {
    for (sandbox, target) in [(searching(), LIST), (querying(), "GET /services/data/v64.0/limits")] {
        for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", "secret")]] {
            let response = send(&sandbox, target, None, headers).await;
            assert_eq!(response.status().as_u16(), 401);
            let names = ["x-request-id", "x-hubspot-correlation-id"];
            assert!(names.iter().any(|name| response.headers().contains_key(*name)), "every answer has an id");
        }
        let response = send(&sandbox, target, None, &[("authorization", "Bearer secret")]).await;
        assert_eq!(response.status().as_u16(), 200);
    }
}

#[tokio::test]
async fn unknown_words_of_a_search_are_refused() {
    let sandbox = searching();
    let search = "POST /crm/objects/2026-03/contacts/search";
    let filter = |name: &str, operator: &str| json!({ "filterGroups": [{ "filters": [{ "propertyName": name, "operator": operator, "value": "1" }] }] });
    let dated = json!({ "filterGroups": [{ "filters": [{ "propertyName": "createdate", "operator": "GTE", "value": "soon" }] }] });
    let many: Vec<Value> = (0..6).map(|_| json!({ "filters": [] })).collect();
    for body in [
        filter("email", "LIKE"),
        filter("email", "eq"),
        filter("nothing", "EQ"),
        filter("amount", "GTE"),
        dated,
        json!({ "filterGroups": [{ "filters": [{ "propertyName": "email", "operator": "EQ" }] }] }),
        json!({ "filterGroups": many }),
        json!({ "limit": 201 }),
        json!({ "limit": "many" }),
        json!({ "after": "10000" }),
        json!({ "after": "x" }),
        json!({ "sorts": ["email", "phone"] }),
        json!({ "sorts": ["nothing"] }),
    ] {
        let (status, answer) = call(&sandbox, search, Some(body.clone())).await;
        assert_eq!((status, &answer["category"]), (400, &json!("VALIDATION_ERROR")), "{body}: {answer}");
    }
}

#[tokio::test]
async fn wrong_paths_methods_and_bodies() {
    let sandbox = searching();
    for (request, expected) in [
        ("GET /crm/objects/2026-03/butterflies", 400),
        ("GET /crm/objects/2026-03/contacts/x", 404),
        ("GET /crm/objects/2026-03/contacts?after=x", 400),
        ("GET /crm/objects/2026-03/contacts?limit=101", 400),
        ("GET /nothing", 404),
        ("PUT /crm/objects/2026-03/contacts", 405),
    ] {
        assert_eq!(call(&sandbox, request, None).await.0, expected, "{request}");
    }
    let big = json!({ "properties": { "firstname": "x".repeat(1024 * 1024) } });
    assert_eq!(call(&sandbox, "POST /crm/objects/2026-03/contacts", Some(big)).await.0, 413);
    for body in [json!("x"), json!({}), json!({ "properties": [] }), json!({ "properties": { "nope": 1 } })] {
        assert_eq!(call(&sandbox, "POST /crm/objects/2026-03/contacts", Some(body)).await.0, 400);
    }
}

#[tokio::test]
async fn limits_refuse_and_count_down() {
    let sandbox = searching().with_limit("burst", 2);
    let headers = [("authorization", "Bearer secret")];
    let first = send(&sandbox, LIST, None, &headers).await;
    assert_eq!(first.headers().get("x-hubspot-ratelimit-remaining").and_then(|v| v.to_str().ok()), Some("1"));
    let search = "POST /crm/objects/2026-03/contacts/search";
    let second = send(&sandbox, search, Some(json!({})), &headers).await;
    assert_eq!(second.headers().get("x-hubspot-ratelimit-remaining"), None, "a search does not tell");
    let third = send(&sandbox, LIST, None, &headers).await;
    assert_eq!((third.status().as_u16(), &json_of(&third)["policyName"]), (429, &json!("TEN_SECONDLY_ROLLING")));
    let sandbox = searching().with_limit("search", 0);
    assert_eq!(call(&sandbox, search, Some(json!({}))).await.1["policyName"], "SECONDLY");
    let sandbox = querying().with_limit("daily", 0);
    let (status, body) = call(&sandbox, "GET /services/data/v64.0/limits", None).await;
    assert_eq!((status, &body[0]["errorCode"]), (403, &json!("REQUEST_LIMIT_EXCEEDED")));
}
