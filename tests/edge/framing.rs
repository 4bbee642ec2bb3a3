//! What can be read in two ways is not believed: heads, lengths, hosts, expectations.

use std::time::Duration;

use throughline::limit::Time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::support::{Answer, json_answer};
use super::{PATIENCE, alive, connect, credentials, exchange, read_to_end, scene};

#[tokio::test]
async fn s75_a_request_that_can_be_read_in_two_ways_reaches_the_vendor_as_one_or_not_at_all() {
    // What is read as two requests leaves the connection open for a third.
    let (server, vendor) = scene(|config| config.edge.keep_alive = Time::from_millis(300)).await;
    let inner = "GET /v1/passthrough/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let huge = "x".repeat(1024 * 1024);
    let extension = format!("5;{huge}\r\nhello\r\n0\r\n\r\n");
    let cases: Vec<(&str, String, String)> = vec![
        ("CL.TE", "Content-Length: 5\r\nTransfer-Encoding: chunked".into(), format!("0\r\n\r\n{inner}")),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4".into(), format!("5\r\nhello\r\n0\r\n\r\n{inner}")),
        ("two TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".into(), format!("0\r\n\r\n{inner}")),
        ("TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked".into(), format!("0\r\n\r\n{inner}")),
        ("TE list", "Transfer-Encoding: gzip, chunked".into(), format!("0\r\n\r\n{inner}")),
        ("TE with a tab", "Transfer-Encoding: chunked\t".into(), format!("0\r\n\r\n{inner}")),
        ("xchunked", "Transfer-Encoding: xchunked".into(), format!("0\r\n\r\n{inner}")),
        ("TE identity", "Transfer-Encoding: identity".into(), inner.into()),
        ("TE with a vertical tab", "Transfer-Encoding: \u{b}chunked".into(), format!("0\r\n\r\n{inner}")),
        ("CL list", "Content-Length: 5,5".into(), format!("hello{inner}")),
        ("CL two values", "Content-Length: 5\r\nContent-Length: 50".into(), format!("hello{inner}")),
        ("CL plus", "Content-Length: +5".into(), format!("hello{inner}")),
        ("CL minus", "Content-Length: -5".into(), format!("hello{inner}")),
        ("CL hex", "Content-Length: 0x5".into(), format!("hello{inner}")),
        ("CL empty", "Content-Length:".into(), format!("hello{inner}")),
        ("CL overflow", "Content-Length: 18446744073709551621".into(), format!("hello{inner}")),
        ("space before colon", "Content-Length : 5".into(), format!("hello{inner}")),
        ("TE space before colon", "Transfer-Encoding : chunked".into(), format!("0\r\n\r\n{inner}")),
        ("obs-fold", "X-A: b\r\n Content-Length: 5".into(), format!("hello{inner}")),
        ("NUL in a value", "X-A: b\0c".into(), inner.into()),
        ("CR in a value", "X-A: b\rc".into(), inner.into()),
        ("NUL in a name", "X\0A: b".into(), inner.into()),
        (
            "chunk size overflow",
            "Transfer-Encoding: chunked".into(),
            format!("ffffffffffffffff1\r\nx\r\n0\r\n\r\n{inner}"),
        ),
        ("chunk size of nothing", "Transfer-Encoding: chunked".into(), format!("\r\nx\r\n0\r\n\r\n{inner}")),
        ("chunk size signed", "Transfer-Encoding: chunked".into(), format!("+5\r\nhello\r\n0\r\n\r\n{inner}")),
        ("chunk without end", "Transfer-Encoding: chunked".into(), format!("5\r\nhelloX\r\n0\r\n\r\n{inner}")),
        ("chunk extension", "Transfer-Encoding: chunked".into(), extension),
    ];
    for (name, headers, rest) in cases {
        let before = vendor.requests().len();
        let bytes = format!(
            "POST /v1/passthrough/outer HTTP/1.1\r\nHost: x\r\n{}{headers}\r\n\r\n{rest}",
            credentials(&server)
        );
        let answers = exchange(&server, bytes.as_bytes()).await;
        let arrived = vendor.requests().split_off(before);
        assert!(arrived.len() <= 1, "{name}: {} requests", arrived.len());
        assert!(arrived.iter().all(|one| one.line().starts_with("POST /outer ")), "{name}: {arrived:?}");
        match arrived.first() {
            // Framed anew and in one way, and the connection is not used again.
            Some(one) => {
                let framed = (one.headers("content-length").len(), one.headers("transfer-encoding").len());
                assert!(matches!(framed, (1, 0) | (0, 1)), "{name}: {}", one.head);
                assert!(!String::from_utf8_lossy(&one.body).contains("smuggled"), "{name}");
            }
            None => assert!(answers.is_empty() || answers.starts_with("HTTP/1.1 400 "), "{name}: {answers}"),
        }
        let lines: Vec<&str> = answers.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
        assert!(lines.iter().skip(1).all(|line| line.starts_with("HTTP/1.1 401 ")), "{name}: {lines:?}");
    }
    alive(&server).await;
}

