//! Connections: one customer's authorised account at one provider, its sealed credentials and its states.

mod access;
mod apps;
mod body;
mod budget;
mod clock;
pub mod connect;
mod connection;
mod credentials;
mod events;
mod export;
mod imports;
mod key_file;
mod manage;
mod mappings;
pub mod oauth;
mod repository;
mod requests;
mod resolve;
mod revocations;
mod revoke;
mod sealed;
mod service;
mod standing;
mod tokens;
mod vault;
mod verify;
pub mod view;

/// Lives in `auth`, which stands below; named here as well because every connection has one.
pub use crate::auth::TenantId;
pub use apps::{AppRepository, StoredApp};
pub use clock::Clock;
pub use connect::{Connect, ConnectRepository, Consent, Session};
pub use connection::{Access, Connection, ConnectionId, Credentials, State, Tokens};
pub use events::{Event, EventKind, EventRepository, KEPT, Logged};
pub use export::History;
pub use manage::{Change, Created, NewConnection, OnConflict, Source};
pub use mappings::{MappingRepository, Mappings};
pub use repository::{Along, ConnectionRepository, Failing, Filter, Listed, Overview, Row, Times, WriteError};
pub use requests::{
    Config as RequestLogConfig, Kept as KeptRequest, Page as RequestPage, Request as LoggedRequest, RequestLog,
    RequestRepository, Written,
};
pub use resolve::Selector;
pub use revocations::{Revocation, RevocationRepository};
pub use revoke::revoke;
pub use sealed::{Resealed, SealedAt, SealedRepository, lasting_secret, reseal_all};
pub use service::{Connections, Parts};
pub use tokens::{
    Counted, Due, Escrow, EscrowError, Failed, Fresh, Key, LOST_ROTATION, Lease, Leased, TokenRepository,
};
pub use vault::{KeySource, Vault, VaultError};
pub use verify::Probe;

fn now() -> jiff::Timestamp {
    crate::model::in_microseconds(jiff::Timestamp::now())
}
