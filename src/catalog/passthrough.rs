//! What of a provider the raw route opens.

use http::Method;

use super::spec::PassthroughSpec;

/// What the raw route may not reach. The whole host is open otherwise.
#[derive(Debug, Default)]
pub struct Passthrough {
    /// Path prefixes; `*` stands for one segment.
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
