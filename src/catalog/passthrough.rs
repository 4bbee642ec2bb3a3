//! What of a provider the raw route opens.

use http::Method;

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
    pub fn denies(&self, path: &str) -> bool {
        self.deny.iter().any(|pattern| prefix_matches(pattern, path))
    }
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
}
