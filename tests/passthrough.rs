//! Raw requests: what the caller sends is what the vendor gets, and the other way round, except for credentials,
//! identities and what belongs to one connection only.

mod support;

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use serde_json::json;
use support::{
    Answer, Client, FakeVendor, Process, Server, free_port, json_answer, plain_answer, provider, scratch, start_with,
    throughline,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const ROOT: &str = "/v1/passthrough";

async fn with_fake() -> (Server, FakeVendor) {
    let vendor = FakeVendor::start().await;
    let server = start_with(provider("fake", None), &[("fake", &vendor)]).await;
    (server, vendor)
}

#[tokio::test]
async fn requests_arrive_byte_for_byte_on_both_routes() {
    let (server, vendor) = with_fake().await;
    let by_path = format!("/v1/connections/{}/passthrough", server.connection("fake"));
    let encoded = by_path.replace("conn_", "%63onn%5F");
    let body =
        "{ \"big\": 12345678901234567890123,\n \"n\": 1.10, \"e\": 1E400, \"a\": 1, \"a\": 2, \"s\": \"\\u00e9\" }";
    for (root, client) in
        [(ROOT, server.on("fake")), (by_path.as_str(), server.client()), (encoded.as_str(), server.client())]
    {
        for target in [
            "/",
            "/v3/objects",
            "/v3/objects/",
            "/a?b=c&a=b&b=a",
            "/a?b=1%202+3&c=%2F..%2F&d=&e&f==&&g=%E4%F6",
            "/a?",
            "/accounts(name='A%20B')?$filter=name%20eq%20'x'",
            "/a/%C3%A4;v=1/@x:y/~z!$&'()*+,=",
        ] {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "MERGE", "OPTIONS"] {
                let request = client.request(method, &format!("{root}{target}"));
                let request = if method == "GET" { request } else { request.body("application/x-odd; a=b", body) };
                let answer = request.send().await;
                assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
                assert_eq!(answer.header("throughline-origin"), Some("provider"));
                let arrived = vendor.last();
                let same = target.strip_suffix('?').unwrap_or(target);
                let line = [format!("{method} {target} HTTP/1.1"), format!("{method} {same} HTTP/1.1")];
                assert!(line.iter().any(|line| line == arrived.line()), "{} is not {line:?}", arrived.line());
                if method != "GET" {
                    assert_eq!(String::from_utf8_lossy(&arrived.body), body);
                    assert_eq!(arrived.header("content-type"), Some("application/x-odd; a=b"));
                    let length = body.len().to_string();
                    assert_eq!(arrived.header("content-length"), Some(length.as_str()), "the length is known and told");
                }
            }
        }
    }
    // Without anything behind the route it is the vendor's root.
    assert_eq!(server.on("fake").get(ROOT).await.status, 200);
    assert_eq!(vendor.last().line(), "GET / HTTP/1.1");
}

#[tokio::test]
async fn what_would_send_the_credential_back_is_not_passed_on() {
    let (server, vendor) = with_fake().await;
    let by_path = format!("/v1/connections/{}/passthrough/a", server.connection("fake"));
    for path in ["/v1/passthrough/a", "/v1/passthrough", by_path.as_str()] {
        let answer = server.on("fake").request("TRACE", path).send().await;
        assert_eq!(answer.status, 405, "{}", answer.text());
        assert_eq!(answer.json()["code"], "unsupported-operation");
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("PATCH") && !allow.contains("TRACE")));
    }
    assert!(vendor.requests().is_empty());
}

