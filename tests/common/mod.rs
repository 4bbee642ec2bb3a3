//! What the tests of shipped mappings share: the recorded samples, and a vendor that plays answers to the real
//! unified stage.

#![allow(dead_code)] // every test uses its own part

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use throughline::author::{Example, prepare, shown};
use throughline::catalog::{Catalog, Files, Options};
use throughline::error::{Error, Kind, Place};
use throughline::model::Operation;
use throughline::net::{Body, collect_capped};
use throughline::telemetry;
use throughline::unified::{Call, Reply, Translate};
use throughline::upstream;
use tower::ServiceExt;

/// The mappings of this repository, compiled.
pub static CATALOG: LazyLock<Catalog> = LazyLock::new(|| compiled(&Options::default()));

/// The mappings of this repository as they lie in their folder.
pub static FILES: LazyLock<Files> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/mappings");
    Files::folder(folder.as_ref()).expect("the folder of mappings can be read")
});

pub fn compiled(options: &Options) -> Catalog {
    Catalog::load(&FILES, options).unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("the shipped mappings do not load:\n{}", lines.join("\n"))
    })
}

/// A folder of recordings. They are not part of this repository: they lie beside the checkout, or where
/// `THROUGHLINE_SHARED` says. Without them a test says so and passes, unless `CI_REQUIRE_SHARED=1` is set.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let folder = std::env::var_os("THROUGHLINE_SHARED").map_or(beside, PathBuf::from).join(folder);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("CI_REQUIRE_SHARED").is_ok_and(|value| value == "1");
    assert!(!required, "there are no recordings at {}", folder.display());
    eprintln!("skipped: there are no recordings at {}", folder.display());
    None
}

pub fn read_json(path: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One answer of the vendor.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Map<String, Value>,
    /// Null is no body, text is sent as it is.
    pub body: Value,
}

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Map::new(), body }
    }

    /// The `response` of a recorded exchange.
    pub fn recorded(sample: &Value) -> Self {
        let response = &sample["response"];
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        Self {
            status: status.expect("a sample has a status"),
            headers: response["headers"].as_object().cloned().unwrap_or_default(),
            body: response["body"].clone(),
        }
    }

    fn response(&self, request: &upstream::Request) -> upstream::Response {
        let mut headers = HeaderMap::new();
        let body = match &self.body {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => {
                headers.insert("content-type", HeaderValue::from_static("application/json"));
                serde_json::to_vec(json).expect("JSON can be written")
            }
        };
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().expect("a header's name");
            let value = HeaderValue::from_str(value.as_str().unwrap_or_default()).expect("a header's value");
            headers.insert(name, value);
        }
        let status = StatusCode::from_u16(self.status).expect("a status");
        upstream::Response::new(status, headers, Body::full(body), request, 1)
    }
}

/// A request as it would leave for the vendor.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub method: String,
    pub path_and_query: String,
    /// Null when there was none.
    pub body: Value,
}

impl Sent {
    pub fn path(&self) -> &str {
        self.path_and_query.split_once('?').map_or(self.path_and_query.as_str(), |(path, _)| path)
    }

    /// The query's parameters, decoded, in their order.
    pub fn query(&self) -> Vec<(String, String)> {
        decoded(self.path_and_query.split_once('?').map_or("", |(_, query)| query))
    }
}

