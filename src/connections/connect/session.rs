//! An open link, and what can be wrong with one.

use std::fmt;
use std::sync::Arc;

use super::link::id_of;
use super::{Connect, Session, secret};
use crate::connections::now;
use crate::error::{Error, Result};

/// A link that somebody looks at.
#[derive(Clone)]
pub struct Opened {
    /// What stands in its URL. Never printed: whoever has it can go on in the customer's place.
    pub token: String,
    pub session: Session,
}

/// Why a customer cannot go on, for a page to say in words.
#[derive(Debug)]
pub struct Trouble {
    pub what: What,
    /// The link it happened on, as far as it is known: there the customer can try again.
    pub link: Option<Box<Opened>>,
    /// The title of the provider it is about.
    pub provider: Option<String>,
}

#[derive(Debug)]
pub enum What {
    /// No link has this token.
    Unknown,
    Expired,
    /// It was used before.
    Completed,
    OtherBrowser,
    /// The form came without the cookie that its page set.
    NoCookie,
    /// The form is not one of ours, or its page is too old.
    ForeignForm,
    /// There is nothing (any more) that can be connected on it.
    Nothing,
    /// The connection to be authorised again was deleted.
    Gone,
    /// The provider came back with what no provider sends: parameters that are missing or stand there twice.
    Garbled,
    /// The state is not known: never given, used already, or another provider's.
    ForeignState,
    ExpiredState,
    /// The answer says that it is another server's.
    ForeignIssuer,
    /// The customer said no, or the provider did.
    Declined,
    /// The provider reports a failure, in its own words.
    Reported(String),
    /// The provider does not take the code.
    Refused(String),
    /// What was given is not an account that this connection can be for.
    Unfit(String),
    /// Our own failure.
    Failed(Error),
}

impl Trouble {
    pub fn new(what: What) -> Self {
        Self { what, link: None, provider: None }
    }

    pub fn on(mut self, link: &Opened) -> Self {
        self.link = Some(Box::new(link.clone()));
        self
    }

    pub fn with(mut self, title: &str) -> Self {
        self.provider = Some(title.to_owned());
        self
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.session.id)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::new(What::Failed(error))
    }
}

impl Connect {
    /// The link with this token. Looking at it changes nothing: programs that read mail look at links, too.
    pub async fn open(&self, token: &str, browser: Option<&str>) -> Result<Opened, Trouble> {
        if !secret::is_possible(token) {
            return Err(Trouble::new(What::Unknown));
        }
        let found = self.0.repository.find(id_of(token)).await?;
        let session = found.ok_or_else(|| Trouble::new(What::Unknown))?;
        let opened = Opened { token: token.to_owned(), session };
        opened.usable(browser).map_err(|what| Trouble::new(what).on(&opened))?;
        Ok(opened)
    }

    /// Ties the link to the browser that holds this cookie.
    pub(super) async fn bind(&self, opened: &Opened, browser: &str) -> Result<(), Trouble> {
        let bound = self.0.repository.bind(Arc::clone(&opened.session.id), browser_of(browser)).await?;
        if bound { Ok(()) } else { Err(Trouble::new(What::OtherBrowser).on(opened)) }
    }
}

impl Opened {
    fn usable(&self, browser: Option<&str>) -> Result<(), What> {
        if self.session.completed_by.is_some() {
            return Err(What::Completed);
        }
        if self.session.expires_at <= now() {
            return Err(What::Expired);
        }
        match (&self.session.browser, browser) {
            (Some(bound), Some(browser)) if *bound == browser_of(browser) => Ok(()),
            (Some(_), _) => Err(What::OtherBrowser),
            (None, _) => Ok(()),
        }
    }
}

/// What is stored of a browser's cookie.
pub(super) fn browser_of(cookie: &str) -> Arc<str> {
    secret::hash("connect browser", cookie)
}
