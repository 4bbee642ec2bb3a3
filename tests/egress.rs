//! The way out: a proxy that nothing goes round, and vendors whose answers are hostile. What a vendor says as JSON that is
//! none stands in `hostile_mappings`, raw answers that break off or redirect in `passthrough`.

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use support::{
    Authority, Client, FakeVendor, ForwardProxy, Scene, Server, json_answer, plain_answer, provider, start_alone,
    start_configured,
};
use throughline::config::Config;
use throughline::store::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "proxy-s3cret-canary";
const LIST: &str = r#"{"items":[{"id":"1","name":"Ada"}]}"#;

async fn with_fake() -> (Server, FakeVendor) {
    let vendor = FakeVendor::start().await;
    let server = start_alone(provider("fake", None), &[("fake", &vendor)]).await;
    (server, vendor)
}

/// A server whose way out is `proxy`; the provider is at `base`.
async fn behind(proxy: &ForwardProxy, base: &str, configure: impl FnOnce(&mut Config)) -> (Server, Client) {
    let (base, proxy) = (base.to_owned(), format!("http://me:{SECRET}@{}", proxy.address));
    let server = start_configured(provider("fake", None), &[], Store::memory().expect("a store"), move |config| {
        config.upstream.dangerous_allow_private_addresses = false;
        config.upstream.proxy = Some(proxy.parse().expect("a proxy"));
        config.providers.entry("fake".to_owned()).or_default().base_url = Some(base);
        configure(config);
    })
    .await;
    let id = server.connect("demo", "fake", "c").await;
    let client = server.client().connection(&id);
    (server, client)
}

fn address(vendor: &FakeVendor) -> SocketAddr {
    vendor.url().trim_start_matches("http://").parse().expect("an address")
}

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/net/testdata").join(name)
}

/// TLS before a vendor, with a certificate for `localhost`.
async fn tls_front(vendor: SocketAddr) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(testdata("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(testdata("server-key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut caller) = acceptor.accept(tcp).await else { return };
                let Ok(mut vendor) = TcpStream::connect(vendor).await else { return };
                let _ = copy_bidirectional(&mut caller, &mut vendor).await;
            });
        }
    });
    at
}

#[tokio::test]
async fn plain_requests_go_to_the_proxy_in_absolute_form() {
    let (vendor, proxy) = (FakeVendor::start().await, ForwardProxy::start().await);
    vendor.answers(json_answer(200, LIST));
    // A name that only the proxy knows.
    proxy.leads("crm.invalid:8080", address(&vendor));
    let (_server, client) = behind(&proxy, "http://crm.invalid:8080", |_| {}).await;
    let answer = client.get("/v1/crm/contacts").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(client.get("/v1/passthrough/x?y=1").await.status, 200);
    let heads = proxy.heads();
    assert!(heads[0].starts_with("GET http://crm.invalid:8080/base/contacts?"), "{}", heads[0]);
    assert!(heads[1].starts_with("GET http://crm.invalid:8080/x?y=1 HTTP/1.1\r\n"), "{}", heads[1]);
    for head in &heads {
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains("\r\nproxy-authorization: basic ") && head.contains("\r\nhost: crm.invalid:8080\r\n"),
            "{head}"
        );
    }
    assert_eq!(vendor.last().header("proxy-authorization"), None);
    assert_eq!(vendor.last().header("x-fake-key"), Some("Key demo-token-canary"));
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_sees_nothing() {
    let (vendor, proxy) = (FakeVendor::start().await, ForwardProxy::start().await);
    vendor.answers(json_answer(200, LIST));
    let front = tls_front(address(&vendor)).await;
    let host = format!("localhost:{}", front.port());
    proxy.leads(&host, front);
    let ca = testdata("ca.pem");
    let (_server, client) =
        behind(&proxy, &format!("https://{host}"), |config| config.upstream.ca_file = Some(ca)).await;
    let answer = client.get("/v1/crm/contacts").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let heads = proxy.heads();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with(&format!("CONNECT {host} HTTP/1.1\r\n")), "{}", heads[0]);
    assert!(heads[0].contains("Proxy-Authorization: Basic ") && !heads[0].contains("canary"), "{}", heads[0]);
    assert_eq!(vendor.last().header("x-fake-key"), Some("Key demo-token-canary"));
    assert_eq!(vendor.last().header("proxy-authorization"), None);
}

