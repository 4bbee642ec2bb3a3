//! Which headers cross the proxy. Unified requests are built here, so a short list may come from the caller; passthrough
//! lets all go that are not about the connection, the caller's identity or ourselves. Credentials are added after this.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::utf8_percent_encode;
use secrecy::ExposeSecret;

use super::credentials::QUERY_VALUE;
use crate::connections::Access;
use crate::telemetry::{conceal, find};

/// What a caller of the unified API may say to the provider.
const UNIFIED: &[HeaderName] = &[header::ACCEPT_LANGUAGE, header::IF_MATCH, header::IF_NONE_MATCH];

/// About one connection, never about the message: RFC 9110 §7.6.1 and what grew beside it.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
];

/// Who the caller is, what lies between it and us, and what is computed anew for the next hop.
const REQUEST_DENIED: &[&str] = &[
    "host",
    "content-length",
    "authorization",
    "cookie",
    "cookie2",
    "x-api-key",
    "api-key",
    "apikey",
    "x-auth-token",
    "x-access-token",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "client-ip",
    "via",
    "max-forwards",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-request-id",
    "traceparent",
    "tracestate",
    "baggage",
    "priority",
];

const REQUEST_DENIED_PREFIXES: &[&str] = &["proxy-", "x-forwarded-", "throughline-", "sec-"];

/// What the provider says to the client it knows, which is us, or about its own host.
const RESPONSE_DENIED: &[&str] = &[
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "alt-svc",
    "server",
    "via",
    "x-powered-by",
    "clear-site-data",
    "content-security-policy",
    "content-security-policy-report-only",
    "report-to",
    "nel",
    "server-timing",
    "authorization",
    "x-api-key",
];

const RESPONSE_DENIED_PREFIXES: &[&str] =
    &["proxy-", "public-key-", "throughline-", "access-control-", "cross-origin-"];

/// Shorter values are no secrets, and would be found everywhere.
const SHORTEST_SECRET: usize = 8;

/// What of a caller's headers goes along with a unified request.
pub fn unified_request(from: &HeaderMap) -> HeaderMap {
    let allowed = from.iter().filter(|(name, _)| UNIFIED.contains(name));
    let mut kept: HeaderMap = allowed.map(|(name, value)| (name.clone(), value.clone())).collect();
    strip_named_by_connection(from, &mut kept);
    kept
}

/// What of a caller's headers goes along with a passthrough request.
pub fn passthrough_request(from: &HeaderMap) -> HeaderMap {
    let mut kept = from.clone();
    strip_hop_by_hop(&mut kept);
    retain(&mut kept, |name| {
        // `x_api_key` and `x-api-key` are the same variable to many servers.
        !name.contains('_') && !is_denied(name, REQUEST_DENIED, REQUEST_DENIED_PREFIXES)
    });
    kept
}

/// What of a provider's headers goes to the caller of a passthrough request.
pub fn passthrough_response(from: &HeaderMap) -> HeaderMap {
    let mut kept = from.clone();
    strip_hop_by_hop(&mut kept);
    retain(&mut kept, |name| !is_denied(name, RESPONSE_DENIED, RESPONSE_DENIED_PREFIXES));
    kept
}

/// Takes out what is about the connection only, including every name that any `Connection` header lists.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    strip_named_by_connection(&headers.clone(), headers);
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}

/// Makes `headers` ready to send: framing and host are hyper's, and the credential comes last, so that nothing before
/// can take it out or stand beside it.
pub fn inject(headers: &mut HeaderMap, access: &Access) {
    strip_hop_by_hop(headers);
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    for (name, _) in &access.headers {
        headers.remove(name);
    }
    for (name, value) in &access.headers {
        let mut value = value.clone();
        value.set_sensitive(true);
        headers.append(name.clone(), value);
    }
}

/// Takes out of an answer every header that repeats a credential we sent.
pub fn strip_echoes(headers: &mut HeaderMap, access: &Access) {
    let secrets = secrets(access);
    let echoes = |value: &HeaderValue| secrets.iter().any(|secret| find(value.as_bytes(), secret).is_some());
    let names: Vec<HeaderName> =
        headers.iter().filter(|(_, value)| echoes(value)).map(|(name, _)| name.clone()).collect();
    for name in names {
        headers.remove(name);
    }
}

