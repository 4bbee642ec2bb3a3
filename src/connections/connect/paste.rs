//! Connecting with credentials that the customer gives.

use super::ask::{credentials_of, settings_of};
use super::finish::Made;
use super::{Connect, Done, Offer, Opened, Trouble, What};
use crate::connections::connection::Credentials;
use crate::error::{Error, Kind, Violation};

/// Why a form did not lead on.
pub enum NotMade {
    /// It is to be shown again, with these.
    Faults(Vec<Violation>),
    Trouble(Box<Trouble>),
}

impl From<Trouble> for NotMade {
    fn from(trouble: Trouble) -> Self {
        NotMade::Trouble(Box::new(trouble))
    }
}

impl Connect {
    /// Makes the connection of a form's members. Nothing is made of credentials that the provider does not take.
    pub async fn paste(
        &self,
        opened: &Opened,
        offer: &Offer,
        kind: &str,
        given: &[(String, String)],
    ) -> Result<Done, NotMade> {
        let provider = &offer.provider;
        let mut violations = Vec::new();
        let settings = provider.check_settings(&settings_of(given)).map_err(|faults| violations.extend(faults));
        let credentials = Credentials::parse(&credentials_of(kind, given)).map_err(|faults| violations.extend(faults));
        let (Ok(settings), Ok((credentials, scopes))) = (settings, credentials) else {
            return Err(NotMade::Faults(violations));
        };
        let made = Made { settings, credentials, scopes, missing: Vec::new(), given: true };
        self.finish(opened, provider, made).await.map_err(|trouble| match trouble.what {
            What::Failed(error) if is_mendable(&error) => NotMade::Faults(faults(&error)),
            _ => trouble.into(),
        })
    }
}

/// Whether other answers of the customer could lead on.
fn is_mendable(error: &Error) -> bool {
    !matches!(error.kind(), Kind::Internal | Kind::Conflict)
}

fn faults(error: &Error) -> Vec<Violation> {
    match error.get_violations() {
        [] => vec![Violation::at("", error.detail().to_owned())],
        violations => violations.to_vec(),
    }
}
