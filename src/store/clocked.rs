//! How long operations of a store take, and how they fail. A store is opened before there is anything to count in.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::connections::WriteError;
use crate::error::{Error, Result};
use crate::telemetry::{Metrics, StoreFailure, StoreFor};

#[derive(Clone, Default)]
pub(super) struct Clocked(Arc<OnceLock<Arc<Metrics>>>);

impl Clocked {
    /// The first to say so is whom it is counted for.
    pub(super) fn count_in(&self, metrics: Arc<Metrics>) {
        let _ = self.0.set(metrics);
    }

    pub(super) async fn operation<T, E>(
        &self,
        purpose: StoreFor,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        E: Failing,
    {
        let began = Instant::now();
        let done = work.await;
        if let Some(metrics) = self.0.get() {
            metrics.store(purpose, began.elapsed(), done.as_ref().err().and_then(Failing::failure));
        }
        done
    }
}

/// What an operation ends with that did not do what it was asked to.
pub(super) trait Failing {
    /// None if it is an answer, such as that a row is there already.
    fn failure(&self) -> Option<StoreFailure>;
}

impl Failing for WriteError {
    fn failure(&self) -> Option<StoreFailure> {
        match self {
            Self::Failed(error) => error.failure(),
            Self::Stale | Self::Taken(_) => None,
        }
    }
}

impl Failing for Error {
    fn failure(&self) -> Option<StoreFailure> {
        Some(StoreFailure::of(self.kind()))
    }
}
