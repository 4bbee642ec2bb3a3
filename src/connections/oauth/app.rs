//! OAuth apps: those that tenants bring, and those of the deployment.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::assertion::SigningKey;
use super::exchange::OAuth;
use crate::auth::TenantId;
use crate::connections::apps::StoredApp;
use crate::connections::now;
use crate::error::{Error, Kind, Result};

/// What the authorization server knows the app by.
#[derive(Clone)]
pub struct App {
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    /// What assertions are signed with.
    pub key: Option<Arc<SigningKey>>,
}

/// The deployment's apps by provider.
pub type DeployedApps = HashMap<String, App>;

/// An app that a tenant brings.
pub struct NewApp {
    pub client_id: String,
    pub client_secret: Option<SecretString>,
    /// A private key in PEM.
    pub private_key: Option<SecretString>,
}

/// A tenant's app as it is shown: without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnApp {
    pub provider: Arc<str>,
    pub client_id: String,
    pub created_at: jiff::Timestamp,
    pub updated_at: jiff::Timestamp,
}

impl OAuth {
    /// The app with this client id, or without one the tenant's own before the deployment's.
    pub async fn app(&self, tenant: &TenantId, provider: &str, client_id: Option<&str>) -> Result<App> {
        let fits = |app: &App| client_id.is_none_or(|wanted| wanted == app.client_id);
        if let Some(stored) = self.apps().find(tenant.clone(), provider.into()).await? {
            let app = self.opened(&stored)?;
            if fits(&app) {
                return Ok(app);
            }
        }
        if let Some(app) = self.deployed(provider).filter(|app| fits(app)) {
            return Ok(app.clone());
        }
        Err(match client_id {
            Some(id) => Error::new(
                Kind::ValidationFailed,
                format!(
                    "The credentials belong to the OAuth app {id}, which is configured neither for the tenant nor for the deployment."
                ),
            ),
            None => Error::new(
                Kind::ValidationFailed,
                format!(
                    "There is no OAuth app for {provider}: PUT /v1/oauth-apps/{provider}, or set providers.{provider}.client_id."
                ),
            ),
        })
    }

    /// Whether customers of the tenant can give consent at the provider.
    pub async fn has_app(&self, tenant: &TenantId, provider: &str) -> Result<bool> {
        Ok(self.deployed(provider).is_some() || self.apps().find(tenant.clone(), provider.into()).await?.is_some())
    }

    pub async fn put_app(&self, tenant: &TenantId, provider: &Arc<str>, new: NewApp) -> Result<OwnApp> {
        if let Some(pem) = &new.private_key {
            SigningKey::from_pem(pem.expose_secret().as_bytes()).map_err(|error| {
                Error::new(Kind::ValidationFailed, format!("The private key cannot be used: {error}."))
            })?;
        }
        let text = json!({
            "client_secret": new.client_secret.as_ref().map(|secret| secret.expose_secret().to_owned()),
            "private_key": new.private_key.as_ref().map(|key| key.expose_secret().to_owned()),
        });
        let sealed =
            self.vault().seal(&place(tenant, provider), text.to_string().as_bytes()).map_err(Error::internal)?;
        let at = now();
        let app = StoredApp {
            tenant: tenant.clone(),
            provider: Arc::clone(provider),
            client_id: new.client_id,
            sealed,
            created_at: at,
            updated_at: at,
        };
        let before = self.apps().find(tenant.clone(), Arc::clone(provider)).await?;
        let shown = OwnApp { created_at: before.map_or(at, |before| before.created_at), ..OwnApp::of(&app) };
        self.apps().put(app).await?;
        Ok(shown)
    }

    pub async fn own_app(&self, tenant: &TenantId, provider: &str) -> Result<Option<OwnApp>> {
        Ok(self.apps().find(tenant.clone(), provider.into()).await?.as_ref().map(OwnApp::of))
    }

    pub async fn own_apps(&self, tenant: &TenantId) -> Result<Vec<OwnApp>> {
        Ok(self.apps().list(tenant.clone()).await?.iter().map(OwnApp::of).collect())
    }

    /// False if there was nothing to delete.
    pub async fn delete_app(&self, tenant: &TenantId, provider: &str) -> Result<bool> {
        self.apps().delete(tenant.clone(), provider.into()).await
    }

    fn opened(&self, stored: &StoredApp) -> Result<App> {
        let text =
            self.vault().open(&place(&stored.tenant, &stored.provider), &stored.sealed).map_err(Error::internal)?;
        // The cause is left out: it could quote the text.
        let broken = || Error::internal("the opened secrets of an OAuth app are not what was sealed");
        let value: Value = serde_json::from_slice(&text).map_err(|_| broken())?;
        let member = |name: &str| value.get(name).and_then(Value::as_str);
        let key = match member("private_key") {
            Some(pem) => Some(Arc::new(SigningKey::from_pem(pem.as_bytes()).map_err(|_| broken())?)),
            None => None,
        };
        let client_secret = member("client_secret").map(SecretString::from);
        Ok(App { client_id: stored.client_id.clone(), client_secret, key })
    }
}

impl OwnApp {
    fn of(stored: &StoredApp) -> Self {
        Self {
            provider: Arc::clone(&stored.provider),
            client_id: stored.client_id.clone(),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        }
    }
}

/// Where an app's secrets belong; they open nowhere else.
pub(in crate::connections) fn place<'a>(tenant: &'a TenantId, provider: &'a str) -> [&'a [u8]; 3] {
    [b"oauth app", tenant.0.as_bytes(), provider.as_bytes()]
}
