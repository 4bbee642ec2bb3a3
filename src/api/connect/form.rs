//! Forms of our own pages, as browsers send them.

use std::time::Duration;

use axum::body::Body;
use http::header;
use http::request::Parts;

use crate::api::prefer::decoded;
use crate::net::{Origin, collect_capped};

/// More than any credential that people paste. Bytes.
const LONGEST: usize = 256 * 1024;
const IDLE: Duration = Duration::from_secs(15);

/// The form's members; `None` if it is no form of a page of this server.
pub async fn read(parts: &Parts, body: Body, public: Option<&Origin>) -> Option<Vec<(String, String)>> {
    let text = |name: &header::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(&header::CONTENT_TYPE)?.split(';').next()?.trim().to_ascii_lowercase();
    if kind != "application/x-www-form-urlencoded" || !is_own(parts, public) {
        return None;
    }
    let bytes = collect_capped(body, LONGEST, IDLE).await.ok()?;
    decoded(std::str::from_utf8(&bytes).ok()?).ok()
}

/// A member that stands there once.
pub fn member<'f>(form: &'f [(String, String)], name: &str) -> Option<&'f str> {
    let mut found = form.iter().filter(|(known, _)| known == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value.as_str())
}

/// Whether a page of this server sent the form, as far as the browser tells. Pages that send no referrer have the origin
/// `null`, also to their own server: what that leaves open, the form's token closes.
fn is_own(parts: &Parts, public: Option<&Origin>) -> bool {
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (header("sec-fetch-site"), header("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, None | Some("null")) => true,
        (None, Some(origin)) => public.is_some_and(|public| public.root().to_string() == origin),
    }
}
