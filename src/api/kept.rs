//! Documents that are made once for each revision of the catalog and given out many times: compressed ahead, and with 304
//! (RFC 9110, 13.1.2) to who has them already.

use std::io::Write;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::Mutex;

use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::model::hex;

/// One document, as it is and compressed.
pub struct Kept {
    content_type: &'static str,
    plain: Bytes,
    gzip: Bytes,
    /// What tells it from others, in hexadecimal.
    tag: String,
}

impl Kept {
    pub fn new(content_type: &'static str, text: impl Into<Vec<u8>>) -> Result<Self> {
        let plain = text.into();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish()).map_err(Error::internal)?;
        let hash = digest::digest(&digest::SHA256, &plain);
        let tag = hex(hash.as_ref().get(..12).unwrap_or_default());
        Ok(Self { content_type, plain: plain.into(), gzip: gzip.into(), tag })
    }

    pub fn answer(&self, asked: &HeaderMap) -> Response {
        let compressed = takes_gzip(asked);
        // Each coding is a representation of its own, with a tag of its own.
        let tag = self.tag_of(compressed);
        let mut response = if is_known(asked, &[&tag, &self.tag_of(!compressed)]) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let body = if compressed { &self.gzip } else { &self.plain };
            let mut response = body.clone().into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            if compressed {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let headers = response.headers_mut();
        headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        // To be kept, and asked for each time: a reload of the mappings shows at once.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    fn tag_of(&self, compressed: bool) -> String {
        format!("\"{}{}\"", self.tag, if compressed { "-gzip" } else { "" })
    }
}

/// Whether gzip is among the codings that are taken, and not as `gzip;q=0`.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut any = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        let taken = weight.is_ok_and(|weight| weight > 0.0);
        match name.trim().to_ascii_lowercase().as_str() {
            // Said by name, it says more than `*`.
            "gzip" | "x-gzip" => return taken,
            "*" => any = taken,
            _ => {}
        }
    }
    any
}

/// Whether `If-None-Match` names one of these tags, compared as weak ones (RFC 9110, 8.8.3.2). They come without `W/`.
pub fn is_known(asked: &HeaderMap, tags: &[&str]) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut sent = values.flat_map(|value| value.split(',')).map(str::trim);
    sent.any(|sent| sent == "*" || tags.contains(&sent.strip_prefix("W/").unwrap_or(sent)))
}

/// What was made of the newest revision of the catalog that was asked for.
pub struct OfRevision<T> {
    made: ArcSwapOption<(String, T)>,
    making: Mutex<()>,
}

impl<T> Default for OfRevision<T> {
    fn default() -> Self {
        Self { made: ArcSwapOption::empty(), making: Mutex::new(()) }
    }
}

impl<T: Send + Sync + 'static> OfRevision<T> {
    /// The revision, with what was made of it. It is made once, however many ask, and not on the threads of requests.
    pub async fn get(&self, catalog: Arc<Catalog>, make: fn(&Catalog) -> Result<T>) -> Result<Arc<(String, T)>> {
        if let Some(kept) = self.of(&catalog.revision) {
            return Ok(kept);
        }
        let _alone = self.making.lock().await;
        if let Some(kept) = self.of(&catalog.revision) {
            return Ok(kept);
        }
        let making = move || make(&catalog).map(|made| Arc::new((catalog.revision.clone(), made)));
        let made = tokio::task::spawn_blocking(making).await.map_err(Error::internal)??;
        self.made.store(Some(made.clone()));
        Ok(made)
    }

    fn of(&self, revision: &str) -> Option<Arc<(String, T)>> {
        self.made.load_full().filter(|kept| kept.0 == revision)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn asked(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn codings_are_taken_as_they_are_weighed() {
        for (value, taken) in [
            ("gzip, deflate, br", true),
            ("GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000, *", false),
            ("br, *;q=0.1", true),
            ("identity", false),
        ] {
            assert_eq!(takes_gzip(&asked(header::ACCEPT_ENCODING, value)), taken, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn who_has_it_is_not_sent_it_again() {
        let kept = Kept::new("text/plain", "x".repeat(1000)).expect("kept");
        let first = kept.answer(&HeaderMap::new());
        let tag = first.headers().get(header::ETAG).expect("a tag").clone();
        let again = |value: HeaderValue| kept.answer(&HeaderMap::from_iter([(header::IF_NONE_MATCH, value)])).status();
        assert_eq!(first.status(), 200);
        assert_eq!(again(tag.clone()), 304);
        let weak = format!("\"other\", W/{}", tag.to_str().expect("text"));
        assert_eq!(again(weak.parse().expect("a header")), 304);
        assert_eq!(again(HeaderValue::from_static("\"other\"")), 200);
    }
}
