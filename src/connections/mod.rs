//! Connections: one customer's authorised account at one provider, its sealed credentials and its states.

mod connection;

/// Lives in `auth`, which stands below; named here as well because every connection has one.
pub use crate::auth::TenantId;
pub use connection::{Access, Connection, ConnectionId, Credentials, State};
