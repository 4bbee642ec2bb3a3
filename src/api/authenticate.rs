//! Who is calling: the key in its usual place, or, for vendors' own clients, where the vendor's credential goes.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

use super::callers_time::{CallersTime, over};
use super::facts::Facts;
use super::problem::Refusal;
use crate::app::App;
use crate::catalog::{Catalog, basic_user};
use crate::error::{Error, Kind, Outcome};
use crate::net::listen::Peer;
use crate::telemetry::Shed;

/// What marks a text as one of our keys.
const MARK: &str = "tl_";

pub async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let passthrough = is_passthrough(request.uri().path());
    let refused = |error: Error| Refusal::from(error).into_response();
    let found = bearer(request.headers())
        .or_else(|| passthrough.then(|| borrowed(request.headers(), request.uri().query(), &app.catalog())).flatten());
    let Some(key) = found else {
        let detail = "Send the API key as `Authorization: Bearer tl_…`.";
        return refused(Error::new(Kind::Unauthenticated, detail));
    };
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    // Who guesses costs no look-ups. Those whose key is known already share no fate with a stranger at their address.
    if let Some(Err(after)) = peer.map(|peer| app.admission.may_try(peer))
        && !app.keys.remembers(&key)
    {
        app.metrics.shed(Shed::FailedAuthentications);
        let detail = "Too many requests with wrong keys came from this address.";
        let error = Error::new(Kind::RateLimited, detail).retry_after(Some(after));
        let error = if request.method().is_safe() { error } else { error.outcome(Outcome::NotExecuted) };
        return refused(error);
    }
    let time = CallersTime::within(request.extensions(), request.headers());
    let known = time.cut(app.keys.authenticate(&key)).await;
    match known.unwrap_or_else(|| Err(over(false))) {
        Ok(caller) => {
            if let Some(facts) = request.extensions().get::<Facts>() {
                facts.caller(&caller.tenant.0, &caller.key_id);
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        // The store may be away: then a caller who writes wants to know that nothing happened.
        Err(error) if error.kind() != Kind::Unauthenticated && !request.method().is_safe() => {
            refused(error.outcome(Outcome::NotExecuted))
        }
        Err(error) => {
            if let (Kind::Unauthenticated, Some(peer)) = (error.kind(), peer) {
                app.admission.failed(peer);
            }
            refused(error)
        }
    }
}

/// Whether the path is one of the two raw routes. Nowhere else is a key looked for in a vendor's place.
pub fn is_passthrough(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    matches!(
        (segments.next(), segments.next(), segments.next(), segments.next()),
        (Some("v1"), Some("passthrough"), ..) | (Some("v1"), Some("connections"), Some(_), Some("passthrough"))
    )
}

pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    // Two identities in one request are none.
    if values.next().is_some() {
        return None;
    }
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

/// A key where a provider's own credential goes: any header that some provider uses for it (whatever its prefix), the
/// user of basic authentication, or a query parameter. Only texts with our mark count, so a vendor's credential that a
/// client sends by mistake is never taken for a key.
fn borrowed(headers: &HeaderMap, query: Option<&str>, catalog: &Catalog) -> Option<String> {
    let names = catalog.providers.values().flat_map(|provider| provider.credential_headers());
    let in_headers = names.chain([&header::AUTHORIZATION]).find_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        let last = basic_user(value).or_else(|| value.rsplit(' ').next().map(str::to_owned))?;
        last.starts_with(MARK).then_some(last)
    });
    in_headers.or_else(|| {
        let values = query?.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
        values
            .map(|value| percent_decode_str(value).decode_utf8_lossy().into_owned())
            .find(|value| value.starts_with(MARK))
    })
}

/// The query without the parameters that hold one of our keys: they must not reach the vendor.
pub fn without_keys(query: &str) -> String {
    let holds_key = |pair: &&str| {
        let value = pair.split_once('=').map_or("", |(_, value)| value);
        percent_decode_str(value).decode_utf8_lossy().starts_with(MARK)
    };
    query.split('&').filter(|pair| !holds_key(pair)).collect::<Vec<_>>().join("&")
}

/// Removes every header that holds one of our keys.
pub fn remove_keys(headers: &mut HeaderMap) {
    let holding: Vec<_> = headers
        .iter()
        .filter(|(_, value)| {
            value.to_str().is_ok_and(|text| {
                basic_user(text).is_some_and(|user| user.starts_with(MARK))
                    || text.rsplit(' ').next().is_some_and(|last| last.starts_with(MARK))
            })
        })
        .map(|(name, _)| name.clone())
        .collect();
    holding.iter().for_each(|name| {
        headers.remove(name);
    });
}
