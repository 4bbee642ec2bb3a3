//! The end of a process: in order, forced, at once; and a process that has run out of file descriptors.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Client;
use crate::deployment::{Deployment, Replica};
use crate::process::scratch;
use crate::vendor::{FakeVendor, json_answer};

/// A vendor that answers a write after this time, and a deployment on SQLite in front of it.
pub async fn before_a_slow_vendor(name: &str, slow: Duration) -> (FakeVendor, Deployment) {
    let vendor = FakeVendor::start().await;
    vendor.does(move |mut exchange| async move {
        exchange.finish_reading().await;
        if exchange.head.starts_with("POST") {
            sleep(slow).await;
        }
        exchange.write(&json_answer(200, r#"{"id": "1", "name": "Ada"}"#)).await;
    });
    let url = vendor.url();
    let deployment = Deployment::on(&scratch(name), None, [&url, &url, &url]);
    (vendor, deployment)
}

/// A connection with a token that lasts.
pub async fn connected(replica: &Replica) -> Client {
    let credentials = json!({
        "type": "oauth2", "access_token": "canary-access", "refresh_token": "canary-refresh",
        "expires_at": "2099-01-01T00:00:00Z",
    });
    let body = json!({"provider": "vendor", "customer_id": "c1", "credentials": credentials});
    let answer = replica.client.post("/v1/connections", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    replica.client.connection(answer.json()["id"].as_str().expect("an id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn s127_what_has_begun_is_finished_and_the_exit_is_clean() {
    let (vendor, mut deployment) = before_a_slow_vendor("shutdown", Duration::from_secs(2)).await;
    deployment.edge = json!({"drain_delay": "1s"});
    let mut replica = deployment.serve("one").await;
    let client = connected(&replica).await;
    assert_eq!(replica.admin.get("/readyz").await.status, 200);
    let writes: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.post("/v1/crm/contacts", json!({"last_name": "Ada"})).await.status })
        })
        .collect();
    vendor.wait_for(10).await;
    replica.signal("TERM");
    let told = async {
        while replica.admin.get("/readyz").await.status == 200 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), told).await.expect("the balancer is told");
    // Those who have not noticed yet are answered.
    let late = client.get("/v1/crm/contacts/1").await;
    assert_eq!((late.status, late.header("connection")), (200, Some("close")), "{}", late.text());
    for write in writes {
        assert_eq!(write.await.expect("no panic"), 201);
    }
    assert_eq!(replica.exit_code().await, 0);
    let log = std::fs::read_to_string(&replica.log).expect("a log");
    assert!(!log.contains("panicked") && !log.contains("cut off"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s127_what_does_not_end_is_cut_off_and_said() {
    let (vendor, mut deployment) = before_a_slow_vendor("cut", Duration::from_secs(600)).await;
    deployment.edge = json!({"drain_delay": "0s", "drain": "300ms"});
    let mut replica = deployment.serve("one").await;
    let client = connected(&replica).await;
    let hanging =
        tokio::spawn(async move { client.post("/v1/crm/contacts", json!({"last_name": "Ada"})).await.status });
    vendor.wait_for(1).await;
    let since = Instant::now();
    replica.signal("TERM");
    assert_eq!(replica.exit_code().await, 1);
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    assert!(hanging.await.is_err(), "its connection was cut");
    let log = std::fs::read_to_string(&replica.log).expect("a log");
    assert!(log.contains("cut off") && log.contains(r#""cut":1"#), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_is_told_when_it_is_ready_and_when_it_ends() {
    let (_vendor, deployment) = before_a_slow_vendor("notify", Duration::ZERO).await;
    let path = deployment.folder.join("notify.socket");
    let manager = tokio::net::UnixDatagram::bind(&path).expect("a socket");
    let listening = |command: &mut Command| {
        command.env("NOTIFY_SOCKET", &path);
    };
    let mut replica = deployment.serve_with("one", listening).await;
    let told = async || {
        let mut text = [0; 256];
        let length =
            timeout(Duration::from_secs(20), manager.recv(&mut text)).await.expect("it is told").expect("read");
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    };
    assert_eq!(told().await, "READY=1");
    assert_eq!(replica.client.get("/v1/connections").await.status, 200);
    replica.signal("TERM");
    assert_eq!(told().await, "STOPPING=1");
    assert_eq!(replica.exit_code().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let (_vendor, mut deployment) = before_a_slow_vendor("twice", Duration::ZERO).await;
    deployment.edge = json!({"drain_delay": "10m"});
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let mut replica = deployment.serve(name).await;
        replica.signal("TERM");
        let told = async {
            while replica.admin.get("/readyz").await.status == 200 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(5), told).await.expect("the first one has arrived");
        replica.signal(name);
        assert_eq!(replica.exit_code().await, code);
    }
}

/// Processor time that the process has used.
fn used(replica: &Replica) -> Duration {
    let path = PathBuf::from(format!("/proc/{}/stat", replica.process.0.id()));
    let stat = std::fs::read_to_string(path).expect("the process lives");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    // A hundred in a second, on every Linux there is.
    Duration::from_millis(ticks * 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn s130_without_file_descriptors_it_waits_and_recovers() {
    let (_vendor, deployment) = before_a_slow_vendor("descriptors", Duration::ZERO).await;
    let replica = deployment.serve("one").await;
    let client = connected(&replica).await;
    assert_eq!(client.get("/v1/crm/contacts/1").await.status, 200);
    let pid = replica.process.0.id().to_string();
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").count();
    let limit = format!("--nofile={}", open + 8);
    assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().expect("prlimit").success());

    let mut held = Vec::new();
    for _ in 0..60 {
        // Those that are not accepted stand in the system's queue.
        held.push(TcpStream::connect(replica.client.address).await.expect("the system takes it"));
    }
    sleep(Duration::from_millis(500)).await;
    let before = used(&replica);
    sleep(Duration::from_secs(2)).await;
    let spent = used(&replica) - before;
    assert!(spent < Duration::from_millis(500), "it spins: {spent:?} of two seconds");
    let log = std::fs::read_to_string(&replica.log).expect("a log");
    assert!(log.contains("A connection could not be accepted"), "the limit was met");
    held.clear();
    let recovered = async {
        while client.get("/v1/crm/contacts/1").await.status != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), recovered).await.expect("it answers again");
}
