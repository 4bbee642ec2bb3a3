//! From one release to the next and back, with the binaries of both: an earlier commit of this repository with an older
//! schema, and this one. `tests/counterparts/previous.sh` builds the earlier one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::authorization::words;
use crate::deployment::{Deployment, Replica, on_postgres};
use crate::process::scratch;
use crate::shutdown::connected;
use crate::traffic::traffic;
use crate::vendor::{FakeVendor, json_answer};

const CONNECTIONS: usize = 12;
const RATE: u32 = 30;
/// By then what one replica was told is known to all.
const KNOWN: Duration = Duration::from_secs(5);

/// The binary of the release before. Where there is no history to build it from, this says so;
/// THROUGHLINE_TEST_PREVIOUS, which `tests/run.sh` sets where there is, names it.
fn previous() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("THROUGHLINE_TEST_PREVIOUS").map(PathBuf::from) {
        assert!(named.is_file(), "{} is missing", named.display());
        return Some(named);
    }
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("previous");
    let mut files = std::fs::read_dir(built).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let found = files.find(|path| path.is_file() && path.extension().is_none());
    if found.is_none() {
        eprintln!("skipped: there is no binary of an earlier release; tests/counterparts/previous.sh target builds it");
    }
    found
}

const THIS: &str = env!("CARGO_BIN_EXE_throughline");

/// What is written through one replica is used through the other.
async fn agree(deployment: &Deployment, one: &Replica, other: &Replica) {
    let keys = |replica: &Replica| {
        let client = replica.client.clone();
        async move {
            let made = client.post("/v1/keys", json!({"scopes": ["read"]})).await;
            assert_eq!(made.status, 201, "{}", made.text());
            let made = made.json();
            let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{name}: {made}")).to_owned();
            (text("id"), text("key"))
        }
    };
    let (id, key) = keys(one).await;
    assert_eq!(other.client.key(&key).get("/v1/providers").await.status, 200, "a key of one is known to the other");
    assert_eq!(one.client.delete(&format!("/v1/keys/{id}")).await.status, 204);
    let since = Instant::now();
    while other.client.key(&key).get("/v1/providers").await.status != 401 {
        assert!(since.elapsed() < KNOWN, "a revoked key is refused everywhere");
        sleep(Duration::from_millis(20)).await;
    }
    // By the command line of the deployment's present binary, too.
    let key = deployment.new_key();
    for replica in [one, other] {
        assert_eq!(replica.client.key(&key).get("/v1/connections").await.status, 200);
    }
}

async fn good(phase: &str, replicas: &[&Replica], connections: &[String], lasting: Duration) {
    let clients: Vec<_> = replicas.iter().map(|replica| replica.client.clone()).collect();
    let report = traffic(&clients, connections, RATE, lasting).await;
    println!("upgrade, {phase}: {}", report.words());
    assert_eq!(report.failures, Vec::<String>::new(), "{phase}");
}

/// S-126: replicas of two releases on one database, while its schema is brought up to date under them.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_upgraded_one_by_one_on_one_database() {
    let Some(previous) = previous() else { return };
    let Some((authorization, postgres, made)) = on_postgres("upgrade").await else { return };
    // This release has made its key there: the older one begins with a database of its own.
    let mut deployment = made.moved(&scratch("upgrade-roll"), &postgres.database("roll"));
    deployment.binary = previous;
    deployment.edge = json!(null);
    deployment.key = deployment.new_key();
    let (mut old_one, mut old_two) = (deployment.serve("old-one").await, deployment.serve("old-two").await);
    let mut connections = Vec::new();
    for grant in authorization.mint(CONNECTIONS, 10, 10).await {
        connections.push(old_one.connect(&grant).await);
    }
    good("before", &[&old_one, &old_two], &connections, Duration::from_secs(4)).await;

    // The first new one brings the schema up to date under the requests of the old ones.
    deployment.binary = THIS.into();
    let old = [&old_one, &old_two];
    let meanwhile = good("while the schema changes", &old, &connections, Duration::from_secs(6));
    let (new_one, ()) = tokio::join!(deployment.serve("new-one"), meanwhile);
    let grant = authorization.mint(1, 10, 10).await.remove(0);
    connections.push(new_one.connect(&grant).await);
    agree(&deployment, &old_one, &new_one).await;
    agree(&deployment, &new_one, &old_one).await;
    good("both", &[&old_one, &old_two, &new_one], &connections, Duration::from_secs(12)).await;

    old_one.signal("TERM");
    assert_eq!(old_one.exit_code().await, 0);
    let new_two = deployment.serve("new-two").await;
    good("one left", &[&old_two, &new_one, &new_two], &connections, Duration::from_secs(4)).await;
    old_two.signal("TERM");
    assert_eq!(old_two.exit_code().await, 0);
    good("after", &[&new_one, &new_two], &connections, Duration::from_secs(12)).await;

    for connection in &connections {
        assert_eq!(new_one.state(connection).await["state"], "active");
    }
    let counts = authorization.until(|counts| counts.received == counts.granted).await;
    println!("upgrade: {}", words(&counts));
    assert_eq!((counts.reuses, counts.revoked, counts.refused), (0, 0, 0), "each token was renewed once: {counts:?}");
    assert!(counts.rotations as usize > CONNECTIONS, "{counts:?}");
    deployment.holds_no_secret(&[&new_one, &new_two]).await;
}

