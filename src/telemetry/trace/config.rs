//! Where traces go, and how many of them.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// A collector's URL for OTLP over HTTP. Without one there are no traces.
    pub endpoint: Option<String>,
    /// Headers that the collector wants, such as its key. Never printed.
    pub headers: IndexMap<String, Hidden>,
    /// What the collector knows this service by.
    pub service_name: String,
    /// The share of requests that are traced, of those whose callers have not decided it: 0 to 1.
    pub sample: f64,
    /// Whether a caller's `traceparent` also decides whether the request is traced.
    pub follow_callers: bool,
    /// Whether providers get `traceparent` and `tracestate`.
    pub propagate: bool,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("writeOnly" = true))]
pub struct Hidden(String);

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: IndexMap::new(),
            service_name: "throughline".into(),
            sample: 0.1,
            follow_callers: true,
            propagate: false,
        }
    }
}

impl Config {
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(0.0..=1.0).contains(&self.sample) {
            faults.push(format!("tracing.sample: {} is not a share from 0 to 1", self.sample));
        }
        if let Some(endpoint) = &self.endpoint
            && url(endpoint).is_none()
        {
            // The value is not repeated: it may hold a password.
            faults.push("tracing.endpoint: it has to be a URL such as http://127.0.0.1:4318 or https://otel.example.com/v1/traces; a key for it goes into tracing.headers".into());
        }
        for (name, value) in &self.headers {
            if http::HeaderName::try_from(name).is_err() {
                faults.push(format!("tracing.headers: {name:?} is not the name of a header"));
            } else if http::HeaderValue::try_from(value.expose()).is_err() {
                faults.push(format!("tracing.headers: the value of {name} cannot be sent in a header"));
            }
        }
        if self.service_name.is_empty() {
            faults.push("tracing.service_name: it is empty".into());
        }
        faults
    }

    /// The collector's URL with the path that the protocol has for traces, where the configuration names none.
    pub fn url(&self) -> Option<http::Uri> {
        self.endpoint.as_deref().and_then(url)
    }
}

fn url(text: &str) -> Option<http::Uri> {
    let uri: http::Uri = text.parse().ok()?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    match uri.path() {
        "" | "/" if uri.query().is_none() => format!("{scheme}://{authority}/v1/traces").parse().ok(),
        _ => Some(uri),
    }
}

impl Hidden {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Hidden {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Hidden {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_collector_or_the_whole_url() {
        let of = |text: &str| Config { endpoint: Some(text.into()), ..Config::default() };
        for (given, meant) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example.com/otlp/v1/traces", "https://otel.example.com/otlp/v1/traces"),
        ] {
            assert_eq!(of(given).url().map(|url| url.to_string()).as_deref(), Some(meant));
        }
        for wrong in ["", "127.0.0.1:4318", "ftp://a", "http://", "https://user:canary@otel.example.com"] {
            let faults = of(wrong).faults();
            assert!(faults.len() == 1 && !faults[0].contains("canary"), "{wrong}: {faults:?}");
        }
    }

    #[test]
    fn a_share_is_a_share_and_headers_can_be_sent_and_are_not_printed() {
        for sample in [-0.1, 1.1, f64::NAN] {
            assert_eq!(Config { sample, ..Config::default() }.faults().len(), 1, "{sample}");
        }
        let headers = IndexMap::from([("bad name".to_owned(), "x".into()), ("good".to_owned(), "canary\n".into())]);
        let config = Config { headers, ..Config::default() };
        let told = format!("{:?} {config:?} {}", config.faults(), serde_json::to_string(&config).expect("JSON"));
        assert_eq!(config.faults().len(), 2);
        assert!(!told.contains("canary"), "{told}");
    }
}
