//! Replicas behind a real nginx are restarted one after the other under load, and nobody notices.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::client::Client;
use crate::deployment::Deployment;
use crate::postgres::Postgres;
use crate::process::{Process, free_port, scratch};
use crate::redis::RedisServer;
use crate::shutdown::connected;
use crate::vendor::{FakeVendor, json_answer};

const RATE: u32 = 40;
const ROUNDS: usize = 1;

/// In front of the replicas, set up by the file that operators begin with, without TLS.
fn nginx(folder: &Path, listen: SocketAddr, replicas: &[SocketAddr]) -> Option<Process> {
    let program = ["nginx", "/usr/sbin/nginx"].into_iter().find(|name| Command::new(name).arg("-v").output().is_ok());
    let Some(program) = program else { return crate::skipped("nginx is not installed") };
    let servers: String = replicas.iter().map(|at| format!("server {at} max_fails=0;\n")).collect();
    let at = folder.display();
    let changes = [
        ("server 127.0.0.1:8081 max_fails=0;", servers),
        ("server 127.0.0.1:8082 max_fails=0;", String::new()),
        ("listen 443 ssl http2;", format!("listen {listen};")),
        ("ssl_certificate /etc/nginx/crm.pem;", String::new()),
        ("ssl_certificate_key /etc/nginx/crm.key;", String::new()),
        (
            "events {}",
            format!("daemon off; worker_processes 1; pid {at}/nginx.pid; error_log {at}/nginx.log; events {{}}"),
        ),
        (
            "http {",
            format!(
                "http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; \
                 fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;"
            ),
        ),
    ];
    let mut config = include_str!("../../deploy/nginx.conf").to_owned();
    for (shipped, here) in changes {
        assert_eq!(config.matches(shipped).count(), 1, "{shipped}");
        config = config.replace(shipped, &here);
    }
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).expect("written");
    let mut command = Command::new(program);
    // A master process for one worker would outlive a test that is killed.
    command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-g", "master_process off;"]);
    Some(Process::start(command))
}

#[derive(Default)]
struct Report {
    reads: usize,
    /// Names of the records that callers were told exist now.
    written: Vec<String>,
    failures: Vec<String>,
}

/// Reads and writes by turns at a steady rate until `over`.
async fn load(client: Client, over: Arc<AtomicBool>) -> Report {
    let report = Arc::new(Mutex::new(Report::default()));
    let mut tick = interval(Duration::from_secs(1) / RATE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut requests = tokio::task::JoinSet::new();
    let mut number = 0;
    while !over.load(Ordering::SeqCst) {
        tick.tick().await;
        number += 1;
        let (client, report, name) = (client.clone(), report.clone(), format!("ada-{number}-end"));
        requests.spawn(async move {
            let write = number % 2 == 0;
            let answer = match write {
                true => client.post("/v1/crm/contacts", json!({"last_name": name})).await,
                false => client.get("/v1/crm/contacts/1").await,
            };
            let mut report = report.lock();
            match answer.status {
                201 if write => report.written.push(name),
                200 if !write => report.reads += 1,
                status => report.failures.push(format!("{name}: {status} {}", answer.text())),
            }
        });
    }
    while let Some(ended) = requests.join_next().await {
        if let Err(error) = ended {
            report.lock().failures.push(error.to_string());
        }
    }
    std::mem::take(&mut *report.lock())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_replicas_are_restarted_in_turn() {
    let folder = scratch("rolling");
    let Some(postgres) = Postgres::start() else { return };
    let Some(redis) = RedisServer::start().await else { return };
    let vendor = FakeVendor::start().await;
    vendor.answers_with(|request| {
        let name = serde_json::from_slice::<Value>(&request.body).ok().map(|body| body["name"].clone());
        json_answer(200, json!({"id": "1", "name": name.unwrap_or_else(|| "King".into())}).to_string())
    });
    let url = vendor.url();
    let mut deployment = Deployment::on(&folder, Some(&postgres.url), [&url, &url, &url]);
    deployment.edge = json!({"drain_delay": "1s"});
    let addresses = ["one", "two", "three"].map(|name| (name, free_port(), free_port()));
    let sharing = |command: &mut Command| {
        command.env("THROUGHLINE_REDIS", redis.url());
    };
    let mut replicas = Vec::new();
    for (name, api, admin) in addresses {
        replicas.push(deployment.serve_at(name, api, admin, sharing).await);
    }
    let front = free_port();
    let Some(mut balancer) = nginx(&folder, front, &addresses.map(|(_, api, _)| api)) else { return };
    balancer.listening(front).await;
    let mut client = connected(&replicas[0]).await;
    client.address = front;
    assert_eq!(client.get("/v1/crm/contacts/1").await.status, 200);

    let over = Arc::new(AtomicBool::new(false));
    let running = tokio::spawn(load(client, over.clone()));
    for _ in 0..ROUNDS {
        for (replica, (name, api, admin)) in replicas.iter_mut().zip(addresses) {
            sleep(Duration::from_secs(1)).await;
            replica.signal("TERM");
            assert_eq!(replica.exit_code().await, 0);
            *replica = deployment.serve_at(name, api, admin, sharing).await;
            let ready = async {
                while replica.admin.get("/readyz").await.status != 200 {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(Duration::from_secs(20), ready).await.expect("it is ready");
        }
    }
    sleep(Duration::from_secs(1)).await;
    over.store(true, Ordering::SeqCst);
    let report = running.await.expect("the load ran");
    println!("rolling: {} reads, {} writes, {} failed", report.reads, report.written.len(), report.failures.len());
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.written.len() > 50 && report.reads > 50);

    let mut arrived: HashMap<String, usize> = HashMap::new();
    for request in vendor.requests().iter().filter(|request| request.line().starts_with("POST ")) {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        *arrived.entry(body["name"].as_str().expect("a name").to_owned()).or_default() += 1;
    }
    assert!(arrived.values().all(|times| *times == 1), "a write arrived twice");
    assert_eq!(arrived.len(), report.written.len(), "every write that arrived was answered");
    assert!(report.written.iter().all(|name| arrived.contains_key(name)));
    for replica in &replicas {
        assert!(!std::fs::read_to_string(&replica.log).expect("a log").contains("panicked"));
    }
}
