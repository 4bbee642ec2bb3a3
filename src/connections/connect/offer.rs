//! What a customer can connect on a link, and how.

use std::sync::Arc;

use super::{Connect, Opened};
use crate::auth::TenantId;
use crate::catalog::{Flow, Provider};
use crate::connections::connection::Connection;
use crate::error::Result;

/// One provider.
#[derive(Debug, Clone)]
pub struct Offer {
    pub provider: Arc<Provider>,
    /// The best first; there is at least one.
    pub ways: Vec<Way>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The customer goes to the provider and says yes there.
    Consent,
    /// The customer gives credentials of this kind.
    Paste(&'static str),
}

/// Kinds of credentials that people have in their hands, the most usual first.
const PASTED: [&str; 3] = ["token", "basic", "headers"];

impl Way {
    /// As it stands in URLs and forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Consent => "consent",
            Way::Paste(kind) => kind,
        }
    }
}

impl Offer {
    pub fn way(&self, name: &str) -> Option<Way> {
        self.ways.iter().copied().find(|way| way.as_str() == name)
    }

    pub fn best(&self) -> Way {
        self.ways.first().copied().unwrap_or(Way::Consent)
    }
}

impl Connect {
    /// All that the link offers, in the order of the providers' titles.
    pub async fn offers(&self, opened: &Opened) -> Result<Vec<Offer>> {
        let catalog = self.0.catalog.load_full();
        let wanted = &opened.session.providers;
        let mut offers = Vec::new();
        for (name, provider) in &catalog.providers {
            if wanted.is_empty() || wanted.contains(name) {
                offers.extend(self.offer(&opened.session.tenant, provider).await?);
            }
        }
        offers.sort_by_key(|offer| offer.provider.title.to_lowercase());
        Ok(offers)
    }

    /// `None` for a provider that customers cannot connect as things are. Where they can give consent they are asked for
    /// nothing else: what is pasted has been seen by more people than it should.
    pub(super) async fn offer(&self, tenant: &TenantId, provider: &Arc<Provider>) -> Result<Option<Offer>> {
        let consents = provider.grant.as_ref().is_some_and(|grant| grant.flows.contains(&Flow::AuthorizationCode));
        let ways = if consents && self.0.connections.oauth().has_app(tenant, &provider.name).await? {
            vec![Way::Consent]
        } else {
            let kinds = provider.credential_kinds();
            PASTED.into_iter().filter(|kind| kinds.contains(kind)).map(Way::Paste).collect()
        };
        Ok((!ways.is_empty()).then(|| Offer { provider: Arc::clone(provider), ways }))
    }

    /// The connection that the customer has to the provider already, if any.
    pub async fn present(&self, opened: &Opened, provider: &str) -> Result<Option<Arc<Connection>>> {
        let connections = &self.0.connections;
        let session = &opened.session;
        if let Some(id) = &session.connection {
            return connections.known(&session.tenant, id).await;
        }
        for id in connections.of_customer(&session.tenant, &session.customer_id).await?.iter() {
            let known = connections.known(&session.tenant, id).await?;
            let same =
                |known: &Arc<Connection>| *known.provider == *provider && *known.customer_id == *session.customer_id;
            if let Some(known) = known.filter(same) {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }
}
