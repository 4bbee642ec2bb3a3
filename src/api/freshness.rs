//! Kept answers as HTTP tells of them: what a caller wants of them (RFC 9111, 5.2.1), where an answer came from (RFC 9211)
//! and for how long it is good, and that a caller has it already (RFC 9110, 13.1.2).

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::kept::is_known;
use crate::error::{Error, Kind, Violation};
use crate::unified::cache::{Directives, Kept, Source, Told, Why};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What an answer depends on besides its URL: a cache of the caller's must not give one customer's records for another's.
const VARY: &str = "Authorization, Throughline-Connection, Throughline-Customer, Throughline-Provider";

/// Larger numbers mean the same: for ever (RFC 9111, 1.2.2).
const LARGEST: u64 = 1 << 31;

/// The directives of `Cache-Control`. Those that are not known are ignored, as the RFC demands; a number that is none is a
/// mistake.
pub fn directives(headers: &HeaderMap) -> Result<Directives, Error> {
    let mut directives = Directives::default();
    for value in headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()) {
        for directive in value.split(',').map(str::trim) {
            let (name, argument) = match directive.split_once('=') {
                Some((name, argument)) => (name.trim_end(), Some(argument.trim_start().trim_matches('"'))),
                None => (directive, None),
            };
            let seconds = || seconds(name, argument);
            match name.to_ascii_lowercase().as_str() {
                "no-cache" => directives.no_cache = true,
                "no-store" => directives.no_store = true,
                "only-if-cached" => directives.only_if_cached = true,
                "max-age" => directives.max_age = Some(seconds()?),
                "min-fresh" => directives.min_fresh = Some(seconds()?),
                // Without a number: however stale.
                "max-stale" => directives.max_stale = Some(argument.map_or(Ok(Duration::MAX), |_| seconds())?),
                _ => {}
            }
        }
    }
    Ok(directives)
}

fn seconds(name: &str, argument: Option<&str>) -> Result<Duration, Error> {
    let digits = argument.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(digits) = digits else {
        let name: String = name.chars().take(20).collect();
        return Err(Error::new(
            Kind::InvalidRequest,
            format!("The directive {name} of Cache-Control cannot be understood."),
        )
        .violation(Violation::parameter("Cache-Control", format!("{name} has no number")).expected("whole seconds")));
    };
    Ok(Duration::from_secs(digits.parse().unwrap_or(LARGEST).min(LARGEST)))
}

/// Says where an answer came from and how long it is good. `version` is the vendor's, whose tag is a strong one.
pub fn tell(headers: &mut HeaderMap, kept: &Kept, told: &Told, version: Option<&str>) {
    let mut put = |name: HeaderName, value: String| {
        headers.extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
    };
    put(CACHE_STATUS, status(told));
    if !matches!(told.source, Source::Vendor { .. }) {
        put(header::AGE, told.age.as_secs().to_string());
    }
    let good_for = match told.ttl {
        _ if told.no_store => "no-store".to_owned(),
        // `Age` is taken off it by whoever reads it.
        Some(ttl) => format!("max-age={}", ttl.as_secs()),
        None => "no-cache".to_owned(),
    };
    put(header::CACHE_CONTROL, format!("private, {good_for}"));
    put(header::VARY, VARY.to_owned());
    // Weak: the seal of a cursor is another one each time. No version of the vendor's, so it is none for `If-Match`.
    if version.is_none() {
        put(header::ETAG, format!("W/\"{}\"", kept.tag));
    }
}

fn status(told: &Told) -> String {
    let left = |ttl: Duration| ttl.as_secs() as i64 - told.age.as_secs() as i64;
    let mut status = "throughline".to_owned();
    match told.source {
        Source::Memory => status.push_str("; hit"),
        Source::InNeed { status: said } => {
            status.push_str("; fwd=stale");
            if let Some(said) = said {
                status.push_str(&format!("; fwd-status={said}"));
            }
        }
        Source::Vendor { why, .. } => status.push_str(match why {
            Why::Absent => "; fwd=uri-miss",
            Why::Stale => "; fwd=stale",
            Why::Asked => "; fwd=request",
        }),
    }
    if let Some(ttl) = told.ttl {
        status.push_str(&format!("; ttl={}", left(ttl)));
    }
    if let Source::Vendor { collapsed, .. } = told.source {
        if told.ttl.is_some() {
            status.push_str("; stored");
        }
        if collapsed {
            status.push_str("; collapsed");
        }
    }
    status
}

/// The answer without its body, if `If-None-Match` says that the caller has it. A vendor's version does not count here: the
/// mapping may have changed since, and the record with it.
pub fn unless_known(parts: &Parts, response: Response) -> Response {
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let Some(tag) = tag.and_then(|tag| tag.strip_prefix("W/")).filter(|_| reads) else { return response };
    if !is_known(&parts.headers, &[tag]) {
        return response;
    }
    let (mut head, _) = response.into_parts();
    head.status = StatusCode::NOT_MODIFIED;
    head.headers.remove(header::CONTENT_TYPE);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<Directives, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_str(value).expect("a value"));
        directives(&headers)
    }

    #[test]
    fn directives_are_read_and_unknown_ones_ignored() {
        let read = of("No-Cache, max-age=\"5\" , foo=bar, max-stale,min-fresh=99999999999999999999").expect("good");
        let expected = Directives {
            no_cache: true,
            max_age: Some(Duration::from_secs(5)),
            min_fresh: Some(Duration::from_secs(LARGEST)),
            max_stale: Some(Duration::MAX),
            ..Directives::default()
        };
        assert_eq!(read, expected);
        assert_eq!(of("foo").expect("good"), Directives::default());
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        for value in ["max-age", "max-age=soon", "max-age=-1", "max-stale=x", "min-fresh="] {
            let error = of(value).expect_err(value);
            assert_eq!(error.kind(), Kind::InvalidRequest, "{value}");
        }
    }
}
