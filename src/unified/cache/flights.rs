//! Calls that are under way: who asks the same meanwhile waits for the same answer. A flight is a task of its own, which
//! nobody's leaving cancels.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::Instrument;

use super::epochs::Epoch;
use super::kept::Kept;
use crate::error::Error;

/// An answer, and whether it is kept.
pub type Landed = Result<(Arc<Kept>, bool), Error>;

/// Where the answer of a flight appears.
pub type Landing = watch::Receiver<Option<Landed>>;

#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<HashMap<Arc<str>, Flight>>>);

struct Flight {
    landing: Landing,
    /// One that began before a write does not show it.
    epoch: Epoch,
}

impl Flights {
    /// The flight of this key, and whether it had begun before. `join` is false for who wants a new one. The future that
    /// `begin` makes is run to its end.
    pub fn board<F>(&self, key: &Arc<str>, epoch: Epoch, join: bool, begin: impl FnOnce() -> F) -> (Landing, bool)
    where
        F: Future<Output = Landed> + Send + 'static,
    {
        let mut flights = self.0.lock();
        if let Some(flight) = flights.get(key).filter(|flight| join && flight.epoch == epoch) {
            return (flight.landing.clone(), true);
        }
        let (tell, landing) = watch::channel(None);
        flights.insert(Arc::clone(key), Flight { landing: landing.clone(), epoch });
        drop(flights);
        let over = Over { flights: self.clone(), key: Arc::clone(key), landing: landing.clone() };
        let work = begin();
        let flight = async move {
            let landed = work.await;
            // Who comes from here on finds what was kept, or begins anew.
            drop(over);
            let _ = tell.send(Some(landed));
        };
        tokio::spawn(flight.in_current_span());
        (landing, false)
    }
}

/// Takes the flight off the list also if it panics.
struct Over {
    flights: Flights,
    key: Arc<str>,
    landing: Landing,
}

impl Drop for Over {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock();
        if flights.get(&self.key).is_some_and(|flight| flight.landing.same_channel(&self.landing)) {
            flights.remove(&self.key);
        }
    }
}
