//! Which functions exist in which engine, what is known about their cost, and the name somebody may have meant.

use super::expression::Engine;
use super::functions;

/// Built-in functions of both engines.
#[rustfmt::skip]
const BOTH: &[&str] = &[
    "abs", "append", "assert", "base64decode", "base64encode", "boolean", "ceil", "contains", "count", "distinct",
    "each", "error", "exists", "filter", "floor", "fromMillis", "join", "keys", "length", "lookup", "lowercase", "map",
    "match", "max", "merge", "millis", "min", "not", "now", "number", "pad", "power", "random", "reduce", "replace",
    "reverse", "round", "single", "sort", "split", "sqrt", "string", "substring", "substringAfter", "substringBefore",
    "sum", "toMillis", "trim", "uppercase", "zip",
];

#[rustfmt::skip]
const CORE_ONLY: &[&str] = &[
    "average", "decodeUrlComponent", "encodeUrl", "encodeUrlComponent", "formatBase", "formatInteger", "formatNumber",
    "parseInteger", "shuffle", "sift", "spread", "type",
];

const RS_ONLY: &[&str] = &["uuid"];

/// Functions whose cost is not linear in their input, or that run a function over and over.
/// `$distinct` compares every item with every other.
const UNBOUNDED: &[&str] =
    &["map", "filter", "reduce", "each", "sift", "sort", "single", "zip", "pad", "distinct", "shuffle"];

/// Functions that read members nobody names.
const OPAQUE: &[&str] = &["lookup", "each", "keys", "sift", "spread"];

/// Values of the call that share their name with a function: `$now` is the instant of the call, `$now()`
/// the function.
pub(super) const VALUES: &[&str] = &["now"];

pub(super) fn functions(engine: Engine) -> impl Iterator<Item = &'static str> {
    let own = match engine {
        Engine::Core => CORE_ONLY,
        Engine::Rs => RS_ONLY,
    };
    BOTH.iter().chain(own).copied().chain(functions::TABLE.iter().map(|function| function.name))
}

pub(super) fn is_function(engine: Engine, name: &str) -> bool {
    functions(engine).any(|known| known == name)
}

pub(super) fn is_unbounded(name: &str) -> bool {
    UNBOUNDED.contains(&name)
}

pub(super) fn is_opaque(name: &str) -> bool {
    OPAQUE.contains(&name)
}

/// With fewer arguments than this a built-in function works on the context value.
pub(super) fn arguments_without_context(name: &str) -> usize {
    match name {
        "now" | "millis" | "random" | "zip" | "uuid" | "error" => 0,
        "contains" | "split" | "substring" | "substringBefore" | "substringAfter" | "match" | "power" | "lookup"
        | "formatNumber" | "formatInteger" | "parseInteger" | "pad" | "each" | "sift" => 2,
        "replace" => 3,
        _ if functions::find(name).is_some() => 0,
        _ => 1,
    }
}

/// The candidate that differs least from `name`, if it differs little.
pub(super) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let allowed = (name.chars().count() / 3).max(2);
    let scored =
        candidates.into_iter().map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), candidate));
    scored.filter(|(score, _)| *score <= allowed).min_by_key(|(score, _)| *score).map(|(_, candidate)| candidate)
}

/// Edits between two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("uppercas", functions(Engine::Core)), Some("uppercase"));
        assert_eq!(nearest("qwertyuiop", functions(Engine::Core)), None);
    }
}