#[tokio::test]
async fn tokens_are_renewed_and_given_back_through_the_proxy() {
    let proxy = ForwardProxy::start().await;
    let url = format!("http://{}", proxy.address);
    let store = Store::memory().expect("a store");
    let scene = Scene::with(Authority::start().await, store, |config| {
        config.upstream.proxy = Some(url.parse().expect("a proxy"));
    })
    .await;
    let id = scene.import("customer", json!({"expires_at": support::in_seconds(1200).to_string()})).await;
    let client = scene.server.client();
    let answer = client.post(&format!("/v1/connections/{id}/refresh"), Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(client.delete(&format!("/v1/connections/{id}")).await.status, 204);
    let begun = Instant::now();
    while scene.authority.revoked().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the token is given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let base = scene.authority.vendor.url();
    let lines: Vec<String> =
        proxy.heads().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect();
    for path in ["/token", "/revoke"] {
        assert!(lines.contains(&format!("POST {base}{path} HTTP/1.1")), "{path}: {lines:?}");
    }
}

#[tokio::test]
async fn nothing_goes_round_a_proxy_that_refuses_or_is_gone() {
    let (vendor, proxy) = (FakeVendor::start().await, ForwardProxy::start().await);
    let front = tls_front(address(&vendor)).await;
    let (ca, base) = (testdata("ca.pem"), format!("https://localhost:{}", front.port()));
    let allow = |config: &mut Config| {
        config.upstream.ca_file = Some(ca.clone());
        // Straight to it would work.
        config.upstream.dangerous_allow_private_addresses = true;
    };
    let (server, client) = behind(&proxy, &base, allow).await;
    for status in ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"] {
        proxy.refuses(Some(status));
        let problem = client.get("/v1/crm/contacts").await.problem(502, "provider-unavailable");
        assert_eq!((&problem["origin"], &problem["retryable"]), (&json!("throughline"), &json!(false)), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("proxy")), "{problem}");
        let write =
            client.post("/v1/crm/contacts", json!({"last_name": "x"})).await.problem(502, "provider-unavailable");
        assert_eq!(write["outcome"], "not-executed");
    }
    let metrics = Client::new(server.admin).get("/metrics").await.text();
    assert!(metrics.contains(r#"outcome="proxy""#) && !metrics.contains(SECRET), "{metrics}");
    drop(server);
    let (_server, client) = behind(&ForwardProxy::gone(), &base, allow).await;
    let answer = client.get("/v1/crm/contacts").await;
    answer.problem(502, "provider-unavailable");
    assert!(!answer.text().contains(SECRET));
    assert_eq!(vendor.count(), 0, "nothing went straight to the vendor");
}

#[tokio::test]
async fn addresses_in_urls_are_held_against_the_rules_behind_a_proxy_too() {
    let proxy = ForwardProxy::start().await;
    for base in ["http://169.254.169.254", "https://10.0.0.1", "http://[::1]:8080", "http://[::ffff:127.0.0.1]"] {
        let (_server, client) = behind(&proxy, base, |_| {}).await;
        let problem = client.get("/v1/crm/contacts").await.problem(502, "provider-unavailable");
        assert_eq!(problem["origin"], "throughline", "{base}: {problem}");
    }
    assert!(proxy.heads().is_empty(), "the proxy was not asked");
}

#[test]
fn a_proxy_that_cannot_be_used_is_told_without_its_password() {
    for text in [format!("https://me:{SECRET}@proxy.test:1"), format!("http://me:{SECRET}@proxy.test:1/path")] {
        let environment = [("THROUGHLINE_UPSTREAM__PROXY".to_owned(), text)];
        let faults = Config::load(None, environment).expect_err("no proxy").join("\n");
        assert!(faults.contains("http://host:port") && !faults.contains(SECRET), "{faults}");
    }
    let environment = [("THROUGHLINE_UPSTREAM__PROXY".to_owned(), format!("http://me:{SECRET}@proxy.test:1"))];
    let config = Config::load(None, environment).expect("a good one");
    let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("JSON"));
    assert!(shown.contains("proxy.test:1") && !shown.contains(SECRET));
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    plain_answer(200, &format!("Content-Type: application/json\r\nContent-Encoding: {coding}\r\n"), body)
}

