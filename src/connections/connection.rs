//! What is known of a connection while it is in memory.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::budget;
use crate::auth::{TenantId, base62};
use crate::catalog::Flow;
use crate::error::{Error, Kind, Result};
use crate::net::Origin;
use crate::telemetry::ConnectionState;

/// `conn_` and 20 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub Arc<str>);

impl ConnectionId {
    const PREFIX: &str = "conn_";
    const RANDOM: usize = 20;

    pub fn generate() -> Result<Self> {
        let random = base62::random(Self::RANDOM)?;
        Ok(Self(format!("{}{random}", Self::PREFIX).into()))
    }

    /// `None` for what cannot be an id: it never reaches the store.
    pub fn parse(text: &str) -> Option<Self> {
        let random = text.strip_prefix(Self::PREFIX)?;
        (random.len() == Self::RANDOM && base62::is_base62(random)).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    Degraded,
    NeedsReauth,
    Paused,
    Revoked,
}

/// As it is counted.
impl From<State> for ConnectionState {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Degraded => Self::Degraded,
            State::NeedsReauth => Self::NeedsReauth,
            State::Paused => Self::Paused,
            State::Revoked => Self::Revoked,
        }
    }
}

impl State {
    const NAMES: [(State, &str); 5] = [
        (State::Active, "active"),
        (State::Degraded, "degraded"),
        (State::NeedsReauth, "needs_reauth"),
        (State::Paused, "paused"),
        (State::Revoked, "revoked"),
    ];

    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.iter().map(|(state, _)| *state)
    }

    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }
}

/// A connection without its secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    pub id: ConnectionId,
    pub tenant: TenantId,
    /// Folder name under `mappings/`.
    pub provider: Arc<str>,
    /// The tenant's own id for the customer whose account this is.
    pub customer_id: Arc<str>,
    pub state: State,
    pub state_reason: Option<String>,
    /// What the provider file declares and the customer or the vendor filled in; defaults included.
    pub settings: Map<String, Value>,
    pub scopes: Vec<String>,
    pub last_error: Option<String>,
    /// Until then what is said through it is kept with its requests.
    pub log_bodies_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Connection {
    /// Whether requests may be sent through it in its present state.
    pub fn check_usable(&self) -> Result<()> {
        match self.state {
            State::Active | State::Degraded => Ok(()),
            State::Paused => Err(self.is_paused()),
            State::NeedsReauth | State::Revoked => Err(self.needs_reauth()),
        }
    }

    /// Whether its owner wants bodies kept with its requests now.
    pub fn logs_bodies(&self) -> bool {
        self.log_bodies_until.is_some_and(|until| Timestamp::now() < until)
    }

    fn is_paused(&self) -> Error {
        let resume = "PATCH it with `{\"paused\": false}` to use it again";
        let detail = match budget::is_paused_for_it(self.state_reason.as_deref()) {
            true => format!(
                "The connection is paused: more was read through it than its egress budget allows; {resume}, which also begins the budget anew."
            ),
            false => format!("The connection is paused; {resume}."),
        };
        Error::new(Kind::ConnectionPaused, detail)
    }

    pub(super) fn needs_reauth(&self) -> Error {
        let why = self.state_reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        Error::new(
            Kind::NeedsReauth,
            format!("The connection's credentials do not work any more{why}; the customer has to authorise it again."),
        )
    }

    /// The one answer for a connection that does not exist, is another tenant's or is outside the key's limits.
    pub(super) fn not_found() -> Error {
        Error::new(Kind::ConnectionNotFound, "There is no connection like this that this key may use.")
    }
}

/// What a customer's account is opened with, as it was imported. Never printed.
#[derive(Clone)]
pub enum Credentials {
    OAuth2(Tokens),
    Token { token: SecretString },
    Basic { username: SecretString, password: SecretString },
    Headers { headers: Vec<(String, SecretString)> },
}

/// What an authorization server gave, and what it takes to ask it again.
#[derive(Clone, Default)]
pub struct Tokens {
    pub flow: Flow,
    /// None before the first exchange of a flow that needs no customer.
    pub access_token: Option<SecretString>,
    pub refresh_token: Option<SecretString>,
    pub expires_at: Option<Timestamp>,
    /// The app that they were given to: only it can renew them.
    pub client_id: Option<String>,
    /// The user that assertions are signed for.
    pub subject: Option<String>,
    /// The refresh token before this one, and when it was replaced: it may still work for a moment.
    pub previous: Option<(SecretString, Timestamp)>,
}

/// All that an attempt needs of a connection, ready to send: computed once per credential generation, then only read.
#[derive(Clone)]
pub struct Access {
    /// Counts up with every new token, so that a refused one is told from its successor.
    pub generation: u64,
    /// Where unified requests go.
    pub origin: Origin,
    /// Headers that carry the credential; their values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Query parameters that carry the credential, for the few vendors that want it there.
    pub query: Vec<(String, SecretString)>,
}
