//! Each kind of mistake in a small mapping: `check` tells file, line, and what would be right.

use throughline::author;
use throughline::catalog::{Files, Options};

const PROVIDER: &str =
    "title: Acme\nbase_url: https://api.acme.test\nhosts: { api: ['https://api.acme.test'] }\nauth: { token: {} }\n";

const CONTACTS: &str = "\
select: false
fields:
  id: { read: id }
  first_name: given
  lifecycle: { path: stage, values: { lead: new } }
  owner: { fields: { id: { path: owner, as: integer } } }
filters:
  email: { on: mail, ops: [eq] }
  owner.id: { on: owner, ops: [eq] }
operations:
  list:
    request: GET /people
    query: { mail: filter.email.eq, owner: filter.owner.id.eq }
    records: data
  get: { request: 'GET /people/{id}' }
";

/// A good mapping, in which a part of either file is replaced.
fn files(from: &str, to: &str) -> Files {
    let laid = |text: &str| text.replacen(from, to, usize::from(!from.is_empty()));
    let own = [("acme/provider.yaml", laid(PROVIDER)), ("acme/contacts.yaml", laid(CONTACTS))];
    assert!(from.is_empty() || own.iter().any(|(_, text)| text.contains(to)), "{from:?} is in a file");
    Files::embedded().models().laid_over(Files::of(own))
}

/// What `check` says of it, a line each.
fn told(from: &str, to: &str, strict: bool) -> String {
    author::check(&files(from, to), &Options::default(), strict, &[]).lines.join("\n")
}

fn is_good(from: &str, to: &str) {
    let told = told(from, to, false);
    assert!(told.contains("no problems"), "{to}: {told}");
}

/// Each of these, laid in the place of a part, is told with its line and these words.
#[track_caller]
fn all_told(mistakes: &[(&str, &str, &str, &str)]) {
    for (from, to, place, words) in mistakes {
        let told = told(from, to, false);
        let found = told.lines().find(|line| line.contains(words));
        assert!(found.is_some_and(|line| line.starts_with(place)), "{to}: {place} … {words}\n{told}");
    }
}

#[test]
fn the_mapping_itself_is_good() {
    is_good("", "");
}

#[test]
fn unknown_names() {
    all_told(&[
        ("first_name:", "firstname:", "acme/contacts.yaml:4", "did you mean `first_name`"),
        ("email: { on", "mail: { on", "acme/contacts.yaml:8", "the model contact has no `mail`"),
        ("path: stage", "pth: stage", "acme/contacts.yaml:5", "did you mean `path`"),
        ("title: Acme", "titel: Acme", "acme/provider.yaml:1", "did you mean `title`"),
        ("mail: filter.email.eq", "mail: fliter.email.eq", "acme/contacts.yaml:13", "did you mean `filter`"),
    ]);
}

#[test]
fn variants_that_are_never_taken() {
    let get = "get: { request: 'GET /people/{id}' }";
    let list = "list:\n    request: GET /people\n    query: { mail: filter.email.eq, owner: filter.owner.id.eq }\n    records: data";
    let lists = |first: &str, second: &str| {
        let variant = |accepts: &str| {
            format!(
                "    - {accepts}request: GET /people\n      query: {{ mail: filter.email.eq, owner: filter.owner.id.eq }}\n      records: data\n"
            )
        };
        format!("list:\n{}{}", variant(first), variant(second))
    };
    let narrow = "accepts: { filters: { email: [eq] } }\n      ";
    let never = "this variant is never taken: the one at acme/contacts.yaml:";
    for (from, to, line) in [
        (get, "get:\n    - request: GET /people/{id}\n    - { when: '$exists(wanted)', request: 'GET /other/{id}' }".to_owned(), 17),
        (get, "get:\n    - { when: 'id = \"1\"', request: 'GET /people/{id}' }\n    - { when: 'id=\"1\"', request: 'GET /other/{id}' }".to_owned(), 17),
        (list, lists("", narrow), 15),
        (list, lists(narrow, narrow), 16),
    ] {
        all_told(&[(from, &to, &format!("acme/contacts.yaml:{line}"), never)]);
    }
    all_told(&[(
        get,
        "get: { when: 'false', request: 'GET /people/{id}' }",
        "acme/contacts.yaml:15",
        "this is never true",
    )]);
    let first_narrow = lists(narrow, "");
    is_good(list, first_narrow.trim_end());
}