async fn on_a_file(name: &str) -> (FakeVendor, Deployment) {
    let vendor = FakeVendor::start().await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "Ada"}"#));
    let url = vendor.url();
    (vendor, Deployment::on(&scratch(name), None, [&url, &url, &url]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_upgraded_and_taken_back_with_the_backup_from_before() {
    let Some(previous) = previous() else { return };
    let (_vendor, made) = on_a_file("upgrade-file").await;
    let folder = scratch("upgrade-file-roll");
    let file = folder.join("throughline.db");
    let mut deployment = made.moved(&folder, &format!("sqlite:{}", file.display()));
    (deployment.binary, deployment.edge) = (previous.clone(), json!(null));
    deployment.key = deployment.new_key();
    let mut replica = deployment.serve("old").await;
    let client = connected(&replica).await;
    let works = async |replica: &Replica| {
        let mut client = client.clone();
        client.address = replica.client.address;
        assert_eq!(client.get("/v1/crm/contacts/1").await.status, 200);
        assert_eq!(client.post("/v1/crm/contacts", json!({"last_name": "Ada"})).await.status, 201);
    };
    works(&replica).await;
    // The new binary makes the backup beside the old server, and changes nothing about its schema.
    deployment.binary = THIS.into();
    let backup = folder.join("before.db");
    deployment.command(&["store", "backup", "--to", &backup.display().to_string()]);
    works(&replica).await;
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, 0);

    let mut replica = deployment.serve("new").await;
    works(&replica).await;
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, 0);

    deployment.binary = previous;
    let refusal = deployment.refused(&["serve"]);
    assert!(refusal.contains("newer release") && refusal.contains("restore a backup"), "{refusal}");
    for log in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("throughline.db{log}")));
    }
    std::fs::copy(&backup, &file).expect("restored");
    let replica = deployment.serve("old").await;
    works(&replica).await;
}

/// What the next release's first step would do to a store that this one still works on.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_starts_again_on_a_newer_schema_that_only_adds() {
    let (_vendor, deployment) = on_a_file("newer").await;
    let next = |compatible_from: i64| {
        let database = rusqlite::Connection::open(deployment.folder.join("throughline.db")).expect("the file");
        let known: i64 =
            database.query_row("SELECT max(version) FROM schema_version", [], |row| row.get(0)).expect("a version");
        let step = format!(
            "ALTER TABLE connections ADD COLUMN later_{known} TEXT; CREATE TABLE later_{known} (id TEXT) STRICT;
             INSERT INTO schema_version VALUES ({known} + 1, '2099-01-01T00:00:00Z', {known} + {compatible_from});"
        );
        database.execute_batch(&step).expect("a step");
    };
    next(0);
    let mut replica = deployment.serve("one").await;
    let client = connected(&replica).await;
    assert_eq!(client.get("/v1/crm/contacts/1").await.status, 200);
    assert_eq!(client.post("/v1/crm/contacts", json!({"last_name": "Ada"})).await.status, 201);
    assert!(std::fs::read_to_string(&replica.log).expect("a log").contains("used by a newer release"));
    let key = std::fs::read(deployment.folder.join("vault.key")).expect("a key");
    let refusal = deployment.refused(&["vault", "rotate"]);
    assert!(refusal.contains("rotate with the newer release"), "{refusal}");
    assert_eq!(std::fs::read(deployment.folder.join("vault.key")).expect("a key"), key, "nothing has changed");
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, 0);

    next(1);
    let refusal = deployment.refused(&["serve"]);
    assert!(refusal.contains("needs a release that knows schema"), "{refusal}");
}
