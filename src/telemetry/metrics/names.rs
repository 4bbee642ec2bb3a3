//! The names that a catalog lends to labels: providers, resources, limits and the revision. A name that the catalog in
//! use does not know is `other`, so that nobody can make series up.

use std::collections::HashMap;
use std::sync::Arc;

use super::family::Label;

/// The label of everything that the catalog does not know. It is the first of every table.
const OTHER: &str = "other";
/// The resource of requests that have none.
pub const PASSTHROUGH: &str = "passthrough";

/// What a catalog calls its parts.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    pub revision: String,
    pub providers: Vec<String>,
    pub resources: Vec<String>,
    /// The names of limits, of all providers.
    pub limits: Vec<String>,
}

/// The names in use. Indexes stay what they are from one revision to the next: handles are kept by them.
#[derive(Debug, Default)]
pub struct Names {
    revision: (u16, Arc<str>),
    providers: Table,
    resources: Table,
    limits: Table,
}

#[derive(Debug)]
struct Table {
    /// Of the revision in use.
    known: HashMap<Arc<str>, u16>,
    /// All that there ever were.
    texts: Vec<Arc<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision(u16);

impl Names {
    /// The names of another revision.
    pub(super) fn followed_by(&self, next: &Vocabulary) -> Self {
        let resources = next.resources.iter().map(String::as_str).chain([PASSTHROUGH]);
        Self {
            revision: (self.revision.0.wrapping_add(1), next.revision.as_str().into()),
            providers: self.providers.with(next.providers.iter().map(String::as_str)),
            resources: self.resources.with(resources),
            limits: self.limits.with(next.limits.iter().map(String::as_str)),
        }
    }

    pub(super) fn provider(&self, name: &str) -> Provider {
        Provider(self.providers.index(name))
    }

    pub(super) fn resource(&self, name: &str) -> Resource {
        Resource(self.resources.index(name))
    }

    pub(super) fn limit(&self, name: &str) -> Limit {
        Limit(self.limits.index(name))
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.revision.0)
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { known: HashMap::new(), texts: vec![OTHER.into()] }
    }
}

impl Table {
    fn with<'n>(&self, names: impl Iterator<Item = &'n str>) -> Self {
        let (mut known, mut texts) = (HashMap::new(), self.texts.clone());
        for name in names {
            let at = texts.iter().position(|text| **text == *name).unwrap_or_else(|| {
                texts.push(name.into());
                texts.len() - 1
            });
            // More names than that are not told apart.
            if let Ok(index) = u16::try_from(at) {
                known.insert(Arc::from(name), index);
            }
        }
        Self { known, texts }
    }

    fn index(&self, name: &str) -> u16 {
        self.known.get(name).copied().unwrap_or_default()
    }

    fn text(&self, index: u16) -> &str {
        self.texts.get(usize::from(index)).map_or(OTHER, |text| text)
    }
}

macro_rules! named {
    ($($name:ident in $table:ident,)+) => {$(
        impl Label for $name {
            fn index(self) -> u16 {
                self.0
            }

            fn text(self, names: &Names) -> &str {
                names.$table.text(self.0)
            }

            fn all(names: &Names) -> Vec<Self> {
                names.$table.known.values().copied().map(Self).collect()
            }
        }
    )+};
}

named! {
    Provider in providers,
    Resource in resources,
    Limit in limits,
}

impl Label for Revision {
    fn index(self) -> u16 {
        self.0
    }

    fn text(self, names: &Names) -> &str {
        &names.revision.1
    }

    fn all(names: &Names) -> Vec<Self> {
        vec![names.revision()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_indexes_and_what_has_gone_is_other() {
        let words = |providers: &[&str]| Vocabulary {
            providers: providers.iter().map(|name| (*name).to_owned()).collect(),
            ..Vocabulary::default()
        };
        let first = Names::default().followed_by(&words(&["acme", "beta"]));
        let second = first.followed_by(&words(&["beta", "gamma"]));
        assert_eq!(first.provider("beta"), second.provider("beta"));
        assert_eq!(second.provider("acme").text(&second), OTHER);
        assert_eq!(first.provider("acme").text(&second), "acme", "what it counted stays under its name");
        assert_eq!(Provider::all(&second).len(), 2);
    }
}
