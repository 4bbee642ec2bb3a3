//! When each connection was last written to: what was read before that is not the truth any more.
//!
//! Connections share a fixed number of places, so that nothing has to be evicted: two that meet in one only lose what is
//! kept of both when one is written to.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::connections::ConnectionId;

/// 1.5 MiB of them.
const PLACES: usize = 65_536;

#[derive(Default)]
struct Place {
    /// Writes that were begun, and that have ended: some are under way where they differ.
    begun: AtomicU64,
    ended: AtomicU64,
    /// Those that have ended and may have been executed, here or elsewhere.
    written: AtomicU64,
}

pub struct Epochs {
    places: Box<[Place]>,
    /// Counts the times that anything may have been written.
    everything: AtomicU64,
    hasher: RandomState,
}

/// A moment in the life of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    begun: u64,
    written: u64,
    everything: u64,
}

impl Epoch {
    /// Whether what was read since `before` is what would be read now. Who is to see what a write does that is under way
    /// needs the very same epoch.
    pub fn shows(&self, before: &Self) -> bool {
        self.written == before.written && self.everything == before.everything
    }
}

impl Epochs {
    /// `needed` is false where nothing is ever kept.
    pub fn new(needed: bool) -> Self {
        let count = if needed { PLACES } else { 0 };
        Self {
            places: (0..count).map(|_| Place::default()).collect(),
            everything: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    fn place(&self, connection: &ConnectionId) -> Option<&Place> {
        let count = self.places.len().max(1);
        self.places.get(self.hasher.hash_one(connection) as usize % count)
    }

    pub fn now(&self, connection: &ConnectionId) -> Epoch {
        let count = |counter: fn(&Place) -> &AtomicU64| {
            self.place(connection).map_or(0, |place| counter(place).load(Ordering::SeqCst))
        };
        Epoch {
            begun: count(|place| &place.begun),
            written: count(|place| &place.written),
            everything: self.everything.load(Ordering::SeqCst),
        }
    }

    /// Whether a write is under way: then nobody knows what the records are.
    pub fn is_written_to(&self, connection: &ConnectionId) -> bool {
        self.place(connection).is_some_and(|place| {
            let ended = place.ended.load(Ordering::SeqCst);
            place.begun.load(Ordering::SeqCst) != ended
        })
    }

    pub fn begin(&self, connection: &ConnectionId) {
        if let Some(place) = self.place(connection) {
            place.begun.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The new epoch comes before the end of the write: nobody sees the old records between them.
    pub fn end(&self, connection: &ConnectionId, executed: bool) {
        if executed {
            self.advance(connection);
        }
        if let Some(place) = self.place(connection) {
            place.ended.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Somebody else has written.
    pub fn advance(&self, connection: &ConnectionId) {
        if let Some(place) = self.place(connection) {
            place.written.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Anything may have been written.
    pub fn advance_all(&self) {
        self.everything.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_begins_another_epoch_unless_it_was_not_executed() {
        let epochs = Epochs::new(true);
        let connection = ConnectionId("conn_1".into());
        let before = epochs.now(&connection);
        epochs.begin(&connection);
        assert!(epochs.is_written_to(&connection));
        epochs.end(&connection, false);
        assert!(!epochs.is_written_to(&connection));
        assert!(epochs.now(&connection).shows(&before) && epochs.now(&connection) != before);
        epochs.begin(&connection);
        epochs.end(&connection, true);
        let after = epochs.now(&connection);
        assert!(!after.shows(&before));
        epochs.advance_all();
        assert!(!epochs.now(&connection).shows(&after));
    }

    #[test]
    fn where_nothing_is_kept_nothing_is_counted() {
        let epochs = Epochs::new(false);
        let connection = ConnectionId("conn_1".into());
        epochs.begin(&connection);
        epochs.end(&connection, true);
        assert!(!epochs.is_written_to(&connection));
    }
}
