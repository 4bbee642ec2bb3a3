//! Where a provider's requests may go. A setting or a deployment cannot send a credential anywhere else.

use super::build::Build;
use crate::net::Origin;

/// A place that credentials may be sent to.
#[derive(Debug, Clone)]
pub enum HostRule {
    Exactly(Origin),
    /// Any name below this suffix (`.example.com`), by https.
    Below(String),
    /// Any address of this setting: the customer runs the server, the deployment's address guard decides.
    Setting,
}

impl HostRule {
    pub fn allows(&self, origin: &Origin) -> bool {
        match self {
            HostRule::Exactly(allowed) => allowed.root() == origin.root(),
            HostRule::Below(suffix) => {
                origin.is_https() && origin.port().is_none_or(|port| port == 443) && origin.host().ends_with(suffix)
            }
            HostRule::Setting => true,
        }
    }
}

pub fn compile_rules(build: &mut Build<'_>, pointer: &str, hosts: &[String]) -> Vec<HostRule> {
    let mut rules = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        let at = format!("{pointer}/{index}");
        if let Some(suffix) = host.strip_prefix("https://*") {
            if suffix.starts_with('.') && suffix.matches('.').count() > 1 {
                rules.push(HostRule::Below(suffix.to_owned()));
            } else {
                build.problem(&at, "`https://*.example.com` needs a name of at least two parts after the star");
            }
        } else if host.starts_with('{') && host.ends_with('}') {
            rules.push(HostRule::Setting);
        } else {
            match Origin::parse(host) {
                Ok(origin) => rules.push(HostRule::Exactly(origin)),
                Err(error) => build.problem(&at, format!("`{host}`: {error}")),
            }
        }
    }
    rules
}

/// `base_url` of the file with its scheme, host and port replaced by the deployment's.
pub fn rebase(base_url: &str, base: &str) -> String {
    let rest = match base_url.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)),
        None => base_url.find('/').and_then(|slash| base_url.get(slash..)),
    };
    format!("{}{}", base.trim_end_matches('/'), rest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_moves_a_provider_but_not_its_paths() {
        assert_eq!(rebase("https://api.acme.test", "http://127.0.0.1:1/"), "http://127.0.0.1:1");
        assert_eq!(rebase("{instance_url}/v1", "http://127.0.0.1:1"), "http://127.0.0.1:1/v1");
        assert_eq!(rebase("https://api.acme.test/v1/x", "http://h"), "http://h/v1/x");
    }

    #[test]
    fn only_https_below_a_suffix() {
        let rule = HostRule::Below(".acme.test".into());
        let allows = |url: &str| rule.allows(&Origin::parse(url).expect("an origin"));
        assert!(allows("https://eu.acme.test/v1"));
        for url in ["http://eu.acme.test", "https://eu.acme.test:8443", "https://acme.test", "https://evil-acme.test"] {
            assert!(!allows(url), "{url}");
        }
    }
}
