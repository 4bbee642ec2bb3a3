//! Connecting with credentials that the customer gives.

use serde_json::{Map, Value};

use super::ask::{credentials_of, settings_of};
use super::finish::Made;
use super::{Connect, Done, Offer, Opened, Trouble, What};
use crate::catalog::Provider;
use crate::connections::access::access;
use crate::connections::connection::{Connection, ConnectionId, Credentials, State};
use crate::connections::now;
use crate::error::{Error, Kind, Result, Violation};

/// Why a form did not lead on.
pub enum NotMade {
    /// It is to be shown again, with these.
    Faults(Vec<Violation>),
    Trouble(Box<Trouble>),
}

impl From<Trouble> for NotMade {
    fn from(trouble: Trouble) -> Self {
        NotMade::Trouble(Box::new(trouble))
    }
}

impl Connect {
    /// Makes the connection of a form's members. Nothing is made of credentials that the provider does not take.
    pub async fn paste(
        &self,
        opened: &Opened,
        offer: &Offer,
        kind: &str,
        given: &[(String, String)],
    ) -> Result<Done, NotMade> {
        let provider = &offer.provider;
        let mut violations = Vec::new();
        let settings = provider.check_settings(&settings_of(given)).map_err(|faults| violations.extend(faults));
        let credentials = Credentials::parse(&credentials_of(kind, given)).map_err(|faults| violations.extend(faults));
        let (Ok(settings), Ok((credentials, scopes))) = (settings, credentials) else {
            return Err(NotMade::Faults(violations));
        };
        if let Err(error) = self.tried(opened, provider, &settings, &credentials).await {
            return Err(NotMade::Faults(faults(&error)));
        }
        let made = Made { settings, credentials, scopes, missing: Vec::new(), verified: true };
        self.finish(opened, provider, made).await.map_err(|trouble| match trouble.what {
            What::Failed(error) if is_mendable(&error) => NotMade::Faults(faults(&error)),
            _ => trouble.into(),
        })
    }
}

impl Connect {
    /// Whether the provider takes the credentials, as far as it has a request to find out with.
    async fn tried(
        &self,
        opened: &Opened,
        provider: &Provider,
        settings: &Map<String, Value>,
        credentials: &Credentials,
    ) -> Result<()> {
        let now = now();
        let connection = Connection {
            id: ConnectionId::generate()?,
            tenant: opened.session.tenant.clone(),
            provider: provider.name.clone(),
            customer_id: opened.session.customer_id.clone(),
            state: State::Active,
            state_reason: None,
            settings: settings.clone(),
            scopes: Vec::new(),
            last_error: None,
            log_bodies_until: None,
            created_at: now,
            updated_at: now,
        };
        let access = access(provider, &connection, 1, credentials)?;
        if provider.verify.is_none() {
            return Ok(());
        }
        let probe = self.0.connections.probe(provider, &connection, &access).await;
        if probe.works == Some(true) { Ok(()) } else { Err(Error::new(Kind::ValidationFailed, probe.detail)) }
    }
}

/// Whether other answers of the customer could lead on.
fn is_mendable(error: &Error) -> bool {
    !matches!(error.kind(), Kind::Internal | Kind::Conflict)
}

fn faults(error: &Error) -> Vec<Violation> {
    match error.get_violations() {
        [] => vec![Violation::at("", error.detail().to_owned())],
        violations => violations.to_vec(),
    }
}
