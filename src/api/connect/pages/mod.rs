//! The pages themselves. They work without scripts, by keyboard and read aloud.

mod form;

pub use form::{Form, connect};

use maud::{DOCTYPE, Markup, html};

use crate::app::App;
use crate::connections::connect::{Done, Offer, Opened, return_url};

/// What all pages of a link share.
pub struct Frame {
    style: String,
    /// The page of the link, as far as it is known.
    link: Option<String>,
    /// Who asks.
    tenant: Option<String>,
    /// Where the customer came from: a URL that says that nothing came of it, or that all is done, and its host.
    back: Option<(String, String)>,
    cancel: Option<Opened>,
}

/// A page that only tells something.
pub struct Told {
    pub title: String,
    pub texts: Vec<String>,
    /// Whether trying again on the same link can help.
    pub again: bool,
}

impl Frame {
    pub fn of(app: &App, opened: &Opened) -> Self {
        Self::maybe(app, Some(opened))
    }

    pub fn maybe(app: &App, opened: Option<&Opened>) -> Self {
        let host =
            |opened: &Opened| return_url::origin(&opened.session.return_url).map(|at| at.authority().to_string());
        Self {
            style: app.connect.path("/connect/style.css"),
            link: opened.map(|opened| app.connect.path(&format!("/connect/{}", opened.token))),
            tenant: opened.map(|opened| opened.session.tenant.to_string()),
            back: opened.and_then(|opened| Some((opened.back_url(), host(opened)?))),
            cancel: opened.cloned(),
        }
    }

    fn link(&self) -> &str {
        self.link.as_deref().unwrap_or_default()
    }

    fn tenant(&self) -> &str {
        self.tenant.as_deref().unwrap_or_default()
    }

    fn layout(&self, title: &str, main: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    meta name="color-scheme" content="light dark";
                    title { (title) @if let Some(tenant) = &self.tenant { " – " (tenant) } }
                    link rel="stylesheet" href=(self.style);
                }
                body {
                    main { (main) }
                }
            }
        }
    }

    fn cancel(&self, provider: Option<&str>) -> Markup {
        let url = self.cancel.as_ref().map(|opened| opened.cancel_url(provider));
        html! { @if let Some(url) = url { a href=(url) { "Cancel" } } }
    }
}

/// Several providers: each is a link to its own form.
pub fn choose(frame: &Frame, offers: &[Offer]) -> Markup {
    let main = html! {
        h1 { "Connect an account" }
        p { strong { (frame.tenant()) } " asks to connect an account of yours. Which one is it?" }
        ul.choices {
            @for offer in offers {
                li { a href={ (frame.link()) "?provider=" (offer.provider.name) } { (offer.provider.title) } }
            }
        }
        p.others { (frame.cancel(None)) }
    };
    frame.layout("Connect an account", main)
}

/// Connected, and not everything is as it should be.
pub fn connected(frame: &Frame, done: &Done) -> Markup {
    let title = format!("{} is connected", done.provider.title);
    let main = html! {
        h1 { (title) }
        @if !done.missing.is_empty() {
            p { "Not everything that was asked for was granted. Some things will not work without:" }
            ul { @for scope in &done.missing { li { code { (scope) } } } }
        }
        @if let Some(why) = &done.unverified {
            p { "A first request to " (done.provider.title) " did not succeed yet: " (why) }
        }
        p.others {
            a.button href=(done.return_url) { "Continue" }
        }
    };
    frame.layout(&title, main)
}

pub fn trouble(frame: &Frame, told: &Told) -> Markup {
    let main = html! {
        h1 { (told.title) }
        @for text in &told.texts { p { (text) } }
        p.others {
            @if let (true, Some(link)) = (told.again, &frame.link) { a.button href=(link) { "Try again" } }
            @if let Some((url, host)) = &frame.back { a href=(url) { "Back to " (host) } }
        }
    };
    frame.layout(&told.title, main)
}
