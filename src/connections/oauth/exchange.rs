//! One exchange with a token endpoint: sent once, never resent here.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::answer::{self, Granted, Refused};
use super::app::{App, DeployedApps};
use super::request::{self, Ask};
use crate::catalog::{Endpoint, Grant, Said};
use crate::connections::apps::AppRepository;
use crate::connections::clock::Clock;
use crate::connections::vault::Vault;
use crate::error::{Error, Result};
use crate::net::{Body, Client, collect_decoded};

/// Token answers are small; nobody's is this large.
const LONGEST_ANSWER: usize = 64 * 1024;
/// An answer that is given up may hold a token that replaced ours: patience costs nothing, for no request waits here.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Cheap to clone.
#[derive(Clone)]
pub struct OAuth(Arc<Inner>);

struct Inner {
    client: Client,
    apps: Arc<dyn AppRepository>,
    deployed: DeployedApps,
    vault: Vault,
    clock: Arc<Clock>,
}

/// What becomes an access token.
pub enum Exchange<'a> {
    Code { code: &'a str, redirect_uri: &'a str, verifier: Option<&'a SecretString> },
    Refresh { token: &'a SecretString },
    AppItself,
    Assertion { subject: &'a str },
}

impl OAuth {
    pub fn new(
        client: Client,
        apps: Arc<dyn AppRepository>,
        deployed: DeployedApps,
        vault: Vault,
        clock: Arc<Clock>,
    ) -> Self {
        Self(Arc::new(Inner { client, apps, deployed, vault, clock }))
    }

    /// The address of the consent page.
    pub fn authorize_url(
        &self,
        grant: &Grant,
        settings: &Map<String, Value>,
        app: &App,
        ask: &Ask<'_>,
    ) -> Result<String> {
        request::authorize_url(grant, settings, app, ask)
    }

    pub async fn exchange(
        &self,
        grant: &Grant,
        settings: &Map<String, Value>,
        app: &App,
        exchange: Exchange<'_>,
    ) -> Result<Granted, Refused> {
        // Lifetimes count from before the request: an answer on its way is a token that gets older.
        let began = self.0.clock.now();
        let request = request::token_request(grant, settings, app, &exchange, began).map_err(Refused::unsent)?;
        let (status, headers, body) = self.send(request).await?;
        self.0.clock.learn(&headers);
        let text = headers_value(&headers);
        answer::read(grant, status, &text, &body, began, &exchange.secrets(app))
    }

    /// Gives a token back. Providers without an address for it have nothing to be told: true means that it is done with.
    pub async fn revoke(
        &self,
        grant: &Grant,
        settings: &Map<String, Value>,
        app: &App,
        token: &SecretString,
        hint: &str,
    ) -> Result<(), Refused> {
        let url = grant.url(Endpoint::Revoke, settings).map_err(Refused::unsent)?;
        let Some(url) = url else { return Ok(()) };
        let request = request::revocation_request(grant, &url, app, token, hint).map_err(Refused::unsent)?;
        let (status, headers, body) = self.send(request).await?;
        // A token that the server does not know is as good as revoked, which some tell as a refusal.
        if status < 300 || (400..500).contains(&status) && !matches!(status, 401 | 403 | 408 | 429) {
            return Ok(());
        }
        let headers = headers_value(&headers);
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Err(answer::refusal(grant, Said { status, headers: &headers, body: &body }))
    }

    async fn send(&self, request: oauth2::HttpRequest) -> Result<(u16, HeaderMap, bytes::Bytes), Refused> {
        let by = Instant::now() + PATIENCE;
        let request = request.map(Body::full);
        let answer = self.0.client.send_by(request, by).await.map_err(|error| Refused::not_answered(&error))?;
        let (head, body) = answer.into_parts();
        let read = collect_decoded(body, &head.headers, LONGEST_ANSWER, PATIENCE);
        let body = match tokio::time::timeout_at(by, read).await {
            Ok(Ok(body)) => body,
            // A success that cannot be read may hold the only copy of a new refresh token.
            Ok(Err(error)) => return Err(Refused::unreadable(head.status.as_u16(), &error.to_string())),
            Err(_) => return Err(Refused::unreadable(head.status.as_u16(), "the answer did not end in time")),
        };
        Ok((head.status.as_u16(), head.headers, body))
    }

    pub(super) fn apps(&self) -> &Arc<dyn AppRepository> {
        &self.0.apps
    }

    pub(super) fn deployed(&self, provider: &str) -> Option<&App> {
        self.0.deployed.get(provider)
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.0.vault
    }
}

impl Exchange<'_> {
    /// What a server may repeat in its refusal and nobody may read there.
    fn secrets<'a>(&'a self, app: &'a App) -> Vec<&'a str> {
        let own = match self {
            Exchange::Code { code, verifier, .. } => [Some(*code), verifier.map(|secret| secret.expose_secret())],
            Exchange::Refresh { token } => [Some(token.expose_secret()), None],
            Exchange::AppItself | Exchange::Assertion { .. } => [None, None],
        };
        let app = app.client_secret.as_ref().map(|secret| secret.expose_secret());
        own.into_iter().chain([app]).flatten().filter(|secret| !secret.is_empty()).collect()
    }
}

impl Refused {
    /// Nothing was sent, and the cause is ours: settings, apps, keys.
    pub(in crate::connections) fn unsent(error: Error) -> Self {
        Self::new(super::Class::Operator, None, error.detail().to_owned())
    }
}

/// Lower-case names, as expressions see them.
fn headers_value(headers: &HeaderMap) -> Value {
    let members = headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())));
    Value::Object(members.collect())
}
