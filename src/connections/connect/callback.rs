//! Coming back from the provider.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::consent::{Kept, state_id};
use super::finish::Made;
use super::session::browser_of;
use super::{Connect, Done, Opened, Returned, Trouble, What, secret};
use crate::catalog::{Grant, Provider};
use crate::connections::connection::{Credentials, Tokens};
use crate::connections::now;
use crate::connections::oauth::{App, Exchange, Granted};
use crate::error::Violation;
use crate::net::Origin;

/// Of what a server says, as much as helps.
const LONGEST_REASON: usize = 200;

impl Connect {
    /// Makes the connection of what the provider sent the customer back with.
    pub async fn returned(
        &self,
        provider: &str,
        returned: Returned,
        browser: Option<&str>,
    ) -> Result<(Opened, Done), Trouble> {
        let state = returned.state.as_deref().filter(|state| secret::is_possible(state));
        let state = state.ok_or_else(|| match returned.state {
            None => Trouble::new(What::Garbled),
            Some(_) => Trouble::new(What::ForeignState),
        })?;
        // Found and deleted in one step: whatever comes of it, it was good once.
        let consent = self.0.repository.take(state_id(state)).await?;
        let consent = consent.ok_or_else(|| Trouble::new(What::ForeignState))?;
        let session = self.0.repository.find(consent.session.clone()).await?;
        let session = session.ok_or_else(|| Trouble::new(What::Unknown))?;
        // The answer to somebody else's question: nothing of the link is shown to this browser.
        if session.browser.is_none() || session.browser != browser.map(browser_of) {
            return Err(Trouble::new(What::OtherBrowser));
        }
        let kept = Kept::open(&self.0.vault, &consent)?;
        let opened = Opened { token: kept.link.clone(), session };
        let trouble = |what| Trouble::new(what).on(&opened);
        if *consent.provider != *provider {
            return Err(trouble(What::ForeignState));
        }
        let known = self.0.connections.provider(provider).ok();
        let Some((provider, grant)) = known.as_ref().and_then(|known| Some((known, known.grant.as_ref()?))) else {
            return Err(trouble(What::Nothing));
        };
        let trouble = |what| trouble(what).with(&provider.title);
        if opened.session.completed_by.is_some() {
            return Err(trouble(What::Completed));
        }
        if consent.expires_at <= now() {
            return Err(trouble(What::ExpiredState));
        }
        let foreign = |issuer: &String| !is_own_issuer(grant, issuer);
        if returned.issuer.as_ref().is_some_and(foreign) {
            return Err(trouble(What::ForeignIssuer));
        }
        if let Some(error) = &returned.error {
            return Err(trouble(reported(error, returned.description.as_deref())));
        }
        let code = returned.code.as_deref().filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| trouble(What::Garbled))?;

        let mut settings = consent.settings;
        returned.told(grant, &mut settings).map_err(trouble)?;
        let settings = provider.check_some_settings(&settings, |name| !grant.keeps(name));
        let settings = settings.map_err(|violations| trouble(What::Unfit(words(violations))))?;

        let tenant = &opened.session.tenant;
        let app = self.0.connections.oauth().app(tenant, &provider.name, Some(&kept.client_id)).await;
        let app = app.map_err(|error| trouble(What::Refused(error.detail().to_owned())))?;
        let redirect_uri = self.redirect_uri(&provider.name).unwrap_or_default();
        let exchange = Exchange::Code { code, redirect_uri: &redirect_uri, verifier: kept.verifier.as_ref() };
        let granted = self.0.connections.oauth().exchange(grant, &settings, &app, exchange).await;
        let granted = granted.map_err(|refused| trouble(What::Refused(refused.reason)))?;
        let made = made(provider, grant, &app, settings, granted);
        let made = made.map_err(|reason| trouble(What::Unfit(reason)))?;
        let done = self.finish(&opened, provider, made).await?;
        Ok((opened, done))
    }
}

/// The settings with what the answer told, if they lead to an address of the provider's own.
fn made(
    provider: &Provider,
    grant: &Grant,
    app: &App,
    settings: Map<String, Value>,
    granted: Granted,
) -> Result<Made, String> {
    let asked = grant.scopes(&settings);
    let mut settings = settings;
    settings.extend(granted.settings);
    let settings = provider.check_settings(&settings).map_err(words)?;
    provider.origin(&settings).map_err(|error| error.detail().to_owned())?;
    let refreshable = granted.refresh_token.is_some();
    let missing = granted.scopes.as_ref().map(|scopes| missing(&asked, scopes, refreshable)).unwrap_or_default();
    let credentials = Credentials::OAuth2(Tokens {
        access_token: Some(granted.access_token.expose_secret().into()),
        refresh_token: granted.refresh_token,
        expires_at: granted.expires_at,
        client_id: Some(app.client_id.clone()),
        ..Tokens::default()
    });
    Ok(Made { settings, credentials, scopes: granted.scopes.unwrap_or(asked), missing, verified: false })
}

fn words(violations: Vec<Violation>) -> String {
    violations.into_iter().map(|violation| violation.detail).collect::<Vec<_>>().join("; ")
}

/// The scopes that were asked for and not granted. Those that ask for a refresh token are granted by there being one,
/// and one that ends in `/.default` stands for whatever the app was given: servers answer neither by its name.
fn missing(asked: &[String], granted: &[String], refreshable: bool) -> Vec<String> {
    let for_refresh = |scope: &str| matches!(scope, "offline_access" | "refresh_token" | "offline");
    let is_granted = |scope: &String| {
        granted.iter().any(|granted| granted.eq_ignore_ascii_case(scope))
            || (refreshable && for_refresh(scope))
            || scope.ends_with("/.default")
    };
    asked.iter().filter(|scope| !is_granted(scope)).cloned().collect()
}

/// Whether the issuer is at one of the provider's own places. An answer that names none is judged by its state alone,
/// which is good for one provider's redirect URI only.
fn is_own_issuer(grant: &Grant, issuer: &str) -> bool {
    Origin::parse(issuer).is_ok_and(|origin| grant.is_own(&origin))
}

fn reported(error: &str, description: Option<&str>) -> What {
    if error == "access_denied" {
        return What::Declined;
    }
    let text = description.map_or_else(|| error.to_owned(), |words| format!("{error}: {words}"));
    What::Reported(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_REASON).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_scopes_are_those_that_nothing_stands_for() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let asked = texts(&["read", "write", "offline_access", "https://crm.test/.default"]);
        assert_eq!(missing(&asked, &texts(&["READ"]), true), ["write"]);
        assert_eq!(missing(&asked, &texts(&["read"]), false), ["write", "offline_access"]);
    }
}
