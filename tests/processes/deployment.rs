//! A deployment: a store, a vault key, a configuration for each replica, and the `serve` processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::authorization::{Authorization, Grant};
use crate::client::{Answer, Client};
use crate::postgres::Postgres;
use crate::process::{Process, free_port, scratch, throughline, throughline_at};

pub struct Deployment {
    pub folder: PathBuf,
    pub store: String,
    authorization: [String; 3],
    /// The binary that its commands and its next replicas run.
    pub binary: PathBuf,
    /// The `edge` section of the configuration; null for a release that knows none.
    pub edge: Value,
    /// Its `cache` section; null for none.
    pub cache: Value,
    /// May do everything.
    pub key: String,
}

/// One `serve` process.
pub struct Replica {
    pub process: Process,
    pub client: Client,
    pub admin: Client,
    pub log: PathBuf,
}

/// The parts of a deployment on a PostgreSQL of its own; `None`, after saying so, where something is not installed.
pub async fn on_postgres(name: &str) -> Option<(Authorization, Postgres, Deployment)> {
    let folder = scratch(name);
    let authorization = Authorization::start(&folder).await?;
    let postgres = Postgres::start()?;
    let deployment = Deployment::new(&folder, Some(&postgres.url), &authorization);
    Some((authorization, postgres, deployment))
}

impl Deployment {
    /// With its files in `folder`, and a key. `store` is the setting; without one it is a file.
    pub fn new(folder: &Path, store: Option<&str>, authorization: &Authorization) -> Self {
        Self::on(folder, store, [&authorization.api, &authorization.token_url, &authorization.revoke_url])
    }

    /// With these addresses of the vendor: its API, where tokens are had, and where they are given back.
    pub fn on(folder: &Path, store: Option<&str>, urls: [&String; 3]) -> Self {
        let store = store.map_or_else(|| format!("sqlite:{}", folder.join("throughline.db").display()), str::to_owned);
        let authorization = urls.map(Clone::clone);
        let mut deployment = Self {
            folder: folder.to_owned(),
            store,
            authorization,
            binary: env!("CARGO_BIN_EXE_throughline").into(),
            edge: json!({"drain_delay": "500ms"}),
            cache: Value::Null,
            key: String::new(),
        };
        run(throughline().args(["vault", "init"]).arg(deployment.folder.join("vault.key")));
        deployment.key = deployment.new_key();
        deployment
    }

    /// The same customers and keys in another folder and on another store, to which their data was taken.
    pub fn moved(&self, folder: &Path, store: &str) -> Self {
        std::fs::copy(self.folder.join("vault.key"), folder.join("vault.key")).expect("the vault's key is kept");
        Self {
            folder: folder.to_owned(),
            store: store.to_owned(),
            authorization: self.authorization.clone(),
            binary: self.binary.clone(),
            edge: self.edge.clone(),
            cache: Value::Null,
            key: self.key.clone(),
        }
    }

    /// What a command of the configured deployment prints, beside replicas that may be running.
    pub fn command(&self, words: &[&str]) -> String {
        run(&mut self.prepared(words))
    }

