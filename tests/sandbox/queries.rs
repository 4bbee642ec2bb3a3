//! The sandbox with a query language: statements, held pages, related records.

use serde_json::{Value, json};

use super::{call, json_of, query, querying, send};

const CONTACT: &str = "/services/data/v64.0/sobjects/Contact";

#[tokio::test]
async fn a_statement_selects_related_columns() {
    let sandbox = querying();
    let statement =
        "SELECT Id, Name, Account.Name, Owner.Name FROM Contact WHERE Account.Name LIKE 'Hallam%' ORDER BY Id LIMIT 2";
    let (status, page) = call(&sandbox, &query(statement), None).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!((&page["totalSize"], &page["done"]), (&json!(2), &json!(true)));
    let first = &page["records"][0];
    assert_eq!(first["Account"]["Name"], "Hallam Forge Group");
    assert_eq!(first["Account"]["attributes"]["type"], "Account");
    assert_eq!(first["attributes"]["url"], format!("{CONTACT}/{}", first["Id"].as_str().expect("an id")));
    let (_, none) = call(&sandbox, &query("SELECT Account.Name FROM Contact WHERE AccountId = null"), None).await;
    assert_eq!(none["records"][0]["Account"], Value::Null);
}

#[tokio::test]
async fn held_pages_lose_nothing_while_records_come_and_go() {
    let sandbox = querying();
    let headers = [("authorization", "Bearer secret"), ("sforce-query-options", "batchSize=10")];
    let first = send(&sandbox, &query("SELECT Id FROM Contact ORDER BY Id DESC"), None, &headers).await;
    let mut page = json_of(&first);
    let mut seen: Vec<Value> = page["records"].as_array().expect("records").clone();
    assert_eq!((&page["totalSize"], &page["done"], seen.len()), (&json!(25), &json!(false), 10));
    call(&sandbox, &format!("POST {CONTACT}"), Some(json!({ "LastName": "Late" }))).await;
    while let Some(next) = page["nextRecordsUrl"].as_str() {
        let response = send(&sandbox, &format!("GET {next}"), None, &headers[..1]).await;
        page = json_of(&response);
        seen.extend(page["records"].as_array().expect("records").clone());
    }
    assert_eq!((seen.len(), &page["done"]), (25, &json!(true)));
    let target = "GET /services/data/v64.0/query/01g5e0000099999AAA-10";
    let (status, body) = call(&sandbox, target, None).await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_QUERY_LOCATOR")));
}

#[tokio::test]
async fn a_hostile_literal_is_one_value() {
    let sandbox = querying();
    let (_, all) = call(&sandbox, &query("SELECT Id FROM Contact"), None).await;
    for hostile in [r"x\' OR Name != \'", r"\\\' OR Id != null --", r"%\'; DELETE FROM Contact; \'", r"{on}[x]\n"] {
        let (status, found) =
            call(&sandbox, &query(&format!("SELECT Id FROM Contact WHERE LastName = '{hostile}'")), None).await;
        assert_eq!((status, &found["totalSize"]), (200, &json!(0)), "{hostile}: {found}");
    }
    for broken in ["x' OR Name != '", r"x\", "x'; DELETE FROM Contact; '"] {
        let target = query(&format!("SELECT Id FROM Contact WHERE LastName = '{broken}' AND Id = ''"));
        let (status, found) = call(&sandbox, &target, None).await;
        assert!(status == 400 || found["totalSize"] == json!(0), "{broken}: {found}");
    }
    assert_eq!(call(&sandbox, &query("SELECT Id FROM Contact"), None).await.1, all, "nothing has changed");
    let (_, found) = call(&sandbox, &query(r"SELECT Name FROM Contact WHERE LastName = 'O\'Malley'"), None).await;
    assert_eq!(found["totalSize"], 1);
}

#[tokio::test]
async fn statements_are_typed() {
    let sandbox = querying();
    let count = |condition: &'static str| {
        let sandbox = &sandbox;
        async move { call(sandbox, &query(&format!("SELECT Id FROM Opportunity WHERE {condition}")), None).await }
    };
    for (condition, total) in [
        ("IsClosed = true AND IsWon = false", 2),
        ("Amount >= 50000 AND (StageName = 'Closed Won' OR StageName IN ('Prospecting','Needs Analysis'))", 2),
        ("NOT IsClosed = TRUE", 7),
        ("Amount = null", 1),
        ("Amount != null", 11),
        ("CloseDate < 2026-09-01", 2),
        ("CreatedDate >= 2026-06-01T00:00:00Z", 5),
        ("StageName NOT IN ('Closed Won', 'Closed Lost')", 7),
    ] {
        let (status, page) = count(condition).await;
        assert_eq!((status, &page["totalSize"]), (200, &json!(total)), "{condition}: {page}");
    }
    for (condition, code) in [
        ("CreatedDate >= '2026-06-01T00:00:00Z'", "INVALID_FIELD"),
        ("Amount > '5'", "INVALID_FIELD"),
        ("Name = 5", "INVALID_FIELD"),
        ("Nonsense = 5", "INVALID_FIELD"),
        ("Name = 'x' SORT BY Id", "MALFORMED_QUERY"),
        ("Name ~ 'x'", "MALFORMED_QUERY"),
    ] {
        let (status, body) = count(condition).await;
        assert_eq!((status, &body[0]["errorCode"]), (400, &json!(code)), "{condition}: {body}");
    }
    let (status, body) = call(&sandbox, &query("SELECT Id FROM Nothing"), None).await;
    assert_eq!((status, &body[0]["errorCode"]), (400, &json!("INVALID_TYPE")));
}

