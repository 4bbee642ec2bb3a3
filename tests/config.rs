//! `deploy/config.default.yaml` is the manual, and what is wrong with a configuration is said in one line.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use throughline::config::Config;

const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/config.default.yaml");

/// A folder of its own, gone at the end of the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a new folder");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The binary, in this folder and with an empty environment.
    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
        let command = command.args(arguments).current_dir(&self.0).env_clear().envs(variables.iter().copied());
        command.output().expect("the binary runs")
    }

    /// What it prints.
    #[track_caller]
    fn prints(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let output = self.run_with(arguments, variables);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// What `serve` says about a configuration that it cannot use: one line, and exit code 1.
    #[track_caller]
    fn refusal(&self, config: &str) -> String {
        self.write("throughline.yaml", config);
        let output = self.run(&["serve", "--config", "throughline.yaml"]);
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(output.stdout.is_empty());
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    }

    /// Makes a key for the vault.
    fn key(&self) -> &Self {
        assert!(self.run(&["vault", "init", "vault.key"]).status.success());
        self
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_manual_holds_every_setting_with_its_default() {
    let config = Config::load(Some(Path::new(MANUAL)), []).expect("the manual is a good configuration");
    assert_eq!(config, Config::default());
    let manual = std::fs::read_to_string(MANUAL).expect("the manual");
    let manual: Value = serde_saphyr::from_str(&manual).expect("YAML");
    let defaults = serde_json::to_value(Config::default()).expect("JSON");
    assert_eq!(paths(&manual), paths(&defaults), "a setting without its line, or a line without its setting");
}

/// The names of all settings: `log.level`.
fn paths(value: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for (name, inner) in value.as_object().expect("a map") {
        match inner.as_object().filter(|inner| !inner.is_empty()) {
            Some(_) => paths.extend(self::paths(inner).iter().map(|path| format!("{name}.{path}"))),
            None => paths.push(name.clone()),
        }
    }
    paths
}

#[test]
fn every_line_of_the_manual_that_is_a_setting_has_a_remark_above_it() {
    let manual = std::fs::read_to_string(MANUAL).expect("the manual");
    let mut above = "";
    for line in manual.lines() {
        let setting = !line.is_empty() && !line.trim_start().starts_with('#');
        let opens = line.ends_with(':');
        assert!(!setting || opens || above.trim_start().starts_with('#'), "{line}");
        above = line;
    }
}

#[test]
fn a_name_that_is_not_known_is_told_with_its_line_and_the_nearest_one() {
    let scratch = Scratch::new("unknown");
    let text = scratch.refusal("listen: 127.0.0.1:0\nadmin_lisen: 127.0.0.1:0\n");
    assert!(text.contains("throughline.yaml:2") && text.contains("admin_listen"), "{text}");
    let text = scratch.refusal("upstream: { allow_adresses: [] }\n");
    assert!(text.contains("allow_addresses"), "{text}");
}

#[test]
fn values_that_cannot_be_meant_are_told() {
    let scratch = Scratch::new("values");
    for (config, expected) in [
        ("listen: localhost\n", "listen: `localhost`"),
        ("listen: 127.0.0.1:99999\n", "listen: `127.0.0.1:99999`"),
        ("admin_listen: 0.0.0.0:9090\n", "loopback"),
        ("store: mysql://db/throughline\n", "store: it is neither `sqlite:`"),
        ("store: postgres://db/throughline\n", "store: it is not a URL such as postgres://user:password@host"),
        ("mapping: { engine: jsonnet }\n", "jsonata-core"),
        ("upstream: { allow_addresses: [10.0.0.0/99] }\n", "10.0.0.0/99"),
        ("log: { format: xml }\n", "json"),
        ("listen: [\n", "YAML"),
    ] {
        let text = scratch.refusal(config);
        assert!(text.contains(expected), "{config}: {text}");
    }
}

#[test]
fn a_vault_without_a_usable_key_is_told() {
    let scratch = Scratch::new("vault");
    assert!(scratch.refusal("listen: 127.0.0.1:0\n").contains("throughline vault init"));
    let text = scratch.refusal("vault: { key_file: missing.key }\n");
    assert!(text.contains("missing.key"), "{text}");
    let secret = scratch.write("short.key", "c2hvcnQ=\n");
    let text = scratch.refusal("vault: { key_file: short.key }\n");
    assert!(!text.contains("c2hvcnQ="), "no part of a key is repeated: {text}");
    assert!(secret.exists());
}

#[test]
fn a_port_that_is_taken_is_told() {
    let scratch = Scratch::new("port");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for name in ["listen", "admin_listen"] {
        let other = if name == "listen" { "admin_listen" } else { "listen" };
        let config = format!("{name}: {address}\n{other}: 127.0.0.1:0\nvault: {{ key_file: vault.key }}\n");
        if name == "listen" {
            scratch.key();
        }
        let text = scratch.refusal(&config);
        assert!(text.contains(&address.to_string()), "{text}");
    }
}

#[test]
fn a_store_that_cannot_be_used_is_told() {
    let scratch = Scratch::new("store");
    scratch.key();
    let config = |store: &str| {
        format!(
            "store: sqlite:{store}\nvault: {{ key_file: vault.key }}\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\n"
        )
    };
    let text = scratch.refusal(&config("no/such/folder/throughline.db"));
    assert!(text.contains("no/such/folder/throughline.db"), "{text}");
    scratch.write("letter.db", &"This is a letter, not a database. ".repeat(100));
    let text = scratch.refusal(&config("letter.db"));
    assert!(text.contains("letter.db") || text.contains("schema"), "{text}");
}

#[test]
fn a_file_that_is_not_there_and_mappings_with_faults_are_told() {
    let scratch = Scratch::new("files");
    let output = scratch.key().run(&["serve", "--config", "nowhere.yaml"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("nowhere.yaml"), "{text}");

    std::fs::create_dir_all(scratch.0.join("mappings/acme")).expect("a folder");
    scratch.write("mappings/acme/provider.yaml", "title: Acme\n");
    scratch.write(
        "throughline.yaml",
        "mappings: mappings\nvault: { key_file: vault.key }\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\n",
    );
    let output = scratch.run(&["serve", "--config", "throughline.yaml"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("acme/provider.yaml"), "{text}");
}

#[test]
fn the_vault_is_made_once_and_keys_are_the_only_line() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("keys");
    let mode = std::fs::metadata(scratch.key().0.join("vault.key")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(scratch.run(&["vault", "init", "vault.key"]).status.code(), Some(1), "a key is never replaced");

    scratch.write("throughline.yaml", "vault: { key_file: vault.key }\n");
    let configured = ["--config", "throughline.yaml", "--tenant", "acme"];
    let run = |words: &[&str]| {
        let output = scratch.run(&[words, &configured[..]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let key = run(&["keys", "create", "--scopes", "read,write"]);
    assert_eq!(key.lines().count(), 1);
    assert!(key.starts_with("tl_live_"), "{key}");
    let listed = run(&["keys", "list"]);
    let id = listed.split('\t').next().expect("an id").to_owned();
    assert!(key.contains(&id) && listed.contains("active") && !listed.contains(key.trim()), "{listed}");
    let output = scratch.run(&[&["keys", "revoke", &id][..], &configured[..]].concat());
    assert!(output.status.success());
    assert!(run(&["keys", "list"]).contains("revoked"));
    let output = scratch.run(&[&["keys", "create", "--scopes", "everything"][..], &configured[..]].concat());
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn settings_are_shown_with_where_they_come_from() {
    let scratch = Scratch::new("effective");
    scratch.write(
        "throughline.yaml",
        "listen: 127.0.0.1:0\nvault:\n  key_file: vault.key\nproviders:\n  hubspot: { client_id: app, client_secret: s3cr3t }\n",
    );
    let environment = [
        ("THROUGHLINE_STORE", "postgres://al:s3cr3t@db.test/crm"),
        ("THROUGHLINE_REDIS", "redis://:s3cr3t@redis.test:6379"),
        ("THROUGHLINE_LOG__LEVEL", "debug"),
        ("THROUGHLINE_VAULT_KEY", "s3cr3t"),
    ];
    let arguments = ["config", "--config", "throughline.yaml"];
    let text = scratch.prints(&arguments, &environment);
    for line in [
        "listen: \"127.0.0.1:0\"  # throughline.yaml:1",
        "admin_listen: \"127.0.0.1:9090\"  # default",
        "store: \"postgres://al@db.test:5432/crm?sslmode=prefer\"  # THROUGHLINE_STORE",
        "# redis: (hidden)  # THROUGHLINE_REDIS",
        "  key_file: \"vault.key\"  # throughline.yaml:3",
        "    client_id: \"app\"  # throughline.yaml:5",
        "    # client_secret: (hidden)  # throughline.yaml:5",
        "  level: \"debug\"  # THROUGHLINE_LOG__LEVEL",
        "# THROUGHLINE_VAULT_KEY is set, and comes before `vault`.",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("s3cr3t"), "{text}");

    // What is printed is a configuration that says the same, but for the secrets.
    scratch.write("again.yaml", &text);
    let config = |name: &str, variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(Some(&scratch.0.join(name)), variables.collect::<Vec<_>>()).expect("a good configuration")
    };
    let (mut first, again) = (config("throughline.yaml", &environment), config("again.yaml", &[]));
    first.redis = None;
    first.providers["hubspot"].client_secret = None;
    first.store = again.store.clone();
    assert_eq!(first, again);

    let json = scratch.prints(&["config", "--config", "throughline.yaml", "--json"], &environment);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["log.level"], serde_json::json!({"value": "debug", "origin": "THROUGHLINE_LOG__LEVEL"}));
    assert_eq!(json["redis"], serde_json::json!({"hidden": true, "origin": "THROUGHLINE_REDIS"}));
    assert_eq!(json["edge.connections"]["origin"], "default");
}

#[test]
fn variables_that_are_not_known_and_empty_ones() {
    let scratch = Scratch::new("variables");
    let refused = |variables: &[(&str, &str)]| {
        let output = scratch.run_with(&["config"], variables);
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        text
    };
    let text = refused(&[("THROUGHLINE_LISTN", "127.0.0.1:0")]);
    assert!(text.contains("THROUGHLINE_LISTN: `listn` is not a setting") && text.contains("`listen`"), "{text}");
    let text = refused(&[("THROUGHLINE_VAULT__KEYFILE", "x")]);
    assert!(text.contains("THROUGHLINE_VAULT__KEYFILE") && text.contains("`key_file`"), "{text}");
    let text = refused(&[("THROUGHLINE_REPLICAS", "many")]);
    assert!(text.contains("THROUGHLINE_REPLICAS: `replicas` is `\"many\"`, it has to be integer"), "{text}");

    // As containers have them that were given no value.
    let empty = [("THROUGHLINE_REDIS", ""), ("THROUGHLINE_STORE", ""), ("THROUGHLINE_VAULT_KEY", "")];
    let text = scratch.prints(&["config"], &empty);
    assert!(text.contains("store: \"sqlite:./throughline.db\"  # default"), "{text}");
    assert!(text.contains("redis: null  # default") && !text.contains("VAULT_KEY"), "{text}");
    scratch.write("throughline.yaml", "listen: 127.0.0.1:0\n");
    let output = scratch.run_with(&["serve", "--config", "throughline.yaml"], &empty);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no vault key"), "an empty key is none");
}

#[test]
fn a_provider_that_nobody_knows_is_told() {
    let scratch = Scratch::new("providers");
    scratch.key();
    let config = "vault: { key_file: vault.key }\nstore: sqlite:t.db\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\n";
    scratch.write("throughline.yaml", &format!("{config}providers: {{ hubspto: {{ client_id: app }} }}\n"));
    let output = scratch.run(&["serve", "--config", "throughline.yaml"]);
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("no provider `hubspto`, did you mean `hubspot`?"), "{text}");
}

#[test]
fn a_database_that_cannot_be_reached_is_told() {
    let scratch = Scratch::new("database");
    scratch.key();
    // Nothing listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port").port();
    let config = format!(
        "store: postgres://al:s3cr3t@127.0.0.1:{port}/crm?sslmode=disable\nvault: {{ key_file: vault.key }}\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\n"
    );
    let text = scratch.refusal(&config);
    assert!(text.contains(&format!("127.0.0.1:{port}")) && !text.contains("s3cr3t"), "{text}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_told() {
    let scratch = Scratch::new("unreadable");
    std::fs::create_dir(scratch.0.join("folder.yaml")).expect("a folder");
    std::fs::write(scratch.0.join("latin.yaml"), b"public_url: \xe9\n").expect("written");
    for name in ["folder.yaml", "latin.yaml"] {
        for command in ["serve", "config"] {
            let output = scratch.run(&[command, "--config", name]);
            let text = String::from_utf8(output.stderr).expect("text");
            assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
            assert!(text.contains(name), "{text}");
        }
    }
}

#[test]
fn a_key_goes_to_standard_output_and_its_file_is_looked_at() {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("permissions");
    let printed = scratch.prints(&["vault", "init", "-"], &[]);
    assert_eq!((printed.lines().count(), printed.trim().len()), (1, 44), "32 bytes in base64");
    let file = scratch.write("vault.key", &printed);
    scratch.write("throughline.yaml", "vault: { key_file: vault.key }\nstore: sqlite:missing/folder/t.db\nlisten: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nlog: { format: pretty }\n");
    for (mode, warned) in [(0o600, false), (0o440, false), (0o444, false), (0o644, true), (0o640, true)] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("its mode");
        let output = scratch.run(&["serve", "--config", "throughline.yaml"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("missing/folder"), "the key is taken, and then the store is not there: {text}");
        assert_eq!(text.contains("Others on this machine may read"), warned, "{mode:o}: {text}");
    }
    std::fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("its mode");
    let output = scratch.run(&["serve", "--config", "throughline.yaml"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("vault.key") && text.contains("chmod 600"), "{text}");
}
