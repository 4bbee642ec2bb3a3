//! Tools for those who write mappings: check, test, explain, new. They run the very code that serves requests.

mod check;
mod coverage;
mod difference;
mod example;
mod explain;
mod matrix;
mod openapi;
mod rehearse;
mod scaffold;

pub use check::{Report, check, test};
pub use coverage::holes;
pub use difference::difference;
pub use example::{Example, Placed, ResponseSpec, load as load_examples};
pub use explain::{ExplainRequest, explain_record, explain_request};
pub use matrix::{matrix, with_matrix};
pub use openapi::{Draft, from_openapi};
pub use rehearse::{prepare, rehearse, shown};
pub use scaffold::{AUTH, Answers, check_name, scaffold, write_folder};

use serde_json::{Value, json};

use crate::catalog::spec::{ProviderSpec, ResourceSpec};
use crate::catalog::structure;

/// The JSON Schemas that editors check mapping files with, by file name.
pub fn schemas() -> Vec<(&'static str, Value)> {
    // What a resource file lacks may stand in the file that it extends, so an editor cannot ask for it.
    let mut resource = structure::schema::<ResourceSpec>();
    without_required(&mut resource);
    // Taken out of lists when the files are laid over each other, before the structures of the grammar are read.
    if let Some(variant) = resource.pointer_mut("/$defs/VariantSpec/properties").and_then(Value::as_object_mut) {
        let description = "`- inherit: true` stands for the list of the file below.";
        variant.insert("inherit".into(), json!({"const": true, "description": description}));
    }
    vec![
        ("provider.schema.json", structure::schema::<ProviderSpec>()),
        ("resource.schema.json", resource),
        ("examples.schema.json", structure::schema::<Vec<Example>>()),
    ]
}

fn without_required(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // A list is the keyword; anything else is a property of that name.
            if members.get("required").is_some_and(Value::is_array) {
                members.shift_remove("required");
            }
            members.values_mut().for_each(without_required);
        }
        Value::Array(items) => items.iter_mut().for_each(without_required),
        _ => {}
    }
}