#[tokio::test]
async fn answers_come_back_byte_for_byte() {
    let (server, vendor) = with_fake().await;
    let client = server.on("fake");
    let odd = b"[ 12345678901234567890123, 1.10, {\"a\":1,\"a\":2}, \"\\ud800\", \xff\xfe ]\n\n";
    vendor.answers(plain_answer(
        200,
        "Content-Type: application/json\r\nX-Own: a\r\nX-Own: b\r\nETag: W/\"1\"\r\n",
        odd,
    ));
    let answer = client.get("/v1/passthrough/x").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &odd[..]));
    let own: Vec<&String> = answer.headers.iter().filter(|(name, _)| name == "x-own").map(|(_, value)| value).collect();
    assert_eq!(own, ["a", "b"]);
    assert_eq!(answer.header("etag"), Some("W/\"1\""));

    // A compressed answer is neither unpacked nor packed anew.
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0";
    vendor.answers(plain_answer(200, "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", gzip));
    let answer = client.request("GET", "/v1/passthrough/x").header("Accept-Encoding", "gzip, br;q=0.5").send().await;
    assert_eq!(answer.body, gzip);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(vendor.last().header("accept-encoding"), Some("gzip, br;q=0.5"));

    // The vendor's refusals are the vendor's, in its own words.
    for status in [201, 204, 304, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503, 599] {
        let body = if matches!(status, 204 | 304) { "" } else { "{\"error\": \"theirs\"}" };
        vendor.answers(json_answer(status, body));
        let answer = client.post("/v1/passthrough/x", json!({})).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, body));
        assert_eq!(answer.header("throughline-origin"), Some("provider"), "{status}");
    }
}

