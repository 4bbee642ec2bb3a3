//! The page of a link: a customer chooses a provider, gives what it asks for, and connects.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use super::policy::{Forms, page, see_other};
use super::{cookie, form, pages, trouble};
use crate::api::facts::Facts;
use crate::api::path::Path;
use crate::api::prefer::decoded;
use crate::api::problem::Refusal;
use crate::app::App;
use crate::catalog::Endpoint;
use crate::connections::connect::{Browser, Done, NotMade, Offer, Opened, Trouble, Way, What, return_url, with_faults};
use crate::error::{Result, Violation};
use crate::net::Origin;

/// Shows; nothing changes, whoever looks and however often.
pub async fn show(State(app): State<App>, token: Result<Path<String>, Refusal>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let shown = async {
        let Ok(Path(token)) = token else { return Err(Trouble::new(What::Unknown)) };
        let browser = cookie::browser(&parts.headers, app.connect.public())?;
        let opened = app.connect.open(&token, browser.brought()).await?;
        let mut response = shown(&app, &opened, &browser, &parts).await.map_err(|trouble| trouble.on(&opened))?;
        cookie::set(response.headers_mut(), &browser, app.connect.public());
        Ok(response)
    };
    shown.await.unwrap_or_else(|trouble| trouble::page(&app, trouble))
}

async fn shown(app: &App, opened: &Opened, browser: &Browser, parts: &Parts) -> Result<Response, Trouble> {
    let offers = app.connect.offers(opened).await?;
    let query = decoded(parts.uri.query().unwrap_or_default()).unwrap_or_default();
    let named = form::member(&query, "provider");
    let offer = match (offers.as_slice(), named) {
        ([], _) => return Err(Trouble::new(What::Nothing)),
        // With one provider there is nothing to choose.
        ([only], _) => only,
        (several, named) => match several.iter().find(|offer| named == Some(&*offer.provider.name)) {
            Some(offer) => offer,
            None => {
                let markup = pages::choose(&pages::Frame::of(app, opened), several);
                return Ok(page(StatusCode::OK, &Forms::none(), markup));
            }
        },
    };
    let way = form::member(&query, "with").and_then(|name| offer.way(name)).unwrap_or(offer.best());
    let asking = Asking { app, opened, browser, offer, way, alone: offers.len() == 1 };
    asking.page(StatusCode::OK, &[], &[]).await
}

/// Connects, or sends the customer to the provider.
pub async fn submit(State(app): State<App>, token: Result<Path<String>, Refusal>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let submitted = async {
        let Ok(Path(token)) = token else { return Err(Trouble::new(What::Unknown)) };
        let public = app.connect.public();
        let browser = cookie::browser(&parts.headers, public)?;
        let opened = app.connect.open(&token, browser.brought()).await?;
        let foreign = || Trouble::new(What::ForeignForm).on(&opened);
        let given = form::read(&parts, body, public).await.ok_or_else(foreign)?;
        app.connect.admit(&opened, &browser, form::member(&given, "form").unwrap_or_default()).await?;
        let offers = app.connect.offers(&opened).await?;
        let named = form::member(&given, "provider");
        let offer = offers.iter().find(|offer| named == Some(&*offer.provider.name));
        let offer = offer.ok_or_else(|| Trouble::new(What::Nothing).on(&opened))?;
        let way = form::member(&given, "with").and_then(|name| offer.way(name)).ok_or_else(foreign)?;
        let asking = Asking { app: &app, opened: &opened, browser: &browser, offer, way, alone: offers.len() == 1 };
        asking.submitted(&given, &parts).await
    };
    submitted.await.unwrap_or_else(|trouble| trouble::page(&app, trouble))
}

/// One provider on one link, and the way on which it is to be connected.
struct Asking<'a> {
    app: &'a App,
    opened: &'a Opened,
    browser: &'a Browser,
    offer: &'a Offer,
    way: Way,
    /// The link offers nothing else.
    alone: bool,
}

impl Asking<'_> {
    async fn submitted(&self, given: &[(String, String)], parts: &Parts) -> Result<Response, Trouble> {
        let connect = &self.app.connect;
        let outcome = match self.way {
            Way::Consent => connect.consent(self.opened, self.offer, given).await.map(|url| see_other(&url)),
            Way::Paste(kind) => {
                let done = connect.paste(self.opened, self.offer, kind, given).await;
                done.map(|done| arrived(self.app, self.opened, &done, parts))
            }
        };
        match outcome {
            Ok(response) => Ok(response),
            Err(NotMade::Trouble(trouble)) => Err(*trouble),
            Err(NotMade::Faults(faults)) => self.page(StatusCode::UNPROCESSABLE_ENTITY, given, &faults).await,
        }
    }

    /// The form, empty or with what was wrong with it.
    async fn page(
        &self,
        status: StatusCode,
        given: &[(String, String)],
        faults: &[Violation],
    ) -> Result<Response, Trouble> {
        let connect = &self.app.connect;
        let present = connect.present(self.opened, &self.offer.provider.name).await?;
        let fields = self.way.asks(&self.offer.provider, present.as_deref());
        let (fields, others) = with_faults(fields, given, faults);
        let form = pages::Form {
            offer: self.offer,
            way: self.way,
            fields: &fields,
            others: &others,
            again: present.is_some(),
            token: connect.form_token(self.opened, self.browser),
            alone: self.alone,
        };
        let markup = pages::connect(&pages::Frame::of(self.app, self.opened), &form);
        Ok(page(status, &Forms::to(self.places()), markup))
    }

    /// Where the form may lead in the end.
    fn places(&self) -> Vec<String> {
        let back = return_url::origin(&self.opened.session.return_url);
        let consents = match (self.way, &self.offer.provider.grant) {
            (Way::Consent, Some(grant)) => Some(grant),
            _ => None,
        };
        let Some(grant) = consents else { return back.iter().map(Origin::to_string).collect() };
        // Providers send people round among servers of their own, and of their customers where those sign in: which
        // ones is not known. All have TLS.
        let url = grant.url(Endpoint::Authorize, &self.offer.provider.example_settings());
        let theirs = url.ok().flatten().and_then(|url| return_url::origin(&url));
        let plain = theirs.into_iter().chain(back).filter(|origin| !origin.is_https()).map(|origin| origin.to_string());
        std::iter::once("https:".to_owned()).chain(plain).collect()
    }
}

/// The account is connected: back to where the customer came from, or first a page if there is something to be told.
pub fn arrived(app: &App, opened: &Opened, done: &Done, parts: &Parts) -> Response {
    if let Some(facts) = parts.extensions.get::<Facts>() {
        facts.connection(&done.connection.0, &done.provider.name);
    }
    if done.missing.is_empty() && done.unverified.is_none() {
        return see_other(&done.return_url);
    }
    page(StatusCode::OK, &Forms::none(), pages::connected(&pages::Frame::of(app, opened), done))
}
