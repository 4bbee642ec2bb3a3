//! Customers connect their accounts: links, pages, the way to the provider and back, and everything that must not work.

mod support;

#[path = "connect/exports.rs"]
mod exports;

use serde_json::{Value, json};
use throughline::config::{Config, ProviderConfig};
use throughline::connections::{Consent, Session, TenantId};

use support::{AuthorizationServer, Browser, Page, Server, encode, members_of, provider, start_configured};

/// Where customers go in the end. Nobody listens there: these tests only look at where they are sent.
const BACK: &str = "https://app.example.test/settings?tab=crm";

const GRANT: &str = r#"title: Blue
settings:
  region: { ask: "Where the account is", default: eu, pattern: eu|us }
  site: { ask: "The address of the account", pattern: 'https?://[a-z0-9.:]+', example: "http://127.0.0.1" }
base_url: "https://api.blue.test/base"
hosts: { api: ["https://api.blue.test"], auth: ["https://login.blue.test"] }
verify: GET /me
auth:
  oauth2:
    send: { Authorization: '"Bearer " & access_token' }
    grant:
      authorize: https://login.blue.test/authorize
      token: https://login.blue.test/token
      pkce: true
      scopes: { always: [offline_access, contacts.read, contacts.write] }
      returned: { region: data-centre }
      keep: { site: site }
  token: { send: { X-Key: token } }
"#;

/// Settings go into the address here, and have to lead to the provider's own hosts.
const HOSTED: &str = r#"title: Teal
settings:
  site: { ask: "The address of the account", pattern: 'https://.*' }
base_url: "{site}/base"
hosts: { api: ["https://*.teal.test"], auth: ["https://login.teal.test"] }
auth:
  oauth2:
    send: { Authorization: '"Bearer " & access_token' }
    grant: { authorize: "https://login.teal.test/authorize", token: "https://login.teal.test/token", keep: { site: site } }
"#;

const PASTED: &str = r#"title: Plain & Simple
settings:
  account: { ask: "The number of the account", pattern: '[0-9]+' }
  order: { ask: "How dates are written", default: day/month, pattern: day/month|month/day }
  note: { ask: "A note", optional: true }
base_url: "https://api.plain.test/{account}"
hosts: { api: ["https://api.plain.test"] }
verify: GET /me
auth:
  token: { send: { X-Key: token } }
  basic: {}
  headers: {}
"#;

/// Three providers: one with consent and PKCE, one whose address is a setting, one without OAuth.
struct Scene {
    server: Server,
    consents: AuthorizationServer,
}

async fn scene() -> Scene {
    scene_with(|_| {}).await
}

async fn scene_with(configure: impl FnOnce(&mut Config)) -> Scene {
    let consents = AuthorizationServer::start().await;
    let mut files = Vec::new();
    for (name, text) in [("blue", GRANT), ("teal", HOSTED), ("plain", PASTED)] {
        let contacts = provider(name, None).into_iter().filter(|(path, _)| !path.ends_with("provider.yaml"));
        files.extend(contacts.chain([(format!("{name}/provider.yaml"), text.to_owned())]));
    }
    let url = consents.url();
    let store = throughline::store::Store::memory().expect("a store in memory");
    let server = start_configured(files, &[], store, |config| {
        let app = ProviderConfig {
            authorize_url: Some(format!("{url}/authorize")),
            token_url: Some(format!("{url}/token")),
            client_id: Some("our-app".into()),
            client_secret: serde_json::from_value(json!("canary-app-secret")).ok(),
            ..ProviderConfig::default()
        };
        config.providers.insert("blue".into(), ProviderConfig { base_url: Some(url.clone()), ..app.clone() });
        config.providers.insert("teal".into(), app);
        let plain = ProviderConfig { base_url: Some(url.clone()), ..ProviderConfig::default() };
        config.providers.insert("plain".into(), plain);
        configure(config);
    })
    .await;
    consents.tells("site", json!("http://127.0.0.1:9"));
    Scene { server, consents }
}

impl Scene {
    async fn link(&self, body: Value) -> String {
        let mut whole = json!({"customer_id": "c1", "return_url": BACK});
        whole.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
        let answer = self.server.client().post("/v1/connect/sessions", whole).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["url"].as_str().expect("a URL").to_owned()
    }

