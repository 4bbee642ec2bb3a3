//! The store cannot be written exactly when new tokens come.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::sleep;

use crate::authorization::Authorization;
use crate::canary::look;
use crate::deployment::Deployment;
use crate::process::scratch;

const PATIENCE: Duration = Duration::from_secs(20);

/// Holds the database of another process shut.
struct Lock(Child);

impl Lock {
    fn on(database: &Path) -> Self {
        let script = "import sqlite3, sys\n\
                      database = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)\n\
                      database.execute('BEGIN EXCLUSIVE')\n\
                      print('locked', flush=True)\n\
                      sys.stdin.read()\n";
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(database).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let mut line = String::new();
        let output = child.stdout.take().expect("standard output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "locked");
        Self(child)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.stdin.take().map(|mut input| input.flush());
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_the_store_does_not_take_wait_in_the_escrow_file() {
    let folder = scratch("unwritable");
    let Some(authorization) = Authorization::start(&folder).await else { return };
    let deployment = Deployment::new(&folder, None, &authorization);
    let mut replica = deployment.serve("one").await;
    let escrow = deployment.escrow("one");
    let waiting = || std::fs::read_to_string(&escrow).map_or(0, |text| text.lines().count());

    for killed in [false, true] {
        let grant = authorization.mint(1, 2, 3600).await.remove(0);
        authorization.rule(serde_json::json!({"grant": grant.grant, "at": "rotated", "do": "hold"})).await;
        let connection = replica.connect(&grant).await;
        authorization.until(|counts| counts.held == 1).await;

        let lock = Lock::on(&folder.join("throughline.db"));
        authorization.pass_on_what_is_held().await;
        let answer = replica.read(&connection, PATIENCE).await;
        assert_eq!(answer.status, 200, "the new token is used at once: {}", answer.text());
        assert_eq!(waiting(), 1);
        let mode = std::fs::metadata(&escrow).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        look(&deployment.secrets(), &std::fs::read(&escrow).expect("readable"), "the escrow file");
        for _ in 0..5 {
            assert_eq!(replica.read(&connection, PATIENCE).await.status, 200);
        }
        assert_eq!(replica.write(&connection).await.status, 201);

        if killed {
            replica.signal("KILL");
            replica.ended();
            drop(lock);
            replica = deployment.serve("one").await;
        } else {
            drop(lock);
        }
        for _ in 0..200 {
            if waiting() == 0 {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(waiting(), 0, "what the store takes again is in no other file");
        assert_eq!(replica.read(&connection, PATIENCE).await.status, 200);
        let state = replica.state(&connection).await;
        assert_eq!((&state["state"], state["refreshed_at"].is_string()), (&"active".into(), true), "{state}");
    }
    let counts = authorization.counts().await;
    assert_eq!((counts.received, counts.granted, counts.refused), (2, 2, 0), "{counts:?}");
    deployment.holds_no_secret(&[&replica]).await;
}
