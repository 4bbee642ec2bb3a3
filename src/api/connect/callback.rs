//! `/oauth/callback/{provider}`: customers come back from the provider.

use axum::extract::{Request, State};
use axum::response::Response;

use super::page::arrived;
use super::{cookie, trouble};
use crate::api::path::Path;
use crate::api::prefer::pairs;
use crate::api::problem::Refusal;
use crate::app::App;
use crate::connections::connect::{Returned, Trouble, What};
use crate::error::Result;

pub async fn callback(State(app): State<App>, provider: Result<Path<String>, Refusal>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let done = async {
        let (Ok(Path(provider)), Ok(pairs)) = (provider, pairs(&parts)) else {
            return Err(Trouble::new(What::Garbled));
        };
        let browser = cookie::browser(&parts.headers, app.connect.public())?;
        let (opened, done) = app.connect.returned(&provider, Returned::of(pairs)?, browser.brought()).await?;
        Ok(arrived(&app, &opened, &done, &parts))
    };
    done.await.unwrap_or_else(|trouble| trouble::page(&app, trouble))
}