/// S-15.
#[tokio::test]
async fn codings_that_nobody_asked_for_are_read_or_named() {
    let (server, vendor) = with_fake().await;
    let client = server.on("fake");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(LIST.as_bytes()).expect("memory");
    for (coding, body) in [("gzip", gzip(LIST.as_bytes())), ("deflate", zlib.finish().expect("memory"))] {
        vendor.answers(coded(coding, &body));
        let answer = client.get("/v1/crm/contacts").await;
        assert_eq!(answer.json()["data"][0]["last_name"], "Ada", "{coding}: {}", answer.text());
        assert_eq!(answer.header("content-encoding"), None);
        // A raw answer is not touched.
        let raw = client.get("/v1/passthrough/x").await;
        assert_eq!((raw.header("content-encoding"), &raw.body), (Some(coding), &body));
    }
    for coding in ["br", "zstd", "gzip, gzip"] {
        vendor.answers(coded(coding, b"whatever"));
        let problem = client.get("/v1/crm/contacts").await.problem(502, "invalid-provider-response");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(coding)), "{problem}");
        assert_eq!(client.get("/v1/passthrough/x").await.body, b"whatever");
    }
    let bomb = gzip(&vec![b' '; 512 * 1024 * 1024]);
    vendor.answers(coded("gzip", &bomb));
    let problem = client.get("/v1/crm/contacts").await.problem(502, "invalid-provider-response");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("proportion")), "{problem}");
    for broken in [&gzip(LIST.as_bytes())[..20], LIST.as_bytes()] {
        vendor.answers(coded("gzip", broken));
        client.get("/v1/crm/contacts").await.problem(502, "invalid-provider-response");
    }
    // What became of a write is known from its head.
    vendor.answers(plain_answer(201, "Content-Encoding: br\r\n", b"?"));
    let answer = client.post("/v1/crm/contacts", json!({"last_name": "x"})).await;
    assert_eq!(answer.problem(502, "invalid-provider-response")["outcome"], "executed");
}

/// S-17, S-18.
#[tokio::test]
async fn what_is_no_json_is_told_with_its_place() {
    let (server, vendor) = with_fake().await;
    let deep = format!("{{\"items\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (body, place) in [
        (b"{\"items\": [{\"id\": \"\xff\"}]}".to_vec(), "(byte 19)"),
        ("\u{feff}{\"items\": []}".into(), "(byte 0)"),
        ("{\"items\":\n [{\"n\": NaN}]}".into(), "(byte 18)"),
        (deep.into_bytes(), "recursion limit"),
    ] {
        vendor.answers(json_answer(200, body));
        let problem = server.on("fake").get("/v1/crm/contacts").await.problem(502, "invalid-provider-response");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(place)), "{place}: {problem}");
    }
    vendor.answers(json_answer(200, LIST));
    assert_eq!(server.on("fake").get("/v1/crm/contacts").await.status, 200, "the process is alive");
}

