//! The names that leaves use, held against those that are in hand at their place.

use std::sync::LazyLock;

use regex::Regex;

use super::build::{Build, Scope, hint};
use crate::mapping::Path;

/// The members of the entries of lists that the engine makes itself.
const ENTRIES: [(&str, &[&str]); 3] = [
    ("items", &["index", "id", "record", "input", "match"]),
    ("sort", &["on", "desc", "field"]),
    ("conditions", &["any"]),
];

/// `{name}` or `{a.b}`, which no expression contains outside its texts.
static SLOT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{([A-Za-z_][A-Za-z0-9_]*)(?:\.[A-Za-z0-9_.]+)?\}").ok());

/// A path begins with a name of its scope.
pub fn check_root(build: &mut Build<'_>, pointer: &str, path: &Path, scope: &Scope<'_>) {
    let first = path.first();
    if let Some(names) = &scope.names
        && !first.is_empty()
        && !names.contains(&first)
    {
        let hint = hint(first, names.iter().copied());
        let message =
            format!("{} has no `{first}`{hint} (a text is written as {{const: {}}})", scope.title, path.dotted());
        build.problem(pointer, message);
    }
}

/// What a leaf over each entry of a list sees: the entry's members, as far as they are known, over the names around it.
pub fn entry_scope<'s>(scope: &Scope<'s>, list: &Path) -> Scope<'s> {
    let known = ENTRIES.iter().find(|(name, _)| list.names().as_slice() == [*name]);
    let names = known.and_then(|(name, members)| {
        let around = scope.names.iter().flatten().copied().filter(|around| around != name);
        scope.names.as_ref().map(|_| around.chain(members.iter().copied()).collect())
    });
    Scope { title: "the entry", names, variables: scope.variables }
}

/// Texts of leaves are not templates: a `{name}` of the call would be sent as it stands.
pub fn check_braces(build: &mut Build<'_>, pointer: &str, text: &str, scope: &Scope<'_>) {
    let names = scope.names.iter().flatten();
    let slots = SLOT.iter().flat_map(|slot| slot.captures_iter(text));
    let mut called = slots.filter_map(|slot| Some((slot.get(0)?.as_str(), slot.get(1)?.as_str())));
    if let Some((slot, _)) = called.find(|(_, name)| names.clone().any(|known| known == name)) {
        build.problem(
            pointer,
            format!("`{slot}` is not filled in here: only the path of a request is a template; use a style (`$query`, `$where`, `$literal`), or a path as the whole leaf"),
        );
    }
}

/// Names of members are texts: what is left in braces after the params is a param that there is not.
pub fn check_key(build: &mut Build<'_>, pointer: &str, key: &str) {
    let slot = SLOT.as_ref().and_then(|slot| slot.captures(key)?.get(0)).map(|slot| slot.as_str().to_owned());
    if let Some(slot) = slot {
        let message = format!(
            "`{slot}` in a name is not one of `params`; for a name from the call the whole leaf is an expression: '{{object: value}}'"
        );
        build.problem(pointer, message);
    }
}
