//! `traceparent` and `tracestate` (W3C Trace Context): how a trace goes on from one service to the next.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-` and 32, 16 and 2 digits with a dash before each.
const LENGTH: usize = 55;
/// What of `tracestate` has to be handed on (W3C, 3.3.1.5). Longer ones are left out whole.
const MAX_STATE: usize = 512;
const MAX_MEMBERS: usize = 32;
const SAMPLED: u8 = 1;

/// The span of another service under which the caller made its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub sampled: bool,
}

impl Parent {
    /// `None` without the header, and for one that is malformed or stands there twice: then a new trace begins.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let value = values.next()?;
        if values.next().is_some() { None } else { Self::parse(value.as_bytes()) }
    }

    /// As it stands in logs.
    pub fn trace_id(&self) -> String {
        id_text(&self.trace_id)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let [version] = hex(text.get(..2)?)?;
        let later = match (version, text.get(LENGTH)) {
            (0xff, _) => return None,
            (_, None) => true,
            // A later version may say more, behind a dash.
            (version, Some(next)) => version > 0 && *next == b'-',
        };
        let dashes = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        let trace_id: [u8; 16] = hex(text.get(3..35)?)?;
        let span_id: [u8; 8] = hex(text.get(36..52)?)?;
        let [flags] = hex(text.get(53..LENGTH)?)?;
        let named = trace_id != [0; 16] && span_id != [0; 8];
        (later && dashes && named).then_some(Self { trace_id, span_id, sampled: flags & SAMPLED != 0 })
    }

    /// What other tracing systems have told about the trace, as one list. A list that breaks the rules is left out.
    pub fn state(headers: &HeaderMap) -> Option<Arc<str>> {
        let values: Option<Vec<&str>> = headers.get_all(TRACESTATE).iter().map(|value| value.to_str().ok()).collect();
        let joined = values?.join(",");
        let members = || joined.split(',').map(str::trim).filter(|member| !member.is_empty());
        let well_formed =
            |member: &str| member.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty());
        let good = joined.len() <= MAX_STATE && members().count() <= MAX_MEMBERS && members().all(well_formed);
        (good && members().next().is_some()).then(|| joined.into())
    }
}

/// The header's value for whoever is asked under the span.
pub fn traceparent(trace_id: &[u8; 16], span_id: &[u8; 8], sampled: bool) -> Option<HeaderValue> {
    let mut text = Vec::with_capacity(LENGTH);
    text.extend_from_slice(b"00-");
    digits(&mut text, trace_id);
    text.push(b'-');
    digits(&mut text, span_id);
    text.extend_from_slice(if sampled { b"-01" } else { b"-00" });
    HeaderValue::from_bytes(&text).ok()
}

/// An id as texts have it.
pub fn id_text(id: &[u8]) -> String {
    let mut text = Vec::with_capacity(id.len() * 2);
    digits(&mut text, id);
    String::from_utf8(text).unwrap_or_default()
}

fn digits(text: &mut Vec<u8>, bytes: &[u8]) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

/// Lower-case digits only, as the standard has it.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        if let [high, low] = pair {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
    }
    (text.len() == N * 2).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value): (_, HeaderValue)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn a_parent_is_read_and_written_as_it_stands() {
        let parent = Parent::of(&headers(&[("traceparent", GOOD)])).expect("a good one");
        assert_eq!((id_text(&parent.trace_id).as_str(), parent.sampled), (TRACE, true));
        assert_eq!(traceparent(&parent.trace_id, &parent.span_id, true).expect("a value"), GOOD);
        let not = GOOD.replace("-01", "-00");
        assert!(!Parent::of(&headers(&[("traceparent", &not)])).expect("a good one").sampled);
        // Only one bit of the flags says that it is sampled.
        let others = GOOD.replace("-01", "-fe");
        assert!(!Parent::of(&headers(&[("traceparent", &others)])).expect("a good one").sampled);
        let later = GOOD.replacen("00-", "cc-", 1) + "-what-comes-later";
        assert!(Parent::of(&headers(&[("traceparent", &later)])).is_some());
    }

    #[test]
    fn what_is_malformed_begins_a_new_trace() {
        for wrong in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &format!("{GOOD} "),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00-", "ff-", 1),
            &GOOD.replacen("00-", "cc-", 1).replace("-01", "-01more"),
            &GOOD.replace(TRACE, &"0".repeat(32)),
            &GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            &GOOD.replace('-', "_"),
            &GOOD.replace("0af7", "0xf7"),
        ] {
            assert_eq!(Parent::of(&headers(&[("traceparent", wrong)])), None, "{wrong}");
        }
        assert_eq!(Parent::of(&headers(&[("traceparent", GOOD), ("traceparent", GOOD)])), None);
    }

    #[test]
    fn the_state_is_one_list_or_none() {
        let state = |lines: &[(&'static str, &str)]| Parent::state(&headers(lines)).map(|state| state.to_string());
        assert_eq!(state(&[("tracestate", "a=1"), ("tracestate", "b=2")]).as_deref(), Some("a=1,b=2"));
        for wrong in ["", ",", "a", "=1", &"a=1,".repeat(33), &format!("a={}", "x".repeat(512))] {
            assert_eq!(state(&[("tracestate", wrong)]), None, "{wrong}");
        }
    }
}