#[tokio::test]
async fn s75_lines_that_end_otherwise_and_old_versions() {
    let (server, vendor) = scene(|_| {}).await;
    let lines = credentials(&server);
    for (name, bytes) in [
        (
            "HTTP/1.0 with TE",
            format!("POST /v1/passthrough/a HTTP/1.0\r\nHost: x\r\n{lines}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("HTTP/0.9", "GET /v1/passthrough/a\r\n\r\n".to_owned()),
        ("HTTP/1.2", format!("GET /v1/passthrough/a HTTP/1.2\r\nHost: x\r\n{lines}\r\n")),
        ("no version", format!("GET /v1/passthrough/a HTTP\r\nHost: x\r\n{lines}\r\n")),
        ("a space in the target", format!("GET /v1/passthrough/a b HTTP/1.1\r\nHost: x\r\n{lines}\r\n")),
        ("a header without a colon", format!("GET /v1/passthrough/a HTTP/1.1\r\nHost: x\r\n{lines}nothing\r\n\r\n")),
        ("noise", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned()),
    ] {
        let before = vendor.requests().len();
        let answer = exchange(&server, bytes.as_bytes()).await;
        if !answer.is_empty() {
            is_problem(&answer, 400);
        }
        assert_eq!(vendor.requests().len(), before, "{name}");
    }
    // A line feed alone ends a line (RFC 9112, 2.2), everywhere or nowhere: the vendor sees one request either way.
    let bare = format!(
        "POST /v1/passthrough/a HTTP/1.1\nHost: x\n{}Content-Length: 5\nConnection: close\n\nhello",
        lines.replace('\r', "")
    );
    exchange(&server, bare.as_bytes()).await;
    let arrived = vendor.requests();
    assert!(arrived.len() <= 1 && arrived.iter().all(|one| one.body == b"hello" && !one.head.contains("\n\n")));
    alive(&server).await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let (server, vendor) = scene(|_| {}).await;
    let many: String = (0..70).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(80 * 1024));
    for lines in [many, long] {
        let bytes = format!("GET /v1/passthrough/a HTTP/1.1\r\nHost: x\r\n{}{lines}\r\n", credentials(&server));
        let answer = exchange(&server, bytes.as_bytes()).await;
        is_problem(&answer, 431);
    }
    assert!(vendor.requests().is_empty());
    alive(&server).await;
}

/// One whole answer: a problem that says which request it is about.
#[track_caller]
fn is_problem(answer: &str, status: u16) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let told = Answer::of_head(head);
    assert_eq!((told.status, told.header("content-type")), (status, Some("application/problem+json")), "{answer}");
    assert_eq!(told.header("content-length"), Some(body.len().to_string().as_str()), "{answer}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert_eq!((&problem["code"], &problem["status"]), (&"invalid-request".into(), &status.into()));
    assert_eq!(problem["request_id"].as_str(), told.header("x-request-id"));
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_words_also_behind_a_good_request() {
    let (server, vendor) = scene(|_| {}).await;
    // The body of a vendor's answer is its own, whatever it looks like.
    let lookalike = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    vendor.answers(json_answer(400, lookalike));
    let good = format!("GET /v1/passthrough/a HTTP/1.1\r\nHost: x\r\n{}\r\n", credentials(&server));
    let mut stream = connect(&server).await;
    for _ in 0..2 {
        stream.write_all(good.as_bytes()).await.expect("sent");
        let answer = timeout(PATIENCE, Answer::read(&mut stream, false)).await.expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (400, lookalike));
    }
    stream.write_all(b"\x16\x03\x01\r\n\r\n").await.expect("sent");
    is_problem(&read_to_end(&mut stream).await, 400);

    // Sent together: the first one's answer is whole, and the refusal comes, if in fewer words.
    vendor.answers(json_answer(200, "{}"));
    let answers = exchange(&server, format!("{good}nonsense\r\n\r\n").as_bytes()).await;
    assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains("\r\n\r\n{}HTTP/1.1 400 "), "{answers}");
    alive(&server).await;
}

