//! Whether requests should be sent here, and what stands against it if not.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::app::App;

/// A store that takes longer is of no use to a request either.
const STORE_ANSWERS: Duration = Duration::from_secs(1);
/// How long its answer is believed: probes of several balancers come several times a second.
const BELIEVED: Duration = Duration::from_secs(1);

/// What the store last said, and when. Whoever comes while it is asked waits for the same answer.
#[derive(Clone, Default)]
pub(super) struct StoreSaid(Arc<Mutex<Option<Said>>>);

type Said = (Instant, Result<String, String>);

impl StoreSaid {
    async fn lately<A>(&self, ask: impl FnOnce() -> A) -> Result<String, String>
    where
        A: Future<Output = crate::error::Result<()>>,
    {
        let mut said = self.0.lock().await;
        match &*said {
            Some((at, answer)) if at.elapsed() < BELIEVED => answer.clone(),
            _ => {
                let answer = match timeout(STORE_ANSWERS, ask()).await {
                    Ok(Ok(())) => Ok("it answers".to_owned()),
                    Ok(Err(error)) => Err(error.detail().to_owned()),
                    Err(_) => Err(format!("it does not answer within {STORE_ANSWERS:?}")),
                };
                *said = Some((Instant::now(), answer.clone()));
                answer
            }
        }
    }
}

/// 200, or 503; either way with all checks: `{"ready", "revision", "checks": {name: {"ok", "detail"}}}`.
pub(super) async fn ready(app: App, store: StoreSaid) -> Response {
    let catalog = app.catalog();
    let providers = match catalog.providers.len() {
        0 => Err("it has no provider".to_owned()),
        providers => Ok(format!("{providers} providers, revision {}", catalog.revision)),
    };
    // What was sealed can be opened again: the key is there.
    let context: &[&[u8]] = &[b"readyz"];
    let sealed = app.vault.seal(context, b"ready").and_then(|sealed| app.vault.open(context, &sealed));
    let draining = match app.lifecycle.is_draining() {
        false => Ok("requests are taken".to_owned()),
        true => Err("the process is about to stop".to_owned()),
    };
    let checks = [
        ("catalog", providers),
        ("store", store.lately(|| (app.ping_store)()).await),
        ("vault", sealed.map(|_| "it is open".to_owned()).map_err(|error| error.to_string())),
        ("draining", draining),
    ];
    let good = checks.iter().all(|(_, check)| check.is_ok());
    let checks: Map<String, Value> = checks
        .into_iter()
        .map(|(name, check)| {
            let (ok, detail) = (check.is_ok(), check.unwrap_or_else(|fault| fault));
            (name.to_owned(), json!({ "ok": ok, "detail": detail }))
        })
        .collect();
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": good, "revision": catalog.revision, "checks": checks }))).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::error::Error;

    #[tokio::test(start_paused = true)]
    async fn probes_that_come_together_ask_the_store_once() {
        let (said, asked) = (StoreSaid::default(), AtomicU32::new(0));
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(())
        };
        let (one, other) = tokio::join!(said.lately(ask), said.lately(ask));
        assert!(one.is_ok() && other.is_ok());
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(said.lately(ask).await.is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let gone = || async { Err(Error::internal("gone")) };
        assert!(said.lately(gone).await.is_err(), "after a second it is asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_silent_is_not_waited_for() {
        let began = Instant::now();
        let silent = StoreSaid::default().lately(std::future::pending).await;
        assert_eq!(silent, Err("it does not answer within 1s".to_owned()));
        assert_eq!(began.elapsed(), STORE_ANSWERS);
    }
}
