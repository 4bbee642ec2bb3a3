//! A resource as it is served: its model, and the providers that have it.

use super::components::fixed_schemas;
use crate::api::place::OBJECTS;
use crate::catalog::{ANY_CUSTOM, Catalog, Coverage, FilterCoverage, ResourceCoverage};
use crate::model::{FilterOp, Model, Operation};

pub struct Served<'a> {
    pub model: &'a Model,
    /// Titles of providers with what they can do.
    pub by: Vec<(&'a str, &'a ResourceCoverage)>,
    /// The name of one record in schemas: `Contact`.
    pub one: String,
    /// The name of many: `Contacts`.
    pub many: String,
    /// `a contact`, in a sentence.
    pub a: String,
    /// `contacts`, in a sentence.
    pub words: String,
}

/// What a resource's schemas are called after its name.
const KINDS: [&str; 4] = ["", "Field", "Page", "Write"];

impl<'a> Served<'a> {
    /// Resources that no provider has are not served, whatever models there are.
    pub fn all(catalog: &'a Catalog, coverage: &'a [Coverage]) -> Vec<Self> {
        let fixed = fixed_schemas();
        let served = catalog.models.values().map(|model| {
            let has =
                |provider: &'a Coverage| Some((provider.title.as_str(), provider.resources.get(&model.resource)?));
            // Types of custom objects share a model, whose own name would say nothing.
            let custom = if model.resource == OBJECTS { "custom_" } else { "" };
            let (singular, plural) = (format!("{custom}{}", model.name), format!("{custom}{}", model.resource));
            // A name that the API itself has is left to it.
            let taken = KINDS.iter().any(|kind| fixed.contains_key(&format!("{}{kind}", pascal(&singular))));
            let suffix = if taken { "Record" } else { "" };
            Self {
                model,
                by: coverage.iter().filter_map(has).collect(),
                one: pascal(&singular) + suffix,
                many: pascal(&plural) + suffix,
                a: with_article(&singular.replace('_', " ")),
                words: plural.replace('_', " "),
            }
        });
        served.filter(|served| !served.by.is_empty()).collect()
    }

    /// Whether it stands for all types of custom objects.
    pub fn is_objects(&self) -> bool {
        self.model.resource == OBJECTS
    }

    /// What people read: `Contacts`.
    pub fn tag(&self) -> String {
        self.many.clone()
    }

    /// Titles of the providers for which something holds.
    pub fn with(&self, holds: impl Fn(&ResourceCoverage) -> bool) -> Vec<&'a str> {
        self.by.iter().filter(|(_, resource)| holds(resource)).map(|(title, _)| *title).collect()
    }

    pub fn able(&self, operation: Operation) -> Vec<&'a str> {
        self.with(|resource| resource.operations.contains_key(operation.as_str()))
    }

    /// Every filter that some provider takes, in the order of the model's members.
    pub fn filters(&self) -> Vec<(&'a str, FilterOp)> {
        let mut found: Vec<(&'a str, FilterOp)> = Vec::new();
        for (name, filter) in self.by.iter().flat_map(|(_, resource)| &resource.filters) {
            found.extend(filter.operators.iter().map(|op| (name.as_str(), *op)));
        }
        let place = |name: &str| {
            let member = self.model.filter_target(name).split('.').next().unwrap_or_default();
            self.model.members.get_index_of(member).unwrap_or(usize::MAX)
        };
        found.sort_by_key(|(name, op)| (place(name), *name, *op));
        found.dedup();
        found
    }

    /// The operators that some provider takes on custom fields.
    pub fn custom_filters(&self) -> impl Iterator<Item = FilterOp> {
        self.filters().into_iter().filter(|(name, _)| *name == ANY_CUSTOM).map(|(_, op)| op)
    }

    /// What is said of a filter by the providers that have it.
    pub fn filter(&self, name: &str) -> impl Iterator<Item = &'a FilterCoverage> {
        self.by.iter().filter_map(move |(_, resource)| resource.filters.get(name))
    }

    /// Every field that some provider sorts by, in the order of the model.
    pub fn sorts(&self) -> Vec<&'a str> {
        let mut found: Vec<&str> =
            self.by.iter().flat_map(|(_, resource)| &resource.sorts).map(String::as_str).collect();
        let place = |name: &str| self.model.members.get_index_of(name.split('.').next().unwrap_or_default());
        found.sort_by_key(|name| (place(name).unwrap_or(usize::MAX), *name));
        found.dedup();
        found
    }

    /// Every field that some provider can find a record by when it is upserted.
    pub fn matches(&self) -> Vec<&'a str> {
        let upserts = self.by.iter().filter_map(|(_, resource)| resource.operations.get(Operation::Upsert.as_str()));
        let mut found: Vec<&str> =
            upserts.flat_map(|upsert| &upsert.variants).flat_map(|way| &way.matches).map(String::as_str).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The resources whose records can be associated, as far as some provider can do the operation.
    pub fn associated(&self, operation: Operation) -> Vec<&'a str> {
        let others = self.by.iter().flat_map(|(_, resource)| &resource.associations);
        let able = others.filter(|(_, operations)| operations.contains(&operation.as_str()));
        let mut found: Vec<&str> = able.map(|(other, _)| other.as_str()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether some provider can store the member.
    pub fn writes(&self, member: &str) -> bool {
        self.by.iter().any(|(_, resource)| resource.fields.get(member).is_some_and(|field| field.write))
    }
}

/// `an activity`, `a user`.
fn with_article(word: &str) -> String {
    let article = if word.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// `custom_object` as `CustomObject`.
fn pascal(word: &str) -> String {
    word.split('_')
        .flat_map(|part| {
            let mut letters = part.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<Vec<_>>()
        })
        .collect()
}

/// Titles as a sentence has them: `A, B and C`.
pub fn listed(titles: &[&str]) -> String {
    match titles {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
