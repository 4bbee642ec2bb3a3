//! What was said in one request: the caller's body and the answer's, and both of each exchange with the provider. Taken
//! down only for a connection whose owner has asked for it, as it passes; nothing is held back for it, and only the
//! beginnings are kept. Headers are no part of it: they carry credentials.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::sync::Arc;

use http::{HeaderMap, Method, header};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::conceal::conceal;

/// Of each body. Bytes.
pub const MOST: usize = 16 * 1024;
/// Exchanges with the provider.
const ATTEMPTS: usize = 8;
/// Of a path with its query. Bytes.
const LONGEST_PATH: usize = 2 * 1024;

/// Shared by all that see a part of it pass. With the last of them it is over, and written down.
pub struct Transcript {
    said: Mutex<Said>,
    end: Mutex<Option<End>>,
}

type End = Box<dyn FnOnce(String) + Send>;

#[derive(Default)]
struct Said {
    request: Passage,
    answer: Passage,
    attempts: Vec<Exchange>,
    /// Further ones.
    left_out: usize,
    /// What must not be repeated.
    secrets: Vec<Vec<u8>>,
}

struct Exchange {
    method: Method,
    path: String,
    status: Option<u16>,
    request: Passage,
    answer: Passage,
}

/// The beginning of a body, as it was sent.
#[derive(Default)]
struct Passage {
    kept: Vec<u8>,
    /// Of the body, as far as it has passed. Bytes.
    length: u64,
    coding: Option<Coding>,
}

#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
    /// Not read here.
    Other,
}

/// Which body it is.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    Request,
    Answer,
    /// Of the exchange with this number.
    Sent(usize),
    Received(usize),
}

/// Takes one body down.
pub struct Pen {
    transcript: Arc<Transcript>,
    part: Part,
}

impl Transcript {
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self { said: Mutex::default(), end: Mutex::default() })
    }

    /// Takes a body down from its beginning, whatever stands there already. `headers` are those it comes with.
    pub fn pen(self: &Arc<Self>, part: Part, headers: &HeaderMap) -> Pen {
        if let Some(passage) = self.said.lock().passage(part) {
            *passage = Passage { coding: Coding::of(headers), ..Passage::default() };
        }
        Pen { transcript: Arc::clone(self), part }
    }

    /// An exchange with the provider begins; `path` holds no credential. Its number, if it is one of those that are kept.
    pub fn begin_attempt(&self, method: &Method, path: &str, secrets: Vec<Vec<u8>>) -> Option<usize> {
        let mut said = self.said.lock();
        for secret in secrets {
            if !said.secrets.contains(&secret) {
                said.secrets.push(secret);
            }
        }
        let number = said.attempts.len();
        if number >= ATTEMPTS {
            said.left_out += 1;
            return None;
        }
        let (method, path) = (method.clone(), path.chars().take(LONGEST_PATH).collect());
        let (request, answer) = (Passage::default(), Passage::default());
        said.attempts.push(Exchange { method, path, status: None, request, answer });
        Some(number)
    }

    pub fn answered(&self, attempt: usize, status: u16) {
        if let Some(exchange) = self.said.lock().attempts.get_mut(attempt) {
            exchange.status = Some(status);
        }
    }

    /// What to do with it, as JSON, when nothing more can be said.
    pub fn at_end(&self, end: impl FnOnce(String) + Send + 'static) {
        *self.end.lock() = Some(Box::new(end));
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        if let Some(end) = self.end.get_mut().take() {
            end(self.said.get_mut().to_json().to_string());
        }
    }
}

/// Customers' data is never printed.
impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript").finish_non_exhaustive()
    }
}

impl Pen {
    pub fn write(&self, data: &[u8]) {
        if let Some(passage) = self.transcript.said.lock().passage(self.part) {
            let room = MOST.saturating_sub(passage.kept.len()).min(data.len());
            passage.kept.extend_from_slice(data.get(..room).unwrap_or_default());
            passage.length = passage.length.saturating_add(data.len() as u64);
        }
    }
}