    /// From the link to the address at which the provider sends the customer back, without going there.
    async fn consent(&self, browser: &Browser, link: &str) -> String {
        let page = browser.get(link).await;
        page.says(200, "Continue to Blue");
        let sent = browser.send(&page, &[]).await;
        assert_eq!(sent.answer.status, 303, "{}", sent.text());
        browser.get(&sent.location()).await.location()
    }

    async fn connections(&self) -> Vec<Value> {
        let answer = self.server.client().get("/v1/connections").await;
        answer.json()["data"].as_array().expect("a list").clone()
    }

    async fn events(&self, id: &str) -> Vec<String> {
        let answer = self.server.client().get(&format!("/v1/connections/{id}/events")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let kinds = answer.json()["data"].as_array().expect("a list").clone();
        kinds.iter().map(|event| event["kind"].as_str().expect("a kind").to_owned()).collect()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.api)
    }
}

/// The parameters that the tenant's page is told.
#[track_caller]
fn told(page: &Page) -> std::collections::HashMap<String, String> {
    assert_eq!(page.answer.status, 303, "{}", page.text());
    let location = page.location();
    let (path, query) = location.split_once('?').expect("a query");
    assert_eq!(path, "https://app.example.test/settings");
    let told = members_of(query);
    assert_eq!(told["tab"], "crm", "the tenant's own parameters stay");
    told
}

// --- links ---

#[tokio::test]
async fn links_are_made_for_what_there_is_and_may_be_used() {
    let scene = scene().await;
    let (server, client) = (&scene.server, scene.server.client());
    let good = json!({"customer_id": "c1", "providers": ["blue"], "return_url": BACK});
    let answer = client.post("/v1/connect/sessions", good.clone()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let link = answer.json();
    let url = link["url"].as_str().expect("a URL");
    let token = url.strip_prefix(&scene.url("/connect/")).expect("a link to this server");
    assert_eq!(token.len(), 43, "32 bytes in base64url");
    let ends: jiff::Timestamp = link["expires_at"].as_str().and_then(|text| text.parse().ok()).expect("a time");
    let minutes = (ends.as_second() - jiff::Timestamp::now().as_second()) as f64 / 60.0;
    assert!((29.0..=30.0).contains(&minutes), "{minutes}");

    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let refused = async |body: Value, status: u16, code: &str, says: &str| {
        let problem = client.post("/v1/connect/sessions", body).await.problem(status, code);
        assert!(problem.to_string().contains(says), "{says}: {problem}");
    };
    refused(with("providers", json!(["blue", "purple"])), 404, "provider-not-found", "/providers/1").await;
    refused(with("return_url", json!("http://app.example.test/")), 422, "validation-failed", "https URL").await;
    refused(with("return_url", json!("javascript:alert(1)")), 422, "validation-failed", "/return_url").await;
    refused(with("provider", json!("blue")), 422, "validation-failed", "one of customer_id, providers").await;
    refused(json!({}), 422, "validation-failed", "/customer_id").await;
    let unknown = "conn_00000000000000000000";
    refused(with("connection_id", json!(unknown)), 404, "connection-not-found", "/connection_id").await;
    let token = json!({"type": "token", "token": "t"});
    let new = json!({"provider": "plain", "customer_id": "c9", "settings": {"account": "1"}, "credentials": token});
    let own = server.connect_as("demo", new.clone()).await;
    refused(with("connection_id", json!(own)), 422, "validation-failed", "another customer").await;
    let foreign = server.connect_as("globex", new).await;
    refused(with("connection_id", json!(foreign)), 404, "connection-not-found", "/connection_id").await;
    let mut other = with("connection_id", json!(own));
    other["customer_id"] = json!("c9");
    refused(other.clone(), 422, "validation-failed", "not among").await;
    other["providers"] = json!(["plain"]);
    assert_eq!(client.post("/v1/connect/sessions", other).await.status, 201);

    let reader = client.key(&server.make_key("demo", "read,admin").await);
    reader.post("/v1/connect/sessions", good.clone()).await.problem(403, "missing-scope");
    let new = throughline::auth::NewKey {
        providers: vec!["plain".into()],
        ..throughline::auth::NewKey::with_scopes(throughline::auth::Mode::Test, "connect".parse().expect("a scope"))
    };
    let limited = client.key(&server.make_key_as("demo", new).await.0);
    limited.post("/v1/connect/sessions", good.clone()).await.problem(403, "forbidden");
    let open = json!({"customer_id": "c1", "return_url": BACK});
    let answer = limited.post("/v1/connect/sessions", open).await.json();
    let page = Browser::new().get(answer["url"].as_str().expect("a URL")).await;
    page.says(200, "Connect Plain &amp; Simple");
    client.get("/v1/connect/sessions").await.problem(405, "unsupported-operation");
}

#[tokio::test]
async fn without_a_public_address_there_are_no_links() {
    let scene = scene_with(|config| config.public_url = None).await;
    let body = json!({"customer_id": "c1", "return_url": BACK});
    let problem = scene.server.client().post("/v1/connect/sessions", body).await.problem(403, "forbidden");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("`public_url`")), "{problem}");
    Browser::new().get(&scene.url(&format!("/connect/{}", "x".repeat(43)))).await.says(404, "There is no such link");
}

