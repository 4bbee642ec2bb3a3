//! Replies as answers.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::place::Place;
use super::problem::Refusal;
use super::target::unexpected;
use crate::model::Warning;
use crate::unified::Reply;

pub fn record(reply: Reply, place: &Place) -> Result<Response, Refusal> {
    let Reply::Record { record, created, version, warnings } = reply else { return Err(unexpected(&reply)) };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = record.get("id").and_then(Value::as_str).filter(|_| created).map(|id| {
        let id = percent_encoding::utf8_percent_encode(id, crate::catalog::COMPONENT);
        format!("{}/{id}", place.path())
    });
    let mut response = (status, Json(record)).into_response();
    if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    // Strong: the vendor gives every state of the record another one.
    if let Some(tag) = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    warn(response.headers_mut(), &warnings);
    Ok(response)
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
