//! Connections: one customer's authorised account at one provider, its sealed credentials and its states.

mod connection;

pub use connection::{Access, Connection, ConnectionId, Credentials, State, TenantId};
