//! Where a customer goes when all is done: the tenant's own page, told what became of it.

use http::Uri;
use percent_encoding::utf8_percent_encode;

use crate::catalog::COMPONENT;
use crate::net::Origin;

/// The longest that is taken. Bytes.
const LONGEST: usize = 2000;

/// What is right, for refusals.
pub const EXPECTED: &str = "an https URL (http for localhost and loopback addresses) of at most 2000 characters";

/// Whether customers may be sent there: https, or http to the developer's own machine.
pub fn is_good(url: &str) -> bool {
    if url.len() > LONGEST || !url.is_ascii() {
        return false;
    }
    let Some(origin) = origin(url) else { return false };
    origin.is_https() || is_local(origin.host())
}

/// Scheme, host and port, for content security policies and for people to see.
pub fn origin(url: &str) -> Option<Origin> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    Origin::parse(url.get(..end)?).ok().map(|origin| origin.root())
}

/// The URL with further parameters in its query; one of the same name that it has already gives way.
pub fn with(url: &str, parameters: &[(&str, &str)]) -> String {
    let (rest, fragment) = url.split_once('#').map_or((url, None), |(rest, fragment)| (rest, Some(fragment)));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let ours = |pair: &&str| parameters.iter().any(|(known, _)| *known == name(pair));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !ours(pair)).map(str::to_owned);
    let added = parameters.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, COMPONENT)));
    let query = kept.chain(added).collect::<Vec<_>>().join("&");
    // A URL without a path has none either before its query: `https://host?x` is read the same, `/` is plainer.
    let path = if path.parse::<Uri>().is_ok_and(|uri| uri.path() == "/" && !path.ends_with('/')) {
        format!("{path}/")
    } else {
        path.to_owned()
    };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{path}?{query}{fragment}")
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_sent_to_https_or_the_own_machine() {
        for good in [
            "https://app.example.test/done?x=1#top",
            "https://app.example.test",
            "http://localhost:3000/done",
            "http://127.0.0.1:3000",
            "http://[::1]:3000/",
        ] {
            assert!(is_good(good), "{good}");
        }
        for bad in [
            "http://app.example.test",
            "http://localhost.evil.test/",
            "http://127.0.0.1.evil.test/",
            "javascript:alert(1)",
            "//app.example.test",
            "/done",
            "https://user:secret@app.example.test/",
            "https://app.example.test/\r\nSet-Cookie: x",
            "https://app.example.test/é",
            "",
        ] {
            assert!(!is_good(bad), "{bad}");
        }
        assert!(!is_good(&format!("https://app.example.test/{}", "x".repeat(LONGEST))));
    }

    #[test]
    fn parameters_join_the_query() {
        let added = [("status", "connected"), ("provider", "a b")];
        assert_eq!(with("https://h/p?x=1&status=old#f", &added), "https://h/p?x=1&status=connected&provider=a%20b#f");
        assert_eq!(with("https://h", &added), "https://h/?status=connected&provider=a%20b");
    }
}