#[tokio::test]
async fn looking_at_a_link_does_not_use_it_up() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["blue"]})).await;
    for _ in 0..3 {
        Browser::new().get(&link).await.says(200, "Continue to Blue");
        let head = support::Client::new(scene.server.api);
        assert_eq!(head.request("HEAD", &link[link.find("/connect").expect("a path")..]).send().await.status, 200);
    }
    let browser = Browser::new();
    let back = scene.consent(&browser, &link).await;
    // Somebody else has the link as well, and comes second.
    let other = Browser::new();
    other.get(&link).await.says(403, "another browser");
    assert_eq!(told(&browser.get(&back).await)["status"], "connected");
    browser.get(&link).await.says(200, "Already connected");
    other.get(&link).await.says(200, "Already connected");
}

#[tokio::test]
async fn links_end() {
    let scene = scene().await;
    let token = "A".repeat(43);
    let now = jiff::Timestamp::now();
    let session = Session {
        id: hash("connect link", &token),
        tenant: TenantId("demo".into()),
        customer_id: "c1".into(),
        providers: vec!["blue".into()],
        connection: None,
        return_url: BACK.into(),
        browser: None,
        completed_by: None,
        created_at: now,
        expires_at: now,
    };
    scene.server.store.connect().create(session).await.expect("stored");
    let page = Browser::new().get(&scene.url(&format!("/connect/{token}"))).await;
    page.says(410, "This link has ended");
    page.says(410, "status=cancelled");
    for token in ["x", &"B".repeat(43), "..%2f..", "%ff"] {
        Browser::new().get(&scene.url(&format!("/connect/{token}"))).await.says(404, "There is no such link");
    }
}

/// As the server does it.
fn hash(purpose: &str, secret: &str) -> std::sync::Arc<str> {
    use base64::Engine as _;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{purpose}\0{secret}").as_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash).into()
}

// --- consent ---

#[tokio::test]
async fn a_customer_gives_consent_and_is_sent_back() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let browser = Browser::new();
    let page = browser.get(&link).await;
    let text = page.text();
    assert!(text.contains("<strong>demo</strong>") && text.contains("status=cancelled"), "{text}");
    // What the provider tells itself is not asked for.
    assert!(text.contains("settings.region") && !text.contains("settings.site"), "{text}");
    let sent = browser.send(&page, &[("settings.region", "us")]).await;
    let asked = members_of(sent.location().split_once('?').expect("a query").1);
    assert!(sent.location().starts_with(&format!("{}/authorize?", scene.consents.url())), "{}", sent.location());
    assert_eq!(asked["redirect_uri"], scene.url("/oauth/callback/blue"));
    assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", "our-app"));
    assert_eq!((asked["code_challenge_method"].as_str(), asked["code_challenge"].len()), ("S256", 43));
    assert_eq!(asked["scope"], "offline_access contacts.read contacts.write");
    let back = browser.get(&sent.location()).await.location();
    let done = browser.get(&back).await;
    let told = told(&done);
    assert_eq!((told["status"].as_str(), told["provider"].as_str()), ("connected", "blue"));
    let id = &told["connection_id"];
    let record = scene.server.client().get(&format!("/v1/connections/{id}")).await.json();
    assert_eq!((record["state"].as_str(), record["state_reason"].as_str()), (Some("active"), None));
    assert_eq!(record["customer_id"], "c1");
    assert_eq!(record["settings"], json!({"region": "us", "site": "http://127.0.0.1:9"}));
    assert_eq!(record["scopes"], json!(["offline_access", "contacts.read", "contacts.write"]));
    assert!(scene.events(id).await.contains(&"created".to_owned()));
    // The tokens work.
    let contacts = scene.server.client().connection(id).get("/v1/crm/contacts").await;
    assert_eq!(contacts.status, 200, "{}", contacts.text());
    assert_eq!(scene.consents.vendor.last().header("authorization"), Some("Bearer canary-access-1"));
}

