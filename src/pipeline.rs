//! The path of a request, whole: three stacks, read from top to bottom in the order in which a request meets them.
//!
//! `edge` speaks HTTP with the caller and hands either to `unified` (records of the one model) or straight to
//! `upstream` (raw passthrough). `unified` turns one operation into a vendor's requests. `upstream` is the only way out
//! to a CRM. Each stack is built once and cloned; a layer looks its keyed state up inside.

use std::sync::Arc;

use axum::{Router, middleware};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::connections::Connections;
use crate::net::Client;
use crate::stack::around;
use crate::telemetry::Metrics;
use crate::{api, unified, upstream};

/// HTTP in, HTTP out. It never fails: whatever goes wrong below has become a problem document when it gets here.
///
/// The connection, the body's size and the deadline are settled by the handlers, after authentication: nothing of a
/// stranger's body is read.
pub fn edge(app: App) -> Router {
    // Above all routes but those that customers' browsers open and that describe the API.
    let known = ServiceBuilder::new()
        // First, because it costs least: what is over the capacity is turned away without a look at who it is.
        .layer(middleware::from_fn_with_state(app.clone(), api::shed))
        // No handler runs for a caller that is not known.
        .layer(middleware::from_fn_with_state(app.clone(), api::authenticate))
        // Its own limits need the caller, and come before anything that costs.
        .layer(middleware::from_fn_with_state(app.clone(), api::limit_caller));
    let layers = ServiceBuilder::new()
        // Outermost, so that every answer carries an id and its timings, refusals and panics included.
        .layer(middleware::from_fn_with_state(app.clone(), api::record))
        // Below the record, so that a panic is counted and logged like any other failure.
        .layer(CatchPanicLayer::custom(api::panicked))
        // Above whatever reads the request: nothing of one that can be read in two ways is believed.
        .layer(middleware::from_fn_with_state(app.clone(), api::well_formed));
    // Below authentication, since keys of writes are a connection's own, and on each route, which knows what it does. From
    // here a write is finished even if its caller leaves, and one with an Idempotency-Key happens once.
    let guarded = |guard: api::Guard, methods| guard.over(methods, &app);
    api::routes(guarded).layer(known).merge(api::open_routes()).layer(layers).with_state(app)
}

/// One operation on one resource of one connection: records in, records out.
pub fn unified(
    upstream: upstream::Service,
    budgets: upstream::Budgets,
    cache: unified::ReadCache,
    metrics: Arc<Metrics>,
) -> unified::Service {
    let stack = ServiceBuilder::new()
        // Counts the call as its caller sees it: everything below, with its outcome.
        .layer(around(unified::RecordCall::new(metrics)))
        // Above whatever answers: all records that leave are counted.
        .layer(around(unified::CountRows::new(budgets)))
        // Above the work: what is kept costs neither a token nor a permit.
        .layer(around(unified::ReadCached::new(cache)))
        // The type changes here: what went in as records goes on as HTTP.
        .service(unified::Translate::new(upstream));
    unified::Service::new(stack)
}

/// One logical request to one CRM.
pub fn upstream(
    connections: Connections,
    quota: upstream::Quota,
    client: Client,
    budgets: upstream::Budgets,
    witness: Option<Arc<dyn upstream::Witness>>,
    metrics: Arc<Metrics>,
) -> upstream::Service {
    let stack = ServiceBuilder::new()
        // Outermost: one span, whatever it takes; each attempt is a span below it.
        .layer(around(upstream::TraceRequest))
        // Above the retry: of an attempt that is made again nothing was handed on.
        .layer(around(upstream::CountBytes::new(budgets)))
        // Above the credentials, so that each attempt is sent with the newest token.
        .layer(around(upstream::Retry::new(metrics.clone())))
        // Below the retry, so that an answer that breaks off is a failed attempt; raw ones stream past it.
        .layer(around(upstream::Read))
        // Who waits for a token waits here, with nothing in hand. One that the vendor refuses is renewed once and the request
        // sent again; no failure that retry knows.
        .layer(around(upstream::Renew::new(connections.clone())))
        // A host that is out is left in peace, and its callers are told at once.
        .layer(around(upstream::Breaker::new(connections.clone(), metrics.clone())))
        // Each attempt asks for a permit. Above the credentials: who waits long is sent with the newest token all the same.
        .layer(around(upstream::TakePermit::new(quota)))
        // Below all that may hold a request back: only writes that are sent are told of, whatever route they came by.
        .layer(around(upstream::TellWitness::new(witness)))
        // Late, because what filters headers must not be able to take the credential away again.
        .layer(around(upstream::AddCredentials::new(connections)))
        // Below the retry: every exchange that the vendor sees is counted.
        .layer(around(upstream::RecordAttempt::new(metrics)))
        // Bounds one attempt, not the request: a second one may still be in time.
        .layer(around(upstream::HeadTimeout::default()))
        .service(upstream::Send::new(client));
    upstream::Service::new(stack)
}
