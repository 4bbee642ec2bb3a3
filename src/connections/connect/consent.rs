//! Sending a customer to the provider for consent.

use std::time::Duration;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde_json::{Value, json};

use super::ask::settings_of;
use super::paste::NotMade;
use super::{Connect, Consent, Offer, Opened, Trouble, What, secret};
use crate::connections::now;
use crate::connections::oauth::Ask;
use crate::connections::vault::Vault;
use crate::error::{Error, Kind, Result};

/// How long a customer may take at the provider.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What only this server knows of a customer who is at the provider.
pub(super) struct Kept {
    /// The link's token: whatever happens at the provider, the customer can try again there.
    pub link: String,
    /// The app that the customer gives consent to.
    pub client_id: String,
    /// The verifier of PKCE, where the provider takes it.
    pub verifier: Option<SecretString>,
}

impl Connect {
    /// The address at the provider that the customer is to be sent to.
    pub async fn consent(&self, opened: &Opened, offer: &Offer, given: &[(String, String)]) -> Result<String, NotMade> {
        let provider = &offer.provider;
        let trouble = |what| NotMade::from(Trouble::new(what).on(opened).with(&provider.title));
        let (Some(grant), Some(redirect_uri)) = (&provider.grant, self.redirect_uri(&provider.name)) else {
            return Err(trouble(What::Nothing));
        };
        // The provider tells some of the settings later.
        let told = |name: &str| grant.keeps(name);
        let settings = provider.check_some_settings(&settings_of(given), |name| !told(name));
        let settings = settings.map_err(NotMade::Faults)?;
        let failed = |error: Error| match error.kind() {
            Kind::ValidationFailed => trouble(What::Refused(error.detail().to_owned())),
            _ => trouble(What::Failed(error)),
        };
        let app = self.0.connections.oauth().app(&opened.session.tenant, &provider.name, None).await.map_err(failed)?;
        let state = secret::random().map_err(failed)?;
        let verifier = secret::random().map_err(failed)?;
        let challenge = secret::challenge(&verifier);
        let ask =
            Ask { redirect_uri: &redirect_uri, state: &state, challenge: grant.pkce.then_some(challenge.as_str()) };
        let url = self.0.connections.oauth().authorize_url(grant, &settings, &app, &ask).map_err(failed)?;
        let kept = Kept {
            link: opened.token.clone(),
            client_id: app.client_id.clone(),
            verifier: grant.pkce.then(|| verifier.into()),
        };
        let id = state_id(&state);
        let sealed = kept.seal(&self.0.vault, &opened.session.id, &id).map_err(failed)?;
        let consent = Consent {
            id,
            session: opened.session.id.clone(),
            provider: provider.name.clone(),
            settings,
            sealed,
            expires_at: now() + PATIENCE,
        };
        self.0.repository.begin(consent).await.map_err(failed)?;
        Ok(url)
    }
}

/// The name of a state in the store.
pub(super) fn state_id(state: &str) -> std::sync::Arc<str> {
    secret::hash("connect state", state)
}

impl Kept {
    fn seal(&self, vault: &Vault, session: &str, state: &str) -> Result<Vec<u8>> {
        use secrecy::ExposeSecret;
        let verifier = self.verifier.as_ref().map(|verifier| verifier.expose_secret());
        let text = json!({"link": self.link, "client_id": self.client_id, "verifier": verifier}).to_string();
        let text = Zeroizing::new(text.into_bytes());
        vault.seal(&place(session, state), &text).map_err(Error::internal)
    }

    pub(super) fn open(vault: &Vault, consent: &Consent) -> Result<Self> {
        let text = vault.open(&place(&consent.session, &consent.id), &consent.sealed).map_err(Error::internal)?;
        // The cause is left out: it could quote the text.
        let broken = || Error::internal("what was kept of a consent is not what was sealed");
        let value: Value = serde_json::from_slice(&text).map_err(|_| broken())?;
        let member = |name: &str| value.get(name).and_then(Value::as_str);
        Ok(Self {
            link: member("link").ok_or_else(broken)?.to_owned(),
            client_id: member("client_id").ok_or_else(broken)?.to_owned(),
            verifier: member("verifier").map(SecretString::from),
        })
    }
}

/// Where it belongs; it opens nowhere else.
fn place<'a>(session: &'a str, state: &'a str) -> [&'a [u8]; 3] {
    [b"connect consent", session.as_bytes(), state.as_bytes()]
}
