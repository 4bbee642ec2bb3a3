//! What a caller asks a list for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a filter compares. Joined by AND.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilterOp {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    In,
    Contains,
    StartsWith,
    Exists,
}

impl FilterOp {
    pub const ALL: [FilterOp; 10] = [
        FilterOp::Eq,
        FilterOp::Ne,
        FilterOp::Gt,
        FilterOp::Gte,
        FilterOp::Lt,
        FilterOp::Lte,
        FilterOp::In,
        FilterOp::Contains,
        FilterOp::StartsWith,
        FilterOp::Exists,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            FilterOp::Eq => "eq",
            FilterOp::Ne => "ne",
            FilterOp::Gt => "gt",
            FilterOp::Gte => "gte",
            FilterOp::Lt => "lt",
            FilterOp::Lte => "lte",
            FilterOp::In => "in",
            FilterOp::Contains => "contains",
            FilterOp::StartsWith => "starts_with",
            FilterOp::Exists => "exists",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str() == text)
    }
}

/// One condition on a unified field. `value` is typed by the model; an array for `in`, a boolean for `exists`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    pub field: String,
    pub op: FilterOp,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    pub field: String,
    pub descending: bool,
}

/// A list call's wishes. Serialised into cursors, so that a page continues exactly the list it belongs to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// As the caller sent it; the provider's default and maximum are applied later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort: Vec<Sort>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    #[serde(default)]
    pub fields: FieldSet,
    #[serde(default)]
    pub include_raw: bool,
    /// References whose records are wanted too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expand: Vec<String>,
}

/// Which members of a record are wanted: all, or the dotted paths that were named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldSet(Option<Vec<String>>);

/// These stay whatever `fields=` says.
const ALWAYS: [&str; 3] = ["id", "created_at", "updated_at"];

impl FieldSet {
    pub fn all() -> Self {
        Self(None)
    }

    pub fn of(paths: Vec<String>) -> Self {
        Self(Some(paths))
    }

    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    pub fn paths(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether any part of the top-level member is wanted.
    pub fn wants(&self, member: &str) -> bool {
        match &self.0 {
            None => true,
            Some(_) if ALWAYS.contains(&member) => true,
            Some(paths) => paths.iter().any(|path| head(path) == member),
        }
    }

    /// The wanted parts of a member; `None` when the whole of it is.
    pub fn parts(&self, member: &str) -> Option<Vec<&str>> {
        let paths = self.0.as_ref()?;
        if ALWAYS.contains(&member) {
            return None;
        }
        let mut parts = Vec::new();
        for path in paths.iter().filter(|path| head(path) == member) {
            parts.push(path.split_once('.')?.1);
        }
        Some(parts)
    }

    /// Whether the member was named without naming a part of it.
    pub fn wants_whole(&self, member: &str) -> bool {
        self.wants(member) && self.parts(member).is_none()
    }

    /// Names under `custom_fields` that were asked for one by one.
    pub fn custom(&self) -> impl Iterator<Item = &str> {
        self.paths().iter().filter_map(|path| path.strip_prefix("custom_fields."))
    }
}

fn head(path: &str) -> &str {
    path.split_once('.').map_or(path, |(head, _)| head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_members() {
        let set = FieldSet::of(vec!["emails.email".into(), "name".into()]);
        assert!(set.wants("id") && set.wants("emails") && set.wants("name") && !set.wants("phones"));
        assert_eq!(set.parts("emails"), Some(vec!["email"]));
        assert_eq!(set.parts("name"), None);
    }
}
