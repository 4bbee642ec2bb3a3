//! The key that a caller gives a write, and what of the request it stands for.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;

use super::Place;
use crate::auth::TenantId;
use crate::connections::ConnectionId;
use crate::error::{Error, Kind, Outcome, Violation};

pub const HEADER: &str = "idempotency-key";

/// Characters of a key.
const LONGEST: usize = 255;

/// What a caller calls a write. The quotes of the header's grammar are no part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(pub Arc<str>);

/// What a request is told from others by.
pub struct Parts<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// The headers that change what is done or what is answered.
    pub headers: &'a HeaderMap,
    pub minimal: bool,
    pub body: &'a [u8],
}

/// Headers that change what a write does.
const MEANT: [&str; 3] = ["content-type", "if-match", "if-none-match"];

impl Key {
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(refused("it stands there twice"));
        }
        let text = value.to_str().map_err(|_| refused("it is not plain text"))?;
        Self::parse(text.trim()).map(Some).map_err(refused)
    }

    /// `"…"` of RFC 9651, or the same without its quotes, which is what most clients send.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let key = match text.strip_prefix('"') {
            None => text.to_owned(),
            Some(rest) => unquoted(rest.strip_suffix('"').ok_or("its quotes do not match")?)?,
        };
        if !text.starts_with('"') && key.contains('"') {
            return Err("its quotes do not match");
        }
        match key.len() {
            0 => Err("it is empty"),
            length if length > LONGEST => Err("it is too long"),
            _ if !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("it holds something else than visible ASCII characters")
            }
            _ => Ok(Self(key.into())),
        }
    }

    /// Where this write of a connection is remembered. What callers send is kept as a hash only.
    pub fn place(&self, tenant: &TenantId, connection: &ConnectionId, parts: &Parts<'_>) -> Place {
        let id = hash(&[parts.method.as_bytes(), parts.path.as_bytes(), self.0.as_bytes()]);
        Place { tenant: tenant.clone(), connection: connection.clone(), id }
    }
}

impl Parts<'_> {
    /// Tells whether a request is the same as another one. The order of query parameters says nothing.
    pub fn fingerprint(&self) -> Arc<str> {
        let mut pairs: Vec<&str> = self.query.split('&').filter(|pair| !pair.is_empty()).collect();
        pairs.sort_unstable();
        let query = pairs.join("&");
        let minimal = [u8::from(self.minimal)];
        let mut parts = vec![self.method.as_bytes(), self.path.as_bytes(), query.as_bytes(), &minimal, self.body];
        for name in MEANT {
            parts.push(self.headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default());
        }
        hash(&parts)
    }
}

fn unquoted(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\')) => plain.push(escaped),
                _ => return Err("a backslash in it escapes nothing"),
            },
            '"' => return Err("its quotes do not match"),
            other => plain.push(other),
        }
    }
    Ok(plain)
}

/// Each part with its length before it, so that parts cannot be taken for one another.
fn hash(parts: &[&[u8]]) -> Arc<str> {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    URL_SAFE_NO_PAD.encode(context.finish()).into()
}

fn refused(detail: &str) -> Error {
    let expected = format!("one text of 1 to {LONGEST} visible ASCII characters, with or without quotes");
    Error::new(Kind::InvalidRequest, "The header Idempotency-Key cannot be used.")
        .violation(Violation::parameter("Idempotency-Key", detail).expected(expected))
        .outcome(Outcome::NotExecuted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<String, &'static str> {
        Key::parse(text).map(|key| key.0.to_string())
    }

    #[test]
    fn keys_come_with_and_without_quotes() {
        for (text, plain) in
            [("order-4711", "order-4711"), (r#""order-4711""#, "order-4711"), (r#""a\"b\\""#, r#"a"b\"#)]
        {
            assert_eq!(key(text).as_deref(), Ok(plain));
        }
        assert!(key(&"x".repeat(255)).is_ok());
        for wrong in ["", "\"\"", "a b", "\"a b\"", "\"a", "a\"", "a\"b", "\"a\";x=1", "\"a\\x\"", "\u{e4}"] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
        assert_eq!(key(&"x".repeat(256)), Err("it is too long"));
    }

    #[test]
    fn a_fingerprint_is_of_all_that_matters_and_nothing_else() {
        let (plain, mut typed) = (HeaderMap::new(), HeaderMap::new());
        typed.insert("content-type", "application/json".parse().expect("a value"));
        let parts = |query, headers, minimal, body| Parts { method: "POST", path: "/a", query, headers, minimal, body };
        let first = parts("a=1&b=2", &plain, false, b"x").fingerprint();
        assert_eq!(first, parts("b=2&a=1", &plain, false, b"x").fingerprint());
        for other in [
            parts("a=1", &plain, false, b"x"),
            parts("a=1&b=2", &typed, false, b"x"),
            parts("a=1&b=2", &plain, true, b"x"),
            parts("a=1&b=2", &plain, false, b"y"),
            Parts { method: "PUT", ..parts("a=1&b=2", &plain, false, b"x") },
            Parts { path: "/b", ..parts("a=1&b=2", &plain, false, b"x") },
        ] {
            assert_ne!(first, other.fingerprint());
        }
    }
}
