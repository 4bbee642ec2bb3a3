//! What a key may be used for.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Read,
    Write,
    Passthrough,
    Connect,
    /// The tenant's own management; implies none of the others.
    Admin,
    /// Reading credentials back. Never implied.
    Export,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the scope is not one of read, write, passthrough, connect, admin, export")]
pub struct UnknownScope;

impl Scope {
    pub const ALL: [Scope; 6] =
        [Scope::Read, Scope::Write, Scope::Passthrough, Scope::Connect, Scope::Admin, Scope::Export];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Passthrough => "passthrough",
            Scope::Connect => "connect",
            Scope::Admin => "admin",
            Scope::Export => "export",
        }
    }
}

/// A set of scopes, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    pub fn contains_all(self, others: Scopes) -> bool {
        self.0 & others.0 == others.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | (1 << scope as u8)))
    }
}

/// `read,write`, as the command line and the store write it.
impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(list: &str) -> Result<Self, UnknownScope> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| Scope::parse(name).ok_or(UnknownScope)).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { "," }, scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_survive_being_written_down() {
        let scopes: Scopes = "write, read,read".parse().expect("known scopes");
        assert_eq!(scopes.to_string(), "read,write");
        assert!(scopes.contains(Scope::Read) && !scopes.contains(Scope::Export));
        assert_eq!("read,root".parse::<Scopes>(), Err(UnknownScope));
    }
}