#[tokio::test]
async fn order_puts_nothing_first_unless_told_otherwise() {
    let sandbox = querying();
    for (order, first) in [
        ("Amount", Value::Null),
        ("Amount ASC NULLS LAST", json!("6100")),
        ("Amount DESC NULLS LAST, Id ASC", json!("310000")),
    ] {
        let (status, page) =
            call(&sandbox, &query(&format!("SELECT Amount FROM Opportunity ORDER BY {order}")), None).await;
        assert_eq!(status, 200, "{page}");
        let amount = &page["records"][0]["Amount"];
        let text = if amount.is_null() { Value::Null } else { json!(amount.to_string()) };
        assert_eq!(text, first, "{order}");
    }
}

#[tokio::test]
async fn a_record_lives() {
    let sandbox = querying();
    let body = json!({ "LastName": "Lund", "Email": "lund@example.test", "MailingCity": "Oslo", "attributes": { "type": "Contact" } });
    let (status, made) = call(&sandbox, &format!("POST {CONTACT}"), Some(body.clone())).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["success"], &made["errors"]), (&json!(true), &json!([])));
    let id = made["id"].as_str().expect("an id").to_owned();

    let (status, again) = call(&sandbox, &format!("POST {CONTACT}"), Some(body)).await;
    assert_eq!((status, &again[0]["errorCode"]), (400, &json!("DUPLICATES_DETECTED")));
    let found = &again[0]["duplicateResut"]["matchResults"][0]["matchRecords"][0]["record"]["Id"];
    assert_eq!(found, &json!(id));

    assert_eq!(
        call(&sandbox, &format!("PATCH {CONTACT}/{id}"), Some(json!({ "Title": "CTO" }))).await,
        (204, Value::Null)
    );
    let short = &id[..15];
    let (_, read) = call(&sandbox, &format!("GET {CONTACT}/{short}"), None).await;
    assert_eq!((&read["Title"], &read["Id"]), (&json!("CTO"), &json!(id)));
    assert_eq!(read["MailingAddress"]["city"], "Oslo");
    assert_eq!(read["OtherAddress"], Value::Null, "all parts are missing");
    assert_eq!(read["SystemModstamp"], "2026-11-02T10:00:00.000+0000");
    let (_, few) = call(&sandbox, &format!("GET {CONTACT}/{id}?fields=Id,LastName"), None).await;
    assert_eq!(few.as_object().map(serde_json::Map::len), Some(3));

    assert_eq!(call(&sandbox, &format!("DELETE {CONTACT}/{id}"), None).await, (204, Value::Null));
    let (status, gone) = call(&sandbox, &format!("DELETE {CONTACT}/{id}"), None).await;
    assert_eq!((status, &gone[0]["errorCode"]), (404, &json!("ENTITY_IS_DELETED")));
    let (status, gone) = call(&sandbox, &format!("GET {CONTACT}/0035e00000zzzzzAAA"), None).await;
    assert_eq!((status, &gone[0]["errorCode"]), (404, &json!("NOT_FOUND")));
}

#[tokio::test]
async fn upserts_go_by_a_unique_column() {
    let sandbox = querying();
    let target = format!("PATCH {CONTACT}/Ext_Id__c/erp%2F17%27");
    let (status, made) = call(&sandbox, &target, Some(json!({ "LastName": "Erp" }))).await;
    assert_eq!((status, &made["created"]), (201, &json!(true)), "{made}");
    let (status, kept) = call(&sandbox, &target, Some(json!({ "Title": "Buyer" }))).await;
    assert_eq!((status, &kept["created"], &kept["id"]), (200, &json!(false), &made["id"]));
    let (status, _) = call(&sandbox, &format!("PATCH {CONTACT}/Title/x"), Some(json!({}))).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn wrong_records_are_the_vendors_errors() {
    let sandbox = querying();
    for (body, code) in [
        (json!({ "FirstName": "x" }), "REQUIRED_FIELD_MISSING"),
        (json!({ "LastName": "x", "Nope": 1 }), "INVALID_FIELD"),
        (json!({ "LastName": "x", "CreatedDate": "2026-01-01" }), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({ "LastName": { "a": 1 } }), "FIELD_INTEGRITY_EXCEPTION"),
        (json!({ "LastName": "x", "AccountId": "nobody" }), "MALFORMED_ID"),
        (json!([]), "JSON_PARSER_ERROR"),
    ] {
        let (status, answer) = call(&sandbox, &format!("POST {CONTACT}"), Some(body)).await;
        assert_eq!((status, &answer[0]["errorCode"]), (400, &json!(code)), "{answer}");
    }
    let (_, limits) = call(&sandbox, "GET /services/data/v64.0/limits", None).await;
    assert_eq!(limits["DailyApiRequests"], json!({ "Max": 100000, "Remaining": 99993 }));
}

#[tokio::test]
async fn a_column_that_follows_another_may_be_written() {
    let sandbox = querying();
    let deal = "/services/data/v64.0/sobjects/Opportunity/0065e0000000003AAA";
    let probability = async |change: Value| {
        assert_eq!(call(&sandbox, &format!("PATCH {deal}"), Some(change)).await.0, 204);
        let (_, read) = call(&sandbox, &format!("GET {deal}?fields=Probability,Account.Name"), None).await;
        assert!(read["Account"]["Name"].is_string(), "related columns of single records");
        read["Probability"].to_string()
    };
    assert_eq!(probability(json!({ "Name": "Same stage" })).await, "35");
    assert_eq!(probability(json!({ "Probability": 42 })).await, "42");
    assert_eq!(probability(json!({ "StageName": "Closed Won" })).await, "100");
}