pub fn decoded(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().expect("a query is UTF-8").into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// What a call became: the requests that were made, and how it ended.
pub struct Played {
    pub sent: Vec<Sent>,
    pub outcome: Result<Reply, Error>,
}

impl Played {
    /// The whole unified answer as a document.
    pub fn document(&self) -> Value {
        match &self.outcome {
            Ok(reply) => shown(reply),
            Err(error) => problem(error),
        }
    }
}

/// A unified call as an example would write it; `settings` are those that the shipped examples use.
pub fn example(provider: &str, resource: &str, operation: &str, call: Value) -> Example {
    let settings = match provider {
        "salesforce" => json!({"instance_url": "https://acme.my.salesforce.com"}),
        "tryton" => json!({"instance_url": "https://tryton.example.test", "database": "acme"}),
        other => shipped_settings(other),
    };
    let example = json!({
        "example": "a test", "resource": resource, "operation": operation, "settings": settings, "call": call,
    });
    serde_json::from_value(example).expect("a call as examples write it")
}

/// The settings that a provider's own examples connect with. Read once: there are many examples.
fn shipped_settings(provider: &str) -> Value {
    static SETTINGS: std::sync::LazyLock<std::collections::BTreeMap<String, Value>> = std::sync::LazyLock::new(|| {
        let files = throughline::catalog::Files::embedded();
        let of = |provider: &str| {
            let examples = throughline::author::load_examples(&files, provider).expect("the examples can be read");
            let mut settings = examples.into_iter().map(|placed| placed.example.settings);
            Value::Object(settings.find(|settings| !settings.is_empty()).unwrap_or_default())
        };
        files.providers().into_iter().map(|provider| (provider.to_owned(), of(provider))).collect()
    });
    SETTINGS.get(provider).cloned().unwrap_or_else(|| json!({}))
}

/// Runs the call through the real unified stage; the vendor gives these answers and no more. The time limit of an
/// expression is counted on the wall clock, which a machine busy with other tests can use up: then once more.
pub async fn play(catalog: &Catalog, provider: &str, example: &Example, answers: Vec<Answer>) -> Played {
    for _ in 0..5 {
        let played = play_once(catalog, provider, example, answers.clone()).await;
        match &played.outcome {
            Err(error) if error.detail().contains("Evaluation timeout") => {}
            _ => return played,
        }
    }
    panic!("{}: an expression does not end", example.example);
}

async fn play_once(catalog: &Catalog, provider: &str, example: &Example, answers: Vec<Answer>) -> Played {
    match prepare(catalog, provider, example) {
        Ok(call) => play_call(call, answers).await,
        Err(error) => Played { sent: Vec::new(), outcome: Err(error) },
    }
}

/// What accounts say of their own fields, in the shapes of their vendors. Those of other vendors keep it to themselves.
/// `key` is a further one by which a call knows its record.
fn account(provider: &str, key: Option<&str>) -> Answer {
    match provider {
        "hubspot" => {
            let field = |name: &str, kind: &str, widget: &str| json!({"name": name, "label": name, "type": kind, "fieldType": widget, "hubspotDefined": false});
            let own = [
                field("interests", "enumeration", "checkbox"),
                field("annual_income", "number", "number"),
                field("is_vip", "bool", "booleancheckbox"),
            ];
            Answer::json(200, json!({ "results": own }))
        }
        "salesforce" => {
            let field = |name: &str, kind: &str, custom: bool| {
                json!({
                    "name": name, "label": name, "type": kind, "custom": custom, "createable": true, "updateable": true,
                    "nillable": true, "filterable": true, "picklistValues": [],
                })
            };
            let mut own = vec![
                field("Tier__c", "picklist", true),
                field("Interests__c", "multipicklist", true),
                field("CurrencyIsoCode", "picklist", false),
            ];
            own.extend(key.map(|key| field(key, "string", true)));
            Answer::json(200, json!({ "fields": own }))
        }
        _ => Answer::json(403, Value::Null),
    }
}

/// Requests for what the account is like are answered beside the script, and are not among those that were sent, unless
/// the call is for that alone.
pub async fn play_call(call: Call, answers: Vec<Answer>) -> Played {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let asked = call.operation == Operation::Fields;
    let key = call.by.as_ref().and_then(|by| by.strip_prefix("custom_fields.")).map(str::to_owned);
    let answers = Arc::new(answers);
    let seen = sent.clone();
    let vendor = tower::service_fn(move |request: upstream::Request| {
        let (seen, answers, key) = (seen.clone(), answers.clone(), key.clone());
        async move {
            if request.labels.operation == telemetry::Operation::Fields && !asked {
                return Ok(account(&request.labels.provider, key.as_deref()).response(&request));
            }
            let bytes = match request.body.try_clone() {
                Some(body) => collect_capped(body, usize::MAX, Duration::from_secs(1)).await.unwrap_or_default(),
                None => Default::default(),
            };
            let mut seen = seen.lock();
            seen.push(Sent {
                method: request.method.to_string(),
                path_and_query: request.path_and_query.to_string(),
                body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            });
            match answers.get(seen.len() - 1) {
                Some(answer) => Ok(answer.response(&request)),
                None => Err(Error::new(Kind::Internal, "The test has no answer to this request.")),
            }
        }
    });
    let outcome = Translate::new(upstream::Service::new(vendor)).oneshot(call).await;
    let sent = sent.lock().clone();
    Played { sent, outcome }
}

/// A problem as a document: all that callers can tell it by.
pub fn problem(error: &Error) -> Value {
    let provider = error.get_provider().map(|answer| {
        json!({"status": answer.status, "code": answer.code, "message": answer.message, "other_id": answer.other_id})
    });
    let places = error.get_violations().iter().map(|violation| match &violation.place {
        Place::Pointer(text) | Place::Parameter(text) => Value::from(text.as_str()),
    });
    json!({
        "code": error.kind().code(),
        "detail": error.detail(),
        "provider": provider,
        "pointers": places.collect::<Vec<_>>(),
        "outcome": error.get_outcome().map(|outcome| outcome.as_str()),
        "retryable": error.is_retryable(),
        "retry_after": error.get_retry_after().map(|delay| delay.as_secs()),
    })
}
