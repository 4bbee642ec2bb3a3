//! Conditions that a caller puts on the record that it writes (RFC 9110, 13.1).

use http::request::Parts;
use http::{HeaderName, header};

use crate::error::{Error, Kind, Violation};
use crate::unified::Precondition;

/// What `If-Match` says. Whether the vendor can hold it is for `unified` to tell.
pub fn precondition(parts: &Parts, writes: bool) -> Result<Option<Precondition>, Error> {
    // On reads this one saves a body, and ignoring it is always right; on a write it would be lost.
    let lost = [header::IF_UNMODIFIED_SINCE].into_iter().chain(writes.then_some(header::IF_NONE_MATCH));
    for name in lost {
        if parts.headers.contains_key(&name) {
            return Err(refused(&name, "it is not supported", "If-Match, with the ETag of the record"));
        }
    }
    let mut values = parts.headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let one = "one ETag in its quotes, or *";
    let wrong = |detail: &str| Err(refused(&header::IF_MATCH, detail, one));
    let text = value.to_str().unwrap_or_default().trim();
    let tag = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match tag {
        _ if values.next().is_some() => wrong("it stands there twice"),
        _ if text == "*" => Ok(Some(Precondition::Exists)),
        None if text.starts_with("W/") => wrong("weak tags never match"),
        Some(tag) if !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') => {
            Ok(Some(Precondition::Version(tag.to_owned())))
        }
        Some(_) if text.contains(',') => wrong("the provider can be told of one version only"),
        _ => wrong("it is not an ETag"),
    }
}

fn refused(name: &HeaderName, detail: &str, expected: &str) -> Error {
    Error::new(Kind::UnsupportedPrecondition, "The precondition cannot be held here.")
        .violation(Violation::parameter(name.as_str(), detail).expected(expected))
}
