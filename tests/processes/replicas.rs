//! Two processes on one PostgreSQL database.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::authorization::words;
use crate::deployment::{Replica, on_postgres};
use crate::traffic::traffic;

const CONNECTIONS: usize = 60;
const RATE: u32 = 60;
const PATIENCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_renew_each_token_once_under_traffic() {
    let Some((authorization, _postgres, deployment)) = on_postgres("two").await else { return };
    let (one, two) = tokio::join!(deployment.serve("one"), deployment.serve("two"));
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        // The first token is for warming up: connections to the store are made, and statements prepared.
        let grant = authorization.mint(1, 40, 10).await.remove(0);
        let connection = one.connect(&grant).await;
        for replica in [&one, &two] {
            assert_eq!(replica.read(&connection, PATIENCE * 4).await.status, 200);
        }
        connections.push(connection);
    }
    let clients = [one.client.clone(), two.client.clone()];
    let report = traffic(&clients, &connections, RATE, Duration::from_secs(60)).await;
    let counts = authorization.counts().await;
    println!("two processes: {}; {}", report.words(), words(&counts));
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!((counts.reuses, counts.revoked, counts.refused), (0, 0, 0), "{counts:?}");
    // What is under way is counted on one side only.
    let settled = authorization.until(|counts| counts.received == counts.granted).await;
    assert_eq!((settled.received, settled.forwarded), (settled.rotations, settled.rotations), "{settled:?}");
    assert!(settled.rotations as usize >= CONNECTIONS * 5, "{settled:?}");
    deployment.holds_no_secret(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_stopped_while_it_holds_leases_is_fenced() {
    // More than the token endpoint is asked for at once: those that are over hold their lease and wait for their turn.
    const MANY: usize = 40;
    let Some((authorization, _postgres, deployment)) = on_postgres("stopped").await else { return };
    let stopped = deployment.serve("stopped").await;
    authorization.rule(json!({"at": "request", "do": "hold", "times": MANY})).await;
    let mut connections = Vec::new();
    for grant in authorization.mint(MANY, 8, 3600).await {
        connections.push(stopped.connect(&grant).await);
    }
    authorization.until(|counts| counts.held >= 18).await;
    stopped.signal("STOP");
    let held = authorization.counts().await.held;
    assert!((held as usize) < MANY, "some had not been sent");
    // What had been sent never arrives.
    authorization.drop_what_is_held().await;

    let other = deployment.serve("other").await;
    let since = Instant::now();
    all_work(&other, &connections, since + Duration::from_secs(80)).await;
    // Those whose token was still good have answered before their lease ran out.
    let counts = authorization.until(|counts| counts.rotations as usize >= MANY).await;
    println!("stopped: taken over within {:.0?} of the other's start; {}", since.elapsed(), words(&counts));
    assert_eq!((counts.rotations as usize, counts.reuses), (MANY, 0), "{counts:?}");

    stopped.signal("CONT");
    sleep(Duration::from_secs(5)).await;
    all_work(&stopped, &connections, Instant::now() + Duration::from_secs(10)).await;
    all_work(&other, &connections, Instant::now() + Duration::from_secs(10)).await;
    let counts = authorization.counts().await;
    assert_eq!((counts.rotations as usize, counts.reuses, counts.revoked), (MANY, 0, 0), "{counts:?}");
    for connection in &connections {
        assert_eq!(other.state(connection).await["state"], "active");
    }
    deployment.holds_no_secret(&[&stopped, &other]).await;
}

/// Every connection answers by then.
async fn all_work(replica: &Replica, connections: &[String], by: Instant) {
    for connection in connections {
        loop {
            let answer = replica.read(connection, PATIENCE).await;
            if answer.status == 200 {
                break;
            }
            assert!(Instant::now() < by, "{connection}: {}", answer.text());
            sleep(Duration::from_millis(200)).await;
        }
    }
}
