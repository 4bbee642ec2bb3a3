//! Links on which customers connect their accounts, and customers who are at the provider. A store sees only hashes of
//! what customers and providers bring back.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::auth::TenantId;
use crate::connections::connection::ConnectionId;
use crate::error::Result;

/// One link.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Hash of the token in the link.
    pub id: Arc<str>,
    pub tenant: TenantId,
    pub customer_id: Arc<str>,
    /// Those the customer may choose from; none listed means all.
    pub providers: Vec<String>,
    /// The connection to be authorised again.
    pub connection: Option<ConnectionId>,
    pub return_url: String,
    /// Hash of the cookie of the browser that used the link first; no other one may use it.
    pub browser: Option<Arc<str>>,
    /// The connection that came of it.
    pub completed_by: Option<ConnectionId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A customer who was sent to the provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Consent {
    /// Hash of the `state` parameter.
    pub id: Arc<str>,
    /// [`Session::id`].
    pub session: Arc<str>,
    pub provider: Arc<str>,
    pub settings: Map<String, Value>,
    /// What the exchange needs and nobody else may see: the verifier of PKCE, the app's client id.
    pub sealed: Vec<u8>,
    pub expires_at: Timestamp,
}

pub trait ConnectRepository: Send + Sync + 'static {
    fn create(&self, session: Session) -> BoxFuture<'_, Result<()>>;

    /// Also one that is completed or has expired: what to tell the customer differs.
    fn find(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<Session>>>;

    /// Binds the session to a browser unless it is bound already; true if it is bound to this one now.
    fn bind(&self, id: Arc<str>, browser: Arc<str>) -> BoxFuture<'_, Result<bool>>;

    /// False if it was completed before.
    fn complete(&self, id: Arc<str>, connection: ConnectionId) -> BoxFuture<'_, Result<bool>>;

    fn begin(&self, consent: Consent) -> BoxFuture<'_, Result<()>>;

    /// Finds and deletes in one step: of two who bring the same state one gets it.
    fn take(&self, id: Arc<str>) -> BoxFuture<'_, Result<Option<Consent>>>;

    /// Deletes sessions and consents that expired before `before`.
    fn sweep(&self, before: Timestamp) -> BoxFuture<'_, Result<()>>;
}
