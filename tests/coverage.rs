//! The README's table of what each provider can do is the one that the mappings make.

mod common;

use throughline::author;

#[test]
fn the_table_in_the_readme_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("the README");
    let table = author::matrix(&common::CATALOG);
    let current = author::with_matrix(&readme, &table).expect("the README has a place for the table");
    assert!(readme == current, "the mappings have changed: run `throughline coverage --write README.md`");
}

#[test]
fn a_table_needs_its_place() {
    let missing = author::with_matrix("# Nothing here\n", "| |\n").expect_err("no marks");
    assert!(missing.contains("<!-- coverage: begin -->"), "{missing}");
}
