//! Links on which customers connect their accounts.

use super::place::Place;
use super::samples::{arc, at, consent, id, session};
use crate::connections::Session;

pub(super) async fn a_session_is_found_as_it_was_made(on: &Place) {
    let full = Session {
        connection: Some(id("a")),
        browser: Some(arc("cookie")),
        completed_by: Some(id("b")),
        providers: Vec::new(),
        ..session("full")
    };
    for made in [session("s"), full] {
        on.connect.create(made.clone()).await.expect("made");
        assert_eq!(on.connect.find(made.id.clone()).await.expect("read"), Some(made));
    }
    assert_eq!(on.connect.find(arc("none")).await.expect("read"), None);
}

pub(super) async fn a_session_belongs_to_the_first_browser(on: &Place) {
    on.connect.create(session("s")).await.expect("made");
    for (browser, bound) in [("one", true), ("two", false), ("one", true)] {
        assert_eq!(on.connect.bind(arc("s"), arc(browser)).await.expect("asked"), bound, "{browser}");
    }
    assert!(!on.connect.bind(arc("none"), arc("one")).await.expect("asked"));
    let found = on.connect.find(arc("s")).await.expect("read").expect("the session");
    assert_eq!(found.browser, Some(arc("one")));
}

pub(super) async fn of_two_browsers_one_gets_the_session(on: &Place) {
    for round in 0..8 {
        let name = format!("s{round}");
        on.connect.create(session(&name)).await.expect("made");
        let bind = |browser: &str| on.connect.bind(arc(&name), arc(browser));
        let (one, two) = tokio::join!(bind("one"), bind("two"));
        assert!(one.expect("asked") ^ two.expect("asked"));
    }
}

pub(super) async fn a_session_is_completed_once(on: &Place) {
    on.connect.create(session("s")).await.expect("made");
    assert!(on.connect.complete(arc("s"), id("a")).await.expect("asked"));
    assert!(!on.connect.complete(arc("s"), id("b")).await.expect("asked"));
    assert!(!on.connect.complete(arc("none"), id("b")).await.expect("asked"));
    let found = on.connect.find(arc("s")).await.expect("read").expect("the session");
    assert_eq!(found.completed_by, Some(id("a")));
}

pub(super) async fn a_consent_is_taken_once(on: &Place) {
    on.connect.create(session("s")).await.expect("made");
    on.connect.begin(consent("c", "s")).await.expect("begun");
    let taken = on.connect.take(arc("c")).await.expect("asked").expect("the consent");
    assert_eq!(taken, consent("c", "s"));
    let order: Vec<_> = taken.settings.keys().cloned().collect();
    assert_eq!(order, ["z", "a"]);
    assert_eq!(on.connect.take(arc("c")).await.expect("asked"), None);
    assert_eq!(on.connect.take(arc("none")).await.expect("asked"), None);
}

pub(super) async fn of_two_who_bring_a_state_one_gets_it(on: &Place) {
    on.connect.create(session("s")).await.expect("made");
    for round in 0..8 {
        let name = format!("c{round}");
        on.connect.begin(consent(&name, "s")).await.expect("begun");
        let (one, two) = tokio::join!(on.connect.take(arc(&name)), on.connect.take(arc(&name)));
        assert!(one.expect("asked").is_some() ^ two.expect("asked").is_some());
    }
}

pub(super) async fn a_consent_needs_its_session(on: &Place) {
    assert!(on.connect.begin(consent("c", "none")).await.is_err());
    assert_eq!(on.connect.take(arc("c")).await.expect("asked"), None);
}

pub(super) async fn sweeping_deletes_what_expired_before(on: &Place) {
    for (name, end) in [("past", 10), ("now", 20), ("future", 30)] {
        on.connect.create(Session { expires_at: at(end), ..session(name) }).await.expect("made");
        let mut with = consent(name, name);
        with.expires_at = at(end);
        on.connect.begin(with).await.expect("begun");
    }
    // A consent goes with its session, though its own time has not come.
    on.connect.begin(consent("late", "past")).await.expect("begun");
    on.connect.sweep(at(20)).await.expect("swept");
    for (name, there) in [("past", false), ("now", true), ("future", true)] {
        assert_eq!(on.connect.find(arc(name)).await.expect("read").is_some(), there, "{name}");
        assert_eq!(on.connect.take(arc(name)).await.expect("asked").is_some(), there, "{name}");
    }
    assert_eq!(on.connect.take(arc("late")).await.expect("asked"), None);
}

pub(super) async fn ids_are_used_once(on: &Place) {
    on.connect.create(session("s")).await.expect("made");
    assert!(on.connect.create(Session { customer_id: arc("c2"), ..session("s") }).await.is_err());
    let found = on.connect.find(arc("s")).await.expect("read").expect("the session");
    assert_eq!(found.customer_id, arc("c1"));
    on.connect.begin(consent("c", "s")).await.expect("begun");
    assert!(on.connect.begin(consent("c", "s")).await.is_err());
}
