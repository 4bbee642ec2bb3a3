//! Connections: one customer's authorised account at one provider, its sealed credentials and its states.

mod access;
mod body;
mod connection;
mod credentials;
mod manage;
mod mappings;
mod repository;
mod resolve;
mod service;
mod vault;
pub mod view;

/// Lives in `auth`, which stands below; named here as well because every connection has one.
pub use crate::auth::TenantId;
pub use connection::{Access, Connection, ConnectionId, Credentials, State};
pub use manage::{Change, Created, NewConnection, OnConflict};
pub use mappings::{MappingRepository, Mappings};
pub use repository::{ConnectionRepository, Filter, Listed, Overview, Row, Times, WriteError};
pub use resolve::Selector;
pub use service::Connections;
pub use vault::{Vault, VaultError};
