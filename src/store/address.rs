//! Where a store is, as the configuration says it. The password in it is never printed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::postgres;

/// The setting `store:` as it was written. It may hold a password, so it is shown without one.
#[derive(Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Location(String);

/// A place that was understood.
#[derive(Debug, Clone)]
pub enum Address {
    Sqlite(PathBuf),
    Postgres(Box<postgres::Server>),
}

/// What would be right. Says nothing of what was given: that may hold a password.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(pub(super) String);

impl Location {
    pub fn address(&self) -> Result<Address, AddressError> {
        self.0.parse()
    }
}

impl From<&str> for Location {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(path.into()));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Box::new(postgres::Server::parse(text)?)));
        }
        Err(AddressError(
            "it is neither `sqlite:` and a path nor a URL such as postgres://user:password@host:5432/database".into(),
        ))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(server) => write!(f, "{server}"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Ok(address) => write!(f, "{address}"),
            Err(_) => f.write_str("(not understood)"),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_its_password() {
        let location =
            Location::from("postgres://al:s3cr%40t@db.test:6432,db2.test/crm?sslmode=verify-full&password=s3cr3t");
        let shown = format!(
            "{location} {location:?} {} {:?}",
            serde_json::to_string(&location).expect("JSON"),
            location.address()
        );
        assert!(!shown.contains("s3cr"), "{shown}");
        assert_eq!(location.to_string(), "postgres://al@db.test:6432,db2.test:5432/crm?sslmode=verify-full");
        assert_eq!(Location::from("sqlite:./x.db").to_string(), "sqlite:./x.db");
    }

    #[test]
    fn what_is_wrong_is_said_without_what_was_given() {
        for text in [
            "",
            "sqlite:",
            "mysql://u:s3cr3t@h/d",
            "postgres:u:s3cr3t@h",
            "postgres://u:s3cr3t@h:port/d",
            "postgres://u:s3cr3t@h/d?sslmode=s3cr",
            "postgres://",
            "postgres://u:s3cr3t@/d",
            "postgres://u:s3cr3t@h/d?sslmode=disable&sslrootcert=/x",
        ] {
            let error = Address::from_str(text).expect_err(text).to_string();
            assert!(!error.contains("s3cr") && !error.is_empty(), "{error}");
            assert!(!format!("{:?}", Location::from(text)).contains("s3cr"));
        }
    }
}
