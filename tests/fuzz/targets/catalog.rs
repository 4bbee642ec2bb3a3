//! Whatever a resource's file says, it compiles, or every fault is told with a place in a file that is there.

use throughline::catalog::{Catalog, Files, Options};

const MODEL: &str = r#"title: Contact
description: A person.
type: object
properties:
  id: { type: string, readOnly: true }
  last_name: { type: [string, "null"] }
  emails:
    type: array
    items:
      type: object
      properties: { type: { type: string }, value: { type: string, format: email }, primary: { type: boolean } }
  created_at: { type: [string, "null"], format: date-time, readOnly: true }
  updated_at: { type: [string, "null"], format: date-time, readOnly: true }
  custom_fields: { type: object }
"#;
const PROVIDER: &str = r#"title: Acme
base_url: https://api.acme.test/v1
hosts: { api: ["https://api.acme.test"] }
auth:
  token: { send: { Authorization: '"Bearer " & token' } }
styles:
  query:
    name: '[a-z]+'
    literals: { string: { quote: '"', escape: { '"': '\"', "\\": "\\\\" } } }
    ops: { eq: '{on}:{value}' }
    and: " "
    or: " | "
codecs:
  shout: { read: $uppercase($), write: $lowercase($) }
"#;

pub fn holds(data: &[u8]) {
    let text = super::text(data).into_owned();
    let lines = |text: &str| text.lines().count() as u64 + 1;
    let all = [("models/contact.yaml", MODEL), ("acme/provider.yaml", PROVIDER), ("acme/contacts.yaml", &text)];
    let files = Files::of(all);
    match Catalog::load(&files, &Options::default()) {
        Ok(catalog) => assert!(catalog.provider("acme").is_some()),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in problems {
                let file = files.get(&problem.file);
                assert!(file.is_some_and(|text| problem.line <= lines(text)), "{problem}");
                assert!(!problem.message.is_empty(), "{problem}");
            }
        }
    }
}
