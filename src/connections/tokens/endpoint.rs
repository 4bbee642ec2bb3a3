//! Token endpoints: how often each app may ask, and when it should not because nothing comes of it. Apart from the API's
//! own quotas and breakers: either may work when the other does not.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::connections::oauth::Class;
use crate::limit::{Breaker, Gcra, Permit};

/// What an app sends to a token endpoint at most. A hundred thousand connections with tokens of half an hour need seventy a
/// second; a thousand whose tokens have all ended while nothing ran are renewed in ten seconds, not at once. A provider
/// that allows less says so with a 429, which holds the endpoint for as long as it asks.
const RATE: (u32, Duration) = (20, Duration::from_millis(200));
const FAILURES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A wrong secret does not mend itself in seconds.
const OPERATOR_PAUSE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(in crate::connections) struct Endpoints(Mutex<HashMap<(Arc<str>, String), Endpoint>>);

/// Whether to ask.
pub(super) enum Admission {
    Go,
    /// The rate is used up for that long.
    Later(Duration),
    /// It failed too often of late; not before that time has passed.
    Closed(Duration),
}

struct Endpoint {
    rate: Gcra,
    breaker: Breaker,
}

impl Endpoints {
    pub(super) fn admit(&self, provider: &Arc<str>, client_id: &str) -> Admission {
        let now = Instant::now();
        self.with(provider, client_id, |endpoint| match endpoint.breaker.ask(now) {
            Permit::Refused(pause) => Admission::Closed(pause),
            Permit::Granted => endpoint.rate.take(now).map_or_else(Admission::Later, |()| Admission::Go),
        })
    }

    pub(super) fn succeeded(&self, provider: &Arc<str>, client_id: &str) {
        self.with(provider, client_id, |endpoint| endpoint.breaker.succeeded());
    }

    pub(super) fn failed(&self, provider: &Arc<str>, client_id: &str, class: Class, retry_after: Option<Duration>) {
        let now = Instant::now();
        self.with(provider, client_id, |endpoint| match class {
            Class::Transient | Class::Ambiguous => {
                endpoint.breaker.failed(now);
                if let Some(pause) = retry_after {
                    endpoint.rate.hold(now + pause);
                }
            }
            Class::Operator => endpoint.breaker.open_until(now + OPERATOR_PAUSE),
            // It answered about one customer.
            Class::Race | Class::Permanent | Class::Unknown => endpoint.breaker.succeeded(),
        });
    }

    fn with<T>(&self, provider: &Arc<str>, client_id: &str, act: impl FnOnce(&mut Endpoint) -> T) -> T {
        let mut endpoints = self.0.lock();
        let endpoint = endpoints.entry((Arc::clone(provider), client_id.to_owned()));
        // One for each app there is: their number is small.
        act(endpoint.or_insert_with(|| Endpoint {
            rate: Gcra::new(RATE.0, RATE.1),
            breaker: Breaker::new(FAILURES, FIRST_PAUSE, LONGEST_PAUSE),
        }))
    }
}
