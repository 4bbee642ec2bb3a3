//! Behind a balancer: whose a request is, as far as that can be known.

use serde_json::json;

use super::support::{Client, Server};
use super::{connect, scene, shed};

const WRONG: &str = "tl_test_000000000000_wrong";

fn trusting(config: &mut throughline::config::Config, networks: &[&str]) {
    config.edge.trusted_proxies = networks.iter().map(|network| network.parse().expect(network)).collect();
}

/// Whose the newest change in the audit log is, made with these headers.
async fn peer(server: &Server, headers: &[(&str, &str)]) -> String {
    let client = headers.iter().fold(server.client(), |client, (name, value)| client.with(name, value));
    let connection = format!("/v1/connections/{}", server.connection("fake"));
    assert_eq!(client.patch(&connection, json!({"customer_id": "one"})).await.status, 200);
    let log = server.client().get("/v1/audit?limit=1").await.json();
    log["data"][0]["peer"].as_str().expect("an address").to_owned()
}

#[tokio::test]
async fn a_balancer_that_is_trusted_says_whose_a_request_is() {
    let (server, vendor) = scene(|config| trusting(config, &["127.0.0.1", "2001:db8:1::/48"])).await;
    for (headers, expected) in [
        (&[("X-Forwarded-For", "203.0.113.9, 192.0.2.1")][..], "192.0.2.1"),
        (&[("X-Forwarded-For", "2001:db8:2::7, 2001:db8:1::1")], "2001:db8:2::7"),
        (&[("Forwarded", "for=\"[2001:db8:2::7]:80\";proto=https")], "2001:db8:2::7"),
        (&[("X-Forwarded-For", "nonsense")], "127.0.0.1"),
        (&[("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.66")], "127.0.0.1"),
        (&[], "127.0.0.1"),
    ] {
        assert_eq!(peer(&server, headers).await, expected, "{headers:?}");
    }
    let client = server.on("fake").with("X-Forwarded-For", "192.0.2.1").with("Forwarded", "for=192.0.2.1");
    client.get("/v1/passthrough/a").await;
    assert!(!vendor.last().head.contains("192.0.2.1"), "{}", vendor.last().head);
}

#[tokio::test]
async fn anybody_else_is_who_they_are() {
    let (server, _vendor) = scene(|config| trusting(config, &["10.0.0.0/8", "2001:db8::/32"])).await;
    for name in ["X-Forwarded-For", "Forwarded"] {
        assert_eq!(peer(&server, &[(name, "for=192.0.2.1")]).await, "127.0.0.1");
        assert_eq!(peer(&server, &[(name, "192.0.2.1")]).await, "127.0.0.1");
    }
}

#[tokio::test]
async fn who_guesses_keys_behind_a_balancer_shares_no_fate_with_others_there() {
    let (server, _vendor) = scene(|config| {
        trusting(config, &["127.0.0.0/8"]);
        config.limits.failed_authentications.per_minute = Some(3);
        config.edge.connections_per_address = 2;
    })
    .await;
    let from = |address: &str| Client::new(server.api).key(WRONG).with("X-Forwarded-For", address);
    let mut refused = 0;
    for number in 0..10 {
        // What is written to the left is the guesser's own.
        let answer = from(&format!("198.51.100.{number}, 192.0.2.1")).get("/v1/keys").await;
        refused += usize::from(answer.status == 429);
    }
    assert_eq!((refused, shed(&server, "failed-authentications").await), (7, 7));
    from("192.0.2.2").get("/v1/keys").await.problem(401, "unauthenticated");
    // Nor do connections of the balancer count as one caller's.
    let _open = [connect(&server).await, connect(&server).await, connect(&server).await, connect(&server).await];
    assert_eq!(server.client().get("/v1/providers").await.status, 200);
}
