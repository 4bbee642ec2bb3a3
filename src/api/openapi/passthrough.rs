//! The raw routes.

use serde_json::json;

use super::operation::Operation;
use super::{parameters, problems};

pub fn by_header(method: &'static str) -> Operation {
    raw("passthrough", method, "through a connection").parameters(parameters::connected())
}

pub fn by_path(method: &'static str) -> Operation {
    raw("passthroughOf", method, "through the connection in the path")
        .about("For clients that can set only a base URL and a key, such as the providers' own libraries.")
        .parameters(parameters::patient())
}

fn raw(id: &str, method: &'static str, how: &str) -> Operation {
    let name = method.to_uppercase();
    let scopes = if method == "get" { "the scope `passthrough`" } else { "the scopes `passthrough` and `write`" };
    let operation = Operation::new(format!("{id}_{method}"), "Passthrough", format!("{name} at the provider, {how}"))
        .about(format!("Needs {scopes}."))
        .about("Path, query and body go to the provider as they are, with the customer's credential; the answer is streamed back unchanged.")
        .response(
            "default",
            "The provider's own answer, whatever its status.",
            json!({"*/*": {}}),
            &["Throughline-Origin", "Idempotency-Replayed"],
        )
        .parameters(if method == "get" { Vec::new() } else { parameters::keyed() })
        .problems(&problems::RAW);
    if matches!(method, "get" | "delete") { operation } else { operation.raw_body() }
}
