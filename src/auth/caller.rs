//! Who is calling, for the rest of the request.

use std::net::IpAddr;
use std::sync::Arc;

use super::{KeyRecord, NewKey, Scope, Scopes, TenantId};
use crate::error::{Error, Kind, Result};
use crate::limit::KeyLimits;

/// The tenant behind a request and what its key allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub tenant: TenantId,
    pub key_id: Arc<str>,
    pub scopes: Scopes,
    /// Providers the key is limited to; none listed means no limit.
    pub providers: Vec<String>,
    /// Connections the key is limited to; none listed means no limit.
    pub connections: Vec<String>,
    /// The key's own, besides the deployment's.
    pub limits: KeyLimits,
    /// The key is a demo's.
    pub test: bool,
    /// The request that is answered, for those who write down who did what.
    pub request_id: Option<Arc<str>>,
    /// Where the request came from.
    pub peer: Option<IpAddr>,
}

impl Caller {
    /// Someone at the command line of the machine itself, acting for `tenant` without a key.
    pub fn operator(tenant: TenantId) -> Self {
        Self {
            tenant,
            key_id: "operator".into(),
            scopes: Scope::ALL.into_iter().collect(),
            providers: Vec::new(),
            connections: Vec::new(),
            limits: KeyLimits::default(),
            test: false,
            request_id: None,
            peer: None,
        }
    }

    /// A tenant's customer on a page that a key of the tenant opened: may connect, and nothing else.
    pub fn customer(tenant: TenantId) -> Self {
        Self { key_id: "customer".into(), scopes: Scopes::from_iter([Scope::Connect]), ..Self::operator(tenant) }
    }

    pub(super) fn of(key: &KeyRecord) -> Self {
        Self {
            tenant: key.tenant.clone(),
            key_id: Arc::clone(&key.id),
            scopes: key.scopes,
            providers: key.providers.clone(),
            connections: key.connections.clone(),
            limits: key.limits,
            test: key.mode == super::Mode::Test,
            request_id: None,
            peer: None,
        }
    }

    pub fn require(&self, scope: Scope) -> Result<()> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        let detail = format!("This needs a key with the scope `{}`.", scope.as_str());
        Err(Error::new(Kind::MissingScope, detail))
    }

    pub fn may_use(&self, connection_id: &str, provider: &str) -> bool {
        self.may_use_provider(provider) && (self.connections.is_empty() || has(&self.connections, connection_id))
    }

    pub fn may_use_provider(&self, provider: &str) -> bool {
        self.providers.is_empty() || has(&self.providers, provider)
    }

    /// The one connection the key is for, if it is for one only.
    pub fn only_connection(&self) -> Option<&str> {
        match self.connections.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Refuses a new key that could do more than the one that asks for it.
    pub fn may_grant(&self, key: &NewKey) -> Result<()> {
        for scope in key.scopes.iter() {
            if !self.scopes.contains(scope) {
                let detail =
                    format!("A key cannot give the scope `{}`, which it does not have itself.", scope.as_str());
                return Err(Error::new(Kind::MissingScope, detail));
            }
        }
        if within(&key.providers, &self.providers) && within(&key.connections, &self.connections) {
            return Ok(());
        }
        let detail = "A key that is limited to providers or connections can only make keys with the same limits or tighter ones.";
        Err(Error::new(Kind::Forbidden, detail))
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|one| one == wanted)
}

/// Whether the limit `inner` allows nothing that `outer` does not; an empty limit allows everything.
fn within(inner: &[String], outer: &[String]) -> bool {
    outer.is_empty() || (!inner.is_empty() && inner.iter().all(|one| has(outer, one)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Mode;

    fn limited() -> Caller {
        let tenant = TenantId("acme".into());
        Caller {
            scopes: "read,admin".parse().expect("known scopes"),
            providers: vec!["blue".into()],
            connections: vec!["conn_1".into()],
            ..Caller::operator(tenant)
        }
    }

    #[test]
    fn a_missing_scope_is_named() {
        assert!(limited().require(Scope::Read).is_ok());
        let error = limited().require(Scope::Export).expect_err("not granted");
        assert_eq!(error.kind(), Kind::MissingScope);
        assert!(error.detail().contains("`export`"));
    }

    #[test]
    fn both_limits_count() {
        assert!(limited().may_use("conn_1", "blue"));
        assert!(!limited().may_use("conn_2", "blue"));
        assert!(!limited().may_use("conn_1", "red"));
    }

    #[test]
    fn a_key_makes_no_mightier_key() {
        let mut key = NewKey::with_scopes(Mode::Live, "read".parse().expect("known scopes"));
        assert_eq!(limited().may_grant(&key).map_err(|e| e.kind()), Err(Kind::Forbidden));
        (key.providers, key.connections) = (vec!["blue".into()], vec!["conn_1".into()]);
        assert!(limited().may_grant(&key).is_ok());
        key.scopes = "export".parse().expect("known scopes");
        assert_eq!(limited().may_grant(&key).map_err(|e| e.kind()), Err(Kind::MissingScope));
    }
}
