//! `new`: a provider's folder that passes `check` and shows where everything goes.

use std::path::Path;

const PROVIDER: &str = r#"# The HTTP facts of one CRM. Every word is told in mappings/README.md.
title: {title}
docs: https://{name}.example/docs
base_url: https://api.{name}.example/v1
hosts:
  api: [https://api.{name}.example]
auth:
  token: {}                         # sends "Authorization: Bearer <token>"
errors:
  read:
    code: error.code
    message: error.message
  classify: []                      # what the status alone does not tell
passthrough:
  deny: [/oauth/]
gotchas: []
"#;

const CONTACTS: &str = r#"# One line a field: the unified name on the left, the place in the vendor's record on the right.
fields:
  id: { read: id }
  created_at: { read: created_at }
  updated_at: { read: updated_at }
  first_name: first_name
  last_name: last_name
  emails:
    places:
      - { type: work, primary: true, email: email }
select: false                       # the vendor sends all columns; otherwise say how it is told which
limit: { default: 50, max: 100 }
operations:
  list:
    request: GET /contacts
    query: { limit: limit, cursor: cursor }
    records: data
    next: next_cursor
  get: { request: "GET /contacts/{id}" }
  create: { request: POST /contacts, id: id, then: get }
  update: { request: "PATCH /contacts/{id}", then: get }
  delete: { request: "DELETE /contacts/{id}" }
"#;

const EXAMPLES: &str = r#"- example: gets a contact
  resource: contacts
  operation: get
  call: { id: "7", fields: [first_name, emails] }
  exchanges:
    - request: { method: GET, url: /contacts/7 }
      response:
        status: 200
        body: { id: 7, created_at: "2026-01-02T03:04:05Z", updated_at: null, first_name: Ada, email: ada@example.test }
  answer:
    data:
      id: "7"
      created_at: "2026-01-02T03:04:05Z"
      updated_at: null
      first_name: Ada
      emails: [{ type: work, primary: true, email: ada@example.test }]

- example: lists contacts and says where the list goes on
  resource: contacts
  operation: list
  call: { limit: 2, fields: [first_name] }
  exchanges:
    - request: { method: GET, url: /contacts?limit=2 }
      response:
        status: 200
        body: { data: [{ id: 7, first_name: Ada }, { id: 8, first_name: Grace }], next_cursor: c2 }
  answer:
    data:
      - { id: "7", created_at: null, updated_at: null, first_name: Ada }
      - { id: "8", created_at: null, updated_at: null, first_name: Grace }
    next: c2

- example: creates a contact and reads it back
  resource: contacts
  operation: create
  call:
    fields: [last_name]
    body: { first_name: Ada, last_name: Byron, emails: [{ type: work, email: ada@example.test }] }
  exchanges:
    - request: { method: POST, url: /contacts, body: { first_name: Ada, last_name: Byron, email: ada@example.test } }
      response: { status: 201, body: { id: 7 } }
    - request: { method: GET, url: /contacts/7 }
      response: { status: 200, body: { id: 7, last_name: Byron } }
  answer:
    data: { id: "7", created_at: null, updated_at: null, last_name: Byron }

- example: clears a last name
  resource: contacts
  operation: update
  call: { id: "7", fields: [last_name], body: { last_name: null } }
  exchanges:
    - request: { method: PATCH, url: /contacts/7, body: { last_name: null } }
      response: { status: 204 }
    - request: { method: GET, url: /contacts/7 }
      response: { status: 200, body: { id: 7, last_name: null } }
  answer:
    data: { id: "7", created_at: null, updated_at: null, last_name: null }

- example: deletes a contact
  resource: contacts
  operation: delete
  call: { id: "7" }
  exchanges:
    - request: { method: DELETE, url: /contacts/7 }
      response: { status: 204 }
  answer: { status: 204 }
"#;

/// Writes the folder. Refuses to write over anything.
pub fn scaffold(root: &Path, name: &str) -> Result<Vec<String>, String> {
    let word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !word {
        return Err(format!("{name:?} is not a name for a provider: lower-case letters, digits and hyphens"));
    }
    let folder = root.join(name);
    if folder.exists() {
        return Err(format!("{} exists already", folder.display()));
    }
    let title: String = name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect();
    let files = [("provider.yaml", PROVIDER), ("contacts.yaml", CONTACTS), ("examples/contacts.yaml", EXAMPLES)];
    let mut written = Vec::new();
    for (file, text) in files {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        let text = text.replace("{name}", name).replace("{title}", &title);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        written.push(path.display().to_string());
    }
    Ok(written)
}
