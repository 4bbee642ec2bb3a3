//! `/docs`: the same document as `/openapi.json`, for people, with a guide around it. Pages without scripts, from the
//! binary alone. They are rendered once for each revision of the catalog.

mod clients;
mod document;
mod fields;
mod filters;
mod frame;
mod guide;
mod prose;
mod reference;
mod request;
mod site;
mod trouble;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::kept::OfRevision;
use super::problem::Refusal;
use crate::app::App;

pub use site::Site;

/// The pages of the newest revision that was asked for.
pub type Rendered = OfRevision<Site>;

/// Nothing but the stylesheet; what opens and closes does so without a script.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

const SAFE: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Any of the pages. What a browser adds to an address (`?utm_…`) is not ours to refuse.
pub async fn get(app: App, rendered: Arc<Rendered>, request: Request) -> Result<Response, Refusal> {
    let site = rendered.get(app.catalog(), Site::of).await?;
    let path = request.uri().path();
    let mut response = match site.1.page(path) {
        Some(page) => page.answer(request.headers()),
        None => {
            let mut missing = site.1.missing(path).answer(request.headers());
            *missing.status_mut() = StatusCode::NOT_FOUND;
            missing
        }
    };
    let safe = SAFE.map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(safe);
    Ok(response)
}
