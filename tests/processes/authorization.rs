//! The real authorization server of `tests/counterparts/oidc`, with its gate and its vendor, as a child process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;

pub struct Authorization {
    child: Child,
    pub token_url: String,
    pub revoke_url: String,
    pub api: String,
    door: Client,
}

/// What was counted so far.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Counts {
    /// Refresh tokens that were replaced by new ones.
    pub rotations: u64,
    /// Refresh tokens that were used again, each of which ends its family.
    pub reuses: u64,
    pub revoked: u64,
    /// Requests that came to the token endpoint, and what became of them.
    pub received: u64,
    pub forwarded: u64,
    pub granted: u64,
    pub refused: u64,
    /// Requests to the vendor's API, and those without an active token.
    pub requests: u64,
    pub unauthorized: u64,
    /// Requests to the token endpoint that the gate holds.
    pub held: u64,
}

/// A family of tokens.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Grant {
    pub grant: String,
    pub access_token: String,
    pub refresh_token: String,
    pub expires_at: String,
}

impl Authorization {
    /// `None`, after saying so, where it is not installed.
    pub async fn start(folder: &Path) -> Option<Self> {
        let installed = std::env::var_os("THROUGHLINE_TEST_OIDC").map_or_else(beside_target, PathBuf::from);
        if !installed.join("node_modules/oidc-provider").is_dir() {
            let how = format!("tests/counterparts/oidc/install.sh {}", installed.display());
            return crate::skipped(&format!("there is no oidc-provider; {how} installs it"));
        }
        let errors = std::fs::File::create(folder.join("authorization.err")).expect("a file");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/counterparts/oidc/server.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(&installed).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let Ok(mut child) = command.spawn() else { return crate::skipped("there is no node") };
        let mut output = BufReader::new(child.stdout.take().expect("standard output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let errors = || std::fs::read_to_string(folder.join("authorization.err")).unwrap_or_default();
        let ready = line.strip_prefix("ready ").unwrap_or_else(|| panic!("it did not start: {}", errors()));
        let ready: Value = serde_json::from_str(ready).expect("JSON behind `ready`");
        // The events, for whoever looks for the reason of a failure.
        let mut events = std::fs::File::create(folder.join("authorization.log")).expect("a file");
        std::thread::spawn(move || std::io::copy(&mut output, &mut events));
        let address = |name: &str| ready[name].as_str().expect("an address").to_owned();
        let door = address("control").trim_start_matches("http://").parse().expect("an address");
        Some(Self {
            child,
            token_url: address("token"),
            revoke_url: address("revoke"),
            api: address("api"),
            door: Client::new(door),
        })
    }

    /// Families whose first access tokens live for `first` seconds and the later ones for `lifetime`.
    pub async fn mint(&self, count: usize, first: u64, lifetime: u64) -> Vec<Grant> {
        let body = json!({"count": count, "first": first, "lifetime": lifetime});
        serde_json::from_value(self.door.post("/grants", body).await.json()).expect("grants")
    }

    pub async fn counts(&self) -> Counts {
        serde_json::from_value(self.door.get("/counts").await.json()).expect("counts")
    }

    /// What the gate does to requests that come; `tests/counterparts/oidc/gate.mjs` has the words.
    pub async fn rule(&self, rule: Value) {
        assert_eq!(self.door.post("/rules", rule).await.status, 200);
    }

    pub async fn pass_on_what_is_held(&self) {
        assert_eq!(self.door.post("/release", json!({})).await.status, 200);
    }

    pub async fn drop_what_is_held(&self) {
        assert_eq!(self.door.post("/release", json!({"drop": true})).await.status, 200);
    }

    /// Kills the process while answers arrive: each so many milliseconds before.
    pub async fn kill_amid_answers(&self, process: u32, before: Value) {
        assert_eq!(self.door.post("/volley", json!({"pid": process, "before": before})).await.status, 200);
    }

    /// Resolves once the counts are as wanted.
    pub async fn until(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        // Longer than a lease that nobody gives back.
        for _ in 0..4000 {
            let counts = self.counts().await;
            if wanted(&counts) {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it did not come to that: {:?}", self.counts().await);
    }
}

pub fn words(counts: &Counts) -> String {
    let Counts { received, rotations, refused, reuses, unauthorized, .. } = counts;
    format!("{received} exchanges, {rotations} rotations, {refused} refused, {reuses} reused, {unauthorized} 401s")
}

fn beside_target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("counterparts/oidc")
}

impl Drop for Authorization {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
