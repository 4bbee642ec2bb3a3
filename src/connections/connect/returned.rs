//! What a provider sends a customer back with.

use serde_json::{Map, Value};

use super::{Trouble, What};
use crate::catalog::Grant;

/// The parameters of the redirect URI, each at most once.
#[derive(Default)]
pub struct Returned {
    pub state: Option<String>,
    pub code: Option<String>,
    /// The server's own code of a refusal, and its words.
    pub error: Option<String>,
    pub description: Option<String>,
    /// Who says this (RFC 9207).
    pub issuer: Option<String>,
    /// The vendor's own.
    others: Vec<(String, String)>,
}

const WORDS: [&str; 5] = ["state", "code", "error", "error_description", "iss"];

impl Returned {
    /// Reads a query. Vendors add parameters of their own; one of ours that stands there twice is nobody's.
    pub fn of(pairs: Vec<(String, String)>) -> Result<Self, Trouble> {
        let mut returned = Self::default();
        for (name, value) in pairs {
            // `state[]` is how some servers are told of a list.
            let bare = name.split('[').next().unwrap_or_default();
            if bare != name && WORDS.contains(&bare) {
                return Err(Trouble::new(What::Garbled));
            }
            let place = match name.as_str() {
                "state" => &mut returned.state,
                "code" => &mut returned.code,
                "error" => &mut returned.error,
                "error_description" => &mut returned.description,
                "iss" => &mut returned.issuer,
                _ => {
                    returned.others.push((name, value));
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(Trouble::new(What::Garbled));
            }
        }
        Ok(returned)
    }

    /// The settings that the redirect tells, laid over those that the customer gave.
    pub(super) fn told(&self, grant: &Grant, settings: &mut Map<String, Value>) -> Result<(), What> {
        for (setting, parameter) in &grant.returned {
            let mut values = self.others.iter().filter(|(name, _)| name == parameter).map(|(_, value)| value);
            match (values.next(), values.next()) {
                (Some(value), None) => drop(settings.insert(setting.clone(), value.as_str().into())),
                (None, _) => {}
                (Some(_), Some(_)) => return Err(What::Garbled),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Returned, Trouble> {
        Returned::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn parameters_that_stand_there_twice_are_nobodys() {
        let good = of(&[("state", "a"), ("code", "b"), ("location", "eu"), ("location", "us")]).expect("good");
        assert_eq!((good.state.as_deref(), good.code.as_deref()), (Some("a"), Some("b")));
        for wrong in
            [[("state", "a"), ("state", "a")], [("state", "a"), ("code[]", "b")], [("state[0]", "a"), ("x", "")]]
        {
            assert!(of(&wrong).is_err(), "{wrong:?}");
        }
    }
}
