//! Serves the document. It is rendered once for each revision of the catalog.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;

use super::document;
use crate::api::kept::{Kept, OfRevision};
use crate::api::prefer::no_parameters;
use crate::api::problem::Refusal;
use crate::app::App;
use crate::error::Error;

/// The document of the newest revision that was asked for.
pub type Rendered = OfRevision<Kept>;

pub async fn get(app: App, rendered: Arc<Rendered>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    no_parameters(&parts)?;
    let rendered = rendered.get(app.catalog(), |catalog| {
        let text = serde_json::to_vec(&document(catalog)).map_err(Error::internal)?;
        Kept::new("application/json", text)
    });
    Ok(rendered.await?.1.answer(&parts.headers))
}