/// S-19.
#[tokio::test]
async fn of_members_of_one_name_the_last_one_counts() {
    let (server, vendor) = with_fake().await;
    vendor.answers(json_answer(200, r#"{"items":[],"items":[{"id":"1","name":"first","id":"2","name":"last"}]}"#));
    let answer = server.on("fake").get("/v1/crm/contacts?include=raw").await.json();
    assert_eq!((&answer["data"][0]["id"], &answer["data"][0]["last_name"]), (&json!("2"), &json!("last")), "{answer}");
}

/// S-23.
#[tokio::test]
async fn interim_answers_have_an_end() {
    let (server, vendor) = with_fake().await;
    let hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n";
    vendor.answers([hint.repeat(1_000), json_answer(200, LIST)].concat());
    assert_eq!(server.on("fake").get("/v1/crm/contacts").await.status, 200);
    vendor.does(move |mut exchange| async move {
        while exchange.stream.write_all(hint).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    let begun = Instant::now();
    let client = server.on("fake").with("Prefer", "wait=1");
    client.get("/v1/crm/contacts").await.problem(504, "provider-timeout");
    assert!(begun.elapsed() < Duration::from_secs(10), "bounded by the caller's deadline");
}

/// S-25, S-26: none of it becomes an answer, and the connection that it came on is not used again.
#[tokio::test]
async fn answers_framed_in_two_ways_or_with_smuggled_headers_are_refused() {
    let answers: [(&str, Vec<u8>); 7] = [
        ("NUL in a value", b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
        ("a bare CR in a value", b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
        ("a folded line", b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
        ("a space before the colon", b"HTTP/1.1 200 OK\r\nX-A : a\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n{}".to_vec()),
        ("a list of lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 20\r\n\r\n{}".to_vec()),
        ("no length", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}".to_vec()),
    ];
    for (name, bytes) in answers {
        // Each on a server of its own: a host that answers with nonsense is left in peace after a while.
        let (server, vendor) = with_fake().await;
        let closed = Arc::new(AtomicUsize::new(0));
        let noted = closed.clone();
        vendor.does(move |mut exchange| {
            let (bytes, noted) = (bytes.clone(), noted.clone());
            async move {
                exchange.finish_reading().await;
                exchange.write(&bytes).await;
                // Kept open by this side: it is the proxy that ends it.
                let mut rest = [0; 1024];
                while exchange.stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
                noted.fetch_add(1, Ordering::SeqCst);
            }
        });
        let answer = server.on("fake").get("/v1/crm/contacts/1").await;
        assert_eq!(answer.status, 502, "{name}: {}", answer.text());
        answer.problem(502, "invalid-provider-response");
        let raw = server.on("fake").get("/v1/passthrough/x").await;
        assert!(raw.status == 502 || !raw.complete, "{name}: {raw:?}");
        assert!(raw.header("x-a").is_none() && raw.header("x-b").is_none(), "{name}: {raw:?}");
        let begun = Instant::now();
        while closed.load(Ordering::SeqCst) < 2 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{name}: the connection is closed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// S-26: who reads the answer after us might believe the other one.
#[tokio::test]
async fn an_answer_with_a_length_and_chunks_is_refused() {
    let (server, vendor) = with_fake().await;
    for headers in
        ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"]
    {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}\r\n\r\n");
        let rest = format!("{:x}\r\n{LIST}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nX-Smuggled: 1\r\n\r\n", LIST.len());
        vendor.answers(head + &rest);
        for path in ["/v1/crm/contacts", "/v1/passthrough/x"] {
            let problem = server.on("fake").get(path).await.problem(502, "invalid-provider-response");
            assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("chunks")), "{headers}: {problem}");
        }
        let write = server.on("fake").post("/v1/crm/contacts", json!({"last_name": "x"})).await;
        assert_eq!(write.problem(502, "invalid-provider-response")["outcome"], "executed");
    }
}

/// S-29, S-30.
#[tokio::test]
async fn redirects_and_links_lead_nowhere_else() {
    let (server, vendor) = with_fake().await;
    let elsewhere = FakeVendor::start().await;
    let client = server.on("fake");
    for status in [301, 302, 303, 307, 308] {
        for to in [elsewhere.url(), format!("{}/contacts", vendor.url())] {
            vendor.answers(plain_answer(status, &format!("Location: {to}/x\r\n"), ""));
            client.get("/v1/crm/contacts").await.problem(502, "unexpected-redirect");
            let raw = client.get("/v1/passthrough/x").await;
            assert_eq!((raw.status, raw.header("location")), (status, Some(format!("{to}/x").as_str())));
        }
    }
    assert_eq!(vendor.count(), 20, "each was asked once");
    let linked = r#"  list:
    request: GET /contacts
    records: items
    next: { link: next }
"#;
    let mut files = provider("linked", None);
    for (_, text) in &mut files {
        *text = text.replace(
            "  list:\n    request: GET /contacts\n    query: { limit: limit, after: cursor }\n    records: items\n    next: next\n",
            linked,
        );
    }
    let server = start_alone(files, &[("linked", &vendor)]).await;
    for link in [format!("{}/contacts?page=2", elsewhere.url()), "//elsewhere.test/x".into(), "https://a@b/x".into()] {
        vendor.answers(json_answer(200, json!({"items": [{"id": "1"}], "next": link}).to_string()));
        let problem = server.on("linked").get("/v1/crm/contacts").await.problem(502, "invalid-provider-response");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("another host")), "{problem}");
    }
    assert_eq!(elsewhere.count(), 0, "no credential went there");
}

/// S-14: a gibibyte is not read, let alone held.
#[tokio::test]
async fn an_endless_answer_is_read_to_the_cap_and_no_further() {
    let (server, vendor) = with_fake().await;
    let sent = Arc::new(AtomicUsize::new(0));
    for head in ["Content-Length: 1073741824", "Transfer-Encoding: chunked"] {
        sent.store(0, Ordering::SeqCst);
        let counted = sent.clone();
        vendor.does(move |mut exchange| {
            let counted = counted.clone();
            async move {
                exchange
                    .write(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n").as_bytes())
                    .await;
                let part = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
                while counted.fetch_add(part.len(), Ordering::SeqCst) < 1 << 30
                    && exchange.stream.write_all(&part).await.is_ok()
                {}
            }
        });
        let problem = server.on("fake").get("/v1/crm/contacts").await.problem(502, "invalid-provider-response");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("larger than")), "{problem}");
        assert!(sent.load(Ordering::SeqCst) < 64 * 1024 * 1024, "{head}: {}", sent.load(Ordering::SeqCst));
    }
}
