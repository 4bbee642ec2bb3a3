//! Making a link.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{Connect, Session, return_url, secret};
use crate::auth::Caller;
use crate::connections::body::Members;
use crate::connections::connection::Connection;
use crate::connections::now;
use crate::connections::view::{customer, object};
use crate::error::{Error, Kind, Result, Violation};

/// How long a link is good for.
const GOOD_FOR: Duration = Duration::from_secs(30 * 60);
/// How long a link that has ended is known as one: until then people are told that it has ended.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
const SWEEP: Duration = Duration::from_secs(3600);

/// What a tenant's backend asks for.
#[derive(Debug, Clone)]
pub struct NewLink {
    pub customer_id: String,
    /// Those the customer may choose from; none listed means all.
    pub providers: Vec<String>,
    /// The connection to be authorised again.
    pub connection: Option<String>,
    pub return_url: String,
}

pub struct Link {
    pub url: String,
    pub expires_at: Timestamp,
}

impl NewLink {
    /// The body of `POST /v1/connect/sessions`.
    pub fn from_json(body: &Value) -> Result<Self> {
        let known = ["customer_id", "providers", "connection_id", "return_url"];
        let mut members = Members::of(object(body)?, "", &known);
        ["customer_id", "return_url"].iter().for_each(|name| members.require(name));
        let customer_id = customer(&mut members).map(str::to_owned);
        let providers = members.lines("providers", 64).unwrap_or_default();
        let connection = members.line("connection_id", 64).map(str::to_owned);
        let return_url = members.line("return_url", 4096).map(str::to_owned);
        if return_url.as_deref().is_some_and(|url| !return_url::is_good(url)) {
            members.refuse("return_url", "customers cannot be sent there", return_url::EXPECTED);
        }
        match (customer_id, return_url, members.violations()) {
            (Some(customer_id), Some(return_url), violations) if violations.is_empty() => {
                Ok(Self { customer_id, providers, connection, return_url })
            }
            (.., violations) => Err(invalid_link(violations)),
        }
    }
}

impl Connect {
    pub async fn create(&self, caller: &Caller, new: NewLink) -> Result<Link> {
        let Some(public) = &self.0.public else {
            let detail =
                "Connect links need to know where browsers reach this server: set `public_url` in the configuration.";
            return Err(Error::new(Kind::Forbidden, detail));
        };
        let mut providers = self.allowed(caller, &new.providers)?;
        let connection = match &new.connection {
            Some(id) => {
                let connection = self.reconnected(caller, id, &new).await?;
                providers = vec![connection.provider.to_string()];
                Some(connection.id)
            }
            None if !caller.connections.is_empty() => {
                let detail =
                    "This key is limited to connections it knows: it can make links with a `connection_id` only.";
                return Err(Error::new(Kind::Forbidden, detail));
            }
            None => None,
        };
        self.check_offers(caller, &providers).await?;
        let token = secret::random()?;
        let now = now();
        let expires_at = now + GOOD_FOR;
        let session = Session {
            id: id_of(&token),
            tenant: caller.tenant.clone(),
            customer_id: new.customer_id.as_str().into(),
            providers,
            connection,
            return_url: new.return_url,
            browser: None,
            completed_by: None,
            created_at: now,
            expires_at,
        };
        self.0.repository.create(session).await?;
        self.sweep(now).await;
        Ok(Link { url: format!("{public}/connect/{token}"), expires_at })
    }

    /// The providers that are asked for, as far as there are such and the key may use them.
    fn allowed(&self, caller: &Caller, asked: &[String]) -> Result<Vec<String>> {
        if asked.is_empty() {
            return Ok(caller.providers.clone());
        }
        for (index, name) in asked.iter().enumerate() {
            let at = |detail: &str| Violation::at(format!("/providers/{index}"), detail);
            self.0
                .connections
                .provider(name)
                .map_err(|error| error.violation(at("the catalog holds no such provider")))?;
            if !caller.may_use_provider(name) {
                let error = Error::new(Kind::Forbidden, "This key is limited to other providers.");
                return Err(error.violation(at("the key may not use it")).supported(caller.providers.clone()));
            }
        }
        Ok(asked.to_vec())
    }

    /// The connection that is to be authorised again.
    async fn reconnected(&self, caller: &Caller, id: &str, new: &NewLink) -> Result<Connection> {
        let at = |detail: &str| Violation::at("/connection_id", detail);
        let found = self.0.connections.get(caller, id).await;
        let connection = found.map_err(|error| error.violation(at("there is no such connection")))?.connection;
        if *connection.customer_id != *new.customer_id {
            return Err(invalid_link(vec![at("the connection is another customer's than `customer_id` says")]));
        }
        if !new.providers.is_empty() && !new.providers.iter().any(|name| **name == *connection.provider) {
            let violation = at("the connection's provider is not among `providers`");
            return Err(invalid_link(vec![violation.expected(connection.provider.to_string())]));
        }
        Ok(connection)
    }

    /// A link that could lead nowhere is not made.
    async fn check_offers(&self, caller: &Caller, providers: &[String]) -> Result<()> {
        for (index, name) in providers.iter().enumerate() {
            let provider = self.0.connections.provider(name)?;
            if self.offer(&caller.tenant, &provider).await?.is_none() {
                let detail = format!(
                    "Customers authorise {} by OAuth only, and there is no app for it: PUT /v1/oauth-apps/{name}, or set providers.{name}.client_id in the configuration.",
                    provider.title
                );
                return Err(invalid_link(vec![Violation::at(format!("/providers/{index}"), detail)]));
            }
        }
        Ok(())
    }

    /// Now and then, on the way: there is nothing to hurry for.
    async fn sweep(&self, now: Timestamp) {
        {
            let mut swept = self.0.swept.lock();
            if swept.is_some_and(|last| now < last + SWEEP) {
                return;
            }
            *swept = Some(now);
        }
        if let Err(error) = self.0.repository.sweep(now - REMEMBERED).await {
            tracing::warn!(?error, "Connect links that have ended could not be deleted");
        }
    }
}

/// The name of a link in the store.
pub(super) fn id_of(token: &str) -> Arc<str> {
    secret::hash("connect link", token)
}

fn invalid_link(violations: Vec<Violation>) -> Error {
    Error::new(Kind::ValidationFailed, "The link cannot be made.").violations(violations)
}
