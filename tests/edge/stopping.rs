//! The end, and reloading: what begins before it is finished, and nobody is turned away too early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use throughline::limit::Time;
use throughline::net::listen::Phase;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use super::support::{Answer, Client, json_answer, provider, scratch};
use super::{HEAVY, connect, credentials, read_to_end, scene};

#[tokio::test]
async fn a_server_that_drains_says_so_and_goes_on_answering() {
    let (server, _vendor) = scene(|_| {}).await;
    let admin = Client::new(server.admin);
    let ready = admin.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()), "{}", ready.text());
    for check in ["catalog", "store", "vault", "draining"] {
        assert_eq!(ready.json()["checks"][check]["ok"], true, "{}", ready.text());
    }
    let request = format!("GET /v1/passthrough/a HTTP/1.1\r\nHost: x\r\n{}\r\n", credentials(&server));
    let mut kept = connect(&server).await;
    kept.write_all(request.as_bytes()).await.expect("written");
    assert_eq!(Answer::read(&mut kept, false).await.header("connection"), None);

    server.app.lifecycle.enter(Phase::Draining);
    let ready = admin.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["checks"]["draining"]["ok"]), (503, &false.into()));
    assert_eq!(admin.get("/healthz").await.status, 200);
    // On the connection that was kept as on a new one: answered, and asked to go elsewhere.
    for mut stream in [kept, connect(&server).await] {
        stream.write_all(request.as_bytes()).await.expect("written");
        let answer = Answer::read(&mut stream, false).await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert_eq!(read_to_end(&mut stream).await, "");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_reason_not_to_be_ready() {
    let (server, _vendor) = scene(|_| {}).await;
    server.store.close().await;
    let ready = Client::new(server.admin).get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["checks"]["store"]["ok"]), (503, &false.into()), "{}", ready.text());
}

#[tokio::test]
async fn what_has_begun_is_finished_after_the_signal_to_stop() {
    let (mut server, vendor) = scene(|config| config.edge.drain = Time::from_secs(20)).await;
    vendor.does(|mut exchange| async move {
        sleep(Duration::from_millis(500)).await;
        exchange.write(&json_answer(200, "{}")).await;
    });
    let client = server.on("fake");
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.get("/v1/passthrough/a").await.status }
    });
    vendor.wait_for(1).await;
    server.stop();
    assert_eq!(running.await.expect("no panic"), 200);
    let until = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(server.api).await.is_ok() {
        assert!(Instant::now() < until, "it still listens");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s95_mappings_that_are_loaded_again_and_again_lose_no_request() {
    let _alone = HEAVY.lock().await;
    let folder = scratch("reloads");
    for (name, text) in provider("fake", None) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }
    let (server, vendor) = scene(|config| config.mappings = Some(folder)).await;
    vendor.answers(json_answer(200, r#"{"id": "1", "name": "King"}"#));
    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..2)
        .map(|_| {
            let (client, over) = (server.on("fake"), over.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                while !over.load(Ordering::SeqCst) {
                    let answer = client.get("/v1/crm/contacts/1").await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    let admin = Client::new(server.admin);
    let began = Instant::now();
    let mut reloads = 0;
    while reloads < 2 || began.elapsed() < Duration::from_secs(3) {
        let answer = admin.request("POST", "/reload").send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        reloads += 1;
        sleep(Duration::from_millis(100)).await;
    }
    over.store(true, Ordering::SeqCst);
    let mut answered = 0;
    for one in load {
        answered += one.await.expect("no request failed");
    }
    println!("{answered} requests, {reloads} reloads");
    assert!(answered > 20, "{answered}");
}