#[tokio::test]
async fn one_host_and_only_the_path_of_an_absolute_target() {
    let (server, vendor) = scene(|_| {}).await;
    let lines = credentials(&server);
    for hosts in
        ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: u@a\r\n", "Host: a/b\r\n"]
    {
        let bytes =
            format!("POST /v1/passthrough/a HTTP/1.1\r\n{hosts}{lines}Content-Length: 0\r\nConnection: close\r\n\r\n");
        let answer = server.client().raw(bytes.as_bytes()).await;
        let problem = answer.problem(400, "invalid-request");
        assert_eq!(problem["errors"][0]["parameter"], "Host", "{hosts:?}");
        assert_eq!(problem["outcome"], "not-executed");
    }
    assert!(vendor.requests().is_empty());
    for (target, host) in
        [("http://evil.test/v1/passthrough/a?b=c", "x"), ("http://u:p@evil.test:1/v1/passthrough/a?b=c", "evil.test")]
    {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}Connection: close\r\n\r\n");
        let answer = server.client().raw(bytes.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(vendor.last().line(), "GET /a?b=c HTTP/1.1");
        assert!(!vendor.last().head.contains("evil"), "{}", vendor.last().head);
    }
    // Before HTTP/1.1 there was no Host.
    let old = format!("GET /v1/passthrough/a HTTP/1.0\r\n{lines}\r\n");
    assert_eq!(server.client().raw(old.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn no_tunnels_no_echoes_and_no_other_protocols() {
    let (server, vendor) = scene(|_| {}).await;
    let lines = credentials(&server);
    for line in ["TRACE /v1/passthrough/a", "TRACE /openapi.json", "CONNECT crm.test:443", "CONNECT /v1/passthrough/a"]
    {
        let bytes = format!("{line} HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n");
        let answer = exchange(&server, bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 405 ") || answer.starts_with("HTTP/1.1 400 "), "{line}: {answer}");
    }
    assert!(vendor.requests().is_empty());
    // Whoever offers another protocol is answered in this one (RFC 9110, 7.8), and what follows is a request.
    for upgrade in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        let bytes = format!("GET /v1/passthrough/a HTTP/1.1\r\nHost: x\r\n{lines}{upgrade}\r\n\r\n");
        let mut stream = connect(&server).await;
        stream.write_all(bytes.as_bytes()).await.expect("written");
        let answer = Answer::read(&mut stream, false).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(vendor.last().header("upgrade").is_none() && vendor.last().header("http2-settings").is_none());
    }
}

#[tokio::test]
async fn the_body_is_asked_for_only_when_it_is_going_to_be_read() {
    let (server, vendor) = scene(|_| {}).await;
    vendor.answers(json_answer(201, r#"{"id": "1"}"#));
    let head = |lines: &str, expectation: &str| {
        format!(
            "POST /v1/crm/contacts HTTP/1.1\r\nHost: x\r\n{lines}Content-Type: application/json\r\n\
             Content-Length: 20\r\nExpect: {expectation}\r\n\r\n"
        )
    };
    // Nobody reads a stranger's body.
    let answer = exchange(&server, head("", "100-continue").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");

    let mut stream = connect(&server).await;
    stream.write_all(head(&credentials(&server), "100-continue").as_bytes()).await.expect("written");
    let mut interim = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut interim)).await.expect("it is asked for").expect("bytes");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(br#"{"last_name": "Ada"}"#).await.expect("written");
    let answer = Answer::read(&mut stream, false).await;
    assert_eq!(answer.status, 201, "{}", answer.text());

    let before = vendor.requests().len();
    let bytes = head(&credentials(&server), "a-miracle");
    let answer = server.client().raw(bytes.as_bytes()).await;
    let problem = answer.problem(417, "expectation-failed");
    assert_eq!((&problem["outcome"], &problem["errors"][0]["parameter"]), (&"not-executed".into(), &"Expect".into()));
    assert_eq!(vendor.requests().len(), before);
}

#[tokio::test]
async fn an_early_answer_arrives_and_the_rest_is_not_read() {
    let (server, vendor) = scene(|config| config.edge.in_flight = 8).await;
    const LENGTH: usize = 256 * 1024 * 1024;
    let known = credentials(&server);
    for (lines, path, status) in [
        ("", "/v1/crm/contacts", "401"),
        ("Authorization: Bearer tl_live_nonsense\r\n", "/v1/passthrough/a", "401"),
        (known.as_str(), "/v1/nowhere", "404"),
        (known.as_str(), "/v1/crm/contacts", "413"),
    ] {
        for (framing, rest) in
            [(format!("Content-Length: {LENGTH}"), ""), ("Transfer-Encoding: chunked".to_owned(), "FFFFFFF\r\n")]
        {
            let mut stream = connect(&server).await;
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\n{lines}Content-Type: application/json\r\n{framing}\r\n\r\n{rest}"
            );
            stream.write_all(head.as_bytes()).await.expect("written");
            let mut taken = 0;
            let part = vec![b'x'; 64 * 1024];
            // Until the server takes no more.
            while taken < LENGTH {
                match timeout(Duration::from_secs(5), stream.write(&part)).await {
                    Ok(Ok(written)) => taken += written,
                    _ => break,
                }
            }
            assert!(taken < 32 * 1024 * 1024, "{path}: {taken} bytes were taken");
            let answer = read_to_end(&mut stream).await;
            // A caller who writes on regardless may lose the answer to the reset of its own bytes, but is not heard.
            assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        }
        // One who stops after the limit of what is drained has it.
        let mut stream = connect(&server).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{lines}Content-Type: application/json\r\nContent-Length: {LENGTH}\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), &[b'x'; 32 * 1024]].concat()).await.expect("written");
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    assert!(vendor.requests().is_empty());
    alive(&server).await;
}

#[tokio::test]
async fn s73_encoded_bodies_are_for_the_vendor_to_unpack() {
    let (server, vendor) = scene(|_| {}).await;
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let client = server.on("fake");
    for method in ["POST", "PUT"] {
        let request = client.request(method, "/v1/crm/contacts?match=email").header("Content-Encoding", "gzip");
        let answer = request.body("application/json", packed).send().await;
        assert_eq!(answer.status / 100, 4, "{}", answer.text());
    }
    let request = client.request("POST", "/v1/crm/contacts").header("Content-Encoding", "zstd");
    request.body("application/json", packed).send().await.problem(415, "unsupported-media-type");
    assert!(vendor.requests().is_empty());
    let request = client.request("POST", "/v1/passthrough/a").header("Content-Encoding", "gzip");
    assert_eq!(request.body("application/json", packed).send().await.status, 200);
    assert_eq!((vendor.last().body.as_slice(), vendor.last().header("content-encoding")), (&packed[..], Some("gzip")));
}

#[tokio::test]
async fn s77_s78_no_header_takes_ours_away_or_speaks_for_the_caller() {
    let (server, vendor) = scene(|_| {}).await;
    let request = format!(
        "GET /v1/passthrough/a HTTP/1.1\r\nHost: x\r\n{}Connection: authorization, x-request-id, x-own\r\n\
         Connection: x-second, close\r\nX-Own: 1\r\nX-Second: 1\r\nX-Third: 1\r\nx_api_key: s\r\nX_Forwarded_For: 1.2.3.4\r\n\
         X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\nCookie: a=b\r\n\
         X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n\r\n",
        credentials(&server)
    );
    let answer = server.client().raw(request.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("x-request-id").is_some());
    let arrived = vendor.last();
    assert_eq!(arrived.headers("x-fake-key").len(), 1, "the credential is there: {}", arrived.head);
    assert_eq!(arrived.header("x-third"), Some("1"));
    let gone = [
        "x-own",
        "x-second",
        "x_api_key",
        "x_forwarded_for",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "cookie",
        "x-forwarded-for",
        "forwarded",
        "authorization",
        "x-request-id",
    ];
    for name in gone {
        assert!(arrived.header(name).is_none(), "{name}: {}", arrived.head);
    }
}
