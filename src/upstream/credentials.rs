//! Adds the connection's credential to an attempt. Below retry and quota, so that every attempt carries the newest one,
//! and after all other work on headers, so that nothing can take it out. Nothing above ever holds a credential.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use super::{Attempt, Request, Response, headers};
use crate::connections::{Access, Connection, Connections};
use crate::error::{Error, Kind, Outcome, Result};
use crate::stack::{Answer, Around, Stage};

pub(super) const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// For callers whose own deadline was shorter than the renewal.
const COME_BACK: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub struct AddCredentials {
    connections: Connections,
}

impl AddCredentials {
    pub fn new(connections: Connections) -> Self {
        Self { connections }
    }
}

impl Around<Request> for AddCredentials {
    type Below = Attempt;
    type Response = Response;

    fn around<S: Stage<Attempt, Response>>(&self, below: &mut S, mut request: Request) -> Answer<Response> {
        let mut below = below.clone();
        let connections = self.connections.clone();
        Box::pin(async move {
            // A permit is held here: while anything is good, its successor is not waited for.
            let access = match connections.good_access(&request.connection).await {
                Ok(Some(access)) => access,
                _ => obtain(&connections, &request.connection, request.deadline, request.is_write()).await?,
            };
            // The request itself may be kept for another attempt: its headers never hold a credential.
            let mut headers = Arc::unwrap_or_clone(std::mem::take(&mut request.headers));
            headers::inject(&mut headers, &access);
            if !access.query.is_empty() {
                request.path_and_query = with_query(&request.path_and_query, &access).into();
            }
            let head_by = request.deadline;
            let mut response = below.call(Attempt { request, headers, access: access.clone(), head_by }).await?;
            headers::strip_echoes(&mut response.headers, &access);
            response.access = Some(access);
            Ok(response)
        })
    }
}

/// The newest credential. Waits where there is no good one, until the request's deadline.
pub async fn obtain(
    connections: &Connections,
    connection: &Connection,
    deadline: Instant,
    write: bool,
) -> Result<Arc<Access>> {
    let found = timeout_at(deadline, connections.access(connection)).await;
    let found =
        found.unwrap_or_else(|_| Err(if connections.are_at_hand(connection) { pending() } else { not_looked_up() }));
    // Without a credential nothing is sent.
    found.map_err(|error| if write { error.outcome(Outcome::NotExecuted) } else { error })
}

fn pending() -> Error {
    let error = Error::new(Kind::CredentialRefreshPending, "The connection's credentials were not renewed in time.");
    // The renewal goes on without the caller.
    error.retryable(true).retry_after(Some(COME_BACK))
}

fn not_looked_up() -> Error {
    let detail =
        "The time for the request was over before its credentials had been looked up: this server's store is slow.";
    Error::new(Kind::Overloaded, detail).retry_after(Some(COME_BACK))
}

/// Appends the parameters that carry the credential, and takes out those of the same name that stand there already:
/// which of two counts is up to the vendor.
fn with_query(path_and_query: &str, access: &Access) -> String {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let mut pairs: Vec<Cow<'_, str>> = without_ours(query, access).map(Cow::Borrowed).collect();
    for (name, secret) in &access.query {
        let name = utf8_percent_encode(name, QUERY_VALUE);
        pairs.push(format!("{name}={}", utf8_percent_encode(secret.expose_secret(), QUERY_VALUE)).into());
    }
    format!("{path}?{}", pairs.join("&"))
}

/// Without the parameters that carry the credential.
pub(super) fn without_query<'p>(path_and_query: &'p str, access: &Access) -> Cow<'p, str> {
    match path_and_query.split_once('?') {
        Some((path, query)) if !access.query.is_empty() => {
            let pairs: Vec<&str> = without_ours(query, access).collect();
            if pairs.is_empty() { path.into() } else { format!("{path}?{}", pairs.join("&")).into() }
        }
        _ => path_and_query.into(),
    }
}

fn without_ours<'q>(query: &'q str, access: &Access) -> impl Iterator<Item = &'q str> {
    let is_ours = move |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
        let name = percent_decode_str(&name).decode_utf8_lossy();
        access.query.iter().any(|(ours, _)| *ours == name)
    };
    query.split('&').filter(move |pair| !pair.is_empty() && !is_ours(pair))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Origin;

    #[test]
    fn a_credential_in_the_query_replaces_what_the_caller_wrote() {
        let access = Access {
            generation: 1,
            origin: Origin::parse("https://api.example.test").expect("a good origin"),
            headers: Vec::new(),
            query: vec![("api_token".to_owned(), "a b&c".into())],
        };
        for (given, sent) in [
            ("/a", "/a?api_token=a%20b%26c"),
            ("/a?", "/a?api_token=a%20b%26c"),
            ("/a?x=1&y", "/a?x=1&y&api_token=a%20b%26c"),
            ("/a?api_token=mine&x=1&api%5ftoken=z&api_token", "/a?x=1&api_token=a%20b%26c"),
        ] {
            assert_eq!(with_query(given, &access), sent);
            let shown = without_query(sent, &access);
            assert!(!shown.contains("token") && sent.starts_with(&*shown), "{shown}");
        }
    }
}
