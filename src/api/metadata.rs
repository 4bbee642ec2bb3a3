//! `…/fields` and `/v1/crm/objects`: what the customer's account is like.

use axum::extract::{Request, State};
use axum::response::Response;

use super::freshness::unless_known;
use super::page::page;
use super::place::{OBJECTS, Place};
use super::prefer::no_parameters;
use super::problem::Refusal;
use super::target::Target;
use crate::app::App;
use crate::auth::Scope;
use crate::model::Operation;
use crate::unified::Asked;

pub async fn fields(State(app): State<App>, place: Place, request: Request) -> Result<Response, Refusal> {
    told(&app, place, request, Operation::Fields).await
}

/// The types of custom objects that the account has.
pub async fn types(State(app): State<App>, request: Request) -> Result<Response, Refusal> {
    let place = Place { resource: OBJECTS.to_owned(), ..Place::default() };
    told(&app, place, request, Operation::Types).await
}

async fn told(app: &App, place: Place, request: Request, operation: Operation) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let target = Target::find(app, &parts, &place, Scope::Read).await?;
    target.supports(operation)?;
    no_parameters(&parts)?;
    Ok(unless_known(&parts, page(app, target.call(operation), &place, Asked::default()).await?))
}
