//! What a browser may do with our pages, and the one file beside them.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::Markup;

const STYLE: &str = include_str!("style.css");

/// Where the form of a page may lead.
#[derive(Debug, Default)]
pub struct Forms(Vec<String>);

impl Forms {
    /// Pages without a form.
    pub fn none() -> Self {
        Self::default()
    }

    /// A form that comes back to this server, which may send the customer on to these places: a browser holds every
    /// redirect that follows a form against the list, too.
    pub fn to(places: impl IntoIterator<Item = String>) -> Self {
        let mut list = vec!["'self'".to_owned()];
        list.extend(places);
        list.dedup();
        Self(list)
    }
}

/// A page that loads nothing but its stylesheet, stands in nobody's frame, and is kept nowhere.
pub fn page(status: StatusCode, forms: &Forms, markup: Markup) -> Response {
    let forms = if forms.0.is_empty() { "'none'".to_owned() } else { forms.0.join(" ") };
    let policy =
        format!("default-src 'none'; style-src 'self'; form-action {forms}; frame-ancestors 'none'; base-uri 'none'");
    let mut response = (status, markup.into_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.extend(HeaderValue::from_str(&policy).ok().map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    private(headers);
    response
}

/// Sends the browser on: with a GET, whatever it came with.
pub fn see_other(url: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(url).ok().map(|url| (header::LOCATION, url)));
    private(headers);
    response
}

fn private(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The link in the address is a secret.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// The stylesheet.
pub async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}
