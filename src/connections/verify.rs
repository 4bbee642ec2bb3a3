//! Whether credentials work: one harmless request that the provider file names.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

use super::connection::{Access, Connection};
use super::events::{Event, EventKind};
use super::service::Connections;
use super::tokens::Landed;
use crate::auth::Caller;
use crate::catalog::Provider;
use crate::connections::repository::Overview;
use crate::error::{Error, Kind, Result};
use crate::mapping::Vars;
use crate::net::Body;

const PATIENCE: Duration = Duration::from_secs(15);

/// What a probe showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// `None`: neither accepted nor refused, or the provider has no probe.
    pub works: Option<bool>,
    pub status: Option<u16>,
    pub detail: String,
}

impl Connections {
    /// Tries the connection's credentials at the provider, and notes what came of it.
    pub async fn verify(&self, caller: &Caller, id: &str) -> Result<Probe> {
        let row = self.own_row(caller, id).await?;
        let connection = row.shown();
        connection.check_usable()?;
        let provider = self.provider(&connection.provider)?;
        let probe = match self.access(&connection).await {
            Ok(access) => self.probe(&provider, &connection, &access).await,
            // There is nothing to try at the moment, which is an answer as well.
            Err(error) if error.kind() == Kind::CredentialRefreshPending => {
                Probe { works: None, status: None, detail: error.detail().to_owned() }
            }
            Err(error) => return Err(error),
        };
        let kind = if probe.works == Some(false) { EventKind::VerifyFailed } else { EventKind::Verified };
        let event = Event::now(kind, probe.detail.clone());
        self.0.events.append(connection.tenant.clone(), connection.id.clone(), event).await?;
        Ok(probe)
    }

    /// Renews the tokens now, whenever they end.
    pub async fn refresh(&self, caller: &Caller, id: &str) -> Result<Overview> {
        let row = self.own_row(caller, id).await?;
        let connection = row.shown();
        connection.check_usable()?;
        let held = self.held(&connection).await?;
        if !held.renewable {
            return Err(Error::new(
                Kind::Conflict,
                "The connection has no refresh token: its credentials are not of a kind that is renewed.",
            ));
        }
        if !self.0.oauth.has_app(&connection.tenant, &connection.provider).await? {
            let name = &connection.provider;
            return Err(Error::new(
                Kind::Conflict,
                format!(
                    "There is no OAuth app for {name}: PUT /v1/oauth-apps/{name}, or set providers.{name}.client_id."
                ),
            ));
        }
        match self.renew_now(&held.key, held.generation).await {
            Landed::Renewed => Ok(self.own_row(caller, id).await?.overview()),
            Landed::Later { retry_after, reason } => {
                let detail = format!("The token could not be renewed: {reason}.");
                let error = Error::new(Kind::CredentialRefreshPending, detail);
                Err(error.retryable(true).retry_after(Some(retry_after)))
            }
            Landed::Lost => Err(self.own_row(caller, id).await?.connection.needs_reauth()),
        }
    }

    /// Sends the provider's probe with these credentials.
    pub(super) async fn probe(&self, provider: &Provider, connection: &Connection, access: &Access) -> Probe {
        let Some(path) = &provider.verify else {
            return Probe { works: None, status: None, detail: format!("{} has no probe", provider.title) };
        };
        let request = match request(provider, connection, access, path) {
            Ok(request) => request,
            Err(error) => return Probe { works: None, status: None, detail: error.detail().to_owned() },
        };
        match self.0.client.send_by(request, Instant::now() + PATIENCE).await {
            Ok(response) => shown(provider, response.status()),
            Err(error) => {
                let detail = format!("{} could not be asked: {}", provider.title, error.failure().describe());
                Probe { works: None, status: None, detail }
            }
        }
    }
}

fn request(provider: &Provider, connection: &Connection, access: &Access, path: &str) -> Result<Request<Body>> {
    let mut query: Vec<String> = Vec::new();
    for (name, secret) in &access.query {
        use secrecy::ExposeSecret;
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, crate::catalog::COMPONENT).to_string();
        query.push(format!("{}={}", encode(name), encode(secret.expose_secret())));
    }
    let joint = if path.contains('?') { "&" } else { "?" };
    let path = if query.is_empty() { path.to_owned() } else { format!("{path}{joint}{}", query.join("&")) };
    let uri = access.origin.uri(&path).map_err(Error::internal)?;
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri;
    let settings = Value::Object(connection.settings.clone());
    let vars = Vars::none().with("settings", settings.clone());
    for (name, leaf) in &provider.headers {
        let text = leaf.text(&settings, &vars)?;
        if let Some(value) = text.and_then(|text| text.parse().ok()) {
            request.headers_mut().insert(name.clone(), value);
        }
    }
    for (name, value) in &access.headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    Ok(request)
}

fn shown(provider: &Provider, status: StatusCode) -> Probe {
    let title = &provider.title;
    let (works, detail) = match status.as_u16() {
        200..=299 => (Some(true), format!("{title} accepts the credentials")),
        401 => (Some(false), format!("{title} does not accept the credentials (401)")),
        403 => (
            Some(false),
            format!(
                "{title} knows the credentials but does not allow the request (403): a permission or scope is missing"
            ),
        ),
        // The setting that names the account leads nowhere.
        404 => (Some(false), format!("{title} has nothing at the address that the settings make (404)")),
        other => (None, format!("{title} answered {other}, which says nothing about the credentials")),
    };
    Probe { works, status: Some(status.as_u16()), detail }
}
