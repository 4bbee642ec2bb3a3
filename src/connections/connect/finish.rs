//! The last step, on whichever way: the connection is made or replaced, and the link is used up.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Connect, Opened, Trouble, What, return_url};
use crate::auth::Caller;
use crate::catalog::Provider;
use crate::connections::connection::{ConnectionId, Credentials};
use crate::connections::manage::{NewConnection, OnConflict, Source};
use crate::error::Kind;

/// What is to become a connection.
pub(super) struct Made {
    pub settings: Map<String, Value>,
    pub credentials: Credentials,
    pub scopes: Vec<String>,
    /// Scopes that were asked for and not granted.
    pub missing: Vec<String>,
    /// The provider was asked whether it takes the credentials.
    pub verified: bool,
}

/// An account is connected.
#[derive(Debug)]
pub struct Done {
    pub connection: ConnectionId,
    pub provider: Arc<Provider>,
    /// Where the customer goes now.
    pub return_url: String,
    /// What the customer should know before that.
    pub missing: Vec<String>,
    /// Why the provider did not answer with the new credentials.
    pub unverified: Option<String>,
}

impl Connect {
    pub(super) async fn finish(&self, opened: &Opened, provider: &Arc<Provider>, made: Made) -> Result<Done, Trouble> {
        let session = &opened.session;
        let connections = &self.0.connections;
        // The link was made by a key that may make this connection; its customer has none.
        let customer = Caller::customer(session.tenant.clone());
        let reason = (!made.missing.is_empty())
            .then(|| format!("the customer did not grant all scopes: {} missing", made.missing.join(", ")));
        let new = NewConnection {
            provider: provider.name.to_string(),
            customer_id: session.customer_id.to_string(),
            settings: made.settings,
            credentials: made.credentials,
            scopes: made.scopes,
            on_conflict: OnConflict::Replace,
            source: Source::Customer { into: session.connection.clone(), state_reason: reason },
        };
        let created = connections.create(&customer, new).await.map_err(|error| {
            let what = match error.kind() {
                Kind::ConnectionNotFound => What::Gone,
                _ => What::Failed(error),
            };
            Trouble::new(what).on(opened).with(&provider.title)
        })?;
        let id = created.overview.connection.id;
        // Another tab was faster: the connection is the same one, and so is the page that its customer sees.
        if !self.0.repository.complete(session.id.clone(), id.clone()).await? {
            return Err(Trouble::new(What::Completed).on(opened).with(&provider.title));
        }
        let told = [("connection_id", id.as_str()), ("provider", &*provider.name), ("status", "connected")];
        let unverified = if made.verified { None } else { self.unverified(&customer, provider, &id).await };
        let return_url = return_url::with(&session.return_url, &told);
        Ok(Done { connection: id, provider: Arc::clone(provider), return_url, missing: made.missing, unverified })
    }
}

impl Connect {
    /// Why the provider does not answer with new tokens. The connection stays: consent was given, and what is in the way
    /// may be a permission that somebody can still give.
    async fn unverified(&self, customer: &Caller, provider: &Provider, id: &ConnectionId) -> Option<String> {
        provider.verify.as_ref()?;
        match self.0.connections.verify(customer, id.as_str()).await {
            Ok(probe) if probe.works == Some(true) => None,
            Ok(probe) => Some(probe.detail),
            // It is paused: nobody wants it to be used.
            Err(error) if error.kind() == Kind::ConnectionPaused => None,
            Err(error) => Some(error.detail().to_owned()),
        }
    }
}

impl Opened {
    /// Where a customer goes from a page that only tells something.
    pub fn back_url(&self) -> String {
        match &self.session.completed_by {
            Some(id) => {
                let told = [("connection_id", id.as_str()), ("status", "connected")];
                return_url::with(&self.session.return_url, &told)
            }
            None => self.cancel_url(None),
        }
    }

    /// Where a customer goes who does not want to go on.
    pub fn cancel_url(&self, provider: Option<&str>) -> String {
        let mut told = Vec::from_iter(provider.map(|provider| ("provider", provider)));
        told.push(("status", "cancelled"));
        return_url::with(&self.session.return_url, &told)
    }
}
