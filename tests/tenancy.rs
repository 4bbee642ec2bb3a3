//! What belongs to one tenant does not exist for another: every route of the running server's own description is asked
//! for a thing of somebody else and for a thing that nobody has, and answers alike. A route that this file does not know
//! how to ask makes it fail.

mod support;

use serde_json::{Value, json};
use support::{Answer, CUSTOM_OBJECTS, Client, FakeVendor, Server, provider, start_configured};
use throughline::auth::{Mode, NewKey, Scope, Scopes};
use throughline::store::Store;

/// Contacts with every kind of operation.
const CONTACTS: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
limit: { default: 10, max: 100 }
fields:
  id: { read: id }
  last_name: name
  emails:
    places:
      - { type: work, primary: true, email: mail }
  company: { fields: { id: company } }
  custom_fields: { in: extra }
filters:
  email: { on: mail, ops: [eq] }
operations:
  list:
    request: GET /contacts
    query: { where: '$exists(conditions) ? $json(conditions.any)', limit: limit, after: cursor }
    records: items
    next: next
  get: { request: "GET /contacts/{id}" }
  create: { request: POST /contacts, id: id }
  update: { request: "PATCH /contacts/{id}", then: get }
  delete: { request: "DELETE /contacts/{id}" }
  upsert:
    - { match: [email], request: "PUT /contacts/by/{match.value}", id: id, then: get }
metadata:
  fetch: { request: GET /fields, records: fields }
  field: { key: key, name: label, label: label, type: type, custom: own }
  types: { text: text }
associations:
  companies:
    list: { request: "GET /contacts/{id}/companies", records: items }
    item: { id: id }
    add: { request: "PUT /contacts/{id}/companies/{other_id}" }
    remove: { request: "DELETE /contacts/{id}/companies/{other_id}" }
"#;

const COMPANIES: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
fields: { id: { read: id }, name: name }
operations:
  get: { request: "GET /companies/{id}" }
"#;

const GRANT: &str = r#"
  oauth2:
    send: { Authorization: '"Bearer " & access_token' }
    grant:
      authorize: https://auth.fake.test/authorize
      token: https://auth.fake.test/token
      flows: [authorization-code]
      lifetime: 1800
      rotates: always
"#;

/// What of acme's must be in no answer to others.
const CANARIES: [&str; 5] =
    ["acme-customer-canary", "acme-app-canary", "acme-key-canary", "acme_line_canary", "acme-token-canary"];

/// Routes that no key opens: pages for browsers, whose tokens and states are tested with them, and this description, which
/// is the same for everybody.
const OPEN: [&str; 8] = [
    "/connect/{token}",
    "/connect/style.css",
    "/oauth/callback/{provider}",
    "/openapi.json",
    "/docs",
    "/docs/{page}",
    "/docs/api/{group}",
    "/docs/problems/{code}",
];

/// One operation of the description.
struct Operation {
    method: String,
    path: String,
    /// Has a connection named by header.
    by_header: bool,
    /// All of these, or one of them.
    scopes: Vec<Scope>,
    any: bool,
    body: Option<Value>,
}

/// Things that somebody has, or nobody.
#[derive(Clone)]
struct Names {
    connection: String,
    customer: String,
    key: String,
    provider: String,
}

/// What a request of an operation is about.
#[derive(PartialEq)]
enum About {
    Connection,
    Key,
    App,
    /// Nothing that somebody owns: what it lists or makes is its caller's own.
    Own,
}

struct Scene {
    server: Server,
    vendor: FakeVendor,
    operations: Vec<Operation>,
    /// acme's.
    theirs: Names,
    /// Nobody's, of the same form.
    absent: Names,
    /// acme's other connection, to the same provider.
    second: String,
}

fn all_scopes() -> Scopes {
    Scope::ALL.into_iter().collect()
}

