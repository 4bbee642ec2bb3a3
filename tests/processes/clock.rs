//! The wall clock is set to another time while tokens are in use. The clock of the process is faked; the steady clock and
//! everybody else's are not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::authorization::Authorization;
use crate::deployment::Deployment;
use crate::process::scratch;
use crate::traffic::traffic;

const CONNECTIONS: usize = 5;
const SPAN: Duration = Duration::from_secs(9);

/// A wall clock that a file moves.
struct Wall(PathBuf);

impl Wall {
    fn set(&self, offset: &str) {
        let beside = self.0.with_extension("new");
        std::fs::write(&beside, offset).expect("written");
        std::fs::rename(beside, &self.0).expect("renamed");
    }

    fn over(&self, command: &mut Command, library: &Path) {
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &self.0);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.is_file());
    found.or_else(|| crate::skipped("libfaketime is not installed"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_jumps_ends_no_token() {
    let folder = scratch("clock");
    let Some(authorization) = Authorization::start(&folder).await else { return };
    let Some(library) = library() else { return };
    let deployment = Deployment::new(&folder, None, &authorization);
    let wall = Wall(folder.join("wall.offset"));
    wall.set("+0");
    let mut replica = deployment.serve_with("one", |command| wall.over(command, &library)).await;
    let mut connections = Vec::new();
    for grant in authorization.mint(CONNECTIONS, 10, 10).await {
        connections.push(replica.connect(&grant).await);
    }
    for offset in ["+0", "+2h", "-2h"] {
        wall.set(offset);
        let before = authorization.counts().await;
        let report = traffic(&[replica.client.clone()], &connections, 20, SPAN).await;
        let after = authorization.counts().await;
        let exchanges = after.received - before.received;
        println!("clock at {offset}: {}; {exchanges} exchanges", report.words());
        assert_eq!(report.failures, Vec::<String>::new(), "{offset}");
        // Each lives for ten seconds and is renewed from its fifth on.
        let most = CONNECTIONS as u64 * 4;
        assert!((CONNECTIONS as u64..=most).contains(&exchanges), "{offset}: no storm and no standstill: {exchanges}");
    }
    // A process that starts with another time than the one before finds all that is stored from another time.
    for offset in ["+2h", "-2h"] {
        replica.signal("TERM");
        replica.ended();
        wall.set(offset);
        replica = deployment.serve_with("one", |command| wall.over(command, &library)).await;
        let report = traffic(&[replica.client.clone()], &connections, 20, SPAN).await;
        println!("start at {offset}: {}", report.words());
        assert_eq!(report.failures, Vec::<String>::new(), "start at {offset}");
    }
    let counts = authorization.counts().await;
    assert_eq!((counts.reuses, counts.refused), (0, 0), "{counts:?}");
    deployment.holds_no_secret(&[&replica]).await;
}
