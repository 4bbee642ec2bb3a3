//! Serves the document. It is rendered once for each revision of the catalog.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;

use super::document;
use crate::api::prefer::no_parameters;
use crate::api::problem::Refusal;
use crate::app::App;
use crate::catalog::Catalog;
use crate::error::Error;

/// The document of the newest revision that was asked for.
#[derive(Default)]
pub struct Rendered(ArcSwapOption<(String, Bytes)>);

impl Rendered {
    fn of(&self, catalog: &Catalog) -> Result<Bytes, Error> {
        if let Some(kept) = self.0.load().as_ref().filter(|kept| kept.0 == catalog.revision) {
            return Ok(kept.1.clone());
        }
        let bytes = Bytes::from(serde_json::to_vec(&document(catalog)).map_err(Error::internal)?);
        self.0.store(Some(Arc::new((catalog.revision.clone(), bytes.clone()))));
        Ok(bytes)
    }
}

pub async fn get(app: App, rendered: Arc<Rendered>, request: Request) -> Result<Response, Refusal> {
    no_parameters(&request.into_parts().0)?;
    let bytes = rendered.of(&app.catalog())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}
