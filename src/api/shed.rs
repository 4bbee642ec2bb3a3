//! Turning away what is too much: of all requests at a time, of one API key's, of one connection's. What is over our
//! own capacity is 503 `overloaded`; what a caller overdoes itself is 429 `rate-limited`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body::Body as _;
use parking_lot::Mutex;

use super::problem::Refusal;
use crate::app::App;
use crate::auth::Caller;
use crate::connections::Connection;
use crate::error::{Error, Kind, Outcome};
use crate::limit::Class;
use crate::model::Priority;
use crate::net::Holding;
use crate::net::admission::{KeyPermit, Permit};
use crate::telemetry::{Shed, Timings};
use crate::unified::Place;

/// For a place to become free.
const AGAIN: Duration = Duration::from_secs(1);
/// An answer up to this size is written whatever its caller does. Bytes.
const SMALL: u64 = 64 * 1024;

/// The places that a request takes, given back at the end of its answer.
#[derive(Clone)]
pub struct Places(Arc<Held>);

struct Held {
    class: Class,
    _in_flight: Permit,
    key: Mutex<Option<KeyPermit>>,
    connection: Mutex<Option<Permit>>,
}

/// A place among all requests.
pub async fn shed(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let class = class(&request);
    let Some(permit) = app.admission.enter(class).await else {
        app.metrics.shed(Shed::InFlight);
        let error = Error::new(Kind::Overloaded, "There are more requests than can be answered at the moment.");
        return Refusal::from(turned_away(error, class, AGAIN)).into_response();
    };
    let places =
        Places(Arc::new(Held { class, _in_flight: permit, key: Mutex::default(), connection: Mutex::default() }));
    request.extensions_mut().insert(places.clone());
    let response = next.run(request).await;
    places.until_the_end_of(response)
}

/// What the caller's key allows.
pub async fn limit_caller(State(app): State<App>, request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (Some(caller), Some(places)) = (extensions.get::<Arc<Caller>>(), extensions.get::<Places>()) else {
        return Refusal::from(Error::internal("a caller's limits without the caller")).into_response();
    };
    let tell = |allowance| {
        if let (Some(timings), Some(allowance)) = (extensions.get::<Arc<Timings>>(), allowance) {
            timings.tell_allowance(allowance);
        }
    };
    match app.admission.key(&caller.key_id, &caller.limits) {
        Ok(admitted) => {
            tell(admitted.allowance);
            *places.0.key.lock() = Some(admitted.permit);
            next.run(request).await
        }
        Err(refused) => {
            tell(refused.allowance);
            app.metrics.shed(refused.reason);
            let detail = match refused.reason {
                Shed::KeyRate => "This API key sends more requests than it may; `RateLimit` says what is left.",
                _ => "This API key has more requests at a time than it may.",
            };
            let error = Error::new(Kind::RateLimited, detail);
            Refusal::from(turned_away(error, places.0.class, refused.after)).into_response()
        }
    }
}

/// A place among the requests of one customer's connection: one that is flooded leaves the others alone.
pub async fn enter_connection(app: &App, parts: &Parts, connection: &Connection) -> Result<(), Error> {
    let Some(places) = parts.extensions.get::<Places>() else { return Ok(()) };
    let class = places.0.class;
    match app.admission.connection(&connection.id.0, class).await {
        Ok(permit) => {
            *places.0.connection.lock() = permit;
            Ok(())
        }
        Err(most) => {
            app.metrics.shed(Shed::ConnectionConcurrency);
            let detail = format!("This connection has {most} requests under way, which is as many as it may have.");
            Err(turned_away(Error::new(Kind::RateLimited, detail), class, AGAIN))
        }
    }
}

fn turned_away(error: Error, class: Class, after: Duration) -> Error {
    let error = error.retry_after(Some(after));
    // A batch may hold writes.
    if class == Class::Read { error } else { error.outcome(Outcome::NotExecuted) }
}

fn class(request: &Request) -> Class {
    let path = request.uri().path();
    if path.ends_with("/batch") || is_unhurried(request.headers()) {
        return Class::Batch;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) || path.ends_with("/search");
    if reads { Class::Read } else { Class::Write }
}

/// A caller can only step back: nobody pushes ahead of writes by saying so.
fn is_unhurried(headers: &HeaderMap) -> bool {
    let urgency = headers.get("priority").and_then(|value| Priority::parse(value.to_str().ok()?));
    urgency.is_some_and(|urgency| urgency >= Priority::BATCH)
}

impl Place for Held {
    fn give_back(&self) {
        // Not under the lock: whoever is next is woken up by it.
        let place = self.connection.lock().take();
        drop(place);
    }
}

impl Places {
    /// The one among the requests of the connection.
    pub fn of_connection(&self) -> Arc<dyn Place> {
        self.0.clone()
    }

    fn until_the_end_of(self, response: Response) -> Response {
        if response.body().size_hint().upper().is_some_and(|size| size <= SMALL) {
            return response;
        }
        response.map(|body| Body::new(Holding::new(body, self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_is_when_there_is_not_room_for_all() {
        for (method, path, priority, expected) in [
            ("GET", "/v1/crm/contacts", None, Class::Read),
            ("POST", "/v1/crm/contacts", None, Class::Write),
            ("POST", "/v1/crm/contacts/search", None, Class::Read),
            ("POST", "/v1/crm/contacts/batch", None, Class::Batch),
            ("DELETE", "/v1/crm/contacts/1", Some("u=7"), Class::Batch),
            ("GET", "/v1/crm/contacts", Some("u=0"), Class::Read),
            ("PATCH", "/v1/passthrough/x", Some("nonsense"), Class::Write),
        ] {
            let mut request = http::Request::builder().method(method).uri(path);
            if let Some(priority) = priority {
                request = request.header("priority", priority);
            }
            let request = request.body(Body::empty()).expect("a request");
            assert_eq!(class(&request), expected, "{method} {path}");
        }
    }
}
