mod support;
#[tokio::test]
async fn smoke() {
    let s = support::start().await;
    let a = s.on("hubspot").get("/v1/crm/contacts?limit=1").await;
    assert_eq!(a.status, 200, "{}", a.text());
    assert_eq!(s.seen("hubspot"), 1);
    let v = support::FakeVendor::start().await;
    v.answers(support::json_answer(200, r#"{"items":[{"id":"1","name":"x"}]}"#));
    let s = support::start_with(support::provider("fake", None), &[("fake", &v)]).await;
    let a = s.on("fake").get("/v1/crm/contacts?limit=1").await;
    assert_eq!(a.status, 200, "{}", a.text());
    println!("{}", v.last().head);
}
