//! Tokens that are imported: those that could not be renewed one day are refused on the first.

use super::connection::{Credentials, Tokens};
use super::now;
use crate::catalog::{Flow, Provider};
use crate::error::Violation;

/// What is wrong with tokens at a provider whose tokens can be renewed.
pub(super) fn faults(provider: &Provider, credentials: &Credentials) -> Vec<Violation> {
    let Credentials::OAuth2(tokens) = credentials else { return Vec::new() };
    let flows = provider.grant.as_ref().map(|grant| grant.flows.as_slice());
    let fault = match tokens.flow {
        Flow::AuthorizationCode if flows.is_some() && tokens.refresh_token.is_none() => unrenewable(tokens),
        Flow::AuthorizationCode => None,
        flow if flows.is_some_and(|flows| flows.contains(&flow)) => None,
        flow => {
            let detail = format!("{} gives no tokens by {}", provider.title, flow.as_str());
            let known = flows.unwrap_or_default().iter().map(|flow| flow.as_str()).collect::<Vec<_>>();
            Some(Violation::at("/credentials/flow", detail).expected(if known.is_empty() {
                "no flow".to_owned()
            } else {
                format!("one of {}", known.join(", "))
            }))
        }
    };
    fault.into_iter().collect()
}

/// Some providers give access tokens without an end and no refresh token. What a customer granted here in that way is
/// exported with its app's `client_id`, and taken back.
fn unrenewable(tokens: &Tokens) -> Option<Violation> {
    let at = |name: &str, detail: &str| Violation::at(format!("/credentials/{name}"), detail.to_owned());
    match tokens.expires_at {
        Some(end) if end <= now() => {
            let fault = at("expires_at", "the access token has expired, and there is no refresh token");
            Some(fault.expected("a time to come, or a refresh_token"))
        }
        None if tokens.client_id.is_some() => None,
        _ => {
            let fault = at("refresh_token", "the member is missing: the access token could not be renewed");
            Some(fault.expected("the refresh token; for a token that does not expire, credentials of type `token`"))
        }
    }
}
