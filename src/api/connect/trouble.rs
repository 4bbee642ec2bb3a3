//! What went wrong, in words, and what to do next.

use axum::response::Response;
use http::StatusCode;

use super::pages::{self, Frame, Told};
use super::policy::{self, Forms};
use crate::app::App;
use crate::connections::connect::{Trouble, What};

pub fn page(app: &App, trouble: Trouble) -> Response {
    if let What::Failed(error) = &trouble.what {
        tracing::error!(?error, "A customer's account could not be connected");
    }
    let frame = Frame::maybe(app, trouble.link.as_deref());
    let (status, told) = told(&trouble);
    policy::page(status, &Forms::none(), pages::trouble(&frame, &told))
}

fn told(trouble: &Trouble) -> (StatusCode, Told) {
    let provider = trouble.provider.clone().unwrap_or_else(|| "The provider".to_owned());
    let tenant = trouble.link.as_ref().map(|link| link.session.tenant.to_string());
    let sender = tenant.clone().unwrap_or_else(|| "whoever sent you here".to_owned());
    let told = |title: &str, texts: &[String]| Told { title: title.to_owned(), texts: texts.to_vec(), again: false };
    let again = |title: &str, texts: &[String]| Told { again: true, ..told(title, texts) };
    let new_link = format!("Ask {sender} for a new link.");
    let same_link = "Open the link that you were given once more.".to_owned();
    let next = if trouble.link.is_some() { "You can try again.".to_owned() } else { same_link.clone() };
    match &trouble.what {
        What::Unknown => (
            StatusCode::NOT_FOUND,
            told(
                "There is no such link",
                &["It may have been copied only in part, or it ended a while ago.".into(), new_link],
            ),
        ),
        What::Expired => {
            (StatusCode::GONE, told("This link has ended", &["A link can be used for half an hour.".into(), new_link]))
        }
        What::Completed => (
            StatusCode::OK,
            told(
                "Already connected",
                &["The account was connected with this link before. There is nothing left to do.".into()],
            ),
        ),
        What::OtherBrowser => (
            StatusCode::FORBIDDEN,
            told(
                "This belongs to another browser",
                &[
                    "Connecting the account was begun in another browser, or in a private window: go on there.".into(),
                    format!("If that is not possible: {}", lower(&new_link)),
                ],
            ),
        ),
        What::NoCookie => (
            StatusCode::BAD_REQUEST,
            again(
                "Your browser keeps no cookies",
                &[
                    "This page needs one, so that nobody else can go on in your place. Allow cookies for this site."
                        .into(),
                    next,
                ],
            ),
        ),
        What::ForeignForm => {
            (StatusCode::FORBIDDEN, again("This page was too old", &["Nothing was sent on.".into(), next]))
        }
        What::Nothing => (
            StatusCode::NOT_FOUND,
            told(
                "There is nothing to connect here",
                &["What this link was made for cannot be connected at the moment.".into(), new_link],
            ),
        ),
        What::Gone => (
            StatusCode::GONE,
            told(
                "The connection was deleted",
                &["This link was made to renew a connection that is there no more.".into(), new_link],
            ),
        ),
        What::Garbled => (
            StatusCode::BAD_REQUEST,
            again(
                "The answer cannot be understood",
                &[format!("{provider} sent you back with an answer that is not whole. Nothing was connected."), next],
            ),
        ),
        What::ForeignState => (
            StatusCode::BAD_REQUEST,
            again(
                "This answer is not for us",
                &[
                    "It was used already, or it belongs to something else that was begun. Nothing was connected."
                        .into(),
                    next,
                ],
            ),
        ),
        What::ExpiredState => (
            StatusCode::BAD_REQUEST,
            again(
                "That took too long",
                &[format!("Your answer at {provider} came after its time. Nothing was connected."), next],
            ),
        ),
        What::ForeignIssuer => (
            StatusCode::BAD_REQUEST,
            again(
                "The answer came from somebody else",
                &[format!("It does not say that it is from {provider}. Nothing was connected."), next],
            ),
        ),
        What::Declined => (
            StatusCode::OK,
            again(
                "Not connected",
                &[format!("{provider} says that access was not granted, so nothing was connected."), next],
            ),
        ),
        What::Reported(words) => {
            (StatusCode::BAD_GATEWAY, again("Not connected", &[format!("{provider} could not go on: {words}"), next]))
        }
        What::Refused(words) => (
            StatusCode::BAD_GATEWAY,
            again(
                "Not connected",
                &[
                    format!("{provider} did not complete it: {words}"),
                    next,
                    format!("If it stays like this, tell {sender}."),
                ],
            ),
        ),
        What::Unfit(words) => (
            StatusCode::BAD_GATEWAY,
            again(
                "This account cannot be connected",
                &[format!("{provider} answered with something that does not fit: {words}"), next],
            ),
        ),
        What::Failed(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            again(
                "Something went wrong here",
                &["It is not your fault.".into(), next, format!("If it stays like this, tell {sender}.")],
            ),
        ),
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}
