//! Whatever headers a caller sends, the provider gets our credential and nothing of the caller's identity or connection;
//! whatever a provider answers, the caller gets nothing that was said to us.

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use throughline::connections::Access;
use throughline::net::Origin;
use throughline::upstream::headers::{
    inject, passthrough_request, passthrough_response, strip_echoes, unified_request,
};

const SECRET: &str = "s3cret-token-of-the-vendor";

/// As servers see names that make no difference between the two strokes.
const NEVER_SENT: &[&str] = &[
    "authorization",
    "cookie",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-authorization",
    "proxy-connection",
    "http2-settings",
    "x-api-key",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "via",
    "x-http-method-override",
    "x-original-url",
    "traceparent",
];
const NEVER_SENT_PREFIXES: &[&str] = &["throughline-", "x-forwarded-", "proxy-"];
const NEVER_ANSWERED: &[&str] = &[
    "set-cookie",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "strict-transport-security",
    "alt-svc",
    "server",
    "proxy-authenticate",
    "throughline-origin",
    "authorization",
];

pub fn holds(data: &[u8]) {
    let given = read(data);
    let named: HashSet<HeaderName> = given
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();

    for mut kept in [passthrough_request(&given), unified_request(&given)] {
        is_part_of(&kept, &given);
        for name in kept.keys() {
            let plain = name.as_str().replace('_', "-");
            assert!(!NEVER_SENT.contains(&plain.as_str()), "{name} would be sent");
            assert!(!NEVER_SENT_PREFIXES.iter().any(|prefix| plain.starts_with(prefix)), "{name} would be sent");
            assert!(!named.contains(name), "{name} is about the connection");
        }
        inject(&mut kept, &access());
        let sent: Vec<_> = kept.get_all(header::AUTHORIZATION).iter().collect();
        assert_eq!(sent, [format!("Bearer {SECRET}").as_str()], "our credential, alone");
        assert!(sent.iter().all(|value| value.is_sensitive()));
    }

    let mut answered = passthrough_response(&given);
    is_part_of(&answered, &given);
    for name in answered.keys() {
        assert!(!NEVER_ANSWERED.contains(&name.as_str()), "{name} would come back");
        assert!(!named.contains(name), "{name} is about the connection");
    }
    let before = answered.len();
    strip_echoes(&mut answered, &access());
    let holds_secret =
        |value: &HeaderValue| value.as_bytes().windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    assert!(!answered.values().any(holds_secret), "the credential would come back");
    assert!(answered.len() == before || given.values().any(holds_secret), "nothing else is taken out");
}

/// What is kept was there, in the same order and as it was.
fn is_part_of(kept: &HeaderMap, given: &HeaderMap) {
    for name in kept.keys() {
        assert!(kept.get_all(name).iter().eq(given.get_all(name).iter()), "{name} is not what it was");
    }
}

/// `name: value` lines. What no HTTP library would let in is left out.
fn read(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(100) {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(at);
        let value = HeaderValue::from_bytes(value[1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), value) {
            headers.append(name, value);
        }
    }
    headers
}

fn access() -> Access {
    let value = HeaderValue::from_str(&format!("Bearer {SECRET}")).expect("plain text");
    Access {
        generation: 1,
        origin: Origin::parse("https://api.example.test").expect("a good origin"),
        headers: vec![(header::AUTHORIZATION, value)],
        query: Vec::new(),
    }
}
