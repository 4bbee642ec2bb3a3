//! The pages for callers: complete against the document and the codes, linked, safe, cheap.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use serde_json::Value;
use support::{Answer, Client};
use throughline::api::openapi::document;
use throughline::catalog::{Catalog, Files, Options};
use throughline::error::KINDS;

/// Values of an attribute, in a page that this server wrote.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let opening = format!(" {name}=\"");
    html.split(&opening).skip(1).filter_map(|part| part.split('"').next()).collect()
}

/// Where a relative link leads from a path (RFC 3986, 5.2).
fn resolved(from: &str, link: &str) -> String {
    let mut segments: Vec<&str> = from.split('/').collect();
    segments.pop();
    for segment in link.split('/') {
        match segment {
            ".." => {
                assert!(segments.pop().is_some_and(|segment| !segment.is_empty()), "{link} on {from} leaves the root")
            }
            other => segments.push(other),
        }
    }
    segments.join("/")
}

/// Every page that can be reached from `/docs`, by its path.
async fn all_pages(anyone: &Client) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut waiting = vec!["/docs".to_owned()];
    while let Some(path) = waiting.pop() {
        if pages.contains_key(&path) {
            continue;
        }
        let answer = anyone.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text().to_owned();
        if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            for link in attributes(&text, "href") {
                assert!(!link.starts_with('/') && !link.contains("://"), "{path}: {link} does not work behind a path");
                let link = link.split('#').next().unwrap_or_default();
                if !link.is_empty() {
                    waiting.push(resolved(&path, link));
                }
            }
        }
        pages.insert(path, text);
    }
    pages
}

#[tokio::test]
async fn every_link_and_every_fragment_leads_somewhere() {
    let server = support::start().await;
    let pages = all_pages(&Client::new(server.api)).await;
    assert!(pages.len() > KINDS.len() + 20, "{} pages", pages.len());
    for (path, html) in &pages {
        for link in attributes(html, "href") {
            let Some((to, fragment)) = link.split_once('#') else { continue };
            let to = if to.is_empty() { path.clone() } else { resolved(path, to) };
            let there = pages.get(&to).is_some_and(|page| attributes(page, "id").contains(&fragment));
            assert!(there, "{path}: {link} leads to no place on {to}");
        }
        let ids = attributes(html, "id");
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{path}: an id stands there twice");
    }
}

#[tokio::test]
async fn every_operation_and_every_schema_of_the_document_has_its_place() {
    let server = support::start().await;
    let pages = all_pages(&Client::new(server.api)).await;
    let shown: Vec<&str> = pages.values().flat_map(|page| attributes(page, "id")).collect();
    let document = document(&server.app.catalog());
    for (path, item) in document["paths"].as_object().expect("paths") {
        for operation in item.as_object().expect("operations").values() {
            let id = operation["operationId"].as_str().expect("an id");
            assert_eq!(shown.iter().filter(|shown| **shown == id).count(), 1, "{id} ({path})");
        }
    }
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert_eq!(shown.iter().filter(|shown| *shown == name).count(), 1, "{name}");
    }
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_its_page() {
    let server = support::start().await;
    let problem = Client::new(server.api).get("/v1/connections").await.problem(401, "unauthenticated");
    let page = Client::new(server.api).get(problem["type"].as_str().expect("a type")).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("The API key is missing or not valid"), "{}", page.text());
    for (_, code, title) in KINDS {
        let page = Client::new(server.api).get(&format!("/docs/problems/{code}")).await;
        let text = page.text();
        assert_eq!(page.status, 200, "{code}");
        for part in [*title, *code, "Who has to act", "Does a retry help?", "What to do.", "&quot;retryable&quot;"] {
            assert!(text.contains(part), "{code}: {part}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_says_what_is() {
    let server = support::start().await;
    let anyone = Client::new(server.api);
    let answer = anyone.get("/docs/problems/out-of-cheese").await;
    assert_eq!(answer.status, 404);
    assert!(KINDS.iter().all(|(_, code, _)| answer.text().contains(code)), "all codes are listed");
    let answer = anyone.get("/docs/api/unicorns").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains(">Contacts</a>"));
    assert!(!answer.text().contains("unicorns"), "nothing of the address comes back");
    anyone.post("/docs", Value::Null).await.problem(405, "unsupported-operation");
}

#[tokio::test]
async fn pages_may_load_nothing_but_their_stylesheet() {
    let server = support::start().await;
    for path in ["/docs", "/docs/api/contacts", "/docs/problems/nothing"] {
        let answer = Client::new(server.api).get(path).await;
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(!answer.text().contains("<script") && !answer.text().contains(" style="), "{path}");
    }
}

#[tokio::test]
async fn pages_are_compressed_and_sent_once() {
    let server = support::start().await;
    let anyone = Client::new(server.api);
    for path in ["/docs", "/docs/api/contacts", "/docs/style.css", "/openapi.json"] {
        let plain = anyone.get(path).await;
        let small = anyone.with("Accept-Encoding", "gzip").get(path).await;
        assert_eq!(
            (plain.header("content-encoding"), small.header("content-encoding")),
            (None, Some("gzip")),
            "{path}"
        );
        assert!(small.body.len() * 2 < plain.body.len(), "{path}: {} of {}", small.body.len(), plain.body.len());
        let mut text = Vec::new();
        GzDecoder::new(small.body.as_slice()).read_to_end(&mut text).expect("gzip");
        assert!(text == plain.body, "{path}");
        assert_ne!(plain.header("etag"), small.header("etag"), "{path}: two representations");
        for known in [&plain, &small] {
            let again = anyone.with("If-None-Match", known.header("etag").expect("a tag")).get(path).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        }
        assert_eq!(anyone.with("If-None-Match", "\"another\"").get(path).await.status, 200, "{path}");
        let head = anyone.request("HEAD", path).send().await;
        assert_eq!((head.status, head.header("etag"), head.body.len()), (200, plain.header("etag"), 0), "{path}");
    }
}

#[tokio::test]
async fn another_revision_of_the_mappings_has_other_pages() {
    let server = support::start().await;
    let anyone = Client::new(server.api);
    let before = anyone.get("/docs/api/contacts").await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openapi/mappings");
    let files = Files::folder(&folder).expect("the folder of mappings");
    let small = Catalog::load(&files, &Options::default()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    server.app.catalog.store(Arc::new(small));
    let tag = |answer: &Answer| answer.header("etag").expect("a tag").to_owned();
    let after = anyone.with("If-None-Match", &tag(&before)).get("/docs/api/contacts").await;
    assert_eq!(after.status, 200);
    assert_ne!(tag(&before), tag(&after));
}
