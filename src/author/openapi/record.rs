//! Examples, recorded: the real unified stage makes the requests of a call, invented answers are given, and what comes out
//! is written down. So an example says what the mapping does; whether the vendor does the same is for people to see.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tower::ServiceExt;

use crate::author::example::Example;
use crate::author::rehearse::{prepare, rehearse, shown};
use crate::catalog::Catalog;
use crate::error::{Error, Kind};
use crate::net::{Body, collect_capped};
use crate::unified::Translate;
use crate::upstream;

/// One call, and what the vendor answers, in order.
pub struct Scene {
    pub title: String,
    pub resource: String,
    pub operation: &'static str,
    pub call: Value,
    pub answers: Vec<(u16, Option<Value>)>,
}

/// The example as its file has it, or why there is none.
pub async fn record(catalog: &Catalog, provider: &str, scene: &Scene) -> Result<Value, String> {
    let mut example = json!({
        "example": scene.title, "resource": scene.resource, "operation": scene.operation, "call": scene.call,
    });
    let spec: Example = serde_json::from_value(example.clone()).map_err(|error| error.to_string())?;
    let call = prepare(catalog, provider, &spec).map_err(|error| error.to_string())?;
    let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (noted, answers) = (seen.clone(), Arc::new(scene.answers.clone()));
    let vendor = tower::service_fn(move |request: upstream::Request| {
        let (noted, answers) = (noted.clone(), answers.clone());
        async move { exchange(request, &noted, &answers).await }
    });
    let outcome = Translate::new(upstream::Service::new(vendor)).oneshot(call).await;
    let Value::Object(members) = &mut example else { return Err("an example is a map".into()) };
    members.insert("exchanges".into(), Value::Array(std::mem::take(&mut *seen.lock())));
    match outcome {
        Ok(reply) => {
            let mut answer = shown(&reply);
            if let Value::Object(answer) = &mut answer {
                answer
                    .retain(|name, value| name == "status" && *value == 204 || name != "status" && !is_nothing(value));
            }
            members.insert("answer".into(), answer);
        }
        Err(error) => {
            let mut problem = Map::new();
            problem.insert("code".into(), json!(error.kind().code()));
            if let Some(provider) = error.get_provider() {
                let told = json!({"status": provider.status, "code": provider.code, "message": provider.message});
                let told = told.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
                problem.insert("provider".into(), told.map(|(name, value)| (name.clone(), value.clone())).collect());
            }
            members.insert("problem".into(), Value::Object(problem));
        }
    }
    let spec: Example = serde_json::from_value(example.clone()).map_err(|error| error.to_string())?;
    match rehearse(catalog, provider, &spec).await.first() {
        None => Ok(example),
        Some(difference) => Err(difference.clone()),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Notes the request and gives the next answer.
async fn exchange(
    request: upstream::Request,
    noted: &Mutex<Vec<Value>>,
    answers: &[(u16, Option<Value>)],
) -> Result<upstream::Response, Error> {
    let body = match request.body.try_clone() {
        Some(body) => collect_capped(body, usize::MAX, Duration::from_secs(1)).await.unwrap_or_default(),
        None => Default::default(),
    };
    let mut asked = json!({"method": request.method.as_str(), "url": request.path_and_query.to_string()});
    if let (Value::Object(asked), Ok(body)) = (&mut asked, serde_json::from_slice::<Value>(&body)) {
        asked.insert("body".into(), body);
    }
    let index = noted.lock().len();
    let Some((status, answer)) = answers.get(index) else {
        return Err(Error::new(Kind::ProviderUnavailable, "There is no further answer."));
    };
    let mut response = Map::from_iter([("status".to_owned(), json!(status))]);
    let mut headers = http::HeaderMap::new();
    let bytes = match answer {
        Some(answer) => {
            response.insert("body".into(), answer.clone());
            headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
            serde_json::to_vec(answer).map_err(Error::internal)?
        }
        None => Vec::new(),
    };
    noted.lock().push(json!({"request": asked, "response": response}));
    let status = http::StatusCode::from_u16(*status).map_err(Error::internal)?;
    Ok(upstream::Response::new(status, headers, Body::full(bytes), &request, 1))
}