#[tokio::test]
async fn head_and_conditional_requests_are_the_vendors_business() {
    let (server, vendor) = with_fake().await;
    let client = server.on("fake");
    vendor.answers("HTTP/1.1 200 OK\r\nContent-Length: 77\r\nConnection: close\r\n\r\n");
    let answer = client.request("HEAD", "/v1/passthrough/x").send().await;
    assert_eq!((answer.status, answer.header("content-length")), (200, Some("77")));
    assert_eq!(vendor.last().line(), "HEAD /x HTTP/1.1");
    vendor.answers(json_answer(200, "{}"));
    let headers = [
        ("If-Match", "\"1\""),
        ("If-None-Match", "*"),
        ("Prefer", "return=representation"),
        ("Idempotency-Key", "k1"),
        ("Range", "bytes=0-1"),
        ("User-Agent", "their-sdk/1"),
        ("Accept", "application/odd"),
        ("X-Vendor-Own", "kept"),
    ];
    let request = client.request("GET", "/v1/passthrough/x");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(request.send().await.status, 200);
    for (name, value) in headers {
        assert_eq!(vendor.last().header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn redirects_are_handed_on() {
    let (server, vendor) = with_fake().await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}/elsewhere\r\n", vendor.url());
        vendor.answers(plain_answer(status, &location, "moved"));
        let before = vendor.count();
        let answer = server.on("fake").get("/v1/passthrough/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (status, "moved"));
        assert_eq!(vendor.count(), before + 1, "it is not followed");
    }
}

#[tokio::test]
async fn nothing_of_the_caller_but_the_request_reaches_the_vendor() {
    let (server, vendor) = with_fake().await;
    let client = server.on("fake");
    let mut request = client.request("GET", "/v1/passthrough/x");
    let stripped = [
        "Cookie",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Forwarded",
        "X-Real-IP",
        "Via",
        "X-Api-Key",
        "X_Api_Key",
        "Proxy-Authorization",
        "Keep-Alive",
        "TE",
        "Upgrade",
        "X-Request-Id",
        "Traceparent",
        "Throughline-Customer",
        "X-HTTP-Method-Override",
        "X-Named-By-Connection",
    ];
    for name in stripped {
        request = request.header(name, if name == "Throughline-Customer" { "demo-customer" } else { "trailers" });
    }
    // A caller cannot have the injected credential taken out again, nor stand beside it.
    let request = request
        .header("Connection", "X-Fake-Key, X-Named-By-Connection, Authorization")
        .header("Connection", "X-Vendor-Own")
        .header("X-Vendor-Own", "named in the second header")
        .header("X-Fake-Key", "Key theirs");
    let answer = request.send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let arrived = vendor.last();
    for name in stripped.iter().chain(&["Throughline-Connection", "Authorization", "X-Vendor-Own"]) {
        assert_eq!(arrived.headers(name), Vec::<&str>::new(), "{name} in {}", arrived.head);
    }
    assert_eq!(arrived.headers("x-fake-key"), [format!("Key {}", support::TOKEN)]);
    let host = vendor.url();
    assert_eq!(arrived.headers("host"), [host.trim_start_matches("http://")]);
}

#[tokio::test]
async fn what_the_vendor_says_about_its_own_connection_stays_there() {
    let (server, vendor) = with_fake().await;
    let echo = format!("X-Echo: Key {}\r\n", support::TOKEN);
    let headers = "Set-Cookie: a=b\r\nServer: theirs\r\nStrict-Transport-Security: max-age=1\r\nThroughline-Origin: throughline\r\n\
         Keep-Alive: timeout=5\r\nX-Request-Id: theirs\r\nServer-Timing: theirs\r\nAccess-Control-Allow-Origin: *\r\nX-Own: kept\r\n";
    vendor.answers(plain_answer(200, &format!("{headers}{echo}"), "{}"));
    let answer = server.on("fake").get("/v1/passthrough/x").await;
    for name in
        ["set-cookie", "server", "strict-transport-security", "keep-alive", "access-control-allow-origin", "x-echo"]
    {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let origins: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "throughline-origin").collect();
    assert_eq!(origins.len(), 1);
    assert_eq!(origins[0].1, "provider");
    assert_eq!(answer.header("x-own"), Some("kept"));
    assert!(answer.header("x-request-id").is_some_and(|id| id.starts_with("req_")), "{:?}", answer.headers);
    assert!(answer.header("server-timing").is_some_and(|timing| timing.contains("overhead;dur")));
}

#[tokio::test]
async fn our_key_is_taken_where_the_vendors_goes_and_never_handed_on() {
    let (server, vendor) = with_fake().await;
    let path = format!("/v1/connections/{}/passthrough/x", server.connection("fake"));
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:whatever", server.key));
    let places: [(&str, String, String); 6] = [
        ("Authorization", format!("Bearer {}", server.key), "a=1".into()),
        ("Authorization", format!("Zoho-oauthtoken {}", server.key), "a=1".into()),
        ("Authorization", format!("Basic {basic}"), "a=1".into()),
        ("X-Fake-Key", format!("Key {}", server.key), "a=1".into()),
        ("X-Fake-Key", server.key.clone(), "a=1".into()),
        ("", String::new(), format!("a=1&api_token={}&b=2", server.key)),
    ];
    for (header, value, query) in places {
        let client = Client::new(server.api);
        let request = client.request("GET", &format!("{path}?{query}"));
        let request = if header.is_empty() { request } else { request.header(header, &value) };
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{header}: {}", answer.text());
        let arrived = vendor.last();
        assert!(!arrived.head.contains(&server.key) && !arrived.head.contains(&basic), "{}", arrived.head);
        assert_eq!(arrived.headers("x-fake-key"), [format!("Key {}", support::TOKEN)]);
        let line = if header.is_empty() { "GET /x?a=1&b=2 HTTP/1.1" } else { "GET /x?a=1 HTTP/1.1" };
        assert_eq!(arrived.line(), line);
    }
    // A vendor's credential that is sent by mistake is no key, and stays here.
    let before = vendor.count();
    let mistaken = Client::new(server.api).with("X-Fake-Key", "Key theirs").get(&path).await;
    mistaken.problem(401, "unauthenticated");
    // Elsewhere a key is only taken from its own place.
    for elsewhere in ["/v1/crm/contacts", "/v1/crm/contacts/passthrough", "/v1/keys", "/v1/connections/passthrough"] {
        let client = Client::new(server.api).connection(server.connection("fake"));
        let client = client.with("X-Fake-Key", &server.key);
        client.get(elsewhere).await.problem(401, "unauthenticated");
    }
    assert_eq!(vendor.count(), before);
}

#[tokio::test]
async fn some_paths_are_closed() {
    let (server, vendor) = with_fake().await;
    let client = server.on("fake");
    for path in
        ["/oauth", "/oauth/", "/oauth/token", "/OAuth/token", "/%6fauth/token", "/oauth;x=1/token", "/oauth/token?x"]
    {
        let answer = client.get(&format!("{ROOT}{path}")).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        answer.problem(403, "forbidden");
        assert_eq!(answer.header("throughline-origin"), Some("throughline"), "{path}");
    }
    assert_eq!(vendor.count(), 0);
    for path in ["/oauthx", "/v1/oauth", "/"] {
        assert_eq!(client.get(&format!("{ROOT}{path}")).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn no_path_leads_to_another_host_or_means_two_things() {
    let (server, vendor) = with_fake().await;
    let client = server.on("fake");
    for path in [
        "//evil.test",
        "/\\evil.test",
        "@evil.test",
        ".evil.test",
        ":8443",
        "/http://evil.test/",
        "/..%2f",
        "/%2e%2e/",
        "/%252e%252e/",
        "/..;/",
        "/..;x=1/",
        "/../..",
        "/a/../b",
        "/./a",
        "/a%00",
        "/a%0d%0aX:y",
        "/a%2fb",
        "/a%252fb",
        "/a%5cb",
        "/%c0%ae%c0%ae/",
        "/%ff",
        "/a%",
        "/a%zz",
        "/\u{e4}",
        "//",
        "/a//b",
        "/%2e",
        "/a/%2e%2e%2fb",
        "/.%2e/x",
    ] {
        let before = vendor.count();
        let answer = client.get(&format!("{ROOT}{path}")).await;
        match answer.status {
            200 => {
                let line = vendor.last().line().to_owned();
                assert_eq!(line, format!("GET {path} HTTP/1.1"), "what is let through stays as it is");
            }
            400 | 404 => {
                assert_eq!(vendor.count(), before, "{path}");
                if answer.header("content-type").is_some() {
                    answer.problem(answer.status, answer.json()["code"].as_str().expect("a code"));
                }
            }
            other => panic!("{path}: {other}"),
        }
    }
    let long = format!("{ROOT}/{}", "a".repeat(20 * 1024));
    client.get(&long).await.problem(400, "invalid-request");
}

#[tokio::test]
async fn scopes_and_origins() {
    let (server, vendor) = with_fake().await;
    let connection = server.connection("fake").to_owned();
    let reader = server.make_key("demo", "passthrough").await;
    let reader = Client::new(server.api).key(&reader).connection(&connection);
    let stranger = server.make_key("demo", "read,write").await;
    let stranger = Client::new(server.api).key(&stranger).connection(&connection);
    assert_eq!(reader.get("/v1/passthrough/x").await.status, 200);
    assert_eq!(reader.request("HEAD", "/v1/passthrough/x").send().await.status, 200);
    let before = vendor.count();
    let by_path = format!("/v1/connections/{connection}/passthrough/x");
    let none = Client::new(server.api);
    let refusals: Vec<(Answer, u16, &str)> = vec![
        (reader.post("/v1/passthrough/x", json!({})).await, 403, "missing-scope"),
        (reader.delete("/v1/passthrough/x").await, 403, "missing-scope"),
        (reader.request("OPTIONS", "/v1/passthrough/x").send().await, 403, "missing-scope"),
        (stranger.get("/v1/passthrough/x").await, 403, "missing-scope"),
        (stranger.get(&by_path).await, 403, "missing-scope"),
        (none.get("/v1/passthrough/x").await, 401, "unauthenticated"),
        (none.get(&by_path).await, 401, "unauthenticated"),
        (server.client().get("/v1/passthrough/x").await, 400, "invalid-request"),
        (server.client().connection("conn_x").get("/v1/passthrough/x").await, 404, "connection-not-found"),
        (server.client().get("/v1/connections/conn_x/passthrough/x").await, 404, "connection-not-found"),
        (server.on("fake").get("/v1/passthrough/a//b").await, 400, "invalid-request"),
        (server.on("fake").with("Prefer", "wait=x").get("/v1/passthrough/x").await, 400, "invalid-request"),
    ];
    for (answer, status, code) in refusals {
        answer.problem(status, code);
        assert_eq!(answer.header("throughline-origin"), Some("throughline"), "{status} {code}");
    }
    assert_eq!(vendor.count(), before);
}

#[tokio::test]
async fn a_vendor_that_fails_is_told_from_one_that_answers() {
    let (server, vendor) = with_fake().await;
    let client = server.on("fake");
    vendor.does(|exchange| async move { exchange.reset() });
    for (method, status, code, outcome) in
        [("GET", 502, "provider-unavailable", None), ("POST", 502, "outcome-unknown", Some("unknown"))]
    {
        let answer = client.request(method, "/v1/passthrough/x").json(&json!({})).send().await;
        let problem = answer.problem(status, code);
        assert_eq!(answer.header("throughline-origin"), Some("throughline"));
        assert_eq!(problem["outcome"].as_str(), outcome, "{problem}");
        assert!(problem.get("provider").is_none(), "the vendor's words are not repeated: {problem}");
    }
    // A host that only ever fails would be left in peace.
    vendor.answers(json_answer(200, "{}"));
    assert_eq!(client.get("/v1/passthrough/x").await.status, 200);
    for garbage in
        ["nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 99 X\r\n\r\n"]
    {
        vendor.answers(garbage);
        let answer = client.get("/v1/passthrough/x").await;
        assert_eq!(answer.status, 502, "{garbage:?}: {}", answer.text());
        assert_eq!(answer.header("throughline-origin"), Some("throughline"));
    }
    vendor.does(|exchange| async move {
        let _open = exchange;
        std::future::pending::<()>().await;
    });
    client.with("Prefer", "wait=1").get("/v1/passthrough/x").await.problem(504, "provider-timeout");
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_complete() {
    let (server, vendor) = with_fake().await;
    let client = server.on("fake");
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nonly this",
    ] {
        vendor.answers(cut);
        let answer = client.get("/v1/passthrough/x").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.complete, "{cut:?} arrived as if it were whole: {answer:?}");
        assert!(answer.text().is_empty() || answer.text() == "only this");
    }
    vendor.answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\n\r\n");
    let whole = client.get("/v1/passthrough/x").await;
    assert!(whole.complete && whole.text() == "only this");
    vendor.answers("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    let whole = client.get("/v1/passthrough/x").await;
    assert!(whole.complete && whole.text() == "until the end");
}

#[tokio::test]
async fn the_first_byte_of_an_answer_does_not_wait_for_the_last() {
    let (server, vendor) = with_fake().await;
    let go_on = Arc::new(Notify::new());
    let gate = go_on.clone();
    vendor.does(move |mut exchange| {
        let gate = gate.clone();
        async move {
            exchange
                .write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nfirst\r\n")
                .await;
            gate.notified().await;
            exchange.write(b"4\r\nlast\r\n0\r\n\r\n").await;
        }
    });
    let mut stream = TcpStream::connect(server.api).await.expect("the server listens");
    let request = server.on("fake").request("GET", "/v1/passthrough/x").bytes();
    stream.write_all(&request).await.expect("sent");
    let seen = read_until(&mut stream, "first").await;
    assert!(!seen.contains("last"));
    // Only now does the vendor go on.
    go_on.notify_one();
    read_until(&mut stream, "last").await;
}

#[tokio::test]
async fn the_first_byte_of_an_upload_does_not_wait_for_the_last() {
    let (server, vendor) = with_fake().await;
    let arrived = Arc::new(Notify::new());
    let seen = arrived.clone();
    vendor.does(move |mut exchange| {
        let seen = seen.clone();
        async move {
            let mut body = String::from_utf8_lossy(&exchange.body).into_owned();
            while !body.contains("first") {
                body.push_str(&read_some(&mut exchange.stream).await);
            }
            seen.notify_one();
            while !body.contains("last") {
                body.push_str(&read_some(&mut exchange.stream).await);
            }
            exchange.write(&json_answer(200, "{}")).await;
        }
    });
    let mut stream = TcpStream::connect(server.api).await.expect("the server listens");
    let head = format!(
        "POST /v1/passthrough/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nThroughline-Connection: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
        server.key,
        server.connection("fake")
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The vendor has the first part although the rest was not even sent.
    arrived.notified().await;
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.expect("sent");
    assert_eq!(Answer::read(&mut stream, false).await.status, 200);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_keep_the_vendor_sending() {
    let (server, vendor) = with_fake().await;
    let noticed = Arc::new(Notify::new());
    let tell = noticed.clone();
    vendor.does(move |mut exchange| {
        let tell = tell.clone();
        async move {
            exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
            let part = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            while exchange.stream.write_all(part.as_bytes()).await.is_ok() {}
            tell.notify_one();
        }
    });
    let mut stream = TcpStream::connect(server.api).await.expect("the server listens");
    let request = server.on("fake").request("GET", "/v1/passthrough/x").bytes();
    stream.write_all(&request).await.expect("sent");
    read_until(&mut stream, "first").await;
    drop(stream);
    noticed.notified().await;
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut part = [0; 4096];
    let read = stream.read(&mut part).await.expect("more is to come");
    assert!(read > 0, "the connection ended early");
    String::from_utf8_lossy(&part[..read]).into_owned()
}

async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        seen.push_str(&read_some(stream).await);
    }
    seen
}

const GIB: u64 = 1 << 30;
/// KiB.
const ALLOWED: u64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gibibyte_passes_through_without_being_held() {
    let vendor = FakeVendor::start().await;
    let folder = scratch("gibibyte");
    let (api, admin) = (free_port(), free_port());
    let config = folder.join("throughline.yaml");
    let text = format!(
        "listen: {api}\nadmin_listen: {admin}\nstore: sqlite:{0}/store.db\nvault: {{ key_file: {0}/vault.key }}\n\
         upstream: {{ dangerous_allow_private_addresses: true }}\nproviders: {{ hubspot: {{ base_url: \"{1}\" }} }}\n",
        folder.display(),
        vendor.url()
    );
    std::fs::write(&config, text).expect("a config file");
    let file = config.to_str().expect("a plain path");
    let run = |arguments: &[&str]| {
        let output = throughline().args(arguments).output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    run(&["vault", "init", folder.join("vault.key").to_str().expect("a plain path")]);
    let scopes = "read,write,passthrough,connect";
    let key = run(&["keys", "create", "--config", file, "--tenant", "acme", "--scopes", scopes]);
    let mut command = throughline();
    command.args(["serve", "--config", file]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut process = Process::start(command);
    process.listening(api).await;
    let client = Client::new(api).key(&key);
    let body =
        json!({"provider": "hubspot", "customer_id": "c", "credentials": {"type": "token", "token": "t0ken-of-test"}});
    let made = client.post("/v1/connections", body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let client = client.connection(made.json()["id"].as_str().expect("an id"));
    for _ in 0..20 {
        assert_eq!(client.get("/v1/passthrough/warm").await.status, 200);
    }

    // Down.
    vendor.does(|mut exchange| async move {
        exchange
            .write(format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        let part = vec![b'x'; 1 << 20];
        for _ in 0..GIB >> 20 {
            if exchange.stream.write_all(&part).await.is_err() {
                return;
            }
        }
    });
    let (before, started) = (process.resident(), Instant::now());
    let mut stream = TcpStream::connect(api).await.expect("the server listens");
    stream.write_all(&client.request("GET", "/v1/passthrough/x").bytes()).await.expect("sent");
    let (mut read, mut peak, mut part) = (0_u64, before, vec![0; 1 << 20]);
    loop {
        let count = stream.read(&mut part).await.expect("the answer goes on") as u64;
        if count == 0 {
            break;
        }
        if (read >> 26) != ((read + count) >> 26) {
            peak = peak.max(process.resident());
        }
        read += count;
    }
    assert!(read > GIB && read < GIB + 4096, "{read} bytes came");
    println!("down: 1 GiB in {:?}, resident {before} KiB before, {peak} KiB at most", started.elapsed());
    assert!(peak.saturating_sub(before) <= ALLOWED, "{before} KiB grew to {peak} KiB");

    // Up.
    vendor.does(|mut exchange| async move {
        let mut count = exchange.body.len() as u64;
        let mut part = vec![0; 1 << 20];
        while count < GIB {
            match exchange.stream.read(&mut part).await {
                Ok(read @ 1..) => count += read as u64,
                _ => return,
            }
        }
        exchange.write(&json_answer(200, format!("{{\"count\":{count}}}"))).await;
    });
    let (before, started) = (process.resident(), Instant::now());
    let mut stream = TcpStream::connect(api).await.expect("the server listens");
    let head = client.request("PUT", "/v1/passthrough/x").bytes();
    let head =
        String::from_utf8(head).expect("text").replace("\r\n\r\n", &format!("\r\nContent-Length: {GIB}\r\n\r\n"));
    stream.write_all(head.as_bytes()).await.expect("sent");
    let (part, mut peak) = (vec![b'x'; 1 << 20], before);
    for number in 0..GIB >> 20 {
        stream.write_all(&part).await.expect("the server takes it");
        if number % 64 == 0 {
            peak = peak.max(process.resident());
        }
    }
    let answer = Answer::read(&mut stream, false).await;
    assert_eq!((answer.status, answer.json()["count"].as_u64()), (200, Some(GIB)));
    println!("up: 1 GiB in {:?}, resident {before} KiB before, {peak} KiB at most", started.elapsed());
    assert!(peak.saturating_sub(before) <= ALLOWED, "{before} KiB grew to {peak} KiB");
}
