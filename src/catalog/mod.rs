//! All that is known of providers: reads `mappings/`, validates it, and holds the result, which never changes.

mod source;

pub use source::{Node, Problem};
