//! What can go wrong between here and the server, and what a caller is told of it.

use std::time::Duration;

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::error::{Error, Kind};
use crate::store::clocked::Failing;
use crate::telemetry::StoreFailure;

/// A server that restarts is back, or replaced, within seconds.
const RETRY_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum Failure {
    #[error(transparent)]
    Server(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("the server gave no answer in time")]
    Late,
    #[error("the value in column {0} is not readable")]
    Unreadable(&'static str),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// Whether the connection is of no use any more: what it was asked may or may not have been done.
    pub(super) fn lost_connection(&self) -> bool {
        match self {
            Self::Server(error) => is_lost(error),
            Self::Late => true,
            Self::Pool(_) | Self::Unreadable(_) | Self::Json(_) => false,
        }
    }

    pub(super) fn breaks_constraint(&self) -> bool {
        let Self::Server(error) = self else { return false };
        // Class 23: unique keys, foreign keys, NOT NULL.
        error.code().is_some_and(|state| state.code().starts_with("23"))
    }
}

fn is_lost(error: &tokio_postgres::Error) -> bool {
    if error.is_closed() {
        return true;
    }
    if let Some(state) = error.code() {
        // Class 08 is connections; then a server that stops or starts, and one that became a standby.
        return state.code().starts_with("08")
            || [
                SqlState::ADMIN_SHUTDOWN,
                SqlState::CRASH_SHUTDOWN,
                SqlState::CANNOT_CONNECT_NOW,
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                SqlState::READ_ONLY_SQL_TRANSACTION,
            ]
            .contains(state);
    }
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// Whether the server has too much to do at the moment, or this got in the way of something else.
fn is_busy(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| {
        state.code().starts_with("53")
            || [
                SqlState::QUERY_CANCELED,
                SqlState::LOCK_NOT_AVAILABLE,
                SqlState::T_R_DEADLOCK_DETECTED,
                SqlState::T_R_SERIALIZATION_FAILURE,
            ]
            .contains(state)
    })
}

impl Failing for Failure {
    fn failure(&self) -> Option<StoreFailure> {
        match self {
            Self::Server(error) if is_lost(error) || is_busy(error) => Some(StoreFailure::Busy),
            Self::Late
            | Self::Pool(
                PoolError::Timeout(_) | PoolError::Backend(_) | PoolError::PostCreateHook(HookError::Backend(_)),
            ) => Some(StoreFailure::Busy),
            // A constraint says that there is such a row, and a text that it cannot be one.
            _ if self.breaks_constraint() => None,
            Self::Server(error) if error.code() == Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE) => None,
            _ => Some(StoreFailure::Failed),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let overloaded = |detail: &'static str| Error::new(Kind::Overloaded, detail).retry_after(Some(RETRY_AFTER));
        match &failure {
            Failure::Server(error) if is_lost(error) => {
                overloaded("The connection to the store was lost.").caused_by(failure)
            }
            Failure::Server(error) if is_busy(error) => overloaded("The store is busy.").caused_by(failure),
            // The one character that no text column takes.
            Failure::Server(error) if error.code() == Some(&SqlState::CHARACTER_NOT_IN_REPERTOIRE) => {
                Error::new(Kind::InvalidRequest, "A text holds the character U+0000, which cannot be stored.")
            }
            Failure::Late => overloaded("The store gave no answer in time.").caused_by(failure),
            Failure::Pool(PoolError::Timeout(_)) => {
                overloaded("All connections to the store are in use.").caused_by(failure)
            }
            Failure::Pool(PoolError::Backend(_) | PoolError::PostCreateHook(HookError::Backend(_))) => {
                overloaded("The store cannot be reached.").caused_by(failure)
            }
            Failure::Pool(PoolError::Closed) => Error::internal("the store is closed"),
            _ => Error::internal(failure),
        }
    }
}
