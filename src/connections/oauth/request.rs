//! What is sent to an authorization server, in the standard's words. Parameters beyond it come from the provider file.

use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenUrl,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::app::App;
use super::exchange::Exchange;
use crate::catalog::{ClientProof, Endpoint, Grant};
use crate::error::{Error, Result};

/// What the consent page is told.
pub struct Ask<'a> {
    pub redirect_uri: &'a str,
    pub state: &'a str,
    /// SHA-256 of the verifier in base64url (RFC 7636), where the provider takes PKCE.
    pub challenge: Option<&'a str>,
}

/// The address of the consent page.
pub(super) fn authorize_url(grant: &Grant, settings: &Map<String, Value>, app: &App, ask: &Ask<'_>) -> Result<String> {
    let missing = || Error::internal("the provider has no consent page");
    let url = grant.url(Endpoint::Authorize, settings)?.ok_or_else(missing)?;
    let client = BasicClient::new(ClientId::new(app.client_id.clone()))
        .set_auth_uri(AuthUrl::new(url).map_err(Error::internal)?)
        .set_redirect_uri(RedirectUrl::new(ask.redirect_uri.to_owned()).map_err(Error::internal)?);
    let state = ask.state.to_owned();
    let mut request = client.authorize_url(|| CsrfToken::new(state));
    let scopes = grant.scopes(settings);
    if grant.scope_separator == " " {
        request = request.add_scopes(scopes.into_iter().map(Scope::new));
    } else if !scopes.is_empty() {
        request = request.add_extra_param("scope", scopes.join(&grant.scope_separator));
    }
    if let Some(challenge) = ask.challenge {
        request = request.add_extra_param("code_challenge", challenge).add_extra_param("code_challenge_method", "S256");
    }
    for (name, value) in &grant.extra.authorize {
        request = request.add_extra_param(name.clone(), text(value));
    }
    Ok(request.url().0.to_string())
}

/// The request that `exchange` becomes.
pub(super) fn token_request(
    grant: &Grant,
    settings: &Map<String, Value>,
    app: &App,
    exchange: &Exchange<'_>,
    now: jiff::Timestamp,
) -> Result<HttpRequest> {
    let url = grant.url(Endpoint::Token, settings)?.ok_or_else(|| Error::internal("there is no token endpoint"))?;
    if let Exchange::Assertion { subject } = exchange {
        let key = app.key.as_deref();
        let key = key.ok_or_else(|| Error::internal("the OAuth app has no private key to sign with"))?;
        let audience = grant.audience(settings).unwrap_or_else(|| url.clone());
        let assertion = key.sign(&app.client_id, subject, &audience, now)?;
        let kind = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        return form(&url, &[("grant_type", kind), ("assertion", &assertion)], None);
    }
    let mut client = BasicClient::new(ClientId::new(app.client_id.clone()))
        .set_token_uri(TokenUrl::new(url).map_err(Error::internal)?)
        .set_auth_type(if grant.client == ClientProof::Basic { AuthType::BasicAuth } else { AuthType::RequestBody });
    if let (Some(secret), ClientProof::Basic | ClientProof::Body) = (&app.client_secret, grant.client) {
        client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
    }
    match exchange {
        Exchange::Code { code, redirect_uri, verifier } => {
            let redirect = RedirectUrl::new((*redirect_uri).to_owned()).map_err(Error::internal)?;
            let client = client.set_redirect_uri(redirect);
            let mut request = client.exchange_code(AuthorizationCode::new((*code).to_owned()));
            if let Some(verifier) = verifier {
                request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()));
            }
            for (name, value) in &grant.extra.exchange {
                request = request.add_extra_param(name.clone(), text(value));
            }
            built(request.request(&build))
        }
        Exchange::Refresh { token } => {
            let token = RefreshToken::new(token.expose_secret().to_owned());
            let mut request = client.exchange_refresh_token(&token);
            for (name, value) in &grant.extra.refresh {
                request = request.add_extra_param(name.clone(), text(value));
            }
            built(request.request(&build))
        }
        Exchange::AppItself => {
            let mut request = client.exchange_client_credentials();
            // Here a space is the standard's separator everywhere.
            request = request.add_scopes(grant.scopes(settings).into_iter().map(Scope::new));
            for (name, value) in &grant.extra.exchange {
                request = request.add_extra_param(name.clone(), text(value));
            }
            built(request.request(&build))
        }
        Exchange::Assertion { .. } => Err(Error::internal("assertions are built above")),
    }
}

/// RFC 7009.
pub(super) fn revocation_request(
    grant: &Grant,
    url: &str,
    app: &App,
    token: &SecretString,
    hint: &str,
) -> Result<HttpRequest> {
    let token = token.expose_secret();
    let secret = app.client_secret.as_ref().map(ExposeSecret::expose_secret);
    let mut members = vec![("token", token), ("token_type_hint", hint)];
    match (grant.client, secret) {
        (ClientProof::Basic, Some(secret)) => return form(url, &members, Some((&app.client_id, secret))),
        (ClientProof::Body, Some(secret)) => {
            members.extend([("client_id", app.client_id.as_str()), ("client_secret", secret)])
        }
        _ => members.push(("client_id", &app.client_id)),
    }
    form(url, &members, None)
}

/// The crate is asked to send and hands the finished request over instead.
fn build(request: HttpRequest) -> Result<HttpResponse, Built> {
    Err(Built(Box::new(request)))
}

#[derive(Debug, thiserror::Error)]
#[error("a request that is not sent here")]
struct Built(Box<HttpRequest>);

fn built<T, E: oauth2::ErrorResponse + 'static>(result: Result<T, RequestTokenError<Built, E>>) -> Result<HttpRequest> {
    match result {
        Err(RequestTokenError::Request(Built(request))) => Ok(*request),
        _ => Err(Error::internal("the request to the token endpoint could not be built")),
    }
}

fn form(url: &str, members: &[(&str, &str)], basic: Option<(&str, &str)>) -> Result<HttpRequest> {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let body: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let mut request = http::Request::post(url)
        .header(http::header::ACCEPT, "application/json")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some((id, secret)) = basic {
        use base64::Engine as _;
        let pair = format!("{}:{}", encode(id), encode(secret));
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        request = request.header(http::header::AUTHORIZATION, value);
    }
    request.body(body.join("&").into_bytes()).map_err(Error::internal)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
