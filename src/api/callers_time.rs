//! The time that a caller gives its request (`Prefer: wait`), from its receipt to its answer. What asks a provider knows
//! it and says best what was late; what waits for the store, or for a place, is cut off here, whatever it is.

use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderMap};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::prefer::wait;
use crate::error::{Error, Kind, Origin, Outcome};

/// What knows the deadline itself has so long to tell of it, with what it knows of the request.
const GRACE: Duration = Duration::from_millis(500);
/// Told to those whose time was over.
const COME_BACK: Duration = Duration::from_secs(2);

/// Cheap to clone; all clones are of one request.
#[derive(Clone)]
pub struct CallersTime(Arc<Inner>);

struct Inner {
    wait: Duration,
    /// None while a body is read that is claimed as a whole: how long that takes is up to its sender.
    ends: Mutex<Option<Instant>>,
    moved: Notify,
}

impl CallersTime {
    /// That of a request which the record has begun; of any other one it begins now.
    pub fn within(extensions: &Extensions, headers: &HeaderMap) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_else(|| Self::of(headers))
    }

    /// From now on. What cannot be understood is refused by those who read it as a preference.
    pub fn of(headers: &HeaderMap) -> Self {
        let wait = wait(headers).unwrap_or(super::prefer::DEFAULT_WAIT);
        Self(Arc::new(Inner { wait, ends: Mutex::new(Some(Instant::now() + wait)), moved: Notify::new() }))
    }

    pub fn ends(&self) -> Instant {
        let ends = *self.0.ends.lock();
        ends.unwrap_or_else(|| Instant::now() + self.0.wait)
    }

    /// The time stands still until the request is there as a whole (RFC 7240 §4.3), and begins then.
    pub fn stop(&self) {
        *self.0.ends.lock() = None;
    }

    pub fn begin(&self) {
        *self.0.ends.lock() = Some(Instant::now() + self.0.wait);
        self.0.moved.notify_one();
    }

    /// What `work` comes to; none if the time was over before, and then it is dropped.
    pub async fn cut<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let ends = *self.0.ends.lock();
            let done = match ends {
                Some(ends) => timeout_at(ends + GRACE, &mut work).await.ok(),
                None => tokio::select! {
                    done = &mut work => Some(done),
                    () = self.0.moved.notified() => None,
                },
            };
            // It may have begun anew meanwhile.
            if done.is_some() || ends.is_some() && *self.0.ends.lock() == ends {
                return done;
            }
        }
    }
}

/// The time was over, and nothing has been sent to a provider.
pub fn over(write: bool) -> Error {
    let detail = "The time for the request was over before it could be answered: this server, or its store, is slow.";
    let error = Error::new(Kind::Overloaded, detail).retry_after(Some(COME_BACK));
    if write { error.outcome(Outcome::NotExecuted) } else { error }
}

/// The time was over for one that had begun to change something.
pub fn over_meanwhile(kind: Kind) -> Error {
    let detail = "The time for the request was over while it was under way: how it ends is not known yet.";
    let error = Error::new(kind, detail).origin(Origin::Throughline);
    error.outcome(Outcome::Unknown).retryable(false).retry_after(Some(COME_BACK))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(wait: u64) -> CallersTime {
        let mut headers = HeaderMap::new();
        headers.insert("prefer", format!("wait={wait}").parse().expect("a value"));
        CallersTime::of(&headers)
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_with_its_callers_time() {
        let (time, began) = (seconds(3), Instant::now());
        assert_eq!(time.cut(async { 7 }).await, Some(7));
        assert_eq!(time.cut(std::future::pending::<()>()).await, None);
        assert_eq!(began.elapsed(), Duration::from_secs(3) + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_body_comes_no_time_passes() {
        let (time, began) = (seconds(3), Instant::now());
        let work = async {
            time.stop();
            tokio::time::sleep(Duration::from_secs(60)).await;
            time.begin();
            std::future::pending::<()>().await;
        };
        assert_eq!(time.cut(work).await, None);
        assert_eq!(began.elapsed(), Duration::from_secs(63) + GRACE);
        assert_eq!(time.ends(), began + Duration::from_secs(63));
    }
}