impl Scene {
    async fn start() -> Self {
        let vendor = FakeVendor::start().await;
        let mut files = provider("blue", Some(CONTACTS));
        files.push(("blue/companies.yaml".into(), COMPANIES.into()));
        files.push(("blue/objects.yaml".into(), CUSTOM_OBJECTS.into()));
        for (name, text) in &mut files {
            if name.ends_with("provider.yaml") {
                let hosts = r#"hosts: { api: ["https://api.fake.test"], auth: ["https://auth.fake.test"] }"#;
                *text = text
                    .replace(r#"hosts: { api: ["https://api.fake.test"] }"#, hosts)
                    .replace("\n  oauth2: { send: { Authorization: '\"Bearer \" & access_token' } }", GRANT.trim_end())
                    + "verify: GET /contacts/1\n";
            }
        }
        let red: Vec<_> = files.iter().map(|(name, text)| (name.replace("blue/", "red/"), text.clone())).collect();
        files.extend(red);
        let url = vendor.url();
        let store = Store::memory().expect("a store");
        let server = start_configured(files, &[], store, move |config| {
            config.credentials_export = true;
            for name in ["blue", "red"] {
                config.providers.entry(name.to_owned()).or_default().base_url = Some(url.clone());
            }
        })
        .await;
        let connect = async |tenant: &str, provider: &str, customer: &str| {
            let credentials = json!({"type": "token", "token": format!("{tenant}-token-canary")});
            server
                .connect_as(tenant, json!({"provider": provider, "customer_id": customer, "credentials": credentials}))
                .await
        };
        let connection = connect("acme", "blue", "acme-customer-canary").await;
        let second = connect("acme", "blue", "second").await;
        connect("acme", "red", "third").await;
        connect("other", "blue", "theirs").await;
        let key = NewKey { name: Some("acme-key-canary".into()), ..NewKey::with_scopes(Mode::Test, all_scopes()) };
        let (text, key) = server.make_key_as("acme", key).await;
        let acme = Client::new(server.api).key(&text);
        let app = json!({"client_id": "acme-app-canary", "client_secret": "s3cret-canary"});
        assert_eq!(acme.request("PUT", "/v1/oauth-apps/blue").json(&app).send().await.status, 200);
        let lines = json!({"contacts": {"fields": {"acme_line_canary": "extra.x"}}});
        let path = format!("/v1/connections/{connection}/mapping");
        assert_eq!(acme.request("PUT", &path).json(&lines).send().await.status, 200);
        let document = acme.get("/openapi.json").await.json();
        Self {
            operations: operations(&document),
            theirs: Names { connection, customer: "acme-customer-canary".into(), key, provider: "blue".into() },
            absent: Names {
                connection: "conn_00000000000000000000".into(),
                customer: "nobody".into(),
                key: "00000000".into(),
                provider: "red".into(),
            },
            second,
            server,
            vendor,
        }
    }

    async fn client(&self, tenant: &str, scopes: Scopes, limit: impl FnOnce(&mut NewKey)) -> Client {
        let mut key = NewKey::with_scopes(Mode::Test, scopes);
        limit(&mut key);
        Client::new(self.server.api).key(&self.server.make_key_as(tenant, key).await.0)
    }

    /// All that acme can see of itself, but for what its own calls leave behind.
    async fn state(&self, acme: &Client) -> Vec<Value> {
        let mut state = Vec::new();
        let own = format!("/v1/connections/{}", self.theirs.connection);
        for path in [
            "/v1/connections",
            "/v1/oauth-apps",
            "/v1/mapping",
            &own,
            &format!("{own}/events"),
            &format!("{own}/mapping"),
        ] {
            state.push(acme.get(path).await.json());
        }
        let mut keys = acme.get("/v1/keys").await.json();
        let revoked: Vec<Value> = keys["data"]
            .as_array_mut()
            .expect("keys")
            .iter()
            .filter(|key| key["id"] == *self.theirs.key)
            .map(|key| key["revoked_at"].clone())
            .collect();
        state.push(json!(revoked));
        state.push(acme.get("/v1/audit?limit=1").await.json()["data"][0]["number"].clone());
        state
    }

    /// What the log of acme's connection tells of the calls made with it: status and problem.
    async fn calls(&self, acme: &Client) -> Vec<(u64, String)> {
        let log = acme.get(&format!("/v1/connections/{}/requests", self.theirs.connection)).await.json();
        let calls = log["data"].as_array().expect("requests").iter();
        calls
            .map(|call| (call["status"].as_u64().unwrap_or(0), call["problem"].as_str().unwrap_or("").to_owned()))
            .collect()
    }
}

/// The operations that need a key.
fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if operation["security"] == json!([]) {
                assert!(
                    OPEN.contains(&path.as_str()),
                    "{method} {path} needs no key: say here why nothing of a tenant's is behind it"
                );
                continue;
            }
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let refers =
                |name: &str| parameters.iter().any(|one| one["$ref"] == format!("#/components/parameters/{name}"));
            let needs =
                operation["description"].as_str().and_then(|text| text.split_once('.')).map_or("", |(first, _)| first);
            let scopes = needs.split('`').filter_map(Scope::parse).collect();
            let media = &operation["requestBody"]["content"];
            let body = media.get("application/json").map(|media| {
                let reference = media["examples"]["invented"]["$ref"].as_str().unwrap_or_default();
                let at = reference.trim_start_matches('#');
                document
                    .pointer(&format!("{at}/value"))
                    .cloned()
                    .unwrap_or_else(|| panic!("{method} {path} has a body without an example"))
            });
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                by_header: refers("Connection"),
                scopes,
                any: needs.contains("one of"),
                body: body.or_else(|| media.get("*/*").map(|_| json!({"x": 1}))),
            });
        }
    }
    operations
}