impl Said {
    fn passage(&mut self, part: Part) -> Option<&mut Passage> {
        match part {
            Part::Request => Some(&mut self.request),
            Part::Answer => Some(&mut self.answer),
            Part::Sent(number) => Some(&mut self.attempts.get_mut(number)?.request),
            Part::Received(number) => Some(&mut self.attempts.get_mut(number)?.answer),
        }
    }

    fn to_json(&self) -> Value {
        // Where one holds another, the longer one goes first: what is left of it would be told else.
        let mut secrets: Vec<&[u8]> = self.secrets.iter().map(Vec::as_slice).collect();
        secrets.sort_by_key(|secret| usize::MAX - secret.len());
        let attempts = self.attempts.iter().map(|exchange| {
            json!({
                "method": exchange.method.as_str(),
                "path": String::from_utf8_lossy(&conceal(exchange.path.as_bytes(), &secrets)),
                "status": exchange.status,
                "request": exchange.request.to_json(&secrets),
                "answer": exchange.answer.to_json(&secrets),
            })
        });
        let left_out = (self.left_out > 0)
            .then(|| format!("{} further exchanges with the provider: the first {ATTEMPTS} are kept", self.left_out));
        json!({
            "request": self.request.to_json(&secrets),
            "answer": self.answer.to_json(&secrets),
            "attempts": attempts.collect::<Vec<_>>(),
            "left_out": left_out,
        })
    }
}

impl Passage {
    /// Null where there was no body, or nobody read it. `text` is null for what is no text.
    fn to_json(&self, secrets: &[&[u8]]) -> Value {
        if self.length == 0 {
            return Value::Null;
        }
        let (bytes, whole) = self.decoded();
        let cut = !whole || (self.kept.len() as u64) < self.length;
        let mut bytes = conceal(&bytes, secrets);
        if cut {
            let begun = secrets.iter().map(|secret| begun(&bytes, secret)).max().unwrap_or_default();
            let end = bytes.len() - begun;
            bytes.to_mut().truncate(end);
        }
        json!({ "text": text(&bytes, cut), "bytes": self.length, "cut": cut })
    }

    /// Without its content coding, and whether that is all of what is kept.
    fn decoded(&self) -> (Cow<'_, [u8]>, bool) {
        let kept = self.kept.as_slice();
        let mut bytes = Vec::new();
        // One more than is kept tells whether there is more. What breaks off yields what came before.
        let most = MOST as u64 + 1;
        let read = match self.coding {
            None | Some(Coding::Other) => return (Cow::Borrowed(kept), true),
            Some(Coding::Gzip) => flate2::read::MultiGzDecoder::new(kept).take(most).read_to_end(&mut bytes),
            Some(Coding::Deflate) => flate2::read::ZlibDecoder::new(kept).take(most).read_to_end(&mut bytes),
        };
        let whole = read.is_ok() && bytes.len() <= MOST;
        bytes.truncate(MOST);
        (Cow::Owned(bytes), whole)
    }
}

impl Coding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let named = headers.get(header::CONTENT_ENCODING)?.to_str().unwrap_or_default().trim().to_ascii_lowercase();
        match named.as_str() {
            "" | "identity" => None,
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            _ => Some(Self::Other),
        }
    }
}

/// How much of the secret stands at the end of what was cut. Bytes.
fn begun(bytes: &[u8], secret: &[u8]) -> usize {
    let longest = secret.len().saturating_sub(1).min(bytes.len());
    let ends = |length: &usize| secret.get(..*length).is_some_and(|begin| bytes.ends_with(begin));
    (1..=longest).rev().find(ends).unwrap_or_default()
}

/// Text has no control characters but those of lines; the last character of what was cut may be half.
fn text(bytes: &[u8], cut: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(is_plain).then_some(text)
}