    /// What a command says that fails.
    pub fn refused(&self, words: &[&str]) -> String {
        let output = self.prepared(words).output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    fn prepared(&self, words: &[&str]) -> Command {
        let mut command = throughline_at(&self.binary);
        command.args(words).arg("--config").arg(self.config("command", free_port(), free_port()));
        command
    }

    /// By the command line, beside replicas that may be running.
    pub fn new_key(&self) -> String {
        self.command(&["keys", "create", "--tenant", "acme", "--scopes", "read,write,passthrough,connect,admin"])
    }

    fn config(&self, name: &str, api: SocketAddr, admin: SocketAddr) -> PathBuf {
        let at = |file: &str| self.folder.join(file).display().to_string();
        let [base_url, token_url, revoke_url] = &self.authorization;
        let mut config = json!({
            "listen": api,
            "admin_listen": admin,
            "store": self.store,
            "escrow": at(&format!("{name}.escrow")),
            "vault": {"key_file": at("vault.key")},
            "mappings": concat!(env!("CARGO_MANIFEST_DIR"), "/tests/processes/mappings"),
            "upstream": {"dangerous_allow_private_addresses": true},
            "providers": {"vendor": {
                "base_url": base_url, "token_url": token_url, "revoke_url": revoke_url,
                "client_id": "proxy", "client_secret": "canary-client-secret-5f0c2b",
            }},
            "log": {"level": "debug"},
        });
        let sections = config.as_object_mut().expect("an object");
        for (name, section) in [("edge", &self.edge), ("cache", &self.cache)] {
            if !section.is_null() {
                sections.insert(name.into(), section.clone());
            }
        }
        let path = self.folder.join(format!("{name}.yaml"));
        std::fs::write(&path, config.to_string()).expect("the configuration is written");
        path
    }

    pub fn escrow(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.escrow"))
    }

    pub async fn serve(&self, name: &str) -> Replica {
        self.serve_with(name, |_| {}).await
    }

    /// A replica of that name. One that was there before under the same name is followed by this one.
    pub async fn serve_with(&self, name: &str, prepare: impl FnOnce(&mut Command)) -> Replica {
        self.serve_at(name, free_port(), free_port(), prepare).await
    }

    pub async fn serve_at(
        &self,
        name: &str,
        api: SocketAddr,
        admin: SocketAddr,
        prepare: impl FnOnce(&mut Command),
    ) -> Replica {
        let config = self.config(name, api, admin);
        let log = self.folder.join(format!("{name}.log"));
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let mut command = throughline_at(&self.binary);
        command.arg("serve").arg("--config").arg(config).stderr(errors);
        prepare(&mut command);
        let mut process = Process::start(command);
        process.listening(admin).await;
        let admin = Client::new(admin);
        assert_eq!(admin.get("/healthz").await.status, 200);
        Replica { process, client: Client::new(api).key(&self.key), admin, log }
    }
}

impl Replica {
    /// A connection of the family's customer.
    pub async fn connect(&self, grant: &Grant) -> String {
        let credentials = json!({
            "type": "oauth2", "access_token": grant.access_token, "refresh_token": grant.refresh_token,
            "expires_at": grant.expires_at,
        });
        let body = json!({"provider": "vendor", "customer_id": grant.grant, "credentials": credentials});
        let answer = self.client.post("/v1/connections", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        // Whatever is said is kept, to be searched for secrets. An earlier release refuses, and keeps nothing.
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(23);
        let keep = json!({"log_bodies_until": until.to_string()});
        self.client.patch(&format!("/v1/connections/{id}"), keep).await;
        id
    }

    /// Reads a record through the connection; waits for no longer than that.
    pub async fn read(&self, connection: &str, patience: Duration) -> Answer {
        let wait = format!("wait={}", patience.as_secs());
        self.client.connection(connection).with("Prefer", &wait).get("/v1/crm/contacts/1").await
    }

    pub async fn write(&self, connection: &str) -> Answer {
        self.client.connection(connection).post("/v1/crm/contacts", json!({"last_name": "Ada"})).await
    }

    /// The connection's record.
    pub async fn state(&self, connection: &str) -> Value {
        self.client.get(&format!("/v1/connections/{connection}")).await.json()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.process.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill").success());
    }

    /// Waits for the end of a process that was killed.
    pub fn ended(&mut self) {
        self.process.0.wait().expect("it ends");
    }

    /// The exit code of a process that ends by itself, in good time.
    pub async fn exit_code(&mut self) -> i32 {
        let until = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.process.0.try_wait().expect("a child of this process") {
                return status.code().expect("it ended by itself");
            }
            assert!(tokio::time::Instant::now() < until, "the process does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
