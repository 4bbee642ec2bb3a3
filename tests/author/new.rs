//! `new`: folders from nothing, from flags, and from OpenAPI documents of all kinds.

use super::scratch::Scratch;

const ACME: &str = include_str!("acme.yaml");

fn with_document(name: &str, document: &str) -> Scratch {
    let scratch = Scratch::new(name);
    scratch.write("acme.yaml", document);
    scratch
}

#[test]
fn a_document_becomes_a_folder_that_passes_check_and_test() {
    let scratch = with_document("document", ACME);
    let told =
        scratch.run(0, &["new", "acme", "--openapi", "acme.yaml", "--into", "mine", "--resource", "deals=/sales"]);
    for note in [
        "contacts: /people",
        "deals: /sales",
        "other.yaml#/Widget",
        "`/widgets`",
        "/clients could be contacts",
        "`colour`",
    ] {
        assert!(told.contains(note), "{note}: {told}");
    }
    scratch.run(0, &["check", "mine"]);
    let tested = scratch.run(0, &["test", "mine", "--provider", "acme"]);
    // List, get, refusal, create, update and delete of contacts; the list of deals.
    assert!(tested.contains("7 passed, 0 failed"), "{tested}");

    let provider = scratch.read("mine/acme/provider.yaml");
    for line in [
        "title: Acme CRM",
        "base_url: 'https://{region}.acme.test/v2'",
        "api: ['https://eu.acme.test', 'https://us.acme.test']",
        "token: { query: { api_key: token } }",
        "read: { code: error.code, message: error.message }",
        "nothing here was tried against the real API",
        "contacts: an update is a PUT",
    ] {
        assert!(provider.contains(line), "{line}: {provider}");
    }
    assert!(!provider.contains("basic"), "only what operations ask for: {provider}");

    let contacts = scratch.read("mine/acme/contacts.yaml");
    for line in [
        "id: { pattern: '[0-9]+' }",
        "limit: { default: 50, max: 200 }",
        "created_at: { read: created, as: epoch-s }",
        "updated_at: { read: lastModified }",
        "first_name: givenName",
        "last_name: { path: familyName, required: create }",
        "birthday: dateOfBirth",
        "values: { lead: lead, customer: Customer }",
        "type: work, primary: true",
        "type: mobile",
        "company: { fields: { id: { path: organizationId, as: integer } } }",
        "email: { on: e-mail, ops: [eq] }",
        "updated_at: { on: lastModified, ops: [gte] }",
        "accepts: { filters: all, q: true }",
        "records: people",
        "next: { page: 1 }",
        "body: { person: record }",
        "request: 'PUT /people/{id}'",
        "id: person.id",
    ] {
        assert!(contacts.contains(line), "{line}: {contacts}");
    }
    assert!(scratch.read("mine/acme/deals.yaml").contains("amount: { read: value, as: number }"));
    assert!(scratch.run(1, &["new", "acme", "--openapi", "acme.yaml", "--into", "mine"]).contains("exists already"));
}

#[test]
fn a_guess_can_be_corrected_and_a_wrong_correction_is_told() {
    let scratch = with_document("picks", ACME);
    let new = |code: i32, pick: &str, into: &str| {
        scratch.run(code, &["new", "acme", "--openapi", "acme.yaml", "--into", into, "--resource", pick])
    };
    let told = new(0, "contacts=/clients", "other");
    assert!(told.contains("/people could be contacts, too, for which /clients was taken"), "{told}");
    assert!(new(1, "contact=/clients", "x").contains("did you mean contacts?"));
    assert!(new(1, "contacts=/client", "x").contains("did you mean /clients?"));
    assert!(new(2, "contacts", "x").contains("NAME=/path"));
}

#[test]
fn broken_documents_get_a_clear_answer_and_no_folder() {
    let paths = "paths: { /contacts: { get: { responses: {} } } }";
    for (document, answer) in [
        ("{\"openapi\": \"3.0.0\"".to_owned(), "not valid JSON"),
        ("openapi: [3".to_owned(), "not valid YAML"),
        ("swagger: '2.0'\npaths: {}".to_owned(), "convert it to OpenAPI 3"),
        ("title: x".to_owned(), "no OpenAPI document"),
        ("openapi: 3.1.0\npaths: {}".to_owned(), "no `paths`"),
        (format!("openapi: 3.1.0\n{paths}"), "no path that lists records"),
        (format!("{{\"openapi\": \"3.1.0\", \"x\": {}1{}}}", "[".repeat(3000), "]".repeat(3000)), "recursion limit"),
        (format!("openapi: 3.1.0\nx: {}1{}", "[".repeat(3000), "]".repeat(3000)), "not valid YAML"),
        ("openapi: 3.1.0\npaths: 5".to_owned(), "no `paths`"),
    ] {
        let scratch = with_document("broken", &document);
        let told = scratch.run(1, &["new", "acme", "--openapi", "acme.yaml", "--into", "mine"]);
        assert!(told.contains(answer), "{answer}: {told}");
        assert!(!scratch.0.join("mine").exists(), "nothing is written");
    }
    let scratch = Scratch::new("absent");
    assert!(scratch.run(1, &["new", "acme", "--openapi", "nowhere.yaml"]).contains("nowhere.yaml"));
    let file = std::fs::File::create(scratch.0.join("huge.json")).expect("a file");
    file.set_len(101 * 1024 * 1024).expect("a large file");
    assert!(scratch.run(1, &["new", "acme", "--openapi", "huge.json"]).contains("larger than 100 MB"));
}

