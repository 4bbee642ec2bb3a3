//! Both evaluators of expressions give the same: for every shipped example, and for records that nobody wrote.

mod common;

use std::sync::LazyLock;

use common::{Answer, CATALOG, FILES, Played, compiled, play};
use serde_json::{Map, Value, json};
use throughline::author::{Example, check, difference, load_examples, rehearse};
use throughline::catalog::{Catalog, Options};
use throughline::mapping::Engine;

static OTHER: LazyLock<Catalog> = LazyLock::new(|| compiled(&Options { engine: Engine::Rs, ..Options::default() }));

fn examples(provider: &str) -> Vec<Example> {
    let placed = load_examples(&FILES, provider).expect("the shipped examples can be read");
    placed.into_iter().map(|placed| placed.example).collect()
}

fn answers(example: &Example) -> Vec<Answer> {
    let answer = |response: &throughline::author::ResponseSpec| Answer {
        status: response.status,
        headers: response.headers.clone(),
        body: response.body.clone().unwrap_or(Value::Null),
    };
    example.exchanges.iter().map(|exchange| answer(&exchange.response)).collect()
}

/// All that can be seen of a call: what was sent and how it ended.
fn whole(played: &Played) -> Value {
    let sent = played.sent.iter().map(|sent| json!([sent.method, sent.path_and_query, sent.body]));
    json!({"sent": sent.collect::<Vec<_>>(), "ended": played.document()})
}

#[test]
fn every_expression_is_one_that_both_engines_take() {
    let report = check(&FILES, &Options::default(), true, &[]);
    assert!(!report.failed, "{}", report.lines.join("\n"));
}

#[tokio::test]
async fn every_example_becomes_the_same_in_both_engines() {
    let mut faults = Vec::new();
    let mut count = 0;
    for provider in CATALOG.provider_names() {
        for example in examples(provider) {
            let title = format!("{provider}: {}", example.example);
            for (engine, catalog) in [("one", &*CATALOG), ("other", &*OTHER)] {
                let mut differences = rehearse(catalog, provider, &example).await;
                // as in `play`: the wall clock of a busy machine
                for _ in 0..5 {
                    if differences.iter().any(|line| line.contains("Evaluation timeout")) {
                        differences = rehearse(catalog, provider, &example).await;
                    }
                }
                faults.extend(differences.iter().map(|line| format!("{title}, {engine} engine: {line}")));
            }
            let one = play(&CATALOG, provider, &example, answers(&example)).await;
            let other = play(&OTHER, provider, &example, answers(&example)).await;
            faults.extend(difference(&title, &whole(&one), &whole(&other)));
            count += 1;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 100, "there are {count} examples");
}

#[tokio::test]
async fn a_hundred_records_that_nobody_wrote_read_the_same_in_both_engines() {
    let mut count = 0;
    for provider in CATALOG.provider_names() {
        let examples = examples(provider);
        let resources = &CATALOG.provider(provider).expect("a provider of the list").resources;
        for resource in resources.keys() {
            let title = format!("{provider} {resource}");
            let of = |operation: &'static str| {
                examples.iter().filter(move |example| example.resource == *resource && example.operation == operation)
            };
            // A list that takes several requests is not told apart here; its examples run in both engines above.
            let Some(list) = of("list").find(|example| example.call.filter.is_empty() && envelope(example).is_some())
            else {
                continue;
            };
            let (body, pointer) = envelope(list).expect("it was found like that");
            let rows = body.pointer(&pointer).and_then(Value::as_array).expect("the rows are there");
            let templates: Vec<Value> = rows.iter().filter(|row| row.is_object()).cloned().collect();
            count += 1;

            let mut chance = Chance(0x5eed + resource.len() as u64);
            let rows: Vec<Value> = (0..100)
                .map(|_| {
                    let one_template = chance.below(templates.len());
                    changed(&templates[one_template].clone(), "", &mut chance)
                })
                .collect();
            let mut body = body.clone();
            *body.pointer_mut(&pointer).expect("the rows are there") = json!(rows);
            let mut call = list.clone();
            (call.call.fields, call.call.limit, call.call.at) = (None, Some(100), None);
            let answer = vec![Answer::json(200, body)];
            let one = play(&CATALOG, provider, &call, answer.clone()).await;
            let other = play(&OTHER, provider, &call, answer).await;
            // Whoever wants all fields may have to be asked more than once.
            if one.document()["code"] == "internal" {
                continue;
            }
            let records = one.document()["data"].as_array().map_or(0, Vec::len);
            // Some lists are made of a whole answer rather than of its rows.
            assert!(records == 100 || resource == "pipelines", "{title}: {}", one.document());
            let faults = difference(&title, &whole(&one), &whole(&other));
            assert!(faults.is_empty(), "{}", faults.join("\n"));
        }
    }
    assert!(count >= 9, "there are {count} lists to read");
}

/// The body of a list's only answer, and where its rows are.
fn envelope(example: &Example) -> Option<(&Value, String)> {
    let [exchange] = example.exchanges.as_slice() else { return None };
    let body = exchange.response.body.as_ref().filter(|_| example.answer.is_some())?;
    let is_rows = |value: &Value| value.as_array().is_some_and(|rows| rows.first().is_some_and(Value::is_object));
    if is_rows(body) {
        return Some((body, String::new()));
    }
    let (name, _) = body.as_object()?.iter().find(|(_, value)| is_rows(value))?;
    Some((body, format!("/{name}")))
}

/// A vendor's record with some values replaced by null, nothing or another of their kind. Ids stay.
fn changed(value: &Value, name: &str, chance: &mut Chance) -> Value {
    match value {
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, value) in members {
                match chance.below(8) {
                    _ if is_id(name) => drop(kept.insert(name.clone(), value.clone())),
                    0 if !value.is_object() => {}
                    1 if !value.is_object() => drop(kept.insert(name.clone(), Value::Null)),
                    _ => drop(kept.insert(name.clone(), changed(value, name, chance))),
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => {
            let kept = chance.below(items.len() + 1);
            let mut items: Vec<Value> = items.iter().map(|item| changed(item, "", chance)).collect();
            if kept < items.len() {
                items.truncate(kept);
            }
            Value::Array(items)
        }
        _ if is_id(name) => value.clone(),
        Value::String(text) => match (chance.below(4), text.parse::<f64>()) {
            (0, Err(_)) => json!(TEXTS[chance.below(TEXTS.len())]),
            (0 | 1, Ok(_)) => json!(format!("{}.{}", chance.below(100_000), chance.below(100))),
            _ => value.clone(),
        },
        Value::Number(_) if chance.below(2) == 0 => json!(chance.below(100_000)),
        other => other.clone(),
    }
}

/// The members that vendors keep ids in: a record without its id is no record.
fn is_id(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("id")
}

const TEXTS: [&str; 8] = ["", " ", "Grüße", "O'Brien \"& Co\"", "true", "2026-02-29", "日本\u{301}🎉", "a;b;;c\n\\"];

/// A small generator of pseudo-random numbers, the same on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from((self.0 >> 33) % bound).unwrap_or_default()
    }
}
