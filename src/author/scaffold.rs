//! `new`: a provider's folder that passes `check` and shows where everything goes.

use std::path::Path;

use super::openapi;

const PROVIDER: &str = r#"# The HTTP facts of one CRM. Every word is told in mappings/README.md.
title: {title}
docs: https://{name}.example/docs
base_url: {base_url}
hosts:
  api: ["{origin}"]{auth_host}
auth:
{auth}
errors:
  read:
    code: error.code
    message: error.message
  classify:                         # what the status alone does not tell
    - { status: 422, code: taken, is: duplicate }
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
  call: { id: "7", fields: [first_name, last_name, emails] }
  exchanges:
    - request: { method: GET, url: /contacts/7 }
      response:
        status: 200
        body: { id: 7, created_at: "2026-01-02T03:04:05Z", updated_at: "2026-01-03T03:04:05Z", first_name: Ada, last_name: Byron, email: ada@example.test }
  answer:
    data:
      id: "7"
      created_at: "2026-01-02T03:04:05Z"
      updated_at: "2026-01-03T03:04:05Z"
      first_name: Ada
      last_name: Byron
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

- example: is told that the address is taken
  resource: contacts
  operation: create
  call: { body: { emails: [{ type: work, email: ada@example.test }] } }
  exchanges:
    - request: { method: POST, url: /contacts, body: { email: ada@example.test } }
      response: { status: 422, body: { error: { code: taken, message: There is a contact with this address. } } }
  problem: { code: duplicate, outcome: not-executed }

- example: deletes a contact
  resource: contacts
  operation: delete
  call: { id: "7" }
  exchanges:
    - request: { method: DELETE, url: /contacts/7 }
      response: { status: 204 }
  answer: { status: 204 }
"#;

/// What has to be known of a provider before its folder can be written.
#[derive(Debug, Clone)]
pub struct Answers {
    pub name: String,
    pub base_url: String,
    /// `token`, `header`, `basic` or `oauth2`.
    pub auth: String,
    /// Unified resources.
    pub resources: Vec<String>,
}

/// The kinds of `auth`, with what a person chooses by.
pub const AUTH: [(&str, &str); 4] = [
    ("token", "Authorization: Bearer <token>"),
    ("header", "a key in a header of its own"),
    ("basic", "user name and password"),
    ("oauth2", "customers give their consent at the vendor"),
];

impl Answers {
    /// What is taken where nothing is said.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            base_url: format!("https://api.{name}.example/v1"),
            auth: "token".into(),
            resources: vec!["contacts".into()],
        }
    }
}

/// The files of a new provider: path in its folder, and text.
pub async fn scaffold(answers: &Answers) -> Result<Vec<(String, String)>, String> {
    let name = check_name(&answers.name)?;
    let origin = crate::net::Origin::parse(&answers.base_url)
        .map_err(|error| format!("--base-url {}: {error}", answers.base_url))?;
    let title: String = name.chars().take(1).flat_map(char::to_uppercase).chain(name.chars().skip(1)).collect();
    let host = origin.root().to_string();
    let (auth, auth_host) = match answers.auth.as_str() {
        "token" => {
            ("  token: {}                         # sends \"Authorization: Bearer <token>\"".to_owned(), String::new())
        }
        "header" => ("  token:\n    send: { X-Api-Key: token }      # the header's name".to_owned(), String::new()),
        "basic" => ("  basic: {}".to_owned(), String::new()),
        "oauth2" => (
            format!("  oauth2:\n    grant:\n      authorize: {host}/oauth/authorize\n      token: {host}/oauth/token"),
            format!("\n  auth: [\"{host}\"]             # where secrets and refresh tokens go"),
        ),
        other => {
            let known: Vec<&str> = AUTH.iter().map(|(word, _)| *word).collect();
            return Err(format!("--auth {other}: it is one of {}", known.join(", ")));
        }
    };
    let provider = PROVIDER
        .replace("{base_url}", answers.base_url.trim_end_matches('/'))
        .replace("{origin}", &host)
        .replace("{auth_host}", &auth_host)
        .replace("{auth}", &auth);
    let mut files = vec![("provider.yaml".to_owned(), provider)];
    if answers.resources.iter().any(|resource| resource == "contacts") {
        files.push(("contacts.yaml".into(), CONTACTS.into()));
        files.push(("examples/contacts.yaml".into(), EXAMPLES.into()));
    }
    let others: Vec<&str> =
        answers.resources.iter().map(String::as_str).filter(|resource| *resource != "contacts").collect();
    files.extend(openapi::of_models(name, &others).await?);
    let fill = |text: String| text.replace("{name}", name).replace("{title}", &title);
    Ok(files.into_iter().map(|(file, text)| (file, fill(text))).collect())
}

/// A name is a folder, and part of addresses.
pub fn check_name(name: &str) -> Result<&str, String> {
    let word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let ours = ["models", "overrides", "schemas"].contains(&name);
    if word && !ours {
        return Ok(name);
    }
    Err(format!("{name:?} is not a name for a provider: lower-case letters, digits and hyphens"))
}

/// Writes the folder. Refuses to write over anything.
pub fn write_folder(root: &Path, name: &str, files: &[(String, String)]) -> Result<Vec<String>, String> {
    let folder = root.join(check_name(name)?);
    if folder.exists() {
        return Err(format!("{} exists already", folder.display()));
    }
    let mut written = Vec::new();
    for (file, text) in files {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        written.push(path.display().to_string());
    }
    Ok(written)
}