#[tokio::test]
async fn authorising_again_keeps_the_connection_and_its_overrides() {
    let scene = scene().await;
    let client = scene.server.client();
    let old = json!({"provider": "blue", "customer_id": "c1", "settings": {"site": "http://127.0.0.1:8"},
        "credentials": {"type": "token", "token": "old"}});
    let id = scene.server.connect_as("demo", old).await;
    let lines = json!({"contacts": {"fields": {"favourite": "colour"}}});
    let put = client.request("PUT", &format!("/v1/connections/{id}/mapping")).json(&lines).send().await;
    assert_eq!(put.status, 200, "{}", put.text());
    for body in [json!({"connection_id": id}), json!({"providers": ["blue"]})] {
        let link = scene.link(body).await;
        let browser = Browser::new();
        browser.get(&link).await.says(200, "Connect Blue again");
        let back = scene.consent(&browser, &link).await;
        assert_eq!(told(&browser.get(&back).await)["connection_id"], id);
        assert_eq!(client.get(&format!("/v1/connections/{id}/mapping")).await.json(), lines);
    }
    let reconnected = scene.events(&id).await.iter().filter(|kind| *kind == "reconnected").count();
    assert_eq!((reconnected, scene.connections().await.len()), (2, 1));
    // Deleted in the meantime: a customer cannot bring it back.
    let link = scene.link(json!({"connection_id": id})).await;
    let browser = Browser::new();
    let back = scene.consent(&browser, &link).await;
    assert_eq!(client.delete(&format!("/v1/connections/{id}")).await.status, 204);
    browser.get(&back).await.says(410, "The connection was deleted");
    assert_eq!(scene.connections().await.len(), 0);
}

#[tokio::test]
async fn answers_that_are_not_ours_connect_nothing() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let browser = Browser::new();
    let callback = |query: &str| scene.url(&format!("/oauth/callback/blue?{query}"));
    let foreign = encode(&"s".repeat(43));
    for (query, status, says) in [
        (String::new(), 400, "cannot be understood"),
        ("code=x".to_owned(), 400, "cannot be understood"),
        (format!("state={foreign}&code=x"), 400, "not for us"),
        ("state=short&code=x".to_owned(), 400, "not for us"),
        (format!("state={foreign}&state={foreign}&code=x"), 400, "cannot be understood"),
        (format!("state[]={foreign}&code=x"), 400, "cannot be understood"),
        (format!("state={foreign}&code=x&code=y"), 400, "cannot be understood"),
        ("state=%ff".to_owned(), 400, "cannot be understood"),
    ] {
        let page = browser.get(&callback(&query)).await;
        page.says(status, says);
        page.says(status, "Open the link that you were given once more");
    }

    // Each of these uses its state up, and the link stays good.
    let again = |page: &Page| {
        let text = page.text();
        assert!(
            text.contains("Try again") && text.contains(&link[link.find("/connect/").expect("a path")..]),
            "{text}"
        );
    };
    let state_of = |back: &str| members_of(back.split_once('?').expect("a query").1)["state"].clone();
    let back = scene.consent(&browser, &link).await;
    let page = browser.get(&back.replace("/callback/blue", "/callback/teal")).await;
    page.says(400, "not for us");
    again(&page);
    browser.get(&back).await.says(400, "not for us");
    let back = scene.consent(&browser, &link).await;
    let page = browser.get(&callback(&format!("state={}", state_of(&back)))).await;
    page.says(400, "cannot be understood");
    again(&page);
    let back = scene.consent(&browser, &link).await;
    let page = browser.get(&callback(&format!("state={}&code=wrong", state_of(&back)))).await;
    page.says(502, "invalid_grant");
    again(&page);
    let back = scene.consent(&browser, &link).await;
    let issuer = back.split("&iss=").next().expect("an answer").to_owned();
    browser.get(&format!("{issuer}&iss=https%3A%2F%2Flogin.evil.test")).await.says(400, "somebody else");

    // Another browser, with and without a cookie of its own, and without the page giving the link away.
    let back = scene.consent(&browser, &link).await;
    let other = Browser::new();
    let page = other.get(&back).await;
    page.says(403, "another browser");
    assert!(!page.text().contains("/connect/A") && !page.text().contains(link.rsplit('/').next().expect("a token")));
    // A foreign browser has used it up: the state is good once, for whomever.
    browser.get(&back).await.says(400, "not for us");

    scene.consents.says(Some("access_denied"));
    let back = scene.consent(&browser, &link).await;
    let page = browser.get(&back).await;
    page.says(200, "access was not granted");
    again(&page);
    scene.consents.says(Some("server_error"));
    let back = scene.consent(&browser, &link).await;
    browser.get(&back).await.says(502, "server_error: as the test says");
    scene.consents.says(None);

    let exchanges = scene.consents.exchanges();
    assert_eq!((exchanges, scene.connections().await.len()), (1, 0), "only the wrong code was tried");
    // After all that, the same link still connects.
    let back = scene.consent(&browser, &link).await;
    assert_eq!(told(&browser.get(&back).await)["status"], "connected");
    browser.get(&back).await.says(400, "not for us");
    assert_eq!(scene.connections().await.len(), 1);
}

