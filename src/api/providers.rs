//! `/v1/providers`: what each provider can do, as the mappings say it.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::path::Path;
use super::prefer::no_parameters;
use super::problem::Refusal;
use super::target::caller;
use crate::app::App;
use crate::catalog::Coverage;
use crate::error::{Error, Kind};

pub async fn list(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    no_parameters(&parts)?;
    let catalog = app.catalog();
    let providers = catalog.providers.values().filter(|provider| caller.may_use_provider(&provider.name));
    let data: Vec<_> = providers.map(|provider| Coverage::summary(provider)).collect();
    Ok(Json(json!({"data": data, "next_cursor": null})).into_response())
}

pub async fn get(State(app): State<App>, Path(name): Path<String>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    no_parameters(&parts)?;
    let catalog = app.catalog();
    let Some(provider) = catalog.provider(&name).filter(|provider| caller.may_use_provider(&provider.name)) else {
        let shown: String = name.chars().take(80).collect();
        let error = Error::new(Kind::ProviderNotFound, format!("There is no provider {shown:?}."));
        return Err(error.supported(catalog.provider_names()).into());
    };
    Ok(Json(Coverage::of(provider)).into_response())
}