impl Operation {
    fn about(&self) -> About {
        match self.path.as_str() {
            path if self.by_header || path.starts_with("/v1/connections/{id}") => About::Connection,
            // The link is for a connection that its body names.
            "/v1/connect/sessions" => About::Connection,
            "/v1/keys/{id}" => About::Key,
            "/v1/oauth-apps/{provider}" => About::App,
            path => {
                assert!(
                    !path.contains('{') || path == "/v1/providers/{name}",
                    "{path}: say whose the thing is that it names"
                );
                About::Own
            }
        }
    }

    /// The request, with these names in it.
    async fn ask(&self, client: &Client, names: &Names, by_customer: bool) -> Answer {
        let mut path = self.path.clone();
        while let Some((before, rest)) = path.split_once('{') {
            let (name, after) = rest.split_once('}').expect("a closing brace");
            let value = match (name, self.about()) {
                ("id" | "other_id", _) if before.starts_with("/v1/crm/") => "1",
                ("other", _) if before.starts_with("/v1/crm/") => "companies",
                ("type", _) if before.starts_with("/v1/crm/objects/") => "machines",
                ("path", _) if before.contains("/passthrough/") => "some/thing",
                ("id", About::Connection) => &names.connection,
                ("id", About::Key) => &names.key,
                ("provider", About::App) => &names.provider,
                ("name", About::Own) => "blue",
                _ => panic!("{}: nobody has said what {{{name}}} is to be filled with", self.path),
            };
            path = format!("{before}{value}{after}");
        }
        if self.method == "PUT" && self.by_header && !path.contains("passthrough") && !path.contains("associations") {
            path += "?match=email";
        }
        let mut client = client.clone();
        if self.by_header {
            client = match by_customer {
                true => client.with("Throughline-Customer", &names.customer),
                false => client.connection(&names.connection),
            };
        }
        let mut request = client.request(&self.method, &path).header("X-Request-Id", "same");
        if let Some(body) = &self.body {
            let mut body = body.clone();
            if self.path == "/v1/connect/sessions" {
                body["connection_id"] = json!(names.connection);
                body["customer_id"] = json!(names.customer);
                body.as_object_mut().expect("an object").shift_remove("providers");
            }
            request = request.json(&body);
        }
        request.send().await
    }
}

