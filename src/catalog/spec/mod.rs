//! The grammar of mapping files as types. The editors' JSON Schemas are generated from them, and the doc comments
//! are what an author reads while writing. What each word does is told in `mappings/README.md`.

mod association;
mod batch;
mod field;
mod grant;
mod limits;
mod metadata;
mod provider;
mod resource;
mod variant;

pub use association::*;
pub use batch::*;
pub use field::*;
pub use grant::*;
pub use limits::*;
pub use metadata::*;
pub use provider::*;
pub use resource::*;
pub use variant::*;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A leaf of a request: a path, an expression, a literal (numbers, booleans, `{const: …}`), a list or a map of leaves.
pub type LeafSpec = Value;

/// One value, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    pub fn to_vec(&self) -> Vec<T> {
        match self {
            OneOrMany::One(one) => vec![one.clone()],
            OneOrMany::Many(many) => many.clone(),
        }
    }
}
