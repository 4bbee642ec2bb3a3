//! Answers that are no answers, or tell what they should not.

use serde_json::json;

use crate::scene::Scene;
use crate::support::TOKEN;
use crate::vendor::Vendor;

#[tokio::test]
async fn what_is_not_http_is_refused_and_a_write_may_have_been_executed() {
    for answer in [
        "",
        "\0\0\0\0\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname with spaces: 1\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    ] {
        let vendor = Vendor::start(move |_, mut line| async move {
            let Some(request) = line.request().await else { return };
            if request.line().starts_with("POST") {
                line.seen.execute();
            }
            line.say(answer).await;
        })
        .await;
        let scene = Scene::on(&vendor).await;
        let read = scene.get("/v1/crm/contacts/1").await;
        assert_eq!(read.status, 502, "{answer:?}: {}", read.text());
        let written = scene.post().await;
        assert_eq!(written.status, 502, "{answer:?}: {}", written.text());
        assert!(matches!(written.json()["outcome"].as_str(), Some("unknown" | "executed")), "{}", written.text());
        assert_eq!(vendor.seen.executed(), 1, "{answer:?}: it is not sent again");
        scene.end().await;
    }
}

#[tokio::test]
async fn a_vendor_that_repeats_the_credential_does_not_get_it_told() {
    // In a header, in the body of a refusal, and in the message that a mapping reads from it.
    let vendor = Vendor::start(|_, mut line| async move {
        while let Some(request) = line.request().await {
            let sent = request.header("x-fake-key").unwrap_or_default().to_owned();
            let body = json!({"message": format!("{sent} may not"), "headers": {"x-fake-key": sent}}).to_string();
            line.answer(403, &format!("X-Echo: {sent}\r\n"), &body).await;
        }
    })
    .await;
    let scene = Scene::on(&vendor).await;
    let problem = scene.get("/v1/crm/contacts/1").await;
    assert!((400..=502).contains(&problem.status), "{}", problem.text());
    assert!(!problem.text().contains(TOKEN));
    scene.post().await;
    scene.end().await;
}
