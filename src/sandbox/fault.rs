//! What can go wrong with a request, by name. How the vendor says it is a template in the sandbox file.

use serde_json::{Map, Value};

/// Every fault the engine can find, with the name that is taken where the file has no answer of that name.
pub(super) const FAULTS: &[(&str, Option<&str>)] = &[
    ("unauthorized", None),
    ("no_credential", Some("unauthorized")),
    ("unknown_route", None),
    ("wrong_method", Some("unknown_route")),
    ("too_large", None),
    ("too_many", None),
    ("unknown_object", None),
    ("not_found", None),
    ("deleted", Some("not_found")),
    ("bad_json", None),
    ("unknown_column", None),
    ("read_only_column", Some("unknown_column")),
    ("bad_value", None),
    ("bad_reference", Some("bad_value")),
    ("missing_required", None),
    ("duplicate", None),
    ("changed", None),
    ("bad_link", None),
    ("bad_limit", None),
    ("bad_cursor", None),
    ("too_deep", Some("bad_cursor")),
    ("invalid_operator", None),
    ("too_many_conditions", None),
    ("bad_query", None),
];

/// A refusal. Its members are `fault.<name>` in the templates of `errors`.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) name: String,
    pub(super) members: Map<String, Value>,
}

impl Fault {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), members: Map::new() }
    }

    /// The sandbox file itself failed: an expression that cannot be evaluated.
    pub(super) fn broken(message: String) -> Self {
        Self::new("broken").with("message", message)
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

/// The status of a fault that the file does not describe.
pub(super) fn plain_status(name: &str) -> u16 {
    match name {
        "unauthorized" | "no_credential" => 401,
        "unknown_route" | "not_found" | "deleted" | "unknown_object" => 404,
        "wrong_method" => 405,
        "duplicate" => 409,
        "changed" => 412,
        "too_large" => 413,
        "too_many" => 429,
        "broken" => 500,
        _ => 400,
    }
}