/// Whatever a document says, the folder passes `check`: no text of it becomes syntax.
#[test]
fn hostile_names_and_values_stay_texts() {
    let odd = ["a.b", "x y", "{id}", "'", "\"", "#", "null", "on", "- a", "a: b", "`", "\\n", "$", "é", ""];
    let property = |name: &str| format!("{}: {{\"type\": \"string\"}}", serde_json::json!(name));
    let odd_properties: Vec<String> = odd.iter().map(|name| property(name)).collect();
    let parameters: Vec<String> = odd
        .iter()
        .map(|name| {
            format!(
                "{{\"name\": {}, \"in\": \"query\", \"schema\": {{\"type\": \"string\"}}}}",
                serde_json::json!(name)
            )
        })
        .collect();
    let document = format!(
        r##"{{"openapi": "3.0.0", "info": {{"title": "A: 'b' {{c}}\n# d"}}, "servers": [{{"url": "https://{{tenant}}.acme.test/{{v}}/x",
            "variables": {{"tenant": {{"default": "a'b{{", "description": "who\n: {{x}}"}}, "v": {{"default": "v1"}}}}}}],
            "paths": {{"/con'tacts": {{"get": {{}}}}, "/contacts": {{"get": {{"parameters": [{}], "responses": {{"200": {{"content":
            {{"application/json": {{"schema": {{"type": "array", "items": {{"properties": {{"id": {{"type": "string"}},
            "na.me": {{"type": "string"}}, "first name": {{"type": "string"}}, "e'mail": {{"type": "string"}}, {}}}}}}}}}}}}}}}}}}}}},
            "components": {{"securitySchemes": {{"k": {{"type": "apiKey", "in": "header", "name": "a b:\n"}}}}}}}}"##,
        parameters.join(", "),
        odd_properties.join(", "),
    );
    let scratch = with_document("hostile", &document);
    scratch.run(0, &["new", "acme", "--openapi", "acme.yaml", "--into", "mine"]);
    scratch.run(0, &["check", "mine"]);
    let tested = scratch.run(0, &["test", "mine", "--provider", "acme"]);
    assert!(tested.contains("1 passed, 0 failed"), "{tested}");
    assert!(scratch.read("mine/acme/contacts.yaml").contains("name: { read: '`na.me`' }"));
}

#[test]
fn flags_say_what_a_terminal_would_be_asked() {
    let scratch = Scratch::new("flags");
    for (auth, line) in
        [("basic", "basic: {}"), ("header", "X-Api-Key: token"), ("oauth2", "token: https://crm.test/oauth/token")]
    {
        let into = format!("mine-{auth}");
        let resources = "contacts,companies,deals,products,tasks,users";
        let flags = ["--base-url", "https://crm.test/api/v3/", "--auth", auth, "--resources", resources];
        scratch.run(0, &[&["new", "acme", "--into", &into], &flags[..]].concat());
        scratch.run(0, &["check", &into]);
        let tested = scratch.run(0, &["test", &into, "--provider", "acme"]);
        assert!(tested.contains("31 passed, 0 failed"), "{tested}");
        let provider = scratch.read(&format!("{into}/acme/provider.yaml"));
        assert!(provider.contains(line) && provider.contains("base_url: https://crm.test/api/v3\n"), "{provider}");
    }
    for (flag, value, answer) in [
        ("--auth", "magic", "token, header, basic, oauth2"),
        ("--base-url", "crm.test", "--base-url crm.test"),
        ("--resources", "contact", "there is no model for contact"),
    ] {
        assert!(scratch.run(1, &["new", "acme", "--into", "x", flag, value]).contains(answer), "{flag}");
    }
    assert!(scratch.run(1, &["new"]).contains("throughline new acme"));
    assert!(scratch.run(1, &["new", "models"]).contains("not a name"));
}
