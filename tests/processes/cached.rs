//! Two processes that keep answers, on one PostgreSQL database.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::client::Answer;
use crate::deployment::Deployment;
use crate::postgres::Postgres;
use crate::process::scratch;
use crate::vendor::{FakeVendor, json_answer};

fn name(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["last_name"].as_str().expect("a name").to_owned()
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").is_some_and(|status| status.starts_with("throughline; hit"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_through_one_is_seen_by_the_other_within_a_second() {
    let Some(postgres) = Postgres::start() else { return };
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "King"}"#));
    let url = vendor.url();
    let folder = scratch("cached");
    let mut deployment = Deployment::on(&folder, Some(&postgres.url), [&url, &url, &url]);
    deployment.cache = json!([{"resource": "contacts", "ttl": "1h"}]);
    let (one, two) = tokio::join!(deployment.serve("one"), deployment.serve("two"));
    let body = json!({"provider": "vendor", "customer_id": "c", "credentials": {
        "type": "oauth2", "access_token": "canary-access", "refresh_token": "canary-refresh",
        "expires_at": (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(12)).to_string(),
    }});
    let answer = one.client.post("/v1/connections", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let connection = answer.json()["id"].as_str().expect("an id").to_owned();
    let (here, there) = (one.client.connection(&connection), two.client.connection(&connection));
    let path = "/v1/crm/contacts/1";

    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        for client in [&here, &there] {
            client.get(path).await;
            assert!(is_hit(&client.get(path).await), "{round}");
        }
        let now = format!("King {round}");
        vendor.answers(json_answer(200, json!({"id": "1", "name": now}).to_string()));
        let written = here.post("/v1/crm/contacts", json!({"last_name": now})).await;
        assert_eq!(written.status, 201, "{}", written.text());
        let since = Instant::now();
        assert_eq!(name(&here.get(path).await), now, "at once where it was written");
        while name(&there.get(path).await) != now {
            assert!(since.elapsed() < Duration::from_secs(1), "{round}: the other has not heard of it");
            sleep(Duration::from_millis(2)).await;
        }
        slowest = slowest.max(since.elapsed());
    }
    println!("seen by the other after {slowest:.0?} at most");

    // What was said while nobody could hear is made up for.
    assert!(is_hit(&there.get(path).await));
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "After"}"#));
    postgres.restart();
    let since = Instant::now();
    while name(&there.get(path).await) != "After" {
        assert!(since.elapsed() < Duration::from_secs(30), "the other keeps what it cannot know to be true");
        sleep(Duration::from_millis(50)).await;
    }
}
