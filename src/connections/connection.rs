//! What is known of a connection while it is in memory.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::auth::TenantId;
use crate::net::Origin;

/// `conn_` and 20 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub Arc<str>);

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
    Deleting,
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
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a customer's account is opened with, as it was imported. Never printed.
#[derive(Clone)]
pub enum Credentials {
    OAuth2 { access_token: SecretString, refresh_token: Option<SecretString>, expires_at: Option<Timestamp> },
    Token { token: SecretString },
    Basic { username: SecretString, password: SecretString },
    Headers { headers: Vec<(String, SecretString)> },
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
