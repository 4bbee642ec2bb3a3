//! Which servers there are.

use std::time::Duration;

use super::place::Place;
use super::samples::arc;

const ALIVE: Duration = Duration::from_secs(20);

pub(super) async fn those_who_were_seen_lately_are_counted(on: &Place) {
    let beat = |name: &str, alive: Duration| on.replicas.beat(arc(name), alive);
    assert_eq!(beat("a", ALIVE).await.expect("counted"), 1);
    assert_eq!(beat("a", ALIVE).await.expect("counted"), 1);
    assert_eq!(beat("b", ALIVE).await.expect("counted"), 2);
    on.replicas.leave(arc("a")).await.expect("gone");
    on.replicas.leave(arc("a")).await.expect("nothing to do");
    assert_eq!(beat("b", ALIVE).await.expect("counted"), 1);
    assert_eq!(beat("c", ALIVE).await.expect("counted"), 2);
    // Everybody else was seen before this moment.
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(beat("b", Duration::ZERO).await.expect("counted"), 1);
}
