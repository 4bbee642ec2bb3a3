//! `explain`: the vendor request that a call becomes, or the record that a vendor's payload becomes.

use serde_json::{Map, Value, json};
use tower::ServiceExt;

use super::example::{CallSpec, Example, Exchange, RequestSpec, ResponseSpec};
use super::rehearse::{prepare, shown};
use crate::catalog::Catalog;
use crate::error::{Error, Kind};
use crate::net::Body;
use crate::unified::Translate;
use crate::upstream;

/// What is to be explained.
#[derive(Debug, Clone, Default)]
pub struct ExplainRequest {
    pub provider: String,
    pub resource: String,
    pub operation: String,
    pub settings: Map<String, Value>,
    /// As under `call` of an example.
    pub call: Value,
}

impl ExplainRequest {
    fn example(&self) -> Result<Example, Error> {
        let call: CallSpec = match &self.call {
            Value::Null => CallSpec::default(),
            call => serde_json::from_value(call.clone())
                .map_err(|error| Error::new(Kind::InvalidRequest, format!("The call cannot be understood: {error}")))?,
        };
        Ok(Example {
            example: "explained".into(),
            resource: self.resource.clone(),
            operation: self.operation.clone(),
            settings: self.settings.clone(),
            call,
            exchanges: Vec::<Exchange>::new(),
            answer: None,
            problem: None,
        })
    }
}

/// The first request that the call makes.
pub async fn explain_request(catalog: &Catalog, asked: &ExplainRequest) -> Result<Value, Error> {
    let call = prepare(catalog, &asked.provider, &asked.example()?)?;
    let origin = call.provider.origin(&call.connection.settings)?;
    let (sender, seen) = tokio::sync::mpsc::unbounded_channel();
    let vendor = tower::service_fn(move |request: upstream::Request| {
        let sender = sender.clone();
        async move {
            // The rehearsal ends with the first request.
            let _ = sender.send(request);
            Err::<upstream::Response, _>(Error::new(Kind::ProviderUnavailable, "Nothing was sent."))
        }
    });
    let outcome = Translate::new(upstream::Service::new(vendor)).oneshot(call).await;
    let mut seen = seen;
    let Ok(request) = seen.try_recv() else {
        return match outcome {
            Err(error) => Err(error),
            Ok(reply) => Ok(json!({"request": null, "answer": shown(&reply)})),
        };
    };
    let body = match request.body.try_clone() {
        Some(body) => crate::net::collect_capped(body, usize::MAX, std::time::Duration::from_secs(1)).await.ok(),
        None => None,
    };
    let headers: Map<String, Value> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned())))
        .collect();
    let origin = if request.root { origin.root() } else { origin };
    Ok(json!({
        "method": request.method.as_str(),
        "url": format!("{origin}{}", request.path_and_query),
        "headers": headers,
        "body": body.and_then(|body| serde_json::from_slice::<Value>(&body).ok()),
    }))
}

/// What a vendor's answer to the call becomes.
pub async fn explain_record(catalog: &Catalog, asked: &ExplainRequest, payload: Value) -> Result<Value, Error> {
    let call = prepare(catalog, &asked.provider, &asked.example()?)?;
    let answer = std::sync::Arc::new(Exchange {
        request: RequestSpec { method: String::new(), url: String::new(), headers: Map::new(), body: None },
        response: ResponseSpec { status: 200, headers: Map::new(), body: Some(payload) },
    });
    let vendor = tower::service_fn(move |request: upstream::Request| {
        let answer = answer.clone();
        async move {
            let body = serde_json::to_vec(&answer.response.body).map_err(Error::internal)?;
            let headers = http::HeaderMap::new();
            Ok(upstream::Response::new(http::StatusCode::OK, headers, Body::full(body), &request, 1))
        }
    });
    let reply = Translate::new(upstream::Service::new(vendor)).oneshot(call).await?;
    let mut answer = shown(&reply);
    if let Value::Object(answer) = &mut answer {
        // People want the reason, examples the code alone.
        let told = serde_json::to_value(reply.warnings()).unwrap_or_default();
        answer.insert("warnings".into(), told);
    }
    Ok(answer)
}
