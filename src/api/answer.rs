//! Replies as answers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::freshness;
use super::place::Place;
use super::problem::Refusal;
use super::target::unexpected;
use crate::model::Warning;
use crate::unified::Reply;
use crate::unified::cache::{Content, Kept, Told};

pub fn record(reply: Reply, place: &Place) -> Result<Response, Refusal> {
    let (mut response, version, warnings) = match reply {
        Reply::Record { record, created, version, warnings } => {
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            let location = record.get("id").and_then(Value::as_str).filter(|_| created).map(|id| {
                let id = percent_encoding::utf8_percent_encode(id, crate::catalog::COMPONENT);
                format!("{}/{id}", place.path())
            });
            let mut response = (status, Json(record)).into_response();
            if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            (response, version, warnings)
        }
        Reply::Kept { kept, told } => {
            let Content::Record { record, version } = &kept.content else {
                return Err(unexpected(&Reply::Kept { kept, told }));
            };
            let mut response = written(record.clone());
            freshness::tell(response.headers_mut(), &kept, &told, version.as_deref());
            (response, version.clone(), all_warnings(&kept, &told))
        }
        other => return Err(unexpected(&other)),
    };
    // Strong: the vendor gives every state of the record another one.
    if let Some(tag) = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    warn(response.headers_mut(), &warnings);
    Ok(response)
}

/// What is JSON already.
pub fn written(json: Bytes) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ([kind], json).into_response()
}

/// Those of a kept answer, and what is to be said of its being given now.
pub fn all_warnings(kept: &Kept, told: &Told) -> Vec<Warning> {
    kept.warnings.iter().chain(&told.warning).cloned().collect()
}

/// `Throughline-Warning`: a structured list of codes with their pointers (RFC 9651).
pub fn warn(headers: &mut HeaderMap, warnings: &[Warning]) {
    let items = warnings.iter().map(|warning| match &warning.pointer {
        Some(pointer) => format!("{};pointer=\"{}\"", warning.code, pointer.replace(['"', '\\'], "")),
        None => warning.code.to_owned(),
    });
    let text = items.collect::<Vec<_>>().join(", ");
    if let Some(value) = HeaderValue::from_str(&text).ok().filter(|_| !warnings.is_empty()) {
        headers.insert("throughline-warning", value);
    }
}
