//! A caller's JSON body: read with a cap, understood strictly.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header;
use http::request::Parts;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Kind, Outcome};
use crate::net::{BodyError, collect_capped};
use crate::telemetry::{Part, Pen, Timings};

/// The largest body of a unified or management request. Bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// The body as an object. Content types other than JSON, encodings, duplicate members and deep nesting are refused.
pub async fn object(parts: &Parts, body: Body) -> Result<Map<String, Value>, Error> {
    let headers = &parts.headers;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && essence != "application/merge-patch+json" {
        return Err(refused(Kind::UnsupportedMediaType, format!("The body is sent as {essence:?}, not as JSON."))
            .supported(["application/json", "application/merge-patch+json"]));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(refused(Kind::UnsupportedMediaType, "Encoded bodies (Content-Encoding) are not accepted."));
    }
    let bytes = bytes(parts, body, MAX_BODY).await?;
    match parse(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(refused(Kind::InvalidRequest, "The body is JSON, but not an object.")),
        Err(error) => Err(refused(Kind::InvalidRequest, format!("The body is not valid JSON: {error}"))),
    }
}

/// All of a body that has no more than `cap` bytes.
pub async fn bytes(parts: &Parts, body: Body, cap: usize) -> Result<Bytes, Error> {
    // How long it may take is settled at the edge, for bodies that are passed through as well.
    let read = collect_capped(body, cap, Duration::MAX).await;
    if let (Ok(bytes), Some(pen)) = (&read, pen(parts)) {
        pen.write(bytes);
    }
    read.map_err(|error| match error {
        BodyError::TooLarge(cap) => refused(Kind::PayloadTooLarge, format!("The body is larger than {cap} bytes.")),
        BodyError::Truncated(_)
        | BodyError::Stalled(_)
        | BodyError::TooSlow(_)
        | BodyError::Coding(_)
        | BodyError::Bomb
        | BodyError::Undecodable(_) => refused(Kind::InvalidRequest, "The body did not arrive completely."),
    })
}

/// Takes the body of this request down, if its connection's owner wants that.
pub fn pen(parts: &Parts) -> Option<Pen> {
    let transcript = parts.extensions.get::<Arc<Timings>>()?.transcript()?;
    Some(transcript.pen(Part::Request, &parts.headers))
}

fn refused(kind: Kind, detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(kind, detail).outcome(Outcome::NotExecuted)
}

/// JSON with unique member names, at most 128 levels deep, numbers with their source text.
fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct Strict;

/// How serde_json hands over a number with its text.
const NUMBER: &str = "$serde_json::private::Number";

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if key == NUMBER && map.is_empty() {
                let text: String = access.next_value()?;
                return text.parse().map(Value::Number).map_err(A::Error::custom);
            }
            if map.contains_key(&key) {
                let shown: String = key.chars().take(80).collect();
                return Err(A::Error::custom(format!("the member {shown:?} stands there twice")));
            }
            let value = access.next_value_seed(Strict)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_strictly() {
        let good = parse(br#"{"a": 12500.10, "b": [1, {"c": 6493490000001291001}], "d": null}"#).expect("valid");
        assert_eq!(good.to_string(), r#"{"a":12500.10,"b":[1,{"c":6493490000001291001}],"d":null}"#);
        assert!(parse(br#"{"a": 1, "a": 2}"#).is_err_and(|error| error.to_string().contains("twice")));
        assert!(parse(br#"{"a": {"b": 1, "b": 2}}"#).is_err());
        assert!(parse(br#"{"a": 1} x"#).is_err());
        assert!(parse(format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)).as_bytes()).is_err());
        assert!(parse(b"\xef\xbb\xbf{}").is_err());
    }
}
