//! The pages themselves. They work without scripts, by keyboard and read aloud.

use maud::{DOCTYPE, Markup, html};

use crate::app::App;
use crate::connections::connect::{Done, Field, Input, Offer, Opened, Way, return_url};

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

/// The form for one provider.
pub struct Form<'a> {
    pub offer: &'a Offer,
    pub way: Way,
    pub fields: &'a [Field],
    /// Faults that belong to no field.
    pub others: &'a [String],
    /// The customer has a connection to it already.
    pub again: bool,
    pub token: String,
    pub alone: bool,
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

/// One provider, and the form to connect it with.
pub fn connect(frame: &Frame, form: &Form<'_>) -> Markup {
    let provider = &form.offer.provider;
    let title = format!("Connect {}{}", provider.title, if form.again { " again" } else { "" });
    let (needed, optional): (Vec<&Field>, Vec<&Field>) = form.fields.iter().partition(|field| field.required);
    let faulty = optional.iter().any(|field| field.fault.is_some());
    let main = html! {
        (summary(form))
        h1 { (title) }
        p { strong { (frame.tenant()) } " asks to connect your " (provider.title) " account." }
        p { (what_happens(frame.tenant(), form)) }
        form method="post" action=(frame.link()) {
            input type="hidden" name="form" value=(form.token);
            input type="hidden" name="provider" value=(provider.name);
            input type="hidden" name="with" value=(form.way.as_str());
            @for field in needed { (question(field)) }
            @if !optional.is_empty() {
                details open[faulty] {
                    summary { "More settings" }
                    @for field in optional { (question(field)) }
                }
            }
            button type="submit" {
                @match form.way {
                    Way::Consent => { "Continue to " (provider.title) }
                    Way::Paste(_) => { "Connect" }
                }
            }
        }
        p.others {
            @for way in form.offer.ways.iter().filter(|way| **way != form.way) {
                a href={ (frame.link()) "?provider=" (provider.name) "&with=" (way.as_str()) } { (other_way(*way)) }
            }
            @if !form.alone { a href=(frame.link()) { "Choose another" } }
            (frame.cancel(Some(&provider.name)))
        }
    };
    let faults = form.fields.iter().any(|field| field.fault.is_some()) || !form.others.is_empty();
    frame.layout(&if faults { format!("Error: {title}") } else { title }, main)
}

fn what_happens(tenant: &str, form: &Form<'_>) -> String {
    let title = &form.offer.provider.title;
    match form.way {
        Way::Consent => {
            format!("You go to {title} now, log in there and say yes or no. Your password stays with {title}.")
        }
        Way::Paste(_) => {
            format!("What you enter is stored encrypted. With it, {tenant} reaches your {title} account.")
        }
    }
}

fn other_way(way: Way) -> &'static str {
    match way {
        Way::Consent => "Log in instead",
        Way::Paste("token") => "Use an API key instead",
        Way::Paste("basic") => "Use a user name and password instead",
        Way::Paste(_) => "Use headers instead",
    }
}

/// What is wrong, first on the page, with links to where it can be mended.
fn summary(form: &Form<'_>) -> Markup {
    let faulty: Vec<&Field> = form.fields.iter().filter(|field| field.fault.is_some()).collect();
    html! {
        @if !faulty.is_empty() || !form.others.is_empty() {
            div.summary role="alert" aria-labelledby="summary" tabindex="-1" {
                h2 id="summary" { "Nothing was connected yet" }
                ul {
                    @for field in faulty {
                        li { a href={ "#" (id(field)) } { (field.label) } ": " (field.fault.as_deref().unwrap_or_default()) }
                    }
                    @for other in form.others { li { (other) } }
                }
            }
        }
    }
}

fn question(field: &Field) -> Markup {
    let id = id(field);
    let hint = field.hint.as_ref().map(|_| format!("{id}-hint"));
    let fault = field.fault.as_ref().map(|_| format!("{id}-fault"));
    let described = [hint.as_deref(), fault.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let described = (!described.is_empty()).then_some(described);
    let invalid = field.fault.as_ref().map(|_| "true");
    let value = field.value.as_deref().unwrap_or_default();
    html! {
        div.question.faulty[field.fault.is_some()] {
            label for=(id) { (field.label) @if !field.required { " " span.optional { "(optional)" } } }
            @if let (Some(text), Some(hint)) = (&field.hint, &hint) { p.hint id=(hint) { (text) } }
            @if let (Some(text), Some(fault)) = (&field.fault, &fault) { p.fault id=(fault) { (text) } }
            @match &field.input {
                Input::Line => {
                    input type="text" id=(id) name=(field.name) value=(value) required[field.required]
                        autocomplete="off" autocapitalize="none" spellcheck="false"
                        aria-describedby=[&described] aria-invalid=[invalid];
                }
                Input::Secret => {
                    input type="password" id=(id) name=(field.name) required[field.required]
                        autocomplete="off" aria-describedby=[&described] aria-invalid=[invalid];
                }
                Input::Secrets => {
                    textarea id=(id) name=(field.name) rows="4" required[field.required] autocomplete="off"
                        autocapitalize="none" spellcheck="false" aria-describedby=[&described] aria-invalid=[invalid] {}
                }
                Input::Choice(choices) => {
                    select id=(id) name=(field.name) aria-describedby=[&described] aria-invalid=[invalid] {
                        @for choice in choices { option value=(choice) selected[choice == value] { (choice) } }
                    }
                }
            }
        }
    }
}

fn id(field: &Field) -> String {
    field.name.replace('.', "-")
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
