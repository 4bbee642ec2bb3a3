//! The README's table of what each provider can do is the one that the mappings make; the examples show all of it.

mod common;

use throughline::author;
use throughline::catalog::{Catalog, Files, Options};

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

const PROVIDER: &str = "
title: Acme
base_url: https://api.acme.test
hosts: { api: ['https://api.acme.test'] }
auth: { token: {} }
errors:
  read: { code: code }
  classify:
    - { status: 400, code: TAKEN, is: duplicate }
    - { code: SLOW, is: rate-limited }
";
const CONTACTS: &str = "
fields:
  id: { read: id }
  first_name: first
  birthday: { none: Acme asks nobody's age }
  emails: { places: [{ type: work, primary: true, email: mail }, { type: home, email: mail2 }] }
  company: { fields: { id: company_id } }
filters: { email: { on: mail, ops: [eq, contains] } }
sorts: { first_name: first }
operations:
  list: { request: GET /c, query: { w: conditions, s: sort }, records: data }
  create: { request: POST /c }
";
const EXAMPLES: &str = "
- example: lists
  resource: contacts
  operation: list
  call: { filter: { email: a@a.test }, sort: -first_name }
  exchanges: []
  answer: { data: [{ id: '7' }] }
- example: creates
  resource: contacts
  operation: create
  call: { body: { first_name: Ada, emails: [{ email: a@a.test }], company: null } }
  exchanges: []
  answer: { data: {} }
- example: is told that it is there
  resource: contacts
  operation: create
  exchanges: [{ request: { method: POST, url: /c }, response: { status: 400, body: { code: TAKEN } } }]
  problem: { code: duplicate }
";

#[test]
fn what_no_example_shows_is_told_with_its_line() {
    let files = [("provider", PROVIDER), ("contacts", CONTACTS), ("examples/contacts", EXAMPLES)];
    let files = files.map(|(name, text)| (format!("acme/{name}.yaml"), text));
    let files = Files::embedded().laid_over(Files::of(files));
    let catalog = Catalog::load(&files, &Options::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let examples = author::load_examples(&files, "acme").expect("good examples");
    let holes = author::holes(&catalog, "acme", &files, &examples);
    let told: Vec<String> =
        holes.iter().map(|hole| hole.to_string().replace("; add one to acme/examples", "")).collect();
    assert_eq!(
        told,
        [
            "acme/contacts.yaml:6: contacts: no example shows how `emails[1, home].email` is written/contacts.yaml with a `body` that sets it",
            "acme/contacts.yaml:7: contacts: no example shows how `company.id` is written/contacts.yaml with a `body` that sets it",
            "acme/contacts.yaml:8: contacts: no example shows `filter[email][contains]`/contacts.yaml with `call: { filter: { email: { contains: … } } }`",
            "acme/provider.yaml:10: no example meets this row/ that ends in `problem: { code: rate-limited }` by an answer that no row above meets",
        ]
    );
}

#[test]
fn the_examples_show_everything_that_is_shipped() {
    let mut told = Vec::new();
    for provider in common::CATALOG.provider_names() {
        let examples = author::load_examples(&common::FILES, provider).expect("good examples");
        told.extend(author::holes(&common::CATALOG, provider, &common::FILES, &examples));
    }
    let lines: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} that no example shows:\n{}", lines.len(), lines.join("\n"));
}