#[tokio::test]
async fn a_state_ends() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let browser = Browser::new();
    let back = scene.consent(&browser, &link).await;
    let state = members_of(back.split_once('?').expect("a query").1)["state"].clone();
    let store = scene.server.store.connect();
    let consent: Consent = store.take(hash("connect state", &state)).await.expect("a store").expect("a consent");
    assert!(!String::from_utf8_lossy(&consent.sealed).contains("verifier"), "it is sealed");
    store.begin(Consent { expires_at: jiff::Timestamp::now(), ..consent }).await.expect("stored");
    browser.get(&back).await.says(400, "took too long");
    assert_eq!(scene.connections().await.len(), 0);
}

#[tokio::test]
async fn of_two_tabs_the_second_is_told_that_all_is_done() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let browser = Browser::new();
    let (one, two) = (scene.consent(&browser, &link).await, scene.consent(&browser, &link).await);
    let stale = browser.get(&link).await;
    assert_eq!(told(&browser.get(&two).await)["status"], "connected");
    let page = browser.get(&one).await;
    page.says(200, "Already connected");
    page.says(200, "status=connected");
    browser.send(&stale, &[]).await.says(200, "Already connected");
    assert_eq!((scene.consents.exchanges(), scene.connections().await.len()), (1, 1));
}

#[tokio::test]
async fn scopes_that_were_not_granted_are_named() {
    let scene = scene().await;
    scene.consents.grants(Some("contacts.read"));
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let browser = Browser::new();
    let back = scene.consent(&browser, &link).await;
    let page = browser.get(&back).await;
    page.says(200, "Blue is connected");
    page.says(200, "<code>contacts.write</code>");
    page.says(200, "status=connected");
    assert!(!page.text().contains("offline_access"), "there is a refresh token");
    let record = &scene.connections().await[0];
    assert_eq!((record["state"].as_str(), &record["scopes"]), (Some("active"), &json!(["contacts.read"])));
    assert!(record["state_reason"].as_str().is_some_and(|reason| reason.contains("contacts.write")), "{record}");
}

#[tokio::test]
async fn facts_that_lead_elsewhere_connect_nothing() {
    let scene = scene().await;
    let browser = Browser::new();
    for (site, fits) in [
        (json!("https://evil.test"), false),
        (json!("https://teal.test.evil.test"), false),
        (json!("http://acme.teal.test"), false),
        (json!(["https://acme.teal.test"]), false),
        (Value::Null, false),
        (json!("https://acme.teal.test"), true),
    ] {
        scene.consents.tells("site", site.clone());
        let link = scene.link(json!({"providers": ["teal"]})).await;
        let sent = browser.send(&browser.get(&link).await, &[]).await;
        let page = browser.get(&browser.get(&sent.location()).await.location()).await;
        if fits {
            assert_eq!(told(&page)["provider"], "teal");
        } else {
            page.says(502, "This account cannot be connected");
            assert_eq!(scene.connections().await.len(), 0, "{site}");
        }
    }
}

#[tokio::test]
async fn what_the_redirect_tells_becomes_a_setting_if_it_fits() {
    let scene = scene().await;
    let browser = Browser::new();
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let back = scene.consent(&browser, &link).await;
    browser.get(&format!("{back}&data-centre=mars")).await.says(502, "`region` does not look right");
    let back = scene.consent(&browser, &link).await;
    browser.get(&format!("{back}&data-centre=us&data-centre=eu")).await.says(400, "cannot be understood");
    assert_eq!((scene.consents.exchanges(), scene.connections().await.len()), (0, 0));
    let back = scene.consent(&browser, &link).await;
    assert_eq!(told(&browser.get(&format!("{back}&data-centre=us&location=us")).await)["status"], "connected");
    assert_eq!(scene.connections().await[0]["settings"]["region"], "us");
}

