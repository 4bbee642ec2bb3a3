//! Whose turn it is: of calls with the same key one runs at a time.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>);

/// Held while it is one's turn.
pub struct Turn {
    turns: Turns,
    key: String,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    pub async fn wait(&self, key: String) -> Turn {
        let turn = self.0.lock().entry(key.clone()).or_default().clone();
        let guard = turn.lock_owned().await;
        Turn { turns: self.clone(), key, guard: Some(guard) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut turns = self.turns.0.lock();
        // One reference is the map's: nobody else waits.
        if turns.get(&self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_kept() {
        let turns = Turns::default();
        let first = turns.wait("a".into()).await;
        let second = tokio::spawn({
            let turns = turns.clone();
            async move { drop(turns.wait("a".into()).await) }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(turns.wait("b".into()).await);
        drop(first);
        second.await.expect("the second has its turn");
        assert!(turns.0.lock().is_empty());
    }
}
