//! PostgreSQL restarts under load, and stays away for a while.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::deployment::on_postgres;
use crate::traffic::traffic;

const CONNECTIONS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn warm_connections_work_while_postgres_restarts() {
    let Some((authorization, postgres, deployment)) = on_postgres("restarted").await else { return };
    let (one, two) = tokio::join!(deployment.serve("one"), deployment.serve("two"));
    let mut connections = Vec::new();
    for grant in authorization.mint(CONNECTIONS, 60, 60).await {
        let connection = one.connect(&grant).await;
        for replica in [&one, &two] {
            assert_eq!(replica.read(&connection, Duration::from_secs(10)).await.status, 200);
        }
        connections.push(connection);
    }
    let clients = [one.client.clone(), two.client.clone()];
    let load = {
        let connections = connections.clone();
        tokio::spawn(async move { traffic(&clients, &connections, 50, Duration::from_secs(20)).await })
    };
    sleep(Duration::from_secs(3)).await;
    postgres.restart();
    sleep(Duration::from_secs(4)).await;
    postgres.stop();
    sleep(Duration::from_secs(8)).await;
    postgres.start_again();
    let report = load.await.expect("the load ran");
    println!("PostgreSQL restarted: {}", report.words());
    assert_eq!(report.failures, Vec::<String>::new());

    // All that needs the store works within seconds.
    let since = Instant::now();
    let grant = authorization.mint(1, 60, 60).await.remove(0);
    let connection = one.connect(&grant).await;
    let key = deployment.new_key();
    for replica in [&one, &two] {
        let answer = replica.client.key(&key).connection(&connection).get("/v1/crm/contacts/1").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    println!("PostgreSQL restarted: a new connection and a new key worked within {:.1?}", since.elapsed());
    for replica in [&one, &two] {
        let log = std::fs::read_to_string(&replica.log).expect("a log");
        assert!(!log.contains("panicked"), "nothing panics");
    }
    let counts = authorization.counts().await;
    assert_eq!((counts.reuses, counts.refused), (0, 0), "{counts:?}");
    deployment.holds_no_secret(&[&one, &two]).await;
}