/// The text of a refusal without the credentials that it repeats: it is told to callers, who do not have them.
pub fn conceal_echoes(body: Bytes, access: &Access) -> Bytes {
    match conceal(&body, spelled(access)) {
        Cow::Borrowed(_) => body,
        Cow::Owned(concealed) => concealed.into(),
    }
}

/// The credentials in all the ways in which a body may repeat them: as they were sent, the password of a pair alone, as
/// JSON and URLs write them.
pub fn spelled(access: &Access) -> Vec<Vec<u8>> {
    let sent = secrets(access).into_iter().map(<[u8]>::to_vec);
    let mut spelled: Vec<Vec<u8>> =
        sent.chain(access.headers.iter().filter_map(|(_, value)| password(value))).collect();
    for known in spelled.clone() {
        let Ok(text) = std::str::from_utf8(&known) else { continue };
        let in_json = serde_json::Value::from(text).to_string();
        let in_json = in_json.trim_matches('"');
        let others =
            [in_json.to_owned(), in_json.replace('/', r"\/"), utf8_percent_encode(text, QUERY_VALUE).to_string()];
        spelled.extend(others.into_iter().filter(|other| other != text).map(String::into_bytes));
    }
    spelled
}

/// Of `Basic x`.
fn password(value: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, pair) = value.to_str().ok()?.split_once(' ')?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(pair).ok()).flatten()?;
    let password = pair.splitn(2, |byte| *byte == b':').nth(1)?;
    (password.len() >= SHORTEST_SECRET).then(|| password.to_vec())
}

fn secrets(access: &Access) -> Vec<&[u8]> {
    let sent = access.headers.iter().flat_map(|(_, value)| secrets_of(value));
    let sent = sent.chain(access.query.iter().map(|(_, secret)| secret.expose_secret().as_bytes()));
    sent.filter(|secret| secret.len() >= SHORTEST_SECRET).collect()
}

/// The value and, of `Bearer x`, the `x`.
fn secrets_of(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let whole = value.as_bytes();
    let last = whole.rsplit(|byte| *byte == b' ').next().filter(|last| last.len() < whole.len());
    [Some(whole), last].into_iter().flatten()
}

fn strip_named_by_connection(from: &HeaderMap, headers: &mut HeaderMap) {
    for value in from.get_all(header::CONNECTION) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
                headers.remove(name);
            }
        }
    }
}

