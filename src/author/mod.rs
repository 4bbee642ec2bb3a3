//! Tools for those who write mappings: check, test, explain, new. They run the very code that serves requests.

mod check;
mod example;
mod explain;
mod rehearse;
mod scaffold;

pub use check::{Report, check, test};
pub use example::{Example, Placed, ResponseSpec, load as load_examples};
pub use explain::{ExplainRequest, explain_record, explain_request};
pub use rehearse::{difference, prepare, rehearse, shown};
pub use scaffold::scaffold;

use serde_json::Value;

use crate::catalog::spec::{ProviderSpec, ResourceSpec};
use crate::catalog::structure;

/// The JSON Schemas that editors check mapping files with, by file name.
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("provider.schema.json", structure::schema::<ProviderSpec>()),
        ("resource.schema.json", structure::schema::<ResourceSpec>()),
        ("examples.schema.json", structure::schema::<Vec<Example>>()),
    ]
}
