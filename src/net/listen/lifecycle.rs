//! From serving to the end: what connections and handlers know of a server that is about to stop.

use tokio::sync::watch;

/// Only forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Serving,
    /// Requests are still taken, and connections told not to be used again.
    Draining,
    /// No connection is accepted; requests that have begun are finished.
    Closing,
    /// What has not ended is cut off.
    Cut,
}

#[derive(Debug, Clone)]
pub struct Lifecycle(watch::Sender<Phase>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Lifecycle {
    pub fn enter(&self, phase: Phase) {
        self.0.send_if_modified(|at| {
            let later = phase > *at;
            *at = phase.max(*at);
            later
        });
    }

    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    pub fn is_draining(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    pub(super) fn watch(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }
}