#[test]
fn rows_of_errors_that_are_never_met() {
    let rows = |rows: &str| format!("auth: {{ token: {{}} }}\nerrors:\n  read: {{ code: code }}\n  classify:\n{rows}");
    let mistake =
        rows("    - { status: 400, is: invalid-request }\n    - { status: 400, code: taken, is: duplicate }\n");
    all_told(&[(
        "auth: { token: {} }\n",
        &mistake,
        "acme/provider.yaml:9",
        "this row is never met: the one at acme/provider.yaml:8",
    )]);
    let kind = rows("    - { status: 400, is: duplicat }\n");
    all_told(&[("auth: { token: {} }\n", &kind, "acme/provider.yaml:8", "did you mean `duplicate`")]);
}

#[test]
fn clashes_with_the_model() {
    all_told(&[
        (
            "first_name: given",
            "first_name: { path: given, as: boolean-text }",
            "acme/contacts.yaml:4",
            "`as` makes true or false",
        ),
        ("first_name: given", "birthday: { path: born, as: number }", "acme/contacts.yaml:4", "`as` makes a number"),
        (
            "first_name: given",
            "first_name: { path: given, as: { list: ';' } }",
            "acme/contacts.yaml:4",
            "`as` makes a list of texts",
        ),
        ("first_name: given", "first_name: { const: 7 }", "acme/contacts.yaml:4", "7 clashes with the model"),
        ("values: { lead: new }", "values: { laed: new }", "acme/contacts.yaml:5", "did you mean `lead`"),
        (
            "first_name: given",
            "birthday: { path: born, values: { monday: 1 } }",
            "acme/contacts.yaml:4",
            "`monday` cannot be a value",
        ),
        (
            "owner: { fields: { id: { path: owner, as: integer } } }",
            "owner: owner",
            "acme/contacts.yaml:6",
            "use `fields`",
        ),
        ("first_name: given", "emails: mails", "acme/contacts.yaml:4", "use `each` with `fields`, or `places`"),
        (
            "first_name: given",
            "emails: { places: [{ type: work, primary: true, emial: mail }] }",
            "acme/contacts.yaml:4",
            "the model has no `emial`, did you mean `email`",
        ),
    ]);
}

#[test]
fn text_of_callers_between_quotes() {
    let query = "mail: filter.email.eq,";
    for to in [
        r#"mail: '"email:\"" & filter.email.eq & "\""',"#,
        r#"mail: '"(" & $trim(filter.email.eq) & ")"',"#,
        r#"mail: '($x := filter.email.eq; "name=" & $x)',"#,
    ] {
        all_told(&[(query, to, "acme/contacts.yaml:13", "`filter.email.eq` is what a caller sent")]);
    }
    all_told(&[
        (query, r#"mail: '"name = {filter.email.eq}"',"#, "acme/contacts.yaml:13", "is not filled in here"),
        (query, "mail: { const: 'name = {filter.email.eq}' },", "acme/contacts.yaml:13", "is not filled in here"),
    ]);
    let styled = r#"mail: '"email:" & $regex(filter.email.eq, "^[a-z@.]+$")',"#;
    is_good(query, styled);
}

#[test]
fn names_in_leaves_over_lists_and_in_keys() {
    let create = |leaf: &str| {
        format!(
            "get: {{ request: 'GET /people/{{id}}' }}\n  create: {{ request: POST /people }}\n  batch: {{ create: {{ max: 10, request: POST /people/batch, body: {{ people: {leaf} }}, results: data }} }}"
        )
    };
    let get = "get: { request: 'GET /people/{id}' }";
    for (leaf, words) in [
        ("{ over: items, leaf: recrod }", "the entry has no `recrod`, did you mean `record`"),
        ("{ over: items, leaf: '$omit(recrod, [\"a\"])' }", "the entry has no `recrod`, did you mean `record`"),
        ("{ over: itms, leaf: record }", "the call has no `itms`, did you mean `items`"),
        ("{ over: items, leaf: { '{object}_id': id } }", "`{object}` in a name is not one of `params`"),
    ] {
        all_told(&[(get, &create(leaf), "acme/contacts.yaml:17", words)]);
    }
    let named = create("{ over: items, leaf: { '{object}_id': id, of: record } }");
    let with_params = "params: { object: person }\nselect: false";
    let contacts = CONTACTS.replacen(get, &named, 1).replacen("select: false", with_params, 1);
    is_good(CONTACTS, &contacts);
}

#[test]
fn what_no_example_shows_is_told_when_strict() {
    let told = told("", "", true);
    for line in [
        "acme/contacts.yaml:3: contacts: no example shows how `id` is read",
        "acme/contacts.yaml:8: contacts: no example shows `filter[email][eq]`",
        "acme/contacts.yaml:15: contacts: no example shows the operation `get`",
        "contacts: no example shows how an error of the vendor is read",
        "nothing says where an error's words are",
        "`errors.classify` has no row",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}
