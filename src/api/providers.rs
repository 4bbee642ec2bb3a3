//! `/v1/providers`: what each provider can do, as the mappings say it.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::path::Path;
use super::prefer::no_parameters;
use super::problem::Refusal;
use super::target::caller;
use crate::app::App;
use crate::catalog::{Provider, Resource, Shape};
use crate::error::{Error, Kind};
use crate::model::Operation;
use crate::unified::writable;

pub async fn list(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let caller = caller(&parts)?;
    no_parameters(&parts)?;
    let catalog = app.catalog();
    let providers = catalog.providers.values().filter(|provider| caller.may_use_provider(&provider.name));
    let data: Vec<Value> = providers.map(|provider| summary(provider)).collect();
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
    let mut answer = summary(provider);
    if let Value::Object(members) = &mut answer {
        let resources = provider.resources.iter().map(|(name, resource)| (name.clone(), describe(resource)));
        members.insert("resources".into(), Value::Object(resources.collect()));
    }
    Ok(Json(answer).into_response())
}

fn summary(provider: &Provider) -> Value {
    let settings = provider.settings.iter().map(|(name, setting)| {
        json!({"name": name, "description": setting.ask, "required": setting.default.is_none() && !setting.optional})
    });
    json!({
        "name": &*provider.name,
        "title": provider.title,
        "docs": provider.docs,
        "credentials": provider.credential_kinds(),
        "settings": settings.collect::<Vec<_>>(),
        "resources": provider.resources.keys().collect::<Vec<_>>(),
        "gotchas": provider.gotchas,
    })
}

fn describe(resource: &Resource) -> Value {
    let operations = Operation::ALL.into_iter().filter(|operation| resource.supports(*operation));
    let filters: Map<String, Value> = resource
        .filters
        .iter()
        .map(|(name, rule)| (name.clone(), rule.ops.iter().map(|op| op.as_str()).collect()))
        .collect();
    let writable = writable(resource);
    let fields: Map<String, Value> = resource
        .model
        .members
        .keys()
        .map(|name| {
            let shape = resource.table.get(name).map(|field| &field.shape);
            let none = match shape {
                Some(Shape::Absent(reason)) => Some(reason.as_str()),
                Some(_) => None,
                None => Some("not mapped"),
            };
            let entry = json!({"read": none.is_none(), "write": writable.contains(name), "none": none});
            (name.clone(), entry)
        })
        .collect();
    json!({
        "model": resource.model.name,
        "operations": operations.map(Operation::as_str).collect::<Vec<_>>(),
        "filters": filters,
        "sorts": resource.sorts.keys().collect::<Vec<_>>(),
        "fields": fields,
        "page": {"default": resource.limit.default, "max": resource.limit.max},
    })
}
