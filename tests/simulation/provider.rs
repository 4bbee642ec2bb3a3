//! The mapping files of the simulation: one model of one field, one provider.

use throughline::catalog::Files;

const MODEL: &str = "$schema: https://json-schema.org/draft/2020-12/schema
title: Contact
description: Somebody.
x-resource: contacts
type: object
properties:
  id: { type: string, format: id, readOnly: true, description: The id. }
  created_at: { type: [string, 'null'], format: date-time, readOnly: true, description: When it was made. }
  updated_at: { type: [string, 'null'], format: date-time, readOnly: true, description: When it was changed. }
  last_name: { type: [string, 'null'], description: The name. }
  custom_fields: { type: object, additionalProperties: true, description: All else. }
";

const PROVIDER: &str = r#"title: Fake
base_url: https://api.fake.test
hosts: { api: ["https://api.fake.test"], auth: ["https://auth.fake.test"] }
auth:
  oauth2:
    send: { Authorization: '"Bearer " & access_token' }
    grant:
      authorize: https://auth.fake.test/authorize
      token: https://auth.fake.test/token
      lifetime: 60
      rotates: always
GRACE
limits:
  - { name: burst, count: 12, per: 10s }
"#;

const CONTACTS: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
fields:
  id: { read: id }
  last_name: name
operations:
  get:
    request: GET /contacts/{id}
  create:
    request: POST /contacts
    id: id
  update:
    request: PATCH /contacts/{id}
  delete:
    request: DELETE /contacts/{id}
"#;

pub fn files(forgives: bool) -> Files {
    let provider = PROVIDER.replace("GRACE", if forgives { "      grace: 60" } else { "" });
    Files::of(vec![
        ("models/contact.yaml".to_owned(), MODEL.to_owned()),
        ("fake/provider.yaml".to_owned(), provider),
        ("fake/contacts.yaml".to_owned(), CONTACTS.to_owned()),
    ])
}