/// Everything but the times, with the names that were sent taken out.
fn essence(answer: &Answer, names: &Names) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.lasting_headers().into_iter().filter(|(name, _)| name != "content-length");
    let text = [&names.connection, &names.customer, &names.key]
        .iter()
        .fold(answer.text(), |text, name| text.replace(*name, "(sent)"));
    (answer.status, headers.collect(), text)
}

fn holds_nothing_of_acme(answer: &Answer, sent: &Names, place: &str) {
    let whole = format!("{:?} {}", answer.headers, answer.text());
    for canary in CANARIES.iter().filter(|canary| **canary != sent.customer) {
        assert!(!whole.contains(canary), "{place}: {canary} in {whole}");
    }
}

#[tokio::test]
async fn nothing_of_another_tenant_is_to_be_seen_or_touched() {
    let scene = Scene::start().await;
    assert!(scene.operations.len() > 40, "the description is read");
    let acme = scene.client("acme", all_scopes(), |_| {}).await;
    let stranger = scene.client("other", all_scopes(), |_| {}).await;
    let before = scene.state(&acme).await;
    for operation in &scene.operations {
        let place = format!("{} {}", operation.method, operation.path);
        for by_customer in [false, true] {
            let theirs = operation.ask(&stranger, &scene.theirs, by_customer).await;
            holds_nothing_of_acme(&theirs, &scene.theirs, &place);
            if place == "PUT /v1/oauth-apps/{provider}" {
                // An app of one's own is put in its place whatever others have.
                assert_eq!(stranger.delete("/v1/oauth-apps/blue").await.status, 204);
                continue;
            }
            if operation.about() != About::Own {
                let absent = operation.ask(&stranger, &scene.absent, by_customer).await;
                assert_eq!(essence(&theirs, &scene.theirs), essence(&absent, &scene.absent), "{place}");
                assert!(theirs.status >= 400, "{place}: {}", theirs.text());
            }
        }
        assert_eq!(scene.vendor.count(), 0, "{place} reached the vendor");
        assert_eq!(scene.state(&acme).await, before, "{place} changed something of acme's");
        assert_eq!(scene.calls(&acme).await, [], "{place} is in acme's log");
    }
}

