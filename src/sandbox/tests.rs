//! The engine with small files: what the shipped ones do not use, and files that are wrong.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::Sandbox;

const ACME: &str = r#"
auth: { header: X-Key }
languages:
  calls:
    bare: { number: '-?\d+' }
    text: { quote: "'", escapes: { "''": "'" } }
    ops: { eq: '{on} eq {value}', gt: '{on} gt {value}', contains: 'contains({on},{value})' }
    orders: { asc: ['{on} asc', '{on}'], desc: '{on} desc' }
lists: { colour: [red, green, blue] }
objects:
  things:
    key: id
    id: { from: 1 }
    columns: { id: id, name: { required: true, matched: true }, size: number, colour: text }
    record: columns
    seed:
      count: 10
      columns: { name: '"Thing " & $string(n)', size: n * 10, colour: pick.colour }
  # the things once more, and whatever else there may be
  all:
    of: [things]
    key: id
    columns: { id: id, name: text }
    record: columns
routes:
  - { request: "GET /all({id})", action: get, object: all, answer: { body: record } }
  - { request: POST /all, action: create, object: all, answer: { body: record } }
  - request: GET /things
    action: list
    object: things
    select: { names: query.columns, unknown: unknown_column }
    filters: [{ column: colour, op: in, value: query.colour, split: "|" }]
    filter: { text: query.filter, language: calls }
    order: { text: query.order, language: calls }
    page: { kind: number, size: query.size, default: 4, max: 6, at: query.page }
    answer: { body: { data: records, more: '$not(done)', total: total } }
  - request: GET /offset/{object}
    action: list
    sort: { list: query.sort, split: "," }
    page: { kind: offset, size: query.size, default: 4, at: query.skip, window: 8 }
    answer: { body: { data: '[records.name]', next: next } }
  - { request: POST /things, action: create, object: things, answer: { status: 201, body: record } }
  - request: POST /many
    action: create
    object: things
    rows: { of: body, max: 3, atomic: query.whole = "yes", made: id, failed: refused.body.error }
    record: row
    answer: { body: { made: made, failed: failed } }
  - request: PUT /things({column}='{value}')
    action: upsert
    object: things
    only: query.only
    answer: { status: 'created ? 201 : 200', body: record }
  - { request: GET /columns, action: columns, object: things, answer: { body: '[columns.{"name": name, "needed": required}]' } }
  - request: POST /calls
    action: call
    call: { method: row.method, path: row.path, body: row.body }
    rows: { of: body, made: status }
    answer: { body: results }
  - { request: GET /ping, action: fixed, open: true, answer: { body: { pong: true } } }
errors:
  bad_query: { status: 422, body: { at: fault.at, near: fault.near } }
"#;

async fn call(sandbox: &Sandbox, method: &str, target: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(target).header("x-key", "secret");
    let request = request.body(Bytes::from(body.to_owned())).expect("a request");
    let response = sandbox.answer(request).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or(Value::Null))
}

fn acme() -> Sandbox {
    Sandbox::load("acme", ACME).expect("a sandbox").with_token("secret")
}

#[tokio::test]
async fn lists_read_filters_in_another_language() {
    let sandbox = acme();
    let target = "/things?filter=size%20gt%2020%20and%20contains(name,'Thing')&order=size%20desc&size=2&page=2";
    let (status, page) = call(&sandbox, "GET", target, "").await;
    assert_eq!(status, 200, "{page}");
    let sizes: Vec<String> =
        page["data"].as_array().expect("records").iter().map(|thing| thing["size"].to_string()).collect();
    assert_eq!((sizes, &page["total"], &page["more"]), (vec!["70".into(), "60".into()], &json!(7), &json!(true)));
    let (_, page) = call(&sandbox, "GET", "/things?colour=red%7Cblue&columns=colour&size=100", "").await;
    assert_eq!((&page["total"], page["data"].as_array().map(Vec::len)), (&json!(7), Some(6)), "cut to the largest");
    assert_eq!(page["data"][0], json!({ "colour": "red" }));
    let (status, fault) = call(&sandbox, "GET", "/things?filter=size%20like%205", "").await;
    assert_eq!((status, fault), (422, json!({ "at": 5, "near": "like 5" })));
    assert_eq!(call(&sandbox, "GET", "/things?columns=weight", "").await.0, 400);
}

#[tokio::test]
async fn offsets_end_where_the_vendor_stops() {
    let sandbox = acme();
    let (_, page) = call(&sandbox, "GET", "/offset/things?sort=-size,name&skip=4", "").await;
    assert_eq!((&page["next"], &page["data"][0]), (&json!("8"), &json!("Thing 5")));
    let (status, fault) = call(&sandbox, "GET", "/offset/things?skip=8", "").await;
    assert_eq!((status, &fault["error"]), (400, &json!("too_deep")));
}

