//! What a caller says besides its request: how long it waits, what it wants back (RFC 7240), and which connection it
//! means.

use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use tokio::time::Instant;

use super::callers_time::CallersTime;
use crate::connections::Selector;
use crate::error::{Error, Kind, Violation};
use crate::model::Priority;

pub const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: u64 = 120;

#[derive(Debug, Clone, Copy)]
pub struct Prefer {
    pub deadline: Instant,
    pub minimal: bool,
    /// From the header `Priority`, if it is there.
    pub priority: Option<Priority>,
}

impl Prefer {
    /// Preferences that are not known are ignored, as RFC 7240 demands; a `wait` that is no number is a mistake.
    pub fn of(parts: &Parts) -> Result<Self, Error> {
        let headers = &parts.headers;
        let wait = wait(headers)?;
        let minimal = preferences(headers).any(|preference| preference == ("return", "minimal"));
        let mut urgencies = headers.get_all("priority").iter().filter_map(|value| value.to_str().ok());
        let priority = urgencies.next_back().and_then(Priority::parse);
        let deadline = parts.extensions.get().map_or_else(|| Instant::now() + wait, CallersTime::ends);
        Ok(Self { deadline, minimal, priority })
    }
}

/// Those that have a value.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|preference| preference.trim().split_once('='))
}

/// How long a caller waits for its answer.
pub fn wait(headers: &HeaderMap) -> Result<Duration, Error> {
    // Of several the last one counts, and each has to be one.
    preferences(headers).filter(|(name, _)| *name == "wait").try_fold(DEFAULT_WAIT, |_, (_, seconds)| {
        let seconds = seconds.parse::<u64>().ok().filter(|seconds| (1..=LONGEST_WAIT).contains(seconds));
        seconds.map(Duration::from_secs).ok_or_else(|| {
            let expected = format!("seconds from 1 to {LONGEST_WAIT}");
            Error::new(Kind::InvalidRequest, "The preference `wait` cannot be understood.")
                .violation(Violation::parameter("Prefer", "wait is no such number").expected(expected))
        })
    })
}

/// The connection that the headers name. Whether they agree is for `connections` to say.
pub fn selector(headers: &HeaderMap) -> Result<Selector, Error> {
    let one = |name: &'static str| -> Result<Option<String>, Error> {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let unusable = |detail: &str| {
            Error::new(Kind::InvalidRequest, format!("The header {name} cannot be used."))
                .violation(Violation::parameter(name, detail))
        };
        if values.next().is_some() {
            return Err(unusable("it stands there twice"));
        }
        value.to_str().map(|value| Some(value.to_owned())).map_err(|_| unusable("it is not plain text"))
    };
    Ok(Selector {
        connection: one("throughline-connection")?,
        customer: one("throughline-customer")?,
        provider: one("throughline-provider")?,
    })
}

/// The query's pairs, decoded. Malformed escapes are an error rather than a guess.
pub fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, Error> {
    decoded(parts.uri.query().unwrap_or_default())
}

/// The same of a text, such as a form's.
pub fn decoded(query: &str) -> Result<Vec<(String, String)>, Error> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| Error::new(Kind::InvalidRequest, "The query string is not valid UTF-8 in percent-encoding."))
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| Ok((decode(k)?, decode(v)?))).collect()
}

/// For routes that take no query parameters: one that is sent is not silently ignored.
pub fn no_parameters(parts: &Parts) -> Result<(), Error> {
    let Some((name, _)) = pairs(parts)?.into_iter().next() else { return Ok(()) };
    let name: String = name.chars().take(80).collect();
    Err(Error::new(Kind::UnknownParameter, format!("There is no query parameter {name:?} here."))
        .violation(Violation::parameter(name, "this route takes none")))
}

/// A parameter that stands twice is two wishes: neither is taken for the other.
pub fn once(pairs: Vec<(String, String)>) -> Result<Vec<(String, String)>, Error> {
    let mut seen = std::collections::HashSet::new();
    match pairs.iter().find(|(name, _)| !seen.insert(name.clone())) {
        Some((name, _)) => Err(Error::new(Kind::InvalidRequest, "A query parameter stands there twice.")
            .violation(Violation::parameter(name, "it stands there twice").expected("each parameter once"))),
        None => Ok(pairs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_callers_time_runs_from_the_receipt_of_its_request() {
        let (mut parts, ()) =
            http::Request::builder().header("prefer", "wait=3").body(()).expect("a request").into_parts();
        parts.extensions.insert(CallersTime::of(&parts.headers));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(Prefer::of(&parts).expect("good preferences").deadline < Instant::now());
        parts.extensions.clear();
        assert!(Prefer::of(&parts).expect("good preferences").deadline > Instant::now());
    }
}
