//! How much is kept, and rules that cannot be.

use serde_json::{Value, json};
use throughline::store::Store;
use throughline::unified::cache::faults;

use crate::scene::{Scene, status};

#[tokio::test]
async fn memory_is_bounded_and_the_oldest_goes_first() {
    let scene = Scene::with(json!([{"ttl": "1h"}]), 50_000).await;
    scene.pads(4_000);
    let client = scene.client();
    for id in 10..60 {
        assert_eq!(client.get(&format!("/v1/crm/contacts/{id}?fields=title")).await.status, 200);
        let bytes = scene.metric("throughline_cache_bytes").await.expect("a gauge");
        assert!(bytes <= 50_000, "{bytes}");
    }
    assert!(scene.metric("throughline_cache_entries").await.is_some_and(|entries| (8..=12).contains(&entries)));
    assert!(scene.metric(r#"throughline_cache_evictions_total{cause="size"}"#).await.is_some_and(|gone| gone >= 38));
    assert_eq!(status(&client.get("/v1/crm/contacts/59?fields=title").await), "throughline; hit; ttl=3600");
    assert_eq!(
        status(&client.get("/v1/crm/contacts/10?fields=title").await),
        "throughline; fwd=uri-miss; ttl=3600; stored"
    );
}

#[tokio::test]
async fn what_is_larger_than_its_room_is_answered_and_not_kept() {
    let scene =
        Scene::with(json!([{"resource": "contacts", "ttl": "1h", "max_bytes": 3_000}, {"ttl": "1h"}]), 50_000).await;
    scene.pads(4_000);
    let client = scene.client();
    for _ in 0..2 {
        let answer = client.get("/v1/crm/contacts/1?fields=title").await;
        assert_eq!((answer.status, status(&answer)), (200, "throughline; fwd=uri-miss"));
    }
    // Other rules have room of their own.
    client.get("/v1/crm/companies/1").await;
    assert_eq!(status(&client.get("/v1/crm/companies/1").await), "throughline; hit; ttl=3600");
}

/// Why a server with these rules does not start.
async fn refusal(rules: Value) -> String {
    let mut config = throughline::config::Config { store: "sqlite::memory:".into(), ..Default::default() };
    config.cache = serde_json::from_value(rules).expect("rules");
    assert_eq!(faults(&config.cache, config.cache_max_bytes), Vec::<String>::new());
    let vault = throughline::connections::Vault::from_key_base64(
        &throughline::connections::Vault::generate_key().expect("randomness"),
    )
    .expect("a key");
    let models = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings/models"));
    let models = throughline::catalog::Files::folder(models).unwrap_or_else(|problem| panic!("{problem}"));
    let files = models.below("models").laid_over(throughline::catalog::Files::of(crate::scene::files()));
    let store = Store::memory().expect("a store");
    match throughline::serve::build_with(&config, store, vault, &files).await {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_rule_about_what_is_not_known_keeps_the_server_from_starting() {
    let told = refusal(json!([{"provider": "fak", "ttl": "1m"}])).await;
    assert_eq!(told, "cache[0].provider: there is no `fak`: fake (did you mean `fake`?)");
    let told = refusal(json!([{"ttl": "1m"}, {"provider": "fake", "resource": "contact", "ttl": "1m"}])).await;
    assert_eq!(
        told,
        "cache[1].resource: there is no resource `contact` of Fake: companies, contacts (did you mean `contacts`?)"
    );
    let told = refusal(json!([{"resource": "dealz", "ttl": "1m"}])).await;
    assert!(told.contains("there is no resource `dealz`") && told.ends_with("(did you mean `deals`?)"), "{told}");
    let told =
        refusal(json!([{"provider": "fake", "resource": "companies", "operation": "associations", "ttl": "1m"}])).await;
    assert_eq!(told, "cache[0].operation: Fake has no `associations` of companies");
}
