//! What is never taken because something before it takes all: variants of an operation, rows of the table of errors.

use super::build::{Build, Located};
use super::variant::{Accepts, Variant};

/// Variants are asked in order: one that an earlier one covers is never taken. `places` are their pointers.
pub fn check_variants(build: &mut Build<'_>, places: &[String], variants: &[Variant]) {
    for (index, (variant, place)) in variants.iter().zip(places).enumerate() {
        if variant.when.as_ref().is_some_and(never_holds) {
            build.problem(&format!("{place}/when"), "this is never true, so the variant is never taken");
            continue;
        }
        let earlier = variants.iter().zip(places).take(index);
        let mut covering = earlier.filter(|(earlier, _)| covers(earlier, variant));
        if let Some((earlier, at)) = covering.next() {
            let (at, why) = (build.place(at), reason(earlier));
            let message = format!(
                "this variant is never taken: the one at {at} {why}, and the first that covers a call is taken; put the narrower one first, or tell them apart by `when` or `accepts`"
            );
            build.problem(place, message);
        }
    }
}

fn reason(earlier: &Variant) -> &'static str {
    match (&earlier.when, earlier.accepts.covers_something()) {
        (Some(_), _) => "has the same `when` and covers all that this one does",
        (None, true) => "has no `when` and accepts all that this one does",
        (None, false) => "has no `when`",
    }
}

/// An expression over nothing is the same for every call.
fn never_holds(when: &Located) -> bool {
    let expression = when.expression();
    let constant = expression.reads().is_empty() && expression.variables().is_empty() && !expression.is_opaque();
    constant && when.holds(&serde_json::Value::Null, &crate::mapping::Vars::none()).is_ok_and(|holds| !holds)
}

fn covers(earlier: &Variant, later: &Variant) -> bool {
    holds_too(earlier.when.as_ref(), later.when.as_ref()) && earlier.accepts.covers(&later.accepts)
}

/// Whether the first holds wherever the second does, as far as the text tells.
pub fn holds_too(first: Option<&Located>, second: Option<&Located>) -> bool {
    let words = |when: &Located| when.expression().source().split_whitespace().collect::<String>();
    first.is_none_or(|first| second.is_some_and(|second| words(first) == words(second)))
}

impl Accepts {
    fn covers_something(&self) -> bool {
        self.q || !self.filters.is_empty() || !self.sort.is_empty()
    }

    fn covers(&self, other: &Accepts) -> bool {
        let filters = other.filters.iter().all(|(name, ops)| {
            let own = self.filters.get(name).map(Vec::as_slice).unwrap_or_default();
            ops.iter().all(|op| own.contains(op))
        });
        let at_least = |own: Option<usize>, other: Option<usize>| match (own, other) {
            (None, _) => true,
            (Some(own), Some(other)) => own >= other,
            (Some(_), None) => false,
        };
        filters
            && other.sort.iter().all(|name| self.sort.contains(name))
            && (self.q || !other.q)
            && (other.filters.is_empty() || at_least(self.conditions, other.conditions))
            && (other.sort.is_empty() || at_least(self.sort_fields, other.sort_fields))
    }
}
