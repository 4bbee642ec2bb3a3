//! Series stay bounded, and labels are what they are said to be, whatever callers and providers send.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use throughline::telemetry::DECLARED;

use crate::exposition::Exposition;
use crate::support::{Client, FakeVendor, Server, TOKEN, json_answer, provider, start_alone};

const PROVIDERS: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const RESOURCES: [&str; 11] =
    ["contacts", "companies", "deals", "leads", "tasks", "notes", "calls", "emails", "meetings", "users", "products"];
/// What a process with all of them in use may have. A Prometheus takes millions; this is a process of many.
const MOST_SERIES: usize = 8_000;

const RESOURCE: &str = r"id: { pattern: '[A-Za-z0-9]+' }
limit: { default: 10, max: 100 }
fields:
  id: { read: id }
operations:
  list:
    request: GET /things
    query: { limit: limit, after: cursor }
    records: items
    next: next
  get:
    request: GET /things/{id}
  delete:
    request: DELETE /things/{id}
";

async fn scene() -> (Server, FakeVendor) {
    let vendor = FakeVendor::start().await;
    vendor.answers_with(|request| match request.line() {
        line if line.contains("/missing") => json_answer(404, r#"{"message": "vendor-made-up-text"}"#),
        line if line.contains("/things/") => json_answer(200, r#"{"id": "1"}"#),
        _ => json_answer(200, r#"{"items": [{"id": "1"}], "next": null}"#),
    });
    let files = PROVIDERS.into_iter().flat_map(|name| {
        let described = provider(name, None).into_iter().filter(|(file, _)| file.ends_with("provider.yaml"));
        described.chain(RESOURCES.map(|resource| (format!("{name}/{resource}.yaml"), RESOURCE.to_owned())))
    });
    let server = start_alone(files.collect(), &PROVIDERS.map(|name| (name, &vendor))).await;
    (server, vendor)
}

async fn read(server: &Server) -> Exposition {
    let answer = Client::new(server.admin).get("/metrics").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    Exposition::parse(&answer.text())
}

/// Everything that a caller can do with all providers and resources, as this tenant.
async fn drive(server: &Server, tenant: &str) {
    let key = server.make_key(tenant, "read,write,passthrough").await;
    for provider in PROVIDERS {
        let id = server.connect(tenant, provider, &format!("customer-of-{tenant}")).await;
        let caller = Client::new(server.api).key(&key).connection(&id);
        for resource in RESOURCES {
            let base = format!("/v1/crm/{resource}");
            assert_eq!(caller.get(&base).await.status, 200);
            assert_eq!(caller.get(&format!("{base}/1")).await.status, 200);
            assert_eq!(caller.get(&format!("{base}/missing{tenant}")).await.status, 404);
            assert_eq!(caller.delete(&format!("{base}/1")).await.status, 204);
            caller.post(&base, json!({"made-up": tenant})).await;
            caller.get(&format!("{base}?made_up_{tenant}=1")).await;
        }
        caller.get(&format!("/v1/passthrough/things/{tenant}")).await;
        caller.post(&format!("/v1/passthrough/things/{tenant}"), json!({})).await;
        caller.get(&format!("/v1/crm/made-up-{tenant}")).await;
    }
    Client::new(server.api).key("tl_live_wrong").get("/v1/keys").await;
    Client::new(server.api).get(&format!("/made-up/{tenant}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn series_are_bounded_and_labels_come_from_closed_sets() {
    let (server, _vendor) = scene().await;
    let before = read(&server).await;

    drive(&server, "acme").await;
    let first = read(&server).await;
    drive(&server, "zenith").await;
    let second = read(&server).await;

    // More tenants, connections, paths, ids and texts: the same series. Those that the clock sets may come at any time.
    let by_the_clock = ["throughline_connections", "throughline_quota_remaining"];
    let names = |exposition: &Exposition| -> BTreeSet<String> {
        let counted = exposition.samples.iter().filter(|sample| !by_the_clock.contains(&sample.name.as_str()));
        counted.map(|sample| format!("{}{:?}", sample.name, sample.labels)).collect()
    };
    let grown: Vec<_> = names(&second).difference(&names(&first)).cloned().collect();
    assert!(grown.is_empty(), "{grown:#?}");
    let (began, all) = (before.samples.len(), second.samples.len());
    println!("{began} series at the start, {all} with 10 providers x 11 resources in use");
    assert!(all < MOST_SERIES, "{all} series");

    let calls = f64::from(2 * 10 * 11);
    let list = [("operation", "list"), ("outcome", "ok")];
    assert_eq!(second.sum("throughline_requests_total", &list), calls);
    assert_eq!(second.sum("throughline_request_seconds_count", &[("operation", "list")]), calls);
    assert_eq!(second.sum("throughline_attempts_total", &[("operation", "get"), ("outcome", "4xx")]), calls);
    assert_eq!(second.sum("throughline_mapping_seconds_count", &[("provider", "one"), ("resource", "deals")]), 8.0);
    assert_eq!(second.sum("throughline_http_requests_total", &[("route", "none")]), 2.0);
    assert_eq!(second.sum("throughline_breaker_hosts", &[("state", "closed"), ("provider", "one")]), 1.0);

    labels_are_as_declared(&server, &second);
}

fn labels_are_as_declared(server: &Server, exposition: &Exposition) {
    for name in exposition.families.keys() {
        assert!(exposition.helped.contains(name), "{name} has no help");
    }
    let declared: BTreeMap<&str, _> = DECLARED.iter().map(|family| (family.name, family)).collect();
    for (name, kind) in &exposition.families {
        match declared.get(name.as_str()) {
            Some(family) => assert_eq!(family.kind, kind, "{name}"),
            None => assert!(name.starts_with("process_"), "{name} is in no list"),
        }
    }
    for sample in exposition.samples.iter().filter(|sample| sample.name.starts_with("throughline_")) {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| sample.name.strip_suffix(end));
        let name = base.filter(|base| declared.contains_key(base)).unwrap_or(&sample.name);
        let family = declared[name];
        let mut labels: BTreeSet<&str> = sample.labels.keys().map(String::as_str).collect();
        if sample.name.ends_with("_bucket") {
            assert!(labels.remove("le"), "{sample:?}");
        }
        assert_eq!(labels, family.labels.iter().copied().collect(), "{sample:?}");
        for (label, values) in family.labels.iter().zip(server.app.metrics.label_values(name)) {
            let value = &sample.labels[*label];
            let named = ["provider", "resource", "limit"].contains(label);
            assert!(values.contains(value) || named && value == "other", "{value:?} is not a {label}: {sample:?}");
        }
    }
}

#[tokio::test]
async fn what_can_happen_stands_at_nought_from_the_start() {
    let vendor = FakeVendor::start().await;
    let server = start_alone(provider("fake", None), &[("fake", &vendor)]).await;
    let exposition = read(&server).await;
    for family in [
        "throughline_token_rotations_lost_total",
        "throughline_token_refreshes_total",
        "throughline_egress_budgets_exceeded_total",
        "throughline_revocations_total",
        "throughline_audit_entries_total",
        "throughline_store_failures_total",
        "throughline_catalog_reloads_total",
        "throughline_shed_total",
        "throughline_admin_refused_total",
    ] {
        assert!(exposition.families.contains_key(family), "{family} would be born with its first event");
    }
    assert_eq!(exposition.sum("throughline_store_failures_total", &[]), 0.0);
    assert!(exposition.sum("throughline_store_seconds_count", &[("purpose", "request")]) > 0.0);
    assert_eq!(exposition.sum("throughline_audit_entries_total", &[("result", "failed")]), 0.0);
    assert!(exposition.sum("process_open_fds", &[]) > 0.0);
    assert!(exposition.sum("throughline_runtime_workers", &[]) > 0.0);
    assert_eq!(exposition.sum("throughline_caller_connections", &[("listener", "admin")]), 1.0);
    assert!(!Client::new(server.admin).get("/metrics").await.text().contains(TOKEN));
}
