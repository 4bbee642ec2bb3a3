//! Answers in a content coding that nobody asked for (RFC 9110 §8.4). What is read as JSON is decoded here while it comes,
//! with the cap on what comes out: a few kilobytes can stand for gigabytes. Raw passthrough hands its bytes on as they are.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

use super::body::{BodyError, BoxError, Pace, collect_capped, next_part};

/// JSON shrinks to a fifth or a twentieth; more than this is made to hurt.
const MAX_RATIO: usize = 200;
/// Below this much nothing can hurt, and a list of equal rows may shrink a lot. Bytes.
const HARMLESS: usize = 4 * 1024 * 1024;
/// Input is fed in steps, so that one large frame does not grow past the cap unseen. Bytes.
const STEP: usize = 8 * 1024;

/// Reads a body to its end and undoes its content coding: gzip and deflate. At most `cap` bytes come out of it, and it is
/// never waited longer than `idle` for the next part.
pub async fn collect_decoded<B>(body: B, headers: &HeaderMap, cap: usize, idle: Duration) -> Result<Bytes, BodyError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let Some(coding) = Coding::of(headers)? else { return collect_capped(body, cap, idle).await };
    let mut decoder: Option<Decoder> = None;
    let mut taken = 0_usize;
    let mut pace = Pace::default();
    let mut body = std::pin::pin!(body);
    while let Some(data) = next_part(&mut body, idle, &mut pace).await? {
        for step in data.chunks(STEP) {
            taken += step.len();
            let decoder = decoder.get_or_insert_with(|| Decoder::new(coding, step, cap));
            decoder.feed(step, taken)?;
        }
    }
    // An answer without a body has no coding either.
    decoder.map_or(Ok(Bytes::new()), Decoder::finish)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// `None` where nothing has to be undone.
    fn of(headers: &HeaderMap) -> Result<Option<Self>, BodyError> {
        let values = headers.get_all(header::CONTENT_ENCODING).iter();
        let text = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect::<Vec<_>>();
        let text = text.join(", ").to_ascii_lowercase();
        let named: Vec<&str> =
            text.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "identity").collect();
        match named.as_slice() {
            [] => Ok(None),
            ["gzip" | "x-gzip"] => Ok(Some(Coding::Gzip)),
            ["deflate"] => Ok(Some(Coding::Deflate)),
            // One within the other is how small bombs are made.
            _ => Err(BodyError::Coding(text.chars().filter(|c| !c.is_control()).take(80).collect())),
        }
    }
}

/// Takes what comes out, up to the cap.
struct Sink {
    bytes: Vec<u8>,
    cap: usize,
}

/// Marks the cap's error among those of the decoder.
#[derive(Debug, thiserror::Error)]
#[error("too large")]
struct Full;

impl Write for Sink {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.cap.saturating_sub(self.bytes.len()) {
            return Err(io::Error::other(Full));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Decoder {
    Gzip(MultiGzDecoder<Sink>),
    Zlib(ZlibDecoder<Sink>),
    Raw(DeflateDecoder<Sink>),
}

impl Decoder {
    /// "deflate" means zlib's format, and some servers send the bare one: the first two bytes tell.
    fn new(coding: Coding, first: &[u8], cap: usize) -> Self {
        let sink = Sink { bytes: Vec::new(), cap };
        let is_zlib = match *first {
            [method, flags, ..] => method & 0x0f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0,
            [method] => method & 0x0f == 8,
            [] => true,
        };
        match coding {
            Coding::Gzip => Self::Gzip(MultiGzDecoder::new(sink)),
            Coding::Deflate if is_zlib => Self::Zlib(ZlibDecoder::new(sink)),
            Coding::Deflate => Self::Raw(DeflateDecoder::new(sink)),
        }
    }

