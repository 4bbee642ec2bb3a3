//! The unified API and passthrough against a real CRM server: nothing here is a recording, and nothing plays a vendor.
//!
//! `tests/run.sh` starts the server and says where it is in THROUGHLINE_TRYTON_URL, _KEY and _COMPANY. Without them the
//! tests say that they skip, unless THROUGHLINE_REQUIRE_TRYTON is set.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use throughline::auth::{Caller, Mode, NewKey, Scope, Scopes, TenantId};
use throughline::config::Config;
use throughline::connections::{NewConnection, Vault};
use throughline::store::Store;
use throughline::{pipeline, serve};
use tokio::sync::{Mutex, MutexGuard};
use tower::ServiceExt;

/// The server keeps its records in one SQLite file: two tests that write at a time would wait for each other's locks.
static TURN: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// Our server in front of the real one.
struct Proxy {
    router: Router,
    key: String,
    connection: String,
    _turn: MutexGuard<'static, ()>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// A problem with this status and code.
    #[track_caller]
    fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status.as_u16(), self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        self.body
    }
}

fn environment(name: &str) -> Option<String> {
    let value = std::env::var(format!("THROUGHLINE_TRYTON_{name}")).ok();
    let required = std::env::var_os("THROUGHLINE_REQUIRE_TRYTON").is_some();
    assert!(value.is_some() || !required, "THROUGHLINE_TRYTON_{name} is not set");
    if value.is_none() {
        eprintln!("skipped: THROUGHLINE_TRYTON_{name} is not set; tests/run.sh starts the server");
    }
    value
}

impl Proxy {
    async fn start() -> Option<Self> {
        Self::with_key(&environment("KEY")?).await
    }

    async fn with_key(vendor_key: &str) -> Option<Self> {
        Self::with(vendor_key, Config { store: "sqlite::memory:".into(), ..Config::default() }).await
    }

    async fn with(vendor_key: &str, mut config: Config) -> Option<Self> {
        let (url, company) = (environment("URL")?, environment("COMPANY")?);
        let turn = TURN.lock().await;
        config.upstream.dangerous_allow_private_addresses = true;
        let vault = Vault::from_key_base64(&Vault::generate_key().expect("a key")).expect("a vault");
        let running = serve::build(&config, Store::memory().expect("a store"), vault).await.expect("a server");
        let tenant = TenantId::parse("test").expect("a tenant");
        let scopes = [Scope::Read, Scope::Write, Scope::Passthrough, Scope::Connect];
        let new = NewKey::with_scopes(Mode::Test, Scopes::from_iter(scopes));
        let (key, _) = running.app.keys.create(tenant.clone(), new).await.expect("an API key");
        let connection = json!({
            "provider": "tryton",
            "customer_id": "a-customer",
            "settings": {"instance_url": url, "database": "crm", "company": company},
            "credentials": {"type": "token", "token": vendor_key},
        });
        let connection = NewConnection::from_json(&connection).expect("a connection");
        let created = running.app.connections.create(&Caller::operator(tenant), connection).await.expect("created");
        Some(Self {
            router: pipeline::edge(running.app.clone()),
            key,
            connection: created.overview.connection.id.as_str().to_owned(),
            _turn: turn,
        })
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "api.example.test")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.key))
            .header("throughline-connection", &self.connection);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answer = self.router.clone().oneshot(request.body(body).expect("a request")).await;
        let (parts, body) = answer.expect("an answer").into_parts();
        let bytes = to_bytes(body, 16 << 20).await.expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, text, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Creates a record and gives its id.
    async fn create(&self, resource: &str, body: Value) -> String {
        id(&self.post(&format!("/v1/crm/{resource}"), body).await.expect(201))
    }

    /// The ids of a list, read from page to page to its end.
    async fn all(&self, path: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut next = path.to_owned();
        for _ in 0..200 {
            let page = self.get(&next).await.expect(200);
            ids.extend(page["data"].as_array().expect("data").iter().map(id));
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{}?cursor={cursor}", path.split('?').next().unwrap_or_default()),
                None => return ids,
            }
        }
        panic!("{path} does not come to an end");
    }
}

#[track_caller]
fn id(record: &Value) -> String {
    record["id"].as_str().expect("an id").to_owned()
}

