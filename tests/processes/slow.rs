//! A token endpoint that takes its time.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::authorization::{Authorization, words};
use crate::deployment::{Deployment, on_postgres};
use crate::process::scratch;

const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_slower_than_any_lock_is_asked_once() {
    const SLOW: Duration = Duration::from_secs(75);
    let Some((authorization, _postgres, deployment)) = on_postgres("slow").await else { return };
    let (one, two) = tokio::join!(deployment.serve("one"), deployment.serve("two"));
    let grant = authorization.mint(1, 2, 3600).await.remove(0);
    authorization.rule(json!({"at": "rotated", "do": "delay", "ms": SLOW.as_millis() as u64})).await;
    let connection = one.connect(&grant).await;
    authorization.until(|counts| counts.rotations == 1).await;
    let asked = Instant::now();
    sleep(Duration::from_secs(2)).await;

    let mut pending = 0;
    while asked.elapsed() < SLOW - PATIENCE * 2 {
        for replica in [&one, &two] {
            let answer = replica.read(&connection, PATIENCE).await;
            let problem = answer.problem(503, "credential-refresh-pending");
            assert!(problem["retryable"] == true && answer.header("retry-after").is_some(), "{problem}");
            pending += 1;
        }
    }
    // Whoever waits beyond it gets an answer.
    let long = Duration::from_secs(100);
    let (first, second) = tokio::join!(one.read(&connection, long), two.read(&connection, long));
    assert_eq!((first.status, second.status), (200, 200), "{} {}", first.text(), second.text());
    let counts = authorization.counts().await;
    println!("slow endpoint: {pending} requests were told to come back, 2 waited; {}", words(&counts));
    assert_eq!((counts.received, counts.rotations, counts.refused), (1, 1, 0), "{counts:?}");
    for replica in [&one, &two] {
        assert_eq!(replica.read(&connection, PATIENCE).await.status, 200);
        assert_eq!(replica.state(&connection).await["state"], "active");
    }
    deployment.holds_no_secret(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ended_while_its_successor_was_waited_for_is_not_sent() {
    let folder = scratch("ended");
    let Some(authorization) = Authorization::start(&folder).await else { return };
    let deployment = Deployment::new(&folder, None, &authorization);
    let replica = deployment.serve("one").await;
    authorization.rule(json!({"at": "rotated", "do": "hold"})).await;
    let grant = authorization.mint(1, 10, 3600).await.remove(0);
    let until: jiff::Timestamp = grant.expires_at.parse().expect("a time");
    let connection = replica.connect(&grant).await;
    let mut waiting = tokio::task::JoinSet::new();
    // The guard is the last of the ten seconds.
    while jiff::Timestamp::now() < until {
        let (client, connection) = (replica.client.clone(), connection.clone());
        waiting.spawn(async move { client.connection(&connection).get("/v1/crm/contacts/1").await });
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_secs(1)).await;
    authorization.pass_on_what_is_held().await;
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.expect("an answer").status, 200);
    }
    let counts = authorization.counts().await;
    assert_eq!((counts.unauthorized, counts.rotations), (0, 1), "{counts:?}");
}
