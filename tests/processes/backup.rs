//! What an operator does for the worst case, done: a backup beside a server that is at work, the loss of everything but
//! the backup and the vault's key, and the same customers served again, on either kind of store.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Client;
use crate::deployment::{Deployment, Replica, run};
use crate::postgres::Postgres;
use crate::process::{scratch, throughline};
use crate::vendor::{FakeVendor, json_answer};

/// A customer and the connection that the caller was told exists.
type Connected = (String, String);

/// A vendor that answers each customer's token, and nobody else's, with the customer's name.
async fn vendor() -> FakeVendor {
    let vendor = FakeVendor::start().await;
    vendor.answers_with(|request| {
        let customer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer canary-of-"));
        match customer {
            Some(customer) => json_answer(200, json!({"id": "1", "name": customer}).to_string()),
            None => json_answer(401, "{}"),
        }
    });
    vendor
}

async fn connect(client: &Client, customer: &str) -> Connected {
    let credentials = json!({
        "type": "oauth2", "access_token": format!("canary-of-{customer}"), "refresh_token": "canary-refresh",
        "expires_at": "2099-01-01T00:00:00Z",
    });
    let body = json!({"provider": "vendor", "customer_id": customer, "credentials": credentials});
    let answer = client.post("/v1/connections", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    (customer.to_owned(), answer.json()["id"].as_str().expect("an id").to_owned())
}

/// Each connection opens its own customer's account.
async fn all_work(replica: &Replica, connected: &[Connected]) {
    for (customer, connection) in connected {
        let answer = replica.read(connection, Duration::from_secs(5)).await;
        assert_eq!(answer.status, 200, "{customer}: {}", answer.text());
        assert_eq!(answer.json()["last_name"], customer.as_str());
    }
}

/// Customers connect one after the other while `meanwhile` runs three times; those who had before the last time.
async fn amid_writes(replica: &Replica, mut meanwhile: impl FnMut(usize)) -> Vec<Connected> {
    let (over, connected) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let writing = {
        let (client, over, connected) = (replica.client.clone(), over.clone(), connected.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while !over.load(Ordering::SeqCst) {
                number += 1;
                let one = connect(&client, &format!("customer-{number}")).await;
                connected.lock().push(one);
            }
        })
    };
    let mut before = Vec::new();
    for round in 0..3 {
        let enough = (round + 1) * 20;
        let more = async {
            while connected.lock().len() < enough {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), more).await.expect("customers connect");
        before = connected.lock().clone();
        let since = Instant::now();
        // On the test's own thread: those who write go on.
        meanwhile(round);
        println!("backup {round} of {} connections and more took {:.1?}", before.len(), since.elapsed());
    }
    over.store(true, Ordering::SeqCst);
    writing.await.expect("nobody who connected meanwhile was refused");
    before
}

/// Serves what was restored: keys, connections, credentials, the audit log, and what is new.
async fn serves(deployment: &Deployment, connected: &[Connected]) {
    let log = deployment.command(&["audit", "export", "--tenant", "acme", "--verify"]);
    assert!(log.lines().count() >= connected.len(), "the log has come along, and holds");
    let mut replica = deployment.serve("restored").await;
    all_work(&replica, connected).await;
    let name = deployment.folder.file_name().unwrap_or_default().to_string_lossy();
    let next = connect(&replica.client, &format!("new-{name}")).await;
    all_work(&replica, &[next]).await;
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, 0);
    deployment.holds_no_secret(&[]).await;
}

fn beside(folder: &Path, name: &str) -> std::path::PathBuf {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).expect("a new folder");
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_file_made_amid_writes_is_served_and_moves_to_postgres() {
    let (vendor, folder) = (vendor().await, scratch("backup"));
    let url = vendor.url();
    let deployment = Deployment::on(&folder, None, [&url, &url, &url]);
    let mut replica = deployment.serve("one").await;
    let backup = |round: usize| folder.join(format!("backup-{round}.db"));
    let connected = amid_writes(&replica, |round| {
        deployment.command(&["store", "backup", "--to", &backup(round).display().to_string()]);
    })
    .await;
    // The disk is lost.
    replica.signal("KILL");
    replica.ended();

    let place = beside(&folder, "restored");
    let file = place.join("throughline.db");
    std::fs::copy(backup(2), &file).expect("copied");
    let store = format!("sqlite:{}", file.display());
    serves(&deployment.moved(&place, &store), &connected).await;

    let Some(postgres) = Postgres::start() else { return };
    let copied = run(throughline().args(["store", "copy", "--from", &store, "--to", &postgres.url]));
    assert!(copied.contains("connections\t") && !copied.contains("canary"), "{copied}");
    serves(&deployment.moved(&beside(&folder, "postgres"), &postgres.url), &connected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_postgres_made_amid_writes_is_served() {
    let Some(postgres) = Postgres::start() else { return };
    let (vendor, folder) = (vendor().await, scratch("dump"));
    let url = vendor.url();
    let deployment = Deployment::on(&folder, Some(&postgres.url), [&url, &url, &url]);
    let mut replica = deployment.serve("one").await;
    let dump = |round: usize| folder.join(format!("{round}.dump")).display().to_string();
    let connected = amid_writes(&replica, |round| {
        postgres.run("pg_dump", &["--format=custom", &format!("--file={}", dump(round)), &postgres.url]);
    })
    .await;
    replica.signal("KILL");
    replica.ended();

    let restored = postgres.database("restored");
    let stranger = deployment.moved(&beside(&folder, "stranger"), &restored);
    postgres.run("pg_restore", &["--no-owner", "--exit-on-error", &format!("--dbname={restored}"), &dump(2)]);
    // With a key that is not the store's nothing can be read, and it is said which one is needed.
    let key = stranger.folder.join("vault.key");
    std::fs::remove_file(&key).expect("gone");
    run(throughline().args(["vault", "init"]).arg(&key));
    let refusal = stranger.refused(&["serve"]);
    assert!(refusal.contains("sealed with another vault key") && refusal.contains("vault.key_file"), "{refusal}");
    serves(&deployment.moved(&beside(&folder, "restored"), &restored), &connected).await;
}
