//! What of a provider the raw route opens.

use http::Method;
use percent_encoding::percent_decode_str;

use super::spec::PassthroughSpec;

/// What the raw route may not reach. The whole host is open otherwise.
#[derive(Debug, Default)]
pub struct Passthrough {
    /// Path prefixes; `*` stands for any characters.
    pub deny: Vec<String>,
    pub methods: Option<Vec<Method>>,
}

impl From<&PassthroughSpec> for Passthrough {
    fn from(spec: &PassthroughSpec) -> Self {
        let methods = spec.methods.as_ref();
        let methods = methods.map(|methods| methods.iter().filter_map(|method| method.parse().ok()).collect());
        Self { deny: spec.deny.clone(), methods }
    }
}

impl Passthrough {
    /// Whether a path as it came in a request is closed.
    pub fn denies(&self, path: &str) -> bool {
        // With a slash at its end, so that `/oauth/` closes `/oauth` too.
        let path = as_routed(path) + "/";
        self.deny.iter().any(|pattern| prefix_matches(&pattern.to_ascii_lowercase(), &path))
    }
}

/// How often a path is decoded to find what hides in it.
const MAX_DECODINGS: usize = 4;

/// The path as the most lenient vendor would route it: decoded, in whatever case, and `/token;x=1` as `/token`. A rule
/// that looked at the bytes alone would be passed by `/%6fauth/`.
fn as_routed(path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..MAX_DECODINGS {
        let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let segments = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
    segments.collect::<Vec<_>>().join("/").to_ascii_lowercase()
}

/// Whether `path` starts with `pattern`, in which `*` stands for any characters.
fn prefix_matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_prefixes_know_a_star() {
        assert!(prefix_matches("/oauth/", "/oauth/v1/token"));
        assert!(prefix_matches("/oauth/*/token", "/oauth/v1/token/revoke"));
        assert!(!prefix_matches("/oauth/*/token", "/crm/oauth/v1/token"));
    }

    #[test]
    fn a_denied_path_stays_denied_however_it_is_written() {
        let rules = Passthrough { deny: vec!["/oauth/".into(), "/*/User/".into()], methods: None };
        for path in [
            "/oauth/token",
            "/OAuth/token",
            "/%6fauth/token",
            "/%6Fauth/t",
            "/%256fauth/t",
            "/oauth;x=1/token",
            "/oauth",
            "/crm/user/a",
            "/crm/%75ser/a",
        ] {
            assert!(rules.denies(path), "{path}");
        }
        for path in ["/crm/oauth/token", "/oauths/token", "/user/a"] {
            assert!(!rules.denies(path), "{path}");
        }
    }
}
