//! Cursors: opaque to callers, sealed to tenant, connection and resource, carrying the query they belong to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Continuation;
use crate::connections::{Connection, Vault};
use crate::error::{Error, Kind};
use crate::model::Query;

const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// A longer text is no cursor of ours. Bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// What a cursor holds: where the list goes on, and the list's own query, so that a page cannot be of another list.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    pub from: Continuation,
    pub query: Query,
    /// Seconds since 1970.
    expires: i64,
}

impl Cursor {
    pub fn new(from: Continuation, query: Query, now: Timestamp) -> Self {
        Self { from, query, expires: (now + LIFETIME).as_second() }
    }

    pub fn seal(&self, vault: &Vault, connection: &Connection, resource: &str) -> Result<String, Error> {
        let plain = serde_json::to_vec(self).map_err(Error::internal)?;
        let sealed = vault.seal(&context(connection, resource), &plain).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Forged, foreign and expired cursors get one answer.
    pub fn open(
        text: &str,
        vault: &Vault,
        connection: &Connection,
        resource: &str,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let refused =
            || Error::new(Kind::InvalidCursor, "The cursor is not one of this list, or is older than 24 hours.");
        let sealed = (text.len() <= MAX_LENGTH).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
        let plain = sealed.and_then(|sealed| vault.open(&context(connection, resource), &sealed).ok());
        let cursor: Cursor = plain.and_then(|plain| serde_json::from_slice(&plain).ok()).ok_or_else(refused)?;
        if cursor.expires < now.as_second() { Err(refused()) } else { Ok(cursor) }
    }
}

fn context<'a>(connection: &'a Connection, resource: &'a str) -> [&'a [u8]; 4] {
    [b"cursor", connection.tenant.0.as_bytes(), connection.id.0.as_bytes(), resource.as_bytes()]
}