/// For what is left out as a whole, with the reason.
pub fn left_out(why: &str) -> String {
    json!({"request": null, "answer": null, "attempts": [], "left_out": why}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of the answer of these parts.
    fn told(coding: &'static str, parts: &[&[u8]], secrets: &[&str]) -> Value {
        let transcript = Transcript::begin();
        let secrets = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
        transcript.begin_attempt(&Method::GET, "/a", secrets);
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, http::HeaderValue::from_static(coding))]);
        let pen = transcript.pen(Part::Answer, &headers);
        parts.iter().for_each(|part| pen.write(part));
        let mut json = transcript.said.lock().to_json();
        json["answer"].take()
    }

    #[test]
    fn the_beginning_of_a_text_is_kept_and_the_rest_counted() {
        assert_eq!(told("", &[], &[]), Value::Null);
        assert_eq!(told("", &[b"one, ", b"two"], &[]), json!({"text": "one, two", "bytes": 8, "cut": false}));
        let long = told("", &["ü".repeat(MOST).as_bytes(), b"end"], &[]);
        assert_eq!((&long["bytes"], &long["cut"]), (&json!(2 * MOST + 3), &json!(true)));
        assert_eq!(long["text"], "ü".repeat(MOST / 2));
        let odd = told("", &[b"x", "ü".repeat(MOST).as_bytes()], &[]);
        assert_eq!(odd["text"].as_str().map(str::len), Some(MOST - 1), "half a character is none");
        for binary in [&b"\xff\xfe"[..], b"a\0b", b"\x1b[31m"] {
            assert_eq!(told("", &[binary], &[]), json!({"text": null, "bytes": binary.len(), "cut": false}));
        }
    }

    #[test]
    fn what_is_encoded_is_told_as_text() {
        use std::io::Write;
        let gzip = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(text.as_bytes()).expect("memory");
            encoder.finish().expect("memory")
        };
        let small = gzip("hello");
        assert_eq!(told("gzip", &[&small], &[]), json!({"text": "hello", "bytes": small.len(), "cut": false}));
        let bomb = told("gzip", &[&gzip(&" ".repeat(1_000_000))], &[]);
        assert_eq!((bomb["text"].as_str().map(str::len), &bomb["cut"]), (Some(MOST), &json!(true)));
        let broken = told("gzip", &[&small[..small.len() - 9]], &[]);
        assert_eq!(broken["cut"], true, "{broken}");
        assert_eq!(told("br", &[b"\x0b\x02\x80"], &[])["text"], Value::Null);
    }

    #[test]
    fn no_secret_is_told_whole_cut_or_in_parts() {
        let secrets = ["s3cret-token", "Bearer s3cret-token"];
        let echoed = told("", &[b"Bearer s3cret", b"-token and s3cret-token"], &secrets);
        assert_eq!(echoed["text"], "(secret) and (secret)");
        for left in [1, 5, 11] {
            let text = format!("{}s3cret-token", "x".repeat(MOST - left));
            let cut = told("", &[text.as_bytes()], &secrets);
            assert_eq!(cut["text"], "x".repeat(MOST - left), "{left}");
        }
    }

    #[test]
    fn the_first_attempts_are_kept_and_it_is_written_down_with_the_last_who_sees_it() {
        let (tell, told) = std::sync::mpsc::channel();
        let transcript = Transcript::begin();
        for number in 0..ATTEMPTS + 2 {
            let attempt = transcript.begin_attempt(
                &Method::POST,
                &format!("/{number}?k=s3cret-token"),
                vec![b"s3cret-token".to_vec()],
            );
            attempt.into_iter().for_each(|attempt| transcript.answered(attempt, 200));
        }
        let pen = transcript.pen(Part::Received(ATTEMPTS - 1), &HeaderMap::new());
        transcript.at_end(move |json| tell.send(json).expect("heard"));
        drop(transcript);
        assert!(told.try_recv().is_err(), "a body is still coming");
        pen.write(b"late");
        drop(pen);
        let json: Value = serde_json::from_str(&told.try_recv().expect("it is over")).expect("JSON");
        let attempts = json["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), ATTEMPTS);
        assert_eq!(attempts[0]["path"], "/0?k=(secret)");
        assert_eq!(attempts[ATTEMPTS - 1]["answer"], json!({"text": "late", "bytes": 4, "cut": false}));
        assert!(json["left_out"].as_str().is_some_and(|told| told.starts_with("2 further")), "{json}");
    }
}
