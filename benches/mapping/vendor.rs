//! A vendor in this process that answers at once, from bytes that were made before.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;
use throughline::author::ResponseSpec;
use throughline::error::{Error, Kind};
use throughline::net::{Body, collect_capped};
use throughline::upstream;
use tower::Service;

/// One answer, ready to be handed out again and again.
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub fn of(spec: &ResponseSpec) -> Self {
        let (kind, body) = match &spec.body {
            None => (None, Vec::new()),
            Some(Value::String(text)) => (None, text.clone().into_bytes()),
            Some(json) => (Some("application/json"), json.to_string().into_bytes()),
        };
        let mut headers = HeaderMap::new();
        headers.extend(kind.map(|kind| (http::header::CONTENT_TYPE, HeaderValue::from_static(kind))));
        for (name, value) in &spec.headers {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let name: HeaderName = name.parse().expect("a header's name");
            headers.insert(name, value.parse().expect("a header's value"));
        }
        Self { status: StatusCode::from_u16(spec.status).expect("a status"), headers, body: body.into() }
    }

    pub fn json(body: impl Into<Bytes>) -> Self {
        let kind = HeaderValue::from_static("application/json");
        let headers = [(http::header::CONTENT_TYPE, kind)].into_iter().collect();
        Self { status: StatusCode::OK, headers, body: body.into() }
    }
}

/// Method, path and query, body.
type Asked = (Method, Arc<str>, Bytes);

/// New requests get the answers in their order; a request that was made before gets the answer it had then. So a call
/// can be made again, whatever it asked only once (what the account is like).
#[derive(Clone)]
pub struct Vendor(Arc<Script>);

struct Script {
    answers: Vec<Answer>,
    asked: Mutex<Vec<Asked>>,
}

impl Vendor {
    pub fn service(answers: Vec<Answer>) -> upstream::Service {
        upstream::Service::new(Self(Arc::new(Script { answers, asked: Mutex::default() })))
    }
}

impl Service<upstream::Request> for Vendor {
    type Response = upstream::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<upstream::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: upstream::Request) -> Self::Future {
        let script = self.0.clone();
        Box::pin(async move {
            let body = request.body.try_clone().ok_or_else(|| Error::internal("a body that streams"))?;
            let body = collect_capped(body, usize::MAX, Duration::from_secs(1)).await.map_err(Error::internal)?;
            let mut asked = script.asked.lock();
            let same = |(method, path, bytes): &Asked| {
                *method == request.method && *path == request.path_and_query && *bytes == body
            };
            let index = asked.iter().position(same).unwrap_or_else(|| {
                asked.push((request.method.clone(), request.path_and_query.clone(), body));
                asked.len() - 1
            });
            let none = || Error::new(Kind::ProviderUnavailable, "There is no answer to this request.");
            let answer = script.answers.get(index).ok_or_else(none)?;
            let body = Body::full(answer.body.clone());
            Ok(upstream::Response::new(answer.status, answer.headers.clone(), body, &request, 1))
        })
    }
}