    fn feed(&mut self, step: &[u8], taken: usize) -> Result<(), BodyError> {
        let written = match self {
            Self::Gzip(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
            Self::Zlib(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
            Self::Raw(decoder) => decoder.write_all(step).and_then(|()| decoder.flush()),
        };
        let sink = self.sink();
        let (out, cap) = (sink.bytes.len(), sink.cap);
        written.map_err(|error| unreadable(error, cap))?;
        if out > HARMLESS && out / taken.max(1) > MAX_RATIO {
            return Err(BodyError::Bomb);
        }
        Ok(())
    }

    fn sink(&self) -> &Sink {
        match self {
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zlib(decoder) => decoder.get_ref(),
            Self::Raw(decoder) => decoder.get_ref(),
        }
    }

    /// Fails where the end is missing, or the checksum is another one.
    fn finish(self) -> Result<Bytes, BodyError> {
        let cap = self.sink().cap;
        let sink = match self {
            Self::Gzip(decoder) => decoder.finish(),
            Self::Zlib(decoder) => decoder.finish(),
            Self::Raw(decoder) => decoder.finish(),
        };
        sink.map(|sink| sink.bytes.into()).map_err(|error| unreadable(error, cap))
    }
}

fn unreadable(error: io::Error, cap: usize) -> BodyError {
    match error.get_ref().is_some_and(|inner| inner.is::<Full>()) {
        true => BodyError::TooLarge(cap),
        false => BodyError::Undecodable(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;
    use crate::net::Body;

    const IDLE: Duration = Duration::from_secs(30);
    const CAP: usize = 32 * 1024 * 1024;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    async fn decoded(coding: &str, bytes: Vec<u8>, cap: usize) -> Result<Bytes, BodyError> {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_str(coding).expect("a header"))]);
        collect_decoded(Body::full(bytes), &headers, cap, IDLE).await
    }

    #[tokio::test]
    async fn what_comes_in_a_known_coding_is_read() {
        let text = r#"{"a": 1}"#.repeat(10_000).into_bytes();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).expect("memory");
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(&text).expect("memory");
        let (zlib, raw) = (zlib.finish().expect("memory"), raw.finish().expect("memory"));
        let two = [gzip(&text[..5]), gzip(&text[5..])].concat();
        for (coding, bytes) in [
            ("gzip", gzip(&text)),
            ("X-GZip", gzip(&text)),
            ("identity, gzip", gzip(&text)),
            ("gzip", two),
            ("deflate", zlib),
            ("deflate", raw),
            ("identity", text.clone()),
            ("", text.clone()),
        ] {
            assert_eq!(decoded(coding, bytes, CAP).await.expect(coding), text, "{coding}");
        }
        assert_eq!(decoded("gzip", Vec::new(), CAP).await.expect("no body"), "");
    }

    #[tokio::test]
    async fn other_codings_are_named() {
        for coding in ["br", "zstd", "gzip, gzip", "gzip, br", "compress"] {
            let refused = decoded(coding, vec![1, 2, 3], CAP).await;
            assert!(matches!(&refused, Err(BodyError::Coding(named)) if named == coding), "{coding}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn a_bomb_is_stopped_before_it_fills_memory() {
        let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
        assert!(bomb.len() < 128 * 1024);
        assert!(matches!(decoded("gzip", bomb, CAP).await, Err(BodyError::Bomb)));
        // What shrinks as text does is held to the cap alone, on what comes out.
        let text: String = (0..200_000).map(|number| format!("{{\"id\": {number}}},")).collect();
        let bytes = gzip(text.as_bytes());
        assert_eq!(decoded("gzip", bytes.clone(), CAP).await.expect("JSON").len(), text.len());
        assert!(matches!(decoded("gzip", bytes, 100_000).await, Err(BodyError::TooLarge(100_000))));
    }

    #[tokio::test]
    async fn what_is_broken_or_cut_off_is_no_answer() {
        let whole = gzip(b"{\"a\": 1}");
        let mut changed = whole.clone();
        let last = changed.len() - 6;
        changed[last] ^= 1;
        for bytes in [whole[..whole.len() - 4].to_vec(), whole[..5].to_vec(), changed, b"{\"a\": 1}".to_vec()] {
            assert!(matches!(decoded("gzip", bytes, CAP).await, Err(BodyError::Undecodable(_))));
        }
    }
}