macro_rules! proxy {
    () => {
        match Proxy::start().await {
            Some(proxy) => proxy,
            None => return,
        }
    };
}

#[tokio::test]
async fn a_contact_lives_and_dies() {
    let proxy = proxy!();
    let made = json!({
        "last_name": "Ada Byron",
        "emails": [{"email": "ada@example.test", "type": "work", "primary": true}, {"email": "ada@home.test", "type": "home"}],
        "phones": [{"number": "+44 20 7946 0000", "type": "work"}, {"number": "+44 7700 900000", "type": "mobile"}],
        "addresses": [{"street": "12 St James's Square", "city": "London", "postal_code": "SW1Y 4JH"}],
    });
    let created = proxy.post("/v1/crm/contacts", made).await;
    let place = created.headers[header::LOCATION].to_str().expect("text").to_owned();
    let created = created.expect(201);
    assert_eq!(place, format!("/v1/crm/contacts/{}", id(&created)));
    assert_eq!(created["last_name"], "Ada Byron");
    assert_eq!(created["emails"][0]["email"], "ada@example.test");
    assert_eq!(created["emails"][1], json!({"email": "ada@home.test", "type": "home", "primary": false}));
    assert_eq!(created["phones"][1]["type"], "mobile");
    assert_eq!(created["addresses"][0]["city"], "London");
    assert_eq!(created["first_name"], Value::Null, "the vendor has no such field");
    assert!(created["created_at"].as_str().is_some_and(|at| at.ends_with('Z')));

    assert_eq!(proxy.get(&place).await.expect(200), created, "read back as it was answered");

    let change = json!({"last_name": "Ada Lovelace", "emails": [{"email": "ada@lovelace.test"}]});
    let changed = proxy.patch(&place, change).await.expect(200);
    assert_eq!(
        (&changed["last_name"], &changed["emails"][0]["email"]),
        (&json!("Ada Lovelace"), &json!("ada@lovelace.test"))
    );
    assert_eq!(changed["emails"].as_array().map(Vec::len), Some(1), "the list is replaced");
    assert_eq!(changed["phones"], created["phones"], "what was not sent stays");
    assert_eq!(changed["addresses"], created["addresses"]);

    let cleared = proxy.patch(&place, json!({"emails": null, "phones": [], "addresses": null})).await.expect(200);
    for list in ["emails", "phones", "addresses"] {
        assert_eq!(cleared[list], json!([]), "{list}");
    }
    assert_eq!(cleared["last_name"], "Ada Lovelace");

    let few = proxy.get(&format!("{place}?fields=last_name")).await.expect(200);
    let names: BTreeSet<&str> = few.as_object().expect("a record").keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["id", "created_at", "updated_at", "last_name"]));

    proxy.delete(&place).await.expect(204);
    proxy.get(&place).await.problem(404, "not-found");
    proxy.delete(&place).await.problem(404, "not-found");
    proxy.patch(&place, json!({"last_name": "x"})).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_company_keeps_its_website_and_an_update_leaves_other_ways_to_reach_it() {
    let proxy = proxy!();
    let made =
        json!({"name": "Byron & Sons", "website": "https://byron.example.test", "phones": [{"number": "+44 1"}]});
    let place = format!("/v1/crm/companies/{}", proxy.create("companies", made).await);
    let company = proxy.get(&place).await.expect(200);
    assert_eq!((&company["name"], &company["website"]), (&json!("Byron & Sons"), &json!("https://byron.example.test")));
    let company = proxy.patch(&place, json!({"website": null})).await.expect(200);
    assert_eq!((&company["website"], &company["phones"][0]["number"]), (&Value::Null, &json!("+44 1")));
    // The same party, as a contact.
    let contact = proxy.get(&place.replace("companies", "contacts")).await.expect(200);
    assert_eq!(contact["last_name"], "Byron & Sons");
    proxy.delete(&place).await.expect(204);
}

