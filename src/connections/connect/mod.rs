//! Customers connect their accounts themselves, on a page that a link opens.
//!
//! A link holds a random token, which the store knows by its hash only. Looking at the page changes nothing; its form
//! binds the link to the browser that sends it. From there the customer either gives what the provider asks for, or goes
//! to the provider for consent and comes back with a `state` that is good once, in this browser, for this provider.

mod ask;
mod callback;
mod consent;
mod finish;
mod form;
mod link;
mod offer;
mod paste;
mod repository;
pub mod return_url;
mod returned;
mod secret;
mod session;

pub use ask::{Field, Input, with_faults};
pub use finish::Done;
pub use form::Browser;
pub use link::{Link, NewLink};
pub use offer::{Offer, Way};
pub use paste::NotMade;
pub use repository::{ConnectRepository, Consent, Session};
pub use returned::Returned;
pub use session::{Opened, Trouble, What};

use std::sync::Arc;

use parking_lot::Mutex;

use crate::catalog;
use crate::connections::service::Connections;
use crate::connections::vault::Vault;
use crate::net::Origin;

/// Cheap to clone.
#[derive(Clone)]
pub struct Connect(Arc<Inner>);

struct Inner {
    /// Where browsers reach this server; without it there are no links.
    public: Option<Origin>,
    repository: Arc<dyn ConnectRepository>,
    connections: Connections,
    vault: Vault,
    catalog: catalog::Shared,
    /// When rows that have had their day were last deleted.
    swept: Mutex<Option<jiff::Timestamp>>,
}

impl Connect {
    pub fn new(
        public: Option<Origin>,
        repository: Arc<dyn ConnectRepository>,
        connections: Connections,
        vault: Vault,
        catalog: catalog::Shared,
    ) -> Self {
        Self(Arc::new(Inner { public, repository, connections, vault, catalog, swept: Mutex::new(None) }))
    }

    /// Where browsers reach this server, as far as it knows.
    pub fn public(&self) -> Option<&Origin> {
        self.0.public.as_ref()
    }

    /// The redirect URI of a provider. Each has its own, so that one provider's answer cannot pass for another's.
    pub fn redirect_uri(&self, provider: &str) -> Option<String> {
        self.0.public.as_ref().map(|public| format!("{public}/oauth/callback/{provider}"))
    }

    /// A path on this server as browsers see it.
    pub fn path(&self, rest: &str) -> String {
        let prefix = self.0.public.as_ref().map(Origin::prefix).unwrap_or_default();
        format!("{prefix}{rest}")
    }
}
