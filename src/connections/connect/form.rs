//! Who sent a form: the browser's cookie, and the token that ties a form to its page.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Connect, Opened, Trouble, What, secret};
use crate::error::Result;

const PURPOSE: &[u8] = b"throughline connect forms";

/// A browser, by the random text in its cookie.
#[derive(Clone)]
pub struct Browser {
    pub cookie: String,
    /// The cookie has to be set: the browser did not bring one.
    pub fresh: bool,
}

impl Browser {
    /// The browser that brought this cookie, or a new one.
    pub fn of(cookie: Option<String>) -> Result<Self> {
        match cookie.filter(|cookie| secret::is_possible(cookie)) {
            Some(cookie) => Ok(Self { cookie, fresh: false }),
            None => Ok(Self { cookie: secret::random()?, fresh: true }),
        }
    }

    /// What it brought itself.
    pub fn brought(&self) -> Option<&str> {
        (!self.fresh).then_some(self.cookie.as_str())
    }
}

impl Connect {
    /// The hidden member of a form. Good for this link in this browser, and for as long as the link is: a link that was
    /// used takes no form.
    pub fn form_token(&self, opened: &Opened, browser: &Browser) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&key(&self.0.vault.derive(PURPOSE)), &signed(opened, &browser.cookie)))
    }

    /// Binds the link to the browser if the form is one of ours that this browser was given.
    pub async fn admit(&self, opened: &Opened, browser: &Browser, token: &str) -> Result<(), Trouble> {
        let Some(cookie) = browser.brought() else { return Err(Trouble::new(What::NoCookie).on(opened)) };
        let tag = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        // The vault's key may have been replaced since the page was shown.
        let vault = &self.0.vault;
        let mut secrets = std::iter::once(vault.derive(PURPOSE)).chain(vault.derive_older(PURPOSE));
        let good = secrets.any(|secret| hmac::verify(&key(&secret), &signed(opened, cookie), &tag).is_ok());
        if !good {
            return Err(Trouble::new(What::ForeignForm).on(opened));
        }
        self.bind(opened, cookie).await
    }
}

fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

/// Both have a fixed length: no two pairs look the same.
fn signed(opened: &Opened, cookie: &str) -> Vec<u8> {
    [opened.session.id.as_bytes(), cookie.as_bytes()].concat()
}
