//! Which connection a request is for, and whether its caller may use it.

use std::sync::Arc;

use super::connection::{Connection, ConnectionId};
use super::service::Connections;
use crate::auth::Caller;
use crate::error::{Error, Kind, Result, Violation};

/// What a request says about its connection.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    /// As it was sent: text that is no id names a connection that does not exist.
    pub connection: Option<String>,
    pub customer: Option<String>,
    pub provider: Option<String>,
}

impl Connections {
    /// The connection a request is for, in whatever state. One of another tenant, or outside the key's limits, is answered
    /// exactly like one that does not exist.
    pub async fn resolve(&self, caller: &Caller, selector: &Selector) -> Result<Arc<Connection>> {
        let named = selector.connection.as_deref();
        let connection = match (named, &selector.customer) {
            (Some(id), _) => self.by_id(caller, id).await?,
            (None, Some(customer)) => self.by_customer(caller, customer, selector.provider.as_deref()).await?,
            (None, None) => match caller.only_connection() {
                Some(id) => self.by_id(caller, id).await?,
                None => return Err(unnamed()),
            },
        };
        if selector.customer.as_deref().is_some_and(|customer| *customer != *connection.customer_id) {
            return Err(contradiction("Throughline-Customer", "another customer's than the connection that is named"));
        }
        if selector.provider.as_deref().is_some_and(|provider| *provider != *connection.provider) {
            return Err(contradiction("Throughline-Provider", "not the provider of the connection that is named"));
        }
        Ok(connection)
    }

    async fn by_id(&self, caller: &Caller, id: &str) -> Result<Arc<Connection>> {
        let id = ConnectionId::parse(id).ok_or_else(Connection::not_found)?;
        let found = self.known(&caller.tenant, &id).await?;
        let usable = found.filter(|connection| caller.may_use(connection.id.as_str(), &connection.provider));
        usable.ok_or_else(Connection::not_found)
    }

    async fn by_customer(&self, caller: &Caller, customer: &str, provider: Option<&str>) -> Result<Arc<Connection>> {
        let mut found = Vec::new();
        for id in self.of_customer(&caller.tenant, customer).await?.iter() {
            // Compared again: the list may be older than the connection.
            let known = self.known(&caller.tenant, id).await?.filter(|known| *known.customer_id == *customer);
            found.extend(known.filter(|known| caller.may_use(known.id.as_str(), &known.provider)));
        }
        found.retain(|connection| provider.is_none_or(|provider| *connection.provider == *provider));
        match found.as_slice() {
            [] => Err(Connection::not_found()),
            [only] => Ok(Arc::clone(only)),
            several => Err(ambiguous(several)),
        }
    }
}

fn unnamed() -> Error {
    let detail = "The request names no connection: send `Throughline-Connection: <id>` or `Throughline-Customer: <customer_id>`, \
        or use a key that is limited to one connection.";
    let violation = Violation::parameter("Throughline-Connection", "the header is missing");
    Error::new(Kind::InvalidRequest, detail).violation(violation.expected("the id of a connection"))
}

fn ambiguous(several: &[Arc<Connection>]) -> Error {
    let providers: Vec<&str> = several.iter().map(|connection| &*connection.provider).collect();
    let detail = format!(
        "The customer has connections to several providers: add `Throughline-Provider: {}`.",
        providers.join(" | ")
    );
    let violation = Violation::parameter("Throughline-Provider", "the header is missing");
    let violation = violation.expected(format!("one of {}", providers.join(", ")));
    Error::new(Kind::InvalidRequest, detail).violation(violation).supported(providers)
}

fn contradiction(header: &str, detail: &str) -> Error {
    Error::new(Kind::InvalidRequest, "The request names two different connections.")
        .violation(Violation::parameter(header, detail))
}
