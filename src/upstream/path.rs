//! Paths that callers choose (passthrough). Servers and gateways disagree about what `%2e%2e`, `..;`, `//` or `\` mean; a
//! path that means the same to all of them is let through byte for byte, every other one is refused with the reason.

use percent_encoding::percent_decode_str;

use crate::error::{Error, Kind, Place, Result, Violation};

/// Vendors' own limits lie around 16 KiB; past that it is not a request that could succeed.
const MAX_LENGTH: usize = 16 * 1024;
/// How often a segment is decoded to find what hides in it. Two layers are known attacks; the rest is margin.
const MAX_DECODINGS: usize = 4;

/// `raw` as it came after the route's own part, starting with `/`; the result is the same text.
pub fn passthrough_path(raw: &str) -> Result<String> {
    match objection(raw) {
        None => Ok(raw.to_owned()),
        Some(reason) => {
            Err(Error::new(Kind::InvalidRequest, "The path cannot be passed through.").violation(Violation {
                place: Place::Parameter("path".to_owned()),
                detail: reason.to_owned(),
                expected: Some("a path that starts with / and has neither empty nor dot segments".to_owned()),
            }))
        }
    }
}

/// What is wrong with the path, if anything.
fn objection(raw: &str) -> Option<&'static str> {
    if raw.len() > MAX_LENGTH {
        return Some("it is longer than 16 KiB");
    }
    if !raw.starts_with('/') {
        return Some("it does not start with /");
    }
    if raw.bytes().any(|byte| !(0x21..0x7f).contains(&byte)) {
        return Some("it holds a space, a control character or a character outside ASCII; percent-encode it");
    }
    if raw.contains(['\\', '#']) {
        return Some("it holds a backslash or a number sign");
    }
    // Behind the question mark everything is a value: encoded slashes and line breaks belong there.
    let path = raw.split('?').next().unwrap_or_default();
    if path.contains("//") {
        return Some("it holds an empty segment (//)");
    }
    path.split('/').find_map(objection_to_segment)
}

/// Looks at a segment as it is and as it reads after each further decoding.
fn objection_to_segment(segment: &str) -> Option<&'static str> {
    if !well_encoded(segment) {
        return Some("a percent sign is not followed by two hexadecimal digits");
    }
    let mut current = segment.to_owned();
    for _ in 0..=MAX_DECODINGS {
        // `..;x` is `..` to servers that cut parameters off.
        if matches!(current.split(';').next(), Some("." | "..")) {
            return Some("it holds a dot segment (. or ..), plain or encoded");
        }
        let Ok(decoded) = percent_decode_str(&current).decode_utf8() else {
            return Some("it does not decode to UTF-8");
        };
        if decoded.contains(['/', '\\']) {
            return Some("it holds an encoded slash or backslash");
        }
        if decoded.chars().any(char::is_control) {
            return Some("it holds an encoded control character");
        }
        if decoded == current {
            return None;
        }
        current = decoded.into_owned();
    }
    Some("it is percent-encoded too many times over")
}

fn well_encoded(segment: &str) -> bool {
    segment.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes().take(2).filter(u8::is_ascii_hexdigit);
        digits.next().is_some() && digits.next().is_some()
    })
}

#[cfg(test)]
mod tests {
    use http::uri::Authority;
    use proptest::prelude::*;

    use super::*;
    use crate::net::Origin;

    #[test]
    fn paths_with_two_meanings_are_refused() {
        for path in [
            "",
            "evil",
            "//evil",
            "/\\evil",
            "@evil",
            ".evil",
            ":8443",
            "http://evil/",
            "\\\\evil",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/..",
            "/.",
            "/a/..",
            "/..%2f",
            "/%2e%2e/",
            "/%2E./",
            "/.%2e",
            "/%252e%252e/",
            "/%25252e/",
            "/..;/",
            "/..;x=1/",
            "/.;/",
            "/%2e%2e;/",
            "/a%2fb",
            "/a%2Fb",
            "/a%252fb",
            "/a%5cb",
            "/a%00",
            "/a%2500",
            "/a%0d%0aX:",
            "/a b",
            "/ä",
            "/a\u{7f}",
            "/a\nb",
            "/a\tb",
            "/a#b",
            "/a%",
            "/a%2",
            "/a%zz",
            "/%c0%ae%c0%ae/",
            "/%ff",
            "/a?b\\c",
            "/a?b c",
            "/a?b\r\nX: y",
        ] {
            let error = passthrough_path(path).expect_err(path);
            assert_eq!(error.kind(), Kind::InvalidRequest);
            assert_eq!(error.get_violations().len(), 1, "{path}");
        }
        assert!(passthrough_path(&format!("/{}", "a".repeat(64 * 1024))).is_err());
    }

    #[test]
    fn ordinary_paths_stay_as_they_are() {
        for path in [
            "/",
            "/v3/objects",
            "/v3/objects/",
            "/a?b=c&d=e",
            "/a?next=https%3A%2F%2Fx%2F..%2Fy&t=%0A",
            "/a?q=//x/../y",
            "/a/b;v=1/c",
            "/a/...",
            "/.well-known/x",
            "/a..b",
            "/a/%7Bid%7D",
            "/a/x%20y",
            "/a/%C3%A4",
            "/accounts(name='A%20B')",
            "/a/100%25",
            "/@evil",
            "/:8443",
            "/.evil",
            "/a/$metadata",
            "/a/b@c",
            "/a?",
            "/a??",
        ] {
            assert_eq!(passthrough_path(path).as_deref().ok(), Some(path));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_leave_the_authority(bytes in proptest::collection::vec(any::<u8>(), 0..64), slash: bool) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let raw = if slash { format!("/{text}") } else { text };
            check(&raw)?;
        }

        #[test]
        fn nor_do_the_pieces_of_attacks(
            pieces in proptest::collection::vec(prop::sample::select(vec![
                "/", "\\", ".", "..", ";", "%2e", "%2E", "%252e", "%2f", "%5c", "%00", "%0d%0a", "@", ":", "//", "?", "#", "evil",
                "http:", "%", "25", "[", "]", " ", "\u{e9}",
            ]), 0..12),
        ) {
            check(&format!("/{}", pieces.concat()))?;
        }
    }

    fn check(raw: &str) -> std::result::Result<(), TestCaseError> {
        let origin = Origin::parse("https://api.example.test/base").expect("a good origin");
        let Ok(path) = passthrough_path(raw) else { return Ok(()) };
        for origin in [origin.root(), origin] {
            let Ok(uri) = origin.uri(&path) else { continue };
            prop_assert_eq!(uri.authority().map(Authority::as_str), Some("api.example.test"));
            prop_assert!(uri.path().starts_with(origin.prefix()));
            let decoded = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
            prop_assert!(!decoded.split('/').any(|segment| segment == ".." || segment == "."));
        }
        Ok(())
    }
}
