//! The coverage table of a README: which provider can do what with which resource, in one look.

use std::fmt::Write;

use crate::catalog::{Catalog, Coverage, OperationCoverage, ResourceCoverage};

/// What the table stands between in a Markdown file.
const BEGIN: &str = "<!-- coverage: begin -->";
const END: &str = "<!-- coverage: end -->";

/// Rows are resources, columns providers; a cell has a letter for each operation and the number of fields to filter by.
pub fn matrix(catalog: &Catalog) -> String {
    let providers: Vec<Coverage> = catalog.providers.values().map(|provider| Coverage::of(provider)).collect();
    let resources = catalog.models.keys().filter(|resource| {
        let has = |provider: &Coverage| provider.resources.contains_key(*resource);
        providers.iter().any(has)
    });
    let mut table = String::from("| |");
    providers.iter().for_each(|provider| _ = write!(table, " {} |", provider.title));
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(providers.len()));
    for resource in resources {
        _ = write!(table, "\n| **{resource}** |");
        for provider in &providers {
            let cell = provider.resources.get(resource).map(cell).unwrap_or_default();
            _ = write!(table, "{}{cell} |", if cell.is_empty() { "" } else { " " });
        }
    }
    table.push_str(
        "\n\nL list, G get, C create, U update, D delete, P upsert (put), B many records in one request, A associations, T types of\ncustom objects; the number is how many fields the list can be filtered by.\n",
    );
    table
}

fn cell(resource: &ResourceCoverage) -> String {
    let letters: String = resource.operations.iter().filter_map(|(name, operation)| letter(name, operation)).collect();
    match resource.filters.len() {
        0 => letters,
        filters => format!("{letters} {filters}"),
    }
}

fn letter(name: &str, operation: &OperationCoverage) -> Option<char> {
    match name {
        "upsert" => Some('P'),
        // Batches that go one by one are no feat of the provider, and fields are told everywhere.
        "batch" if operation.at_once.is_empty() => None,
        "fields" | "associate" | "dissociate" => None,
        other => other.chars().next().map(|first| first.to_ascii_uppercase()),
    }
}

/// A Markdown file with this table between its marks.
pub fn with_matrix(markdown: &str, table: &str) -> Result<String, String> {
    let missing = || format!("the table goes between `{BEGIN}` and `{END}`, each on a line of its own, in this order");
    let (before, rest) = markdown.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}