#[tokio::test]
async fn a_tenants_own_app_comes_first_and_its_secret_never_comes_back() {
    let scene = scene().await;
    let client = scene.server.client();
    let put = async |provider: &str, body: Value| {
        client.request("PUT", &format!("/v1/oauth-apps/{provider}")).json(&body).send().await
    };
    client.get("/v1/oauth-apps/blue").await.problem(404, "not-found");
    put("purple", json!({"client_id": "x"})).await.problem(404, "provider-not-found");
    put("plain", json!({"client_id": "x"})).await.problem(422, "validation-failed");
    put("blue", json!({"client_secret": "canary"})).await.problem(422, "validation-failed");
    let mistyped =
        put("blue", json!({"client_id": "x", "client_secrets": "y"})).await.problem(422, "validation-failed");
    assert!(mistyped.to_string().contains("did you mean `client_secret`"), "{mistyped}");
    let answer = put("blue", json!({"client_id": "acmes-app", "client_secret": "canary-app-secret"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let shown = client.get("/v1/oauth-apps/blue").await;
    assert_eq!(shown.json(), answer.json());
    assert_eq!(shown.json()["redirect_uri"], scene.url("/oauth/callback/blue"));
    let list = client.get("/v1/oauth-apps").await;
    assert_eq!(list.json()["data"], json!([shown.json()]));
    assert!(!format!("{}{}{}", answer.text(), shown.text(), list.text()).contains("canary"));
    client
        .key(&scene.server.make_key("demo", "connect,read").await)
        .get("/v1/oauth-apps")
        .await
        .problem(403, "missing-scope");
    let other = client.key(&scene.server.make_key("globex", "admin").await);
    assert_eq!(other.get("/v1/oauth-apps").await.json()["data"], json!([]));
    other.get("/v1/oauth-apps/blue").await.problem(404, "not-found");

    let link = scene.link(json!({"providers": ["blue"]})).await;
    let browser = Browser::new();
    let sent = browser.send(&browser.get(&link).await, &[]).await;
    assert!(sent.location().contains("client_id=acmes-app"), "{}", sent.location());
    let back = browser.get(&sent.location()).await.location();
    // The customer's consent was for that app: without it there is nothing to exchange with.
    assert_eq!(client.delete("/v1/oauth-apps/blue").await.status, 204);
    client.delete("/v1/oauth-apps/blue").await.problem(404, "not-found");
    browser.get(&back).await.says(502, "acmes-app");
    assert_eq!(scene.connections().await.len(), 0);
}

// --- credentials that are given by hand ---

#[tokio::test]
async fn what_a_provider_asks_for_is_asked_on_the_page() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["plain"]})).await;
    let browser = Browser::new();
    let page = browser.get(&link).await;
    page.says(200, "The number of the account");
    page.says(200, "API key or access token");
    page.says(200, r#"<option value="day/month" selected>"#);
    page.says(200, "Use a user name and password instead");
    // Everything that is wrong at once, what was typed stays, secrets do not.
    let typed = [("settings.account", "12a"), ("credentials.token", ""), ("settings.note", "<b>&\"")];
    let page = browser.send(&page, &typed).await;
    page.says(422, r##"href="#settings-account""##);
    page.says(422, r##"href="#credentials-token""##);
    page.says(422, r#"value="12a""#);
    page.says(422, "&lt;b&gt;&amp;&quot;");
    assert!(scene.connections().await.is_empty());
    let page = browser.send(&page, &[("settings.account", "12a"), ("credentials.token", "canary-token")]).await;
    assert!(!page.text().contains("canary"), "{}", page.text());
    let typed = [("settings.account", "12"), ("settings.order", "month/day"), ("credentials.token", " canary-token ")];
    let told = told(&browser.send(&page, &typed).await);
    let record = &scene.connections().await[0];
    assert_eq!(
        (told["connection_id"].as_str(), told["provider"].as_str()),
        (record["id"].as_str().expect("an id"), "plain")
    );
    assert_eq!(record["settings"]["order"], "month/day");
    let contacts = scene.server.client().connection(&told["connection_id"]).get("/v1/crm/contacts").await;
    assert_eq!(contacts.status, 200, "{}", contacts.text());
    assert_eq!(scene.consents.vendor.last().header("x-key"), Some("canary-token"));
}

#[tokio::test]
async fn credentials_that_do_not_work_connect_nothing() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["plain"]})).await;
    let browser = Browser::new();
    let page = browser.get(&link).await;
    let typed = [("settings.account", "1"), ("credentials.token", "t")];
    for (status, says) in
        [(401, "does not accept the credentials"), (404, "nothing at the address"), (503, "answered 503")]
    {
        scene.consents.api_answers(status);
        browser.send(&page, &typed).await.says(422, says);
    }
    assert!(scene.connections().await.is_empty());
    scene.consents.api_answers(200);
    assert_eq!(told(&browser.send(&page, &typed).await)["status"], "connected");
    // After a consent there is a connection all the same, and its customer is told.
    scene.consents.api_answers(403);
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let back = scene.consent(&browser, &link).await;
    let page = browser.get(&back).await;
    page.says(200, "Blue is connected");
    page.says(200, "a permission or scope is missing");
    page.says(200, "status=connected");
    let connections = scene.connections().await;
    let blue = connections.iter().find(|connection| connection["provider"] == "blue").expect("a connection");
    let events = scene.events(blue["id"].as_str().expect("an id")).await;
    assert_eq!(events, ["verify_failed", "created"]);
}

