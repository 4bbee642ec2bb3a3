//! Whatever path is let through stays below the provider's address, for servers that decode it as often as they like.

use throughline::net::Origin;
use throughline::upstream::path::passthrough_path;

/// No server decodes that often.
const DECODINGS: usize = 12;

pub fn holds(data: &[u8]) {
    let raw = super::text(data);
    let Ok(path) = passthrough_path(&raw) else { return };
    assert_eq!(path, raw, "nothing is rewritten");
    for base in ["https://api.example.test", "https://api.example.test:8443/base/v1"] {
        let origin = Origin::parse(base).expect("a good origin");
        let uri = origin.uri(&path).expect("what is let through can be sent");
        assert_eq!(uri.authority(), Some(origin.authority()));
        assert_eq!(uri.scheme_str(), Some("https"));
        let sent = uri.path_and_query().expect("a path").as_str();
        assert_eq!(sent, format!("{}{path}", origin.prefix()), "byte for byte");
    }
    let mut current = path.split('?').next().unwrap_or_default().as_bytes().to_vec();
    let strokes = count(&current, b'/');
    for _ in 0..DECODINGS {
        assert_eq!(count(&current, b'/'), strokes, "a stroke was hidden in it");
        assert!(!current.contains(&b'\\'), "so was a backslash");
        assert!(current.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f), "so was a control character");
        for segment in current.split(|byte| *byte == b'/') {
            let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
            assert!(name != b"." && name != b"..", "a dot segment was hidden in it");
        }
        let decoded = decoded(&current);
        if decoded == current {
            return;
        }
        current = decoded;
    }
    panic!("it can be decoded without an end");
}

fn count(bytes: &[u8], wanted: u8) -> usize {
    bytes.iter().filter(|byte| **byte == wanted).count()
}

/// Percent-decoded once, as a lenient server would: what is no escape stays.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}
