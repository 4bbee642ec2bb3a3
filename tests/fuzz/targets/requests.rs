//! Whatever a caller sends on any route, the answer says what it is: never a panic, every refusal a problem document with
//! the request's id, and no secret in it. Routes, queries, bodies, forms, cookies and headers are all read on this way.
//!
//! An input is a request as it is written down: `METHOD /path`, header lines, an empty line, a body. `{key}`, `{connection}`,
//! `{link}`, `{form}` and `{cookie}` stand for real ones, and a request without `authorization` brings the key.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use throughline::auth::{Caller, Mode, NewKey, Scopes, TenantId};
use throughline::catalog::Files;
use throughline::config::Config;
use throughline::connections::connect::NewLink;
use throughline::connections::{NewConnection, Vault};
use throughline::pipeline;
use throughline::serve::build_with;
use throughline::store::Store;
use tokio::runtime::Runtime;
use tower::ServiceExt;

const HOST: &str = "api.example.test";
const CANARY: &str = "canary-of-the-vendor";

const PROVIDER: &str = r#"title: Acme
base_url: https://10.0.0.1/v1
hosts: { api: ["https://10.0.0.1"] }
settings:
  region: { ask: Where it is, default: eu, pattern: eu|us }
auth:
  token: { send: { Authorization: '"Bearer " & token' } }
  basic: { send: { Authorization: '"Basic " & $base64encode(username & ":" & password)' } }
"#;
const CONTACTS: &str = r#"id: { pattern: '[A-Za-z0-9]+' }
limit: { default: 10, max: 100 }
fields:
  id: { read: id }
  last_name: name
  emails:
    places:
      - { type: work, primary: true, email: mail }
  custom_fields: { in: extra }
operations:
  list: { request: GET /contacts, query: { limit: limit, after: cursor }, records: items, next: next }
  get:
    request: GET /contacts/{id}
  create: { request: POST /contacts, id: id }
  update:
    request: PATCH /contacts/{id}
  delete:
    request: DELETE /contacts/{id}
"#;

struct Scene {
    runtime: Runtime,
    router: Router,
    places: Vec<(&'static str, String)>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (router, places) = runtime.block_on(scene());
    Scene { runtime, router, places }
});

/// The whole API in this process. Its provider has an address that the guard refuses, so nothing is ever sent.
async fn scene() -> (Router, Vec<(&'static str, String)>) {
    let files = [("acme/provider.yaml", PROVIDER), ("acme/contacts.yaml", CONTACTS)];
    let files = Files::embedded().models().laid_over(Files::of(files));
    let config = Config { public_url: Some("https://crm.example.test".into()), ..Config::default() };
    let vault = Vault::from_key_base64(&Vault::generate_key().expect("randomness")).expect("a key");
    let running = build_with(&config, Store::memory().expect("a store"), vault, &files).await;
    let app = running.unwrap_or_else(|error| panic!("{error}")).app;
    let tenant = TenantId::parse("acme").expect("a tenant");
    let scopes: Scopes = "read,write,passthrough,connect,admin".parse().expect("scopes");
    let (key, _) = app.keys.create(tenant.clone(), NewKey::with_scopes(Mode::Test, scopes)).await.expect("a key");
    let caller = Caller::operator(tenant);
    let credentials = json!({"type": "token", "token": CANARY});
    let new = json!({"provider": "acme", "customer_id": "c", "settings": {}, "credentials": credentials});
    let new = NewConnection::from_json(&new).expect("a good body");
    let connection = app.connections.create(&caller, new).await.expect("a connection").overview.connection.id;
    let link = json!({"customer_id": "other", "return_url": "https://acme.example.test/done"});
    let link = app.connect.create(&caller, NewLink::from_json(&link).expect("a good body")).await.expect("a link");
    let token = link.url.rsplit('/').next().unwrap_or_default().to_owned();
    let router = pipeline::edge(app);

    // A browser that has opened the link, so that forms are read and not refused for the lack of it.
    let page = Request::get(format!("/connect/{token}?provider=acme")).header(header::HOST, HOST);
    let page = page.body(Body::empty()).expect("a request");
    let page = router.clone().oneshot(page).await.expect("an answer");
    let cookie = page.headers().get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok()).unwrap_or_default();
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let page = page.into_body().collect().await.expect("a body").to_bytes();
    let page = String::from_utf8_lossy(&page).into_owned();
    let form = page.split("name=\"form\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    assert!(!cookie.is_empty() && !form.is_empty(), "the page of a link has a form: {page}");
    let places = vec![
        ("{key}", key),
        ("{connection}", connection.to_string()),
        ("{link}", token),
        ("{form}", form.to_owned()),
        ("{cookie}", cookie),
    ];
    (router, places)
}

pub fn holds(data: &[u8]) {
    let scene = &*SCENE;
    let Some(request) = read(data, scene) else { return };
    let shown = format!("{} {}", request.method(), request.uri());
    let (status, headers, body) = scene.runtime.block_on(async {
        let answer = scene.router.clone().oneshot(request).await.expect("the edge never fails");
        let (parts, body) = answer.into_parts();
        (parts.status, parts.headers, body.collect().await.expect("a whole body").to_bytes())
    });
    let text = String::from_utf8_lossy(&body);
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{shown}: {text}");
    assert!(!text.contains(CANARY), "{shown}: {text}");
    let id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).expect("every answer has an id").to_owned();
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if (status.is_client_error() || status.is_server_error())
        && !kind.starts_with("text/html")
        && !shown.starts_with("HEAD ")
    {
        assert_eq!(kind, "application/problem+json", "{shown}: {status} {text}");
        let problem: Value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{shown}: {error}: {text}"));
        assert_eq!(problem["status"], status.as_u16(), "{shown}: {problem}");
        assert_eq!(problem["request_id"], id, "{shown}");
        let code = problem["code"].as_str().unwrap_or_default();
        assert_eq!(problem["type"], format!("/docs/problems/{code}"), "{shown}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{shown}: {problem}");
    }
}

/// The request, if any HTTP library would have let it in.
fn read(data: &[u8], scene: &Scene) -> Option<Request<Body>> {
    let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let mut body = data.get(end + 2..).unwrap_or_default().to_vec();
    if let Ok(mut text) = String::from_utf8(body.clone()) {
        fill(&mut text, scene);
        body = text.into_bytes();
    }
    let mut head = super::text(&data[..end]).into_owned();
    fill(&mut head, scene);
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let target: Uri = target.parse().ok().filter(|target: &Uri| target.path().starts_with('/'))?;
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?).uri(target);
    let (mut known, mut hosted) = (false, false);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        known |= name == header::AUTHORIZATION;
        hosted |= name == header::HOST;
        request = request.header(name, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?);
    }
    if !known {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", scene.places[0].1));
    }
    if !hosted {
        request = request.header(header::HOST, HOST);
    }
    request.body(Body::from(body)).ok()
}

fn fill(text: &mut String, scene: &Scene) {
    for (name, value) in &scene.places {
        *text = text.replace(name, value);
    }
}