#[tokio::test]
async fn a_deal_keeps_its_amount_to_the_cent() {
    let proxy = proxy!();
    let company = proxy.create("companies", json!({"name": "Analytical Engines"})).await;
    let made = json!({
        "name": "200 looms", "description": "For the new mill", "amount": "12500.10", "probability": 25,
        "close_date": "2026-12-31", "company": {"id": company},
    });
    let place = format!("/v1/crm/deals/{}", proxy.create("deals", made).await);
    let deal = proxy.get(&place).await.expect(200);
    assert_eq!(deal["amount"], "12500.10", "with its last zero");
    assert_eq!((&deal["currency"], &deal["probability"]), (&json!("EUR"), &json!(25)));
    assert_eq!((&deal["close_date"], &deal["status"]), (&json!("2026-12-31"), &json!("open")));
    assert_eq!(deal["company"], json!({"id": company, "name": "Analytical Engines"}));
    assert_eq!(deal["stage"]["id"], "lead");

    let found = proxy.all(&format!("/v1/crm/deals?filter[company.id]={company}")).await;
    assert_eq!(found, [place.rsplit('/').next().unwrap_or_default()]);
    let found = proxy.all("/v1/crm/deals?filter[amount][gte]=12500.10&filter[amount][lt]=12500.11").await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        proxy.all("/v1/crm/deals?filter[amount][gt]=12500.10&filter[close_date][lte]=2026-12-31").await.len(),
        0
    );
    assert_eq!(proxy.all("/v1/crm/deals?filter[status]=open&filter[name][starts_with]=200").await.len(), 1);

    let cleared = json!({"description": null, "amount": null, "close_date": null});
    let deal = proxy.patch(&place, cleared).await.expect(200);
    assert_eq!(
        (&deal["description"], &deal["amount"], &deal["close_date"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(deal["company"]["id"], company.as_str());
    let refused = proxy.patch(&place, json!({"status": "won"})).await.problem(422, "validation-failed");
    assert_eq!(refused["errors"][0]["pointer"], "/status");

    // The vendor's own refusal, in its own words.
    let refused = proxy.delete(&place).await.problem(409, "conflict");
    assert!(refused["provider"]["message"].as_str().is_some_and(|text| text.contains("cancel")), "{refused}");
    assert_eq!(refused["outcome"], "not-executed");
    assert_eq!(proxy.get(&place).await.expect(200)["name"], "200 looms");
}

#[tokio::test]
async fn lists_are_read_to_their_end_without_loss() {
    let proxy = proxy!();
    let mut made = BTreeSet::new();
    for n in 0..23 {
        made.insert(proxy.create("contacts", json!({"last_name": format!("Page Turner {n:02}")})).await);
    }
    let filter = "filter[last_name][starts_with]=Page%20Turner";
    for limit in [1, 4, 23, 100] {
        let read = proxy.all(&format!("/v1/crm/contacts?{filter}&limit={limit}")).await;
        assert_eq!(read.len(), made.len(), "limit {limit}: none twice");
        assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), made, "limit {limit}: none lost");
    }
    // All that there are, whatever other tests made.
    let everything = proxy.all("/v1/crm/contacts?limit=7").await;
    let unique: BTreeSet<&String> = everything.iter().collect();
    assert_eq!(unique.len(), everything.len());
    assert!(made.iter().all(|id| unique.contains(id)));

    let names = |page: &Value| -> Vec<String> {
        let records = page["data"].as_array().expect("data").iter();
        records.map(|record| record["last_name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let rising = proxy.get(&format!("/v1/crm/contacts?{filter}&sort=last_name&limit=3")).await.expect(200);
    assert_eq!(names(&rising), ["Page Turner 00", "Page Turner 01", "Page Turner 02"]);
    let falling = proxy.get(&format!("/v1/crm/contacts?{filter}&sort=-last_name&limit=2")).await.expect(200);
    assert_eq!(names(&falling), ["Page Turner 22", "Page Turner 21"]);
    let none = proxy.get("/v1/crm/contacts?filter[last_name]=Nobody%20At%20All").await.expect(200);
    assert_eq!(none, json!({"data": [], "next_cursor": null}));

    for id in made {
        proxy.delete(&format!("/v1/crm/contacts/{id}")).await.expect(204);
    }
}

#[tokio::test]
async fn records_are_found_by_name_email_phone_and_time() {
    let proxy = proxy!();
    let ada = json!({"last_name": "Filter 100%_Ada", "emails": [{"email": "found@filter.test"}, {"email": "second@filter.test"}]});
    let grace = json!({"last_name": "Filter Grace", "phones": [{"number": "+1 555 0100"}]});
    let (ada, grace) = (proxy.create("contacts", ada).await, proxy.create("contacts", grace).await);
    let find = async |query: &str| proxy.all(&format!("/v1/crm/contacts?{query}")).await;

    assert_eq!(find("filter[email]=found@filter.test").await, [ada.as_str()]);
    assert_eq!(find("filter[email]=second@filter.test").await, [ada.as_str()]);
    assert_eq!(find("filter[email]=nobody@filter.test").await.len(), 0);
    assert_eq!(find("filter[phone]=%2B1%20555%200100").await, [grace.as_str()]);
    assert_eq!(find("filter[last_name]=Filter%20Grace").await, [grace.as_str()]);
    assert_eq!(find("filter[last_name][in]=Filter%20Grace,Nobody").await, [grace.as_str()]);
    assert_eq!(find("filter[last_name][contains]=100%25_A").await, [ada.as_str()], "signs of the pattern are letters");
    assert_eq!(find("filter[last_name][contains]=0_A").await.len(), 0, "no sign stands for another");
    assert_eq!(find("filter[last_name][starts_with]=filter%20g").await, [grace.as_str()]);

    // A record that was never changed has no time of change at the vendor; it must be found all the same.
    let before = proxy.get(&format!("/v1/crm/contacts/{grace}")).await.expect(200);
    let time = before["updated_at"].as_str().expect("a time");
    let since =
        async |time: &str| find(&format!("filter[updated_at][gte]={time}&filter[last_name][starts_with]=Filter")).await;
    assert!(since(time).await.contains(&grace), "since {time}");
    assert_eq!(since("2099-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(since("2020-01-01T00:00:00Z").await.len(), 2);
    // The day of another zone is converted.
    assert_eq!(since("2020-01-01T00:00:00%2B02:00").await.len(), 2);
    proxy.patch(&format!("/v1/crm/contacts/{ada}"), json!({"last_name": "Filter Ada"})).await.expect(200);
    let after = proxy.get(&format!("/v1/crm/contacts/{ada}")).await.expect(200);
    let changed = after["updated_at"].as_str().expect("a time");
    assert!(changed > after["created_at"].as_str().expect("a time"));
    assert!(since(changed).await.contains(&ada));

    proxy.get("/v1/crm/contacts?filter[birthday]=2000-01-01").await.problem(400, "unsupported-filter");
    proxy.get("/v1/crm/contacts?sort=emails").await.problem(400, "unsupported-sort");
    for id in [ada, grace] {
        proxy.delete(&format!("/v1/crm/contacts/{id}")).await.expect(204);
    }
}

/// The vendor's pages of HTML as problems: their sentence, without a tag, and not longer than it has to be.
#[track_caller]
fn told(problem: &Value, status: u16) -> String {
    let provider = &problem["provider"];
    assert_eq!(provider["status"], status, "{problem}");
    let message = provider["message"].as_str().unwrap_or_default().to_owned();
    assert!(!message.contains('<') && message.len() <= 1000, "{message}");
    message
}

#[tokio::test]
async fn a_wrong_key_needs_a_new_authorisation() {
    let Some(proxy) = Proxy::with_key("not-the-key").await else { return };
    let problem = proxy.get("/v1/crm/contacts").await.problem(409, "needs-reauth");
    assert!(!told(&problem, 401).is_empty());
    let problem = proxy.post("/v1/crm/contacts", json!({"last_name": "x"})).await.problem(409, "needs-reauth");
    assert_eq!(problem["outcome"], "not-executed");
    // Raw, it is the vendor's own answer.
    let raw = proxy.get("/v1/passthrough/crm/rest/model/party.party").await;
    assert_eq!(
        (raw.status, &raw.headers["throughline-origin"]),
        (StatusCode::UNAUTHORIZED, &"provider".parse().expect("text"))
    );
    assert!(raw.text.contains("<html"), "{}", raw.text);
}

#[tokio::test]
async fn what_the_vendor_refuses_is_a_problem_in_words() {
    let proxy = proxy!();
    for path in ["/v1/crm/contacts/99999999", "/v1/crm/deals/99999999", "/v1/crm/contacts/not-a-number"] {
        proxy.get(path).await.problem(404, "not-found");
    }
    // An amount with more digits than the vendor's currency has.
    let company = proxy.create("companies", json!({"name": "Digits"})).await;
    let deal = json!({"name": "Digits", "company": {"id": company}, "amount": "1.23456"});
    let problem = proxy.post("/v1/crm/deals", deal).await.problem(422, "validation-failed");
    assert!(told(&problem, 400).contains("digits"), "{problem}");
    assert_eq!(problem["outcome"], "not-executed");
}

#[tokio::test]
async fn one_line_adds_a_field_and_a_wrong_one_is_told() {
    let overrides = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("overrides-{}", std::process::id()));
    std::fs::create_dir_all(overrides.join("tryton")).expect("a folder");
    let lines = "fields:\n  code: code\n  shoe_size: no_such_column\n";
    std::fs::write(overrides.join("tryton/contacts.yaml"), lines).expect("written");
    let config = Config { overrides: Some(overrides.clone()), store: "sqlite::memory:".into(), ..Config::default() };
    let Some(key) = environment("KEY") else { return };
    let Some(proxy) = Proxy::with(&key, config).await else { return };
    let made =
        proxy.send(Method::POST, "/v1/crm/contacts?fields=custom_fields.code", Some(json!({"last_name": "Coded"})));
    let made = made.await.expect(201);
    let code = made["custom_fields"]["code"].as_str().expect("the vendor numbers its parties").to_owned();
    assert!(!code.is_empty(), "{made}");

    // The vendor does not know the other column, and says so with status 500 and a page of HTML.
    let path = format!("/v1/crm/contacts/{}?fields=custom_fields.shoe_size", id(&made));
    let problem = proxy.get(&path).await.problem(400, "invalid-request");
    assert_eq!(told(&problem, 500), "'no_such_column'");
    assert_eq!(problem["retryable"], false);
    let problem = proxy.get("/v1/crm/contacts?fields=custom_fields.shoe_size").await.problem(400, "invalid-request");
    assert_eq!(told(&problem, 500), "'no_such_column'");
    let _ = std::fs::remove_dir_all(overrides);
}

#[tokio::test]
async fn raw_requests_pass_as_they_are() {
    let proxy = proxy!();
    let base = "/v1/passthrough/crm/rest/model";
    let made = proxy.post(&format!("{base}/party.party"), json!({"name": "Raw  Party", "lang": null})).await;
    assert_eq!(made.headers["throughline-origin"], "provider");
    let number = made.expect(200)["id"].as_i64().expect("a number");
    let read = proxy.get(&format!("{base}/party.party/{number}?f=name&f=create_date")).await.expect(200);
    assert_eq!((&read["name"], &read["create_date"]["__class__"]), (&json!("Raw  Party"), &json!("datetime")));
    let unified = proxy.get(&format!("/v1/crm/contacts/{number}?include=raw")).await.expect(200);
    assert_eq!(unified["raw"]["name"], "Raw  Party");
    let put = proxy.send(Method::PUT, &format!("{base}/party.party/{number}"), Some(json!({"name": "Renamed"}))).await;
    put.expect(200);
    assert_eq!(proxy.get(&format!("/v1/crm/contacts/{number}")).await.expect(200)["last_name"], "Renamed");

    // An unknown column is the vendor's status 500 in HTML, which raw callers see as it is.
    let refused = proxy.get(&format!("{base}/party.party/{number}?f=no_such_column")).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", refused.text);
    assert!(refused.text.contains("<h1>"), "{}", refused.text);
    assert_eq!(refused.headers["throughline-origin"], "provider");
    // The route on which applications ask for keys is closed, and the answer is ours.
    for path in ["/crm/r/user/application/", "/crm/user/application/", "/crm/r/%75ser/application/"] {
        let closed =
            proxy.post(&format!("/v1/passthrough{path}"), json!({"user": "admin", "application": "rest"})).await;
        assert_eq!(closed.headers["throughline-origin"], "throughline", "{path}");
        closed.problem(403, "forbidden");
    }
    proxy.send(Method::DELETE, &format!("{base}/party.party/{number}"), None).await.expect(204);
}
