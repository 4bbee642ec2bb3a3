//! Requests that cannot be read as HTTP/1.1, or whose head is larger than any: they meet neither route nor layer, and get
//! a problem all the same.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::problem::{PROBLEM_JSON, document};
use super::record::{REQUEST_ID, new_id};
use crate::error::{Error, Kind, Outcome};

/// The answer to such a request, which was refused with this status.
pub fn unread(status: StatusCode) -> Response<Bytes> {
    let detail = match status {
        StatusCode::URI_TOO_LONG => "The request's target is longer than any that is read here.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "The request's head is larger than 64 KiB, or has more than 64 header lines."
        }
        _ => "This is not a request in HTTP/1.1 (RFC 9112): its first line or one of its header lines cannot be read.",
    };
    let id = new_id();
    tracing::info!(request_id = id, status = status.as_u16(), "refused: the head of a request could not be read");
    let mut problem = document(&Error::new(Kind::InvalidRequest, detail).outcome(Outcome::NotExecuted), &id);
    if let Value::Object(members) = &mut problem {
        members.insert("status".to_owned(), json!(status.as_u16()));
    }
    let mut answer = Response::new(problem.to_string().into());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    answer
}