fn is_denied(name: &str, names: &[&str], prefixes: &[&str]) -> bool {
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn retain(headers: &mut HeaderMap, keep: impl Fn(&str) -> bool) {
    let gone: Vec<HeaderName> = headers.keys().filter(|name| !keep(name.as_str())).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Origin;

    fn map(lines: &[&str]) -> HeaderMap {
        let pairs = lines.iter().filter_map(|line| line.split_once(": "));
        pairs.map(|(name, value)| (name.parse::<HeaderName>().expect(name), value.parse().expect(value))).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    fn access() -> Access {
        let mut value = HeaderValue::from_static("Bearer s3cret-token");
        value.set_sensitive(true);
        Access {
            generation: 1,
            origin: Origin::parse("https://api.example.test").expect("a good origin"),
            headers: vec![(header::AUTHORIZATION, value)],
            query: vec![("api_token".to_owned(), "query-secret".into())],
        }
    }

    #[test]
    fn a_passthrough_request_loses_identity_and_connection_headers_only() {
        let kept = passthrough_request(&map(&[
            "accept: a/b",
            "accept-encoding: gzip",
            "accept-language: de",
            "content-type: a/b",
            "content-language: de",
            "if-match: \"1\"",
            "if-none-match: *",
            "if-modified-since: x",
            "prefer: return=minimal",
            "idempotency-key: k",
            "range: bytes=0-1",
            "x-vendor-option: 1",
            "user-agent: sdk",
            "x-http-verb: a",
            "content-encoding: gzip",
        ]));
        assert_eq!(kept.len(), 15);
        for line in [
            "host: a",
            "content-length: 1",
            "authorization: Bearer x",
            "cookie: a=b",
            "x-api-key: x",
            "x_api_key: x",
            "x_y: z",
            "forwarded: for=1",
            "x-forwarded-for: 1",
            "x-forwarded-host: a",
            "x-real-ip: 1",
            "via: 1.1 a",
            "expect: 100-continue",
            "proxy-authorization: x",
            "proxy-x: y",
            "throughline-connection: c",
            "x-http-method-override: DELETE",
            "x-method-override: DELETE",
            "x-http-method: DELETE",
            "x-original-url: /a",
            "traceparent: 00",
            "tracestate: a=b",
            "baggage: a=b",
            "te: trailers",
            "trailer: x",
            "transfer-encoding: chunked",
            "upgrade: h2c",
            "http2-settings: x",
            "keep-alive: 1",
            "proxy-connection: close",
            "connection: close",
        ] {
            assert!(passthrough_request(&map(&[line])).is_empty(), "{line}");
        }
    }

    #[test]
    fn every_connection_header_is_obeyed() {
        let kept = passthrough_request(&map(&[
            "connection: x-a, X-B",
            "connection: ,x-c ,",
            "x-a: 1",
            "x-b: 1",
            "x-c: 1",
            "x-d: 1",
        ]));
        assert_eq!(names(&kept), ["x-d"]);
    }

    #[test]
    fn a_unified_request_takes_along_what_is_listed() {
        let kept = unified_request(&map(&[
            "accept: a/b",
            "if-match: \"1\"",
            "x-vendor-option: 1",
            "cookie: a",
            "accept-language: de",
        ]));
        assert_eq!(names(&kept), ["accept-language", "if-match"]);
    }

    #[test]
    fn a_response_loses_what_was_said_to_us() {
        let kept = passthrough_response(&map(&[
            "content-type: a/b",
            "etag: \"1\"",
            "location: https://elsewhere.test/",
            "retry-after: 1",
            "content-encoding: gzip",
            "content-range: bytes 0-1/2",
            "x-ratelimit-remaining: 1",
            "www-authenticate: Bearer",
            "link: <x>",
            "set-cookie: a=b",
            "strict-transport-security: x",
            "alt-svc: h3",
            "server: x",
            "public-key-pins: x",
            "connection: x-hop",
            "x-hop: 1",
            "transfer-encoding: chunked",
            "access-control-allow-origin: *",
            "throughline-origin: throughline",
        ]));
        let expected = [
            "content-encoding",
            "content-range",
            "content-type",
            "etag",
            "link",
            "location",
            "retry-after",
            "www-authenticate",
            "x-ratelimit-remaining",
        ];
        assert_eq!(names(&kept), expected);
    }

    #[test]
    fn the_credential_is_added_last_and_alone() {
        let mut headers = map(&[
            "connection: authorization",
            "authorization: Bearer caller",
            "host: a",
            "content-length: 9",
            "x-a: 1",
        ]);
        inject(&mut headers, &access());
        assert_eq!(names(&headers), ["authorization", "x-a"]);
        let sent: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().collect();
        assert_eq!(sent, ["Bearer s3cret-token"]);
        assert!(sent.iter().all(|value| value.is_sensitive()));
    }

    #[test]
    fn echoed_credentials_do_not_come_back() {
        let mut headers = map(&["x-echo: token=s3cret-token;", "x-url: /a?api_token=query-secret", "x-other: Bearer"]);
        strip_echoes(&mut headers, &access());
        assert_eq!(names(&headers), ["x-other"]);
        for (said, told) in [
            ("", ""),
            ("nothing", "nothing"),
            ("Bearer s3cret-token, s3cret-token", "(secret), (secret)"),
            (r#"{"url": "/?api_token=query-secret&x"}"#, r#"{"url": "/?api_token=(secret)&x"}"#),
        ] {
            assert_eq!(conceal_echoes(Bytes::from(said), &access()), told);
        }
    }

    #[test]
    fn a_credential_is_known_however_it_is_written() {
        let mut access = access();
        let basic = HeaderValue::from_static("Basic YWRhOnBhc3Mvd29yZCI9");
        access.headers = vec![(header::AUTHORIZATION, basic)];
        for (said, told) in [
            ("YWRhOnBhc3Mvd29yZCI9", "(secret)"),
            (r#"pass/word"= of ada"#, "(secret) of ada"),
            (
                r#"{"password": "pass/word\"=", "other": "pass\/word\"="}"#,
                r#"{"password": "(secret)", "other": "(secret)"}"#,
            ),
            ("?password=pass%2Fword%22%3D&x", "?password=(secret)&x"),
        ] {
            assert_eq!(conceal_echoes(Bytes::from(said), &access), told);
        }
    }
}