#[tokio::test]
async fn other_kinds_of_credentials_are_taken_as_well() {
    let scene = scene().await;
    let browser = Browser::new();
    for (kind, typed, header) in [
        (
            "basic",
            vec![("credentials.username", "ada"), ("credentials.password", "p:w")],
            ("authorization", "Basic YWRhOnA6dw=="),
        ),
        ("headers", vec![("credentials.headers", "X-Api-Key: k1\r\n\r\nX-User : ada:b\r\n")], ("x-user", "ada:b")),
    ] {
        let link = scene.link(json!({"providers": ["plain"], "customer_id": kind})).await;
        let page = browser.get(&format!("{link}?with={kind}")).await;
        let typed: Vec<_> = typed.into_iter().chain([("settings.account", "7")]).collect();
        let id = told(&browser.send(&page, &typed).await)["connection_id"].clone();
        assert_eq!(scene.server.client().connection(&id).get("/v1/crm/contacts").await.status, 200);
        assert_eq!(scene.consents.vendor.last().header(header.0), Some(header.1));
    }
    let link = scene.link(json!({"providers": ["plain"], "customer_id": "bad"})).await;
    let page = browser.get(&format!("{link}?with=headers")).await;
    for headers in ["no colon", "X-A: 1\nX-a: 2", "Host: evil.test", ": x"] {
        let page = browser.send(&page, &[("settings.account", "7"), ("credentials.headers", headers)]).await;
        page.says(422, "Nothing was connected yet");
    }
    assert_eq!(scene.connections().await.len(), 2);
}

#[tokio::test]
async fn several_providers_are_chosen_from() {
    let scene = scene().await;
    let link = scene.link(json!({})).await;
    let browser = Browser::new();
    let page = browser.get(&link).await;
    for title in ["Blue", "Plain &amp; Simple", "Teal"] {
        page.says(200, title);
    }
    browser.get(&format!("{link}?provider=plain&utm_source=mail")).await.says(200, "Choose another");
    browser.get(&format!("{link}?provider=purple")).await.says(200, "Which one is it?");
    let page = browser.get(&format!("{link}?provider=blue")).await;
    assert!(browser.send(&page, &[]).await.location().starts_with(&scene.consents.url()));
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let page = browser.get(&link).await;
    browser.send(&page, &[("provider", "plain")]).await.says(404, "nothing to connect");
    browser.send(&page, &[("with", "token")]).await.says(403, "too old");
}

#[tokio::test]
async fn without_an_app_a_provider_is_connected_by_hand_or_not_at_all() {
    let scene = scene_with(|config| {
        config.providers.values_mut().for_each(|provider| provider.client_id = None);
    })
    .await;
    let link = scene.link(json!({"providers": ["blue"]})).await;
    Browser::new().get(&link).await.says(200, "API key or access token");
    let body = json!({"customer_id": "c1", "return_url": BACK, "providers": ["teal"]});
    let problem = scene.server.client().post("/v1/connect/sessions", body).await.problem(422, "validation-failed");
    assert!(problem.to_string().contains("/v1/oauth-apps/teal"), "{problem}");
    let page = Browser::new().get(&scene.link(json!({})).await).await;
    assert!(!page.text().contains("Teal"), "{}", page.text());
}

