//! Hears what other processes wrote, on a connection of its own. While it is broken nothing is heard, so that afterwards
//! anything may have changed.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::{broadcast, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::AsyncMessage;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use super::notify::{CHANNEL, heard};
use super::server::{CONNECT, Server};
use crate::store::changed::Changed;

/// How often the connection is asked whether it still works. With the limit below it bounds, to less than the five
/// seconds in which a revoked key has to be refused, for how long a dead connection goes unnoticed.
const ASK: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(2);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Returns when the first connection listens; from then on nothing is missed.
pub(super) async fn start(
    server: &Server,
    tls: &MakeRustlsConnect,
    origin: &str,
    changed: broadcast::Sender<Changed>,
) -> Result<AbortHandle, Failure> {
    let listener = Listener { server: server.clone(), tls: tls.clone(), origin: origin.to_owned(), changed };
    let (ready, is_ready) = oneshot::channel();
    let task = tokio::spawn(listener.run(ready));
    let handle = task.abort_handle();
    match is_ready.await {
        Ok(Ok(())) => Ok(handle),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::Late),
    }
}

struct Listener {
    server: Server,
    tls: MakeRustlsConnect,
    origin: String,
    changed: broadcast::Sender<Changed>,
}

/// A connection that listens. The task that reads from it ends with it.
struct Ear {
    client: tokio_postgres::Client,
    reading: tokio::task::JoinHandle<()>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Listener {
    async fn run(self, ready: oneshot::Sender<Result<(), Failure>>) {
        let mut ear = match self.connect().await {
            Ok(ear) => ear,
            Err(failure) => return drop(ready.send(Err(failure))),
        };
        let _ = ready.send(Ok(()));
        loop {
            while ear.works().await {
                sleep(ASK).await;
            }
            tracing::warn!("The connection that hears of other processes' changes was lost; making another one");
            drop(ear);
            let mut wait = FIRST_WAIT;
            ear = loop {
                match self.connect().await {
                    Ok(ear) => break ear,
                    Err(error) => tracing::debug!(%error, "It cannot be made yet"),
                }
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            };
            tracing::info!("Other processes' changes are heard again");
            // Nobody listening is no fault.
            let _ = self.changed.send(Changed::All);
        }
    }

    async fn connect(&self) -> Result<Ear, Failure> {
        timeout(CONNECT, self.listening()).await.unwrap_or(Err(Failure::Late))
    }

    async fn listening(&self) -> Result<Ear, Failure> {
        let (client, mut connection) = self.server.config.connect(self.tls.clone()).await?;
        let (origin, changed) = (self.origin.clone(), self.changed.clone());
        let reading = tokio::spawn(async move {
            let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notification(news) = message
                    && let Some(news) = heard(&origin, news.payload())
                {
                    let _ = changed.send(news);
                }
            }
        });
        let ear = Ear { client, reading };
        let channel: String = ear.client.query_one(&format!("SELECT {CHANNEL}"), &[]).await?.try_get(0)?;
        // Letters and digits only, by the way it is made.
        ear.client.batch_execute(&format!("LISTEN {channel}")).await?;
        Ok(ear)
    }
}

impl Ear {
    async fn works(&self) -> bool {
        matches!(timeout(ANSWER, self.client.simple_query("")).await, Ok(Ok(_)))
    }
}
