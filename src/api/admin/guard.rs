//! Who may use the admin listener, and how it says no.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::authenticate::bearer;
use crate::api::problem::{self, Refusal};
use crate::api::record::request_id;
use crate::app::App;
use crate::error::{Error, Kind};

/// Lets through who sends the listener's token; everybody where there is none, which only loopback is allowed to be.
pub(super) async fn authenticate(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(token) = &app.admin_token else { return next.run(request).await };
    if bearer(request.headers()).is_some_and(|given| token.is(&given)) {
        return next.run(request).await;
    }
    app.metrics.admin_refused();
    let detail = "Send the text of `admin_token_file` as `Authorization: Bearer …`; /healthz and /readyz need none.";
    Refusal::from(Error::new(Kind::Unauthenticated, detail)).into_response()
}

/// Writes the document of a refusal, as the record does for the API.
pub(super) async fn explain(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<Arc<Error>>() {
        problem::write(&mut response, &error, &id);
    }
    response
}