// --- forms and headers ---

#[tokio::test]
async fn forms_are_taken_from_their_own_page_only() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["plain"]})).await;
    let browser = Browser::new();
    let page = browser.get(&link).await;
    let mut members = page.form();
    members.retain(|(name, _)| !["settings.account", "credentials.token"].contains(&name.as_str()));
    members.extend([("settings.account", "1"), ("credentials.token", "t")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    let own = format!("http://{}", scene.server.api);
    for (headers, says) in [
        (vec![("Sec-Fetch-Site", "cross-site")], "too old"),
        (vec![("Sec-Fetch-Site", "same-site"), ("Origin", own.as_str())], "too old"),
        (vec![("Origin", "https://evil.test")], "too old"),
    ] {
        browser.post(&link, &members, &headers).await.says(403, says);
    }
    let forged = |value: &str| {
        let mut members = members.clone();
        members.iter_mut().filter(|(name, _)| name == "form").for_each(|(_, token)| *token = value.to_owned());
        members
    };
    let headers = [("Sec-Fetch-Site", "same-origin")];
    for token in ["", "x", &"A".repeat(43)] {
        browser.post(&link, &forged(token), &headers).await.says(403, "too old");
    }
    // Another browser's form, another link's form, no cookie at all.
    let other = Browser::new();
    other.get(&link).await;
    other.post(&link, &members, &headers).await.says(403, "too old");
    Browser::new().post(&link, &members, &headers).await.says(400, "cookies");
    let second = scene.link(json!({"providers": ["plain"]})).await;
    browser.post(&second, &members, &headers).await.says(403, "too old");
    let json = support::Client::new(scene.server.api);
    let path = &link[link.find("/connect").expect("a path")..];
    assert_eq!(json.post(path, json!({"form": "x"})).await.status, 403);
    assert!(scene.connections().await.is_empty());
    // None of them has bound the link to a browser.
    assert_eq!(told(&browser.post(&link, &members, &[("Origin", own.as_str())]).await)["status"], "connected");
}

#[tokio::test]
async fn pages_load_nothing_and_stand_in_no_frame() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["plain"]})).await;
    let page = Browser::new().get(&link).await;
    let header = |page: &Page, name: &str| page.answer.header(name).unwrap_or_default().to_owned();
    assert_eq!(
        header(&page, "content-security-policy"),
        "default-src 'none'; style-src 'self'; form-action 'self' https://app.example.test; frame-ancestors 'none'; base-uri 'none'"
    );
    assert_eq!(header(&page, "referrer-policy"), "no-referrer");
    assert_eq!(header(&page, "cache-control"), "no-store");
    assert_eq!(header(&page, "x-content-type-options"), "nosniff");
    let cookie = header(&page, "set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Lax") && cookie.contains("; Path=/;"), "{cookie}");
    assert!(!page.text().contains("<script") && !page.text().contains("style=\""), "{}", page.text());
    // Where providers send people on the way to their consent is not known, but for TLS.
    let blue = Browser::new().get(&scene.link(json!({"providers": ["blue"]})).await).await;
    let policy = header(&blue, "content-security-policy");
    assert!(policy.contains(&format!("form-action 'self' https: {};", scene.consents.url())), "{policy}");
    let style = Browser::new().get(&scene.url("/connect/style.css")).await;
    assert_eq!(style.answer.header("content-type"), Some("text/css; charset=utf-8"));
    let trouble = Browser::new().get(&scene.url("/oauth/callback/blue?state=x")).await;
    assert!(header(&trouble, "content-security-policy").contains("form-action 'none'"));
    let head = support::Client::new(scene.server.api).request("HEAD", "/oauth/callback/blue?state=x").send().await;
    assert_eq!(head.status, 405, "what only looks uses nothing up");
}

#[tokio::test]
async fn links_and_states_are_stored_as_hashes() {
    let scene = scene().await;
    let link = scene.link(json!({"providers": ["blue"]})).await;
    let token = link.rsplit('/').next().expect("a token");
    let store = scene.server.store.connect();
    assert!(store.find(token.into()).await.expect("a store").is_none());
    assert!(store.find(hash("connect link", token)).await.expect("a store").is_some());
}
