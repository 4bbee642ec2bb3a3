//! An answer that is kept to be given again.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// Larger bodies are not kept. Bytes.
pub const MAX_BODY: usize = 256 * 1024;

/// What of an answer's headers is given again: what is about its content, and about the write.
const KEPT: [&str; 12] = [
    "content-type",
    "content-encoding",
    "content-language",
    "content-location",
    "content-disposition",
    "etag",
    "last-modified",
    "link",
    "location",
    "preference-applied",
    "throughline-origin",
    "throughline-warning",
];
/// Those that are about a body that is there.
const OF_BODY: [&str; 3] = ["content-type", "content-encoding", "content-disposition"];

/// A status, some headers, and the body or what is left of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    /// Of a write whose outcome is not known: a path that may tell.
    pub probe: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Whole(Bytes),
    /// It was too large, or is not to be kept: the record's id, or a problem's code, is.
    Left {
        id: Option<String>,
        code: Option<String>,
        executed: bool,
    },
}

/// What stands before the bytes of the body.
#[derive(Serialize, Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe: Option<String>,
    #[serde(default)]
    whole: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default)]
    executed: bool,
}

impl Answer {
    /// The headers are those of [`KEPT`].
    pub fn new(status: u16, headers: &HeaderMap, body: Body) -> Self {
        let is_whole = matches!(body, Body::Whole(_));
        let kept = KEPT.iter().filter(|name| is_whole || !OF_BODY.contains(name));
        let values = kept.flat_map(|name| headers.get_all(*name).iter().map(move |value| (*name, value)));
        // Values that are not text are no header of ours, and no vendor was seen to send one.
        let headers = values.filter_map(|(name, value)| Some((name.to_owned(), value.to_str().ok()?.to_owned())));
        Self { status, headers: headers.collect(), body, probe: None }
    }

    /// What is known of a write whose end is not.
    pub fn unknown(probe: String) -> Self {
        let body = Body::Left { id: None, code: None, executed: false };
        Self { status: 0, headers: Vec::new(), body, probe: Some(probe) }
    }

    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.headers.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
    }

    /// One line of JSON, then the body as it is.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let (whole, id, code, executed, body) = match &self.body {
            Body::Whole(body) => (true, None, None, false, body.as_ref()),
            Body::Left { id, code, executed } => (false, id.clone(), code.clone(), *executed, [].as_slice()),
        };
        let (status, headers, probe) = (self.status, self.headers.clone(), self.probe.clone());
        let mut bytes = serde_json::to_vec(&Head { status, headers, probe, whole, id, code, executed })?;
        bytes.push(b'\n');
        bytes.extend_from_slice(body);
        Ok(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (head, rest) = bytes.split_at_checked(end)?;
        let Head { status, headers, probe, whole, id, code, executed } = serde_json::from_slice(head).ok()?;
        let body = match whole {
            true => Body::Whole(Bytes::copy_from_slice(rest.get(1..)?)),
            false => Body::Left { id, code, executed },
        };
        Some(Self { status, headers, body, probe })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("content-type", "a/b"), ("location", "/x"), ("date", "now"), ("link", "<1>")] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.append("link", HeaderValue::from_static("<2>"));
        let whole = Answer::new(201, &headers, Body::Whole(Bytes::from_static(b"\n{\"a\": 1.50}\n\0")));
        let named: Vec<_> = whole.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(named, ["content-type: a/b", "link: <1>", "link: <2>", "location: /x"]);
        let left = Answer::new(200, &headers, Body::Left { id: Some("7".into()), code: None, executed: true });
        assert!(!left.headers.iter().any(|(name, _)| name == "content-type"));
        for answer in [whole, left, Answer::unknown("/v1/crm/contacts/1".into())] {
            let bytes = answer.to_bytes().expect("bytes");
            assert_eq!(Answer::from_bytes(&bytes), Some(answer));
        }
        assert_eq!(Answer::from_bytes(b"{}"), None);
    }
}
