//! The form that a provider is connected with.

use maud::{Markup, html};

use super::Frame;
use crate::connections::connect::{Field, Input, Offer, Way};

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
