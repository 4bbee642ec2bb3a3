//! The tools for those who write mappings, as commands of the real binary.

mod check;
mod new;
mod scratch;

use std::path::Path;

use scratch::Scratch;
use serde_json::Value;

#[test]
fn the_schemas_in_the_repository_are_current() {
    let scratch = Scratch::new("schemas");
    scratch.run(0, &["schemas", "schemas"]);
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/schemas");
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    };
    let made = scratch.0.join("schemas");
    assert_eq!(names(&made), names(&kept));
    for name in names(&made) {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(&name)).expect("a schema");
        assert!(read(&made) == read(&kept), "run `throughline schemas` and commit {name:?}");
        assert!(serde_json::from_str::<Value>(&read(&kept)).is_ok());
    }
}

#[test]
fn a_new_provider_passes_check_and_test_and_can_be_explained() {
    let scratch = Scratch::new("new");
    let written = scratch.run(0, &["new", "acme", "--into", "mine"]);
    assert!(written.contains("mine/acme/provider.yaml") && written.contains("next: throughline check"), "{written}");
    let checked = scratch.run(0, &["check", "--strict", "mine"]);
    assert!(!checked.contains("no example shows"), "{checked}");
    let tested = scratch.run(0, &["test", "mine", "--provider", "acme"]);
    assert!(tested.contains("6 passed, 0 failed"), "{tested}");

    let shown = ["explain", "--mappings", "mine", "--provider", "acme", "--resource", "contacts"];
    let call = [&shown[..], &["--operation", "list", "--call", r#"{"limit": 2}"#]].concat();
    let request = scratch.run(0, &call);
    assert!(request.contains("/contacts?limit=2") && request.contains("GET"), "{request}");
    std::fs::write(scratch.0.join("payload.json"), r#"{"id": 7, "first_name": "Ada", "email": "ada@a.test"}"#)
        .expect("written");
    let call = [&shown[..], &["--operation", "get", "--call", r#"{"id": "7"}"#, "--payload", "payload.json"]].concat();
    let record = scratch.run(0, &call);
    assert!(record.contains(r#""first_name": "Ada""#) && record.contains("ada@a.test"), "{record}");

    assert!(scratch.run(1, &["new", "acme", "--into", "mine"]).contains("exists already"));
    assert!(scratch.run(1, &["new", "../acme", "--into", "mine"]).contains("not a name"));
}

#[test]
fn mistakes_are_told_with_file_and_line_and_examples_with_what_differs() {
    let scratch = Scratch::new("mistakes");
    scratch.run(0, &["new", "acme", "--into", "mine"]);
    scratch.edit("mine/acme/contacts.yaml", "last_name: last_name", "last_nam: last_name");
    scratch.edit("mine/acme/provider.yaml", "classify:", "clasify:");
    let told = scratch.run(1, &["check", "mine"]);
    assert!(told.contains("acme/provider.yaml:13") && told.contains("`classify`"), "{told}");
    scratch.edit("mine/acme/provider.yaml", "clasify:", "classify:");
    let told = scratch.run(1, &["check", "mine"]);
    assert!(told.contains("acme/contacts.yaml:7") && told.contains("last_name"), "{told}");
    scratch.edit("mine/acme/contacts.yaml", "last_nam: last_name", "last_name: last_name");
    scratch.edit("mine/acme/examples/contacts.yaml", "first_name: Ada\n", "first_name: Grace\n");
    let told = scratch.run(1, &["test", "mine", "--provider", "acme"]);
    assert!(told.contains("first_name") && told.contains("Grace") && told.contains("Ada"), "{told}");
}

#[test]
fn the_shipped_mappings_pass_with_both_engines() {
    let scratch = Scratch::new("shipped");
    scratch.run(0, &["check", "--strict"]);
    for engine in ["jsonata-core", "jsonata-rs"] {
        scratch.run(0, &["test", "--engine", engine]);
    }
    assert!(scratch.run(1, &["test", "--engine", "other"]).contains("not an engine"));
}