#[tokio::test]
async fn a_key_reaches_nothing_outside_its_limits() {
    let scene = Scene::start().await;
    let acme = scene.client("acme", all_scopes(), |_| {}).await;
    let second = scene.second.clone();
    let limited = [
        ("another connection", scene.client("acme", all_scopes(), |key| key.connections = vec![second]).await),
        ("another provider", scene.client("acme", all_scopes(), |key| key.providers = vec!["red".into()]).await),
    ];
    let before = scene.state(&acme).await;
    for operation in scene.operations.iter().filter(|operation| operation.about() == About::Connection) {
        for (limit, client) in &limited {
            let place = format!("{} {} with a key limited to {limit}", operation.method, operation.path);
            for by_customer in [false, true] {
                let theirs = operation.ask(client, &scene.theirs, by_customer).await;
                let absent = operation.ask(client, &scene.absent, by_customer).await;
                assert_eq!(essence(&theirs, &scene.theirs), essence(&absent, &scene.absent), "{place}");
                assert!(theirs.status >= 400, "{place}: {}", theirs.text());
                holds_nothing_of_acme(&theirs, &scene.theirs, &place);
            }
            assert_eq!(scene.vendor.count(), 0, "{place} reached the vendor");
        }
        assert_eq!(scene.state(&acme).await, before, "{} {} changed something", operation.method, operation.path);
        assert_eq!(scene.calls(&acme).await, [], "{} {} is in the log", operation.method, operation.path);
    }
    // Lists show what is within the limits, and the log of the whole tenant is closed.
    for (limit, client) in &limited {
        let listed = client.get("/v1/connections").await;
        holds_nothing_of_acme(&listed, &scene.absent, limit);
        assert_eq!(listed.json()["data"].as_array().map(Vec::len), Some(1), "{limit}");
        client.get("/v1/audit").await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_key_without_a_scope_learns_nothing() {
    let scene = Scene::start().await;
    let acme = scene.client("acme", all_scopes(), |_| {}).await;
    let before = scene.state(&acme).await;
    let without = |gone: &[Scope]| Scope::ALL.into_iter().filter(|scope| !gone.contains(scope)).collect::<Scopes>();
    for operation in scene.operations.iter().filter(|operation| !operation.path.starts_with("/v1/providers")) {
        let place = format!("{} {}", operation.method, operation.path);
        assert!(!operation.scopes.is_empty(), "{place} does not say which scope it needs");
        let lacking: Vec<Vec<Scope>> = match operation.any {
            true => vec![operation.scopes.clone()],
            false => operation.scopes.iter().map(|scope| vec![*scope]).collect(),
        };
        for gone in lacking {
            // `admin` stands for `read` on overrides.
            let client = scene.client("acme", without(&gone), |_| {}).await;
            let theirs = operation.ask(&client, &scene.theirs, false).await;
            let names: Vec<&str> = gone.iter().map(|scope| scope.as_str()).collect();
            assert_eq!(theirs.status, 403, "{place} without {names:?}: {}", theirs.text());
            theirs.problem(403, "missing-scope");
            // What an operation of a batch needs is known when the batch has been read.
            if !(operation.path.ends_with("/batch") && gone == [Scope::Write]) {
                let absent = operation.ask(&client, &scene.absent, false).await;
                assert_eq!(
                    essence(&theirs, &scene.theirs),
                    essence(&absent, &scene.absent),
                    "{place} without {names:?}"
                );
            }
            holds_nothing_of_acme(&theirs, &scene.theirs, &place);
        }
        assert_eq!(scene.vendor.count(), 0, "{place} reached the vendor");
    }
    assert_eq!(scene.state(&acme).await, before);
    // These calls are the tenant's own: what was refused when the connection was known is in its log.
    let refused = (403, "missing-scope".to_owned());
    assert!(scene.calls(&acme).await.iter().all(|call| *call == refused));
}

#[tokio::test]
async fn cursors_are_good_for_their_own_connection_only() {
    let scene = Scene::start().await;
    scene.vendor.answers(support::json_answer(200, r#"{"items": [{"id": "1", "name": "x"}], "next": "n"}"#));
    let acme = scene.client("acme", all_scopes(), |_| {}).await;
    let first = acme.connection(&scene.theirs.connection).get("/v1/crm/contacts").await.json();
    let cursor = first["next_cursor"].as_str().expect("a cursor").to_owned();
    let seen = scene.vendor.count();
    let stranger = scene.client("other", all_scopes(), |_| {}).await.with("Throughline-Customer", "theirs");
    let ask = async |client: &Client, cursor: &str| {
        let path = format!("/v1/crm/contacts?cursor={cursor}");
        client.request("GET", &path).header("X-Request-Id", "same").send().await
    };
    let forged = format!("A{}", &cursor[1..]);
    for client in [stranger, acme.connection(&scene.second)] {
        let (theirs, nonsense) = (ask(&client, &cursor).await, ask(&client, &forged).await);
        theirs.problem(400, "invalid-cursor");
        assert_eq!(essence(&theirs, &scene.absent), essence(&nonsense, &scene.absent));
    }
    assert_eq!(scene.vendor.count(), seen);
    assert_eq!(ask(&acme.connection(&scene.theirs.connection), &cursor).await.status, 200);
}
