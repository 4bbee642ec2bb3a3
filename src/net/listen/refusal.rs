//! Requests whose head cannot be read, or is too large, never reach a route: hyper refuses them itself, with a head and
//! nothing else. Here such a refusal gets the body that all others have.

use bytes::Bytes;
use http::{Response, StatusCode};

/// Makes the answer to a request that was refused so; its status is kept.
pub type Refuse = fn(StatusCode) -> Response<Bytes>;

/// What a refusal of hyper's begins with, up to the status, and what it says of its body.
const BEGIN: &[u8] = b"HTTP/1.1 ";
const NO_BODY: &str = "content-length: 0\r\n";
const END: &str = "\r\n\r\n";

/// The same refusal with a body; `None` for what is none of hyper's refusals. Only what is written while no request is
/// being answered can be one.
pub(super) fn with_body(written: &[u8], refuse: Refuse) -> Option<Bytes> {
    let status = StatusCode::from_bytes(written.strip_prefix(BEGIN)?.get(..3)?).ok()?;
    let head = std::str::from_utf8(written).ok().filter(|_| status.is_client_error())?;
    // All of it is a head.
    let whole = head.find(END).is_some_and(|end| end + END.len() == head.len());
    let (before, after) = head.split_once(NO_BODY).filter(|_| whole)?;
    let answer = refuse(status);
    let mut bytes = format!("{before}content-length: {}\r\n", answer.body().len()).into_bytes();
    for (name, value) in answer.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(after.as_bytes());
    bytes.extend_from_slice(answer.body());
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    fn refuse(status: StatusCode) -> Response<Bytes> {
        let mut answer = Response::new(format!("{status}").into());
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("a/b"));
        answer
    }

    #[test]
    fn a_refusal_gets_a_body_and_nothing_else_does() {
        let said = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let told = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 15\r\ncontent-type: a/b\r\ndate: x\r\n\r\n400 Bad Request";
        assert_eq!(with_body(said, refuse).as_deref(), Some(told.as_bytes()));
        let last = b"HTTP/1.1 431 X\r\ncontent-length: 0\r\n\r\n";
        assert!(with_body(last, refuse).is_some());
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nmore",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 05\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"HTTP/1.1 4",
            b"\x00\x00\x12\x04\x00",
            b"",
        ] {
            assert_eq!(with_body(other, refuse), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