#[tokio::test]
async fn records_of_several_objects_are_read_together() {
    let sandbox = acme();
    let (_, made) = call(&sandbox, "POST", "/things", r#"{"name": "New"}"#).await;
    let (_, page) = call(&sandbox, "GET", "/offset/all?sort=-id&skip=0", "").await;
    assert_eq!(page["data"].as_array().map(Vec::len), Some(4), "{page}");
    let (status, record) = call(&sandbox, "GET", "/all(11)", "").await;
    assert_eq!((status, &record["id"], &record["name"]), (200, &made["id"], &json!("New")));
    assert_eq!(call(&sandbox, "GET", "/all(12)", "").await.0, 404);
    assert_eq!(call(&sandbox, "POST", "/all", r#"{"name": "New"}"#).await.0, 405);
}

#[tokio::test]
async fn faults_without_an_answer_get_a_plain_one() {
    let sandbox = acme();
    let (status, fault) = call(&sandbox, "POST", "/things", r#"{"colour": "red"}"#).await;
    assert_eq!(
        (status, &fault["error"], &fault["detail"]["columns"]),
        (400, &json!("missing_required"), &json!(["name"]))
    );
    let (status, made) = call(&sandbox, "POST", "/things", r#"{"name": "New", "size": 1.50}"#).await;
    assert_eq!((status, made["id"].as_str(), made["size"].to_string()), (201, Some("11"), "1.50".to_owned()));
    assert_eq!(call(&sandbox, "POST", "/things", "{").await.1["error"], "bad_json");
    let open = acme().answer(Request::get("/ping").body(Bytes::new()).expect("a request")).await;
    assert_eq!(open.status().as_u16(), 200, "needs no credential");
    let none = Sandbox::load("acme", ACME).expect("a sandbox");
    assert_eq!(call(&none, "GET", "/things", "").await.0, 401, "without a token none is accepted");
}

#[tokio::test]
async fn rows_stand_alone_or_fall_together() {
    let sandbox = acme();
    let body = r#"[{"name": "A"}, {"colour": "red"}, {"name": "B"}]"#;
    let (_, mixed) = call(&sandbox, "POST", "/many", body).await;
    assert_eq!(mixed, json!({ "made": ["11", "12"], "failed": ["missing_required"] }));
    assert_eq!(call(&sandbox, "POST", "/many?whole=yes", body).await.0, 400);
    assert_eq!(call(&sandbox, "GET", "/things", "").await.1["total"], 12, "nothing of the whole was kept");
    assert_eq!(call(&sandbox, "POST", "/many", "[1, 2, 3, 4]").await.1["error"], "too_many_conditions");
}

#[tokio::test]
async fn a_segment_holds_several_captures() {
    let sandbox = acme();
    let (status, made) = call(&sandbox, "PUT", "/things(name='It''s%20new')", r#"{"name": "x", "size": 3}"#).await;
    assert_eq!((status, &made["name"]), (201, &json!("It''s new")));
    let again = "/things(name='Thing%202')";
    assert_eq!(call(&sandbox, "PUT", again, r#"{"size": 4}"#).await.0, 200);
    assert_eq!(call(&sandbox, "PUT", "/things(name='none')?only=update", "{}").await.1["error"], "not_found");
}

#[tokio::test]
async fn requests_hold_requests_but_not_each_other() {
    let sandbox = acme();
    let body = r#"[{"method": "GET", "path": "/things"}, {"method": "GET", "path": "/nowhere"}, {"method": "POST", "path": "/calls", "body": []}]"#;
    assert_eq!(call(&sandbox, "POST", "/calls", body).await.1, json!([200, 404, 405]));
    let (_, columns) = call(&sandbox, "GET", "/columns", "").await;
    assert_eq!(columns[1], json!({ "name": "name", "needed": true }));
}

#[test]
fn faults_of_a_file_name_their_lines() {
    let file = "\
auth: { header: Authorization }
objects:
  things:
    key: nope
    id: { base: 7 }
    columns:
      a: txt
      b: { type: text, colour: red }
      c: { link: nowhere }
    record: { id: id }
routes:
  - request: GET /things/{object}
    action: get
    answer: { body: '$sum(', status: 99 }
  - request: GET /x
    action: dance
    object: stuff
    answer: {}
  - { request: GET /y, action: list }
errors:
  not_fond: { status: 404 }
colour: blue
";
    let problems = Sandbox::load("acme", file).expect_err("many faults");
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for (line, part) in [
        (3, "`nope` is not one of the columns"),
        (5, "`base` is 10"),
        (7, "`txt` is not one of"),
        (8, "`colour` is not a word here"),
        (9, "there is no object `nowhere`"),
        (12, "needs `{id}`"),
        (14, "neither a path nor an expression"),
        (14, "99 is no status"),
        (16, "`dance` is not one of"),
        (15, "there is no object `stuff`"),
        (19, "`answer` is missing"),
        (21, "`not_fond`"),
        (22, "`colour` is not a word here"),
    ] {
        let prefix = format!("acme/sandbox.yaml:{line}: ");
        assert!(
            lines.iter().any(|text| text.starts_with(&prefix) && text.contains(part)),
            "{line} {part}:\n{}",
            lines.join("\n")
        );
    }
    assert_eq!(Sandbox::load("acme", "a: {b: [}\n").expect_err("no YAML").len(), 1);
}
