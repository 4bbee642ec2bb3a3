//! What looking after 100,000 connections with tokens of 30 minutes costs: CPU of one core and memory, with the real store
//! on a disk, real sealing and real HTTP exchanges. The authorization server is a process of its own and not counted.
//!
//!     cargo bench --bench scheduler [-- CONNECTIONS SECONDS]
//!
//! Prints one line for `benches/RESULTS.md`. Exits with 1 above 3 % of a core or 2 KB a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use throughline::auth::{Caller, TenantId};
use throughline::catalog::{Catalog, Files, Options};
use throughline::config::Config;
use throughline::connections::{Along, Clock, NewConnection, Vault};
use throughline::net::Client;
use throughline::serve;
use throughline::store::Role;
use throughline::telemetry::Metrics;

const LIFETIME: u64 = 1800;
/// A fifth of the lifetime before its end.
const SOFT: u64 = 1440;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if words.first().is_some_and(|word| word == "endpoint") {
        endpoint();
        return ExitCode::SUCCESS;
    }
    let number = |at: usize, default: u64| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(default);
    let (connections, seconds) = (number(0, 100_000), number(1, 60));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if runtime.block_on(measure(connections, seconds)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn measure(connections: u64, seconds: u64) -> bool {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .arg("endpoint")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the authorization server");
    let mut address = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut address).expect("its address");
    let folder = std::env::temp_dir().join(format!("throughline-scheduler-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("store.db");
    let mut config = Config { store: format!("sqlite:{}", path.display()).as_str().into(), ..Config::default() };
    config.upstream.dangerous_allow_private_addresses = true;
    let provider = config.providers.entry("bench".to_owned()).or_default();
    provider.token_url = Some(format!("http://{}/token", address.trim()));
    provider.client_id = Some("app".into());

    let store = serve::open_store(&config, Role::Serve).await.expect("a store");
    let vault = Vault::from_key_base64(&Vault::generate_key().expect("randomness")).expect("a key");
    let options = Options { addresses: config.addresses(), ..Options::default() };
    let text = "title: Bench\nbase_url: https://api.bench.test\nhosts: { api: ['https://api.bench.test'] }\nauth:\n  \
                oauth2:\n    grant: { authorize: 'https://api.bench.test/a', token: 'https://api.bench.test/t', rotates: always }\n";
    let catalog = Catalog::load(&Files::of([("bench/provider.yaml", text)]), &options).expect("a catalog");
    let catalog = Arc::new(ArcSwap::from_pointee(catalog));
    let (client, metrics) = (Client::new(&config.upstream).expect("a client"), Metrics::new().expect("metrics"));
    let service = serve::connections(&config, Clock::default(), &store, &vault, &catalog, &client, &metrics)
        .expect("the connections");

    eprintln!("making {connections} connections");
    let caller = Caller::operator(TenantId("bench".into()));
    let repository = store.connections();
    let now = Timestamp::now();
    for number in 0..connections {
        let body = json!({
            "provider": "bench", "customer_id": format!("customer-{number}"),
            "credentials": {"type": "oauth2", "access_token": "a".repeat(40), "refresh_token": "r".repeat(40),
                "expires_at": "2030-01-01T00:00:00Z"},
        });
        let new = NewConnection::from_json(&body).expect("a body");
        let made = service.create(&caller, new).await.expect("made").overview.connection;
        let mut row = repository.find(made.tenant, made.id).await.expect("read").expect("the row");
        row.revision = 2;
        // As a running deployment has them: evenly over the time between two renewals.
        let at = now.saturating_add(SignedDuration::from_millis((number * SOFT * 1000 / connections) as i64));
        row.times.next_refresh_at = at.ok();
        repository.update(row, 1, Along::default()).await.expect("written");
    }
    service.forget_all();
    let resident = memory();
    let looking_after = tokio::spawn(service.clone().look_after());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (began, cpu, renewed) = (Instant::now(), cpu(), renewals(&metrics));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (elapsed, used) = (began.elapsed().as_secs_f64(), self::cpu() - cpu);
    let renewed = renewals(&metrics) - renewed;
    looking_after.abort();
    let grown = memory().saturating_sub(resident) * 1024 / connections.max(1);
    let share = 100.0 * used / elapsed;
    println!(
        "| {connections} | {:.1} | {:.1} | {share:.1} | {grown} |",
        renewed / elapsed,
        connections as f64 / SOFT as f64
    );
    let _ = child.kill();
    let _ = child.wait();
    let _ = std::fs::remove_dir_all(&folder);
    share <= 3.0 && grown <= 2048
}

/// CPU time of this process. s.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    // The 14th and 15th of all, in hundredths of a second.
    (ticks(11) + ticks(12)) / 100.0
}

/// KiB.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).unwrap_or_default()
}

fn renewals(metrics: &Metrics) -> f64 {
    let text = metrics.render().expect("metrics");
    let lines = text.lines().filter(|line| line.starts_with("throughline_token_refreshes_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Answers every request with new tokens.
fn endpoint() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        std::thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            let mut part = [0; 8192];
            // The proxy writes a request in one piece.
            while let Ok(1..) = stream.read(&mut part) {
                let body = format!(
                    r#"{{"access_token":"{}","refresh_token":"{}","expires_in":{LIFETIME}}}"#,
                    "b".repeat(40),
                    "s".repeat(40)
                );
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        });
    }
}
