//! Work away from the request threads.

use std::future::Future;

use crate::error::{Error, Kind};
use crate::mapping::pool;

/// Runs the work on the threads for mappings; `overloaded` when they are full.
pub async fn aside<F>(work: F) -> Result<F::Output, Error>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    pool::run(work)
        .await
        .map_err(|problem| Error::new(Kind::Overloaded, "The mapping threads are busy.").caused_by(problem))
}
