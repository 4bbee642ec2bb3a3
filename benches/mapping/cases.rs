//! What is timed: calls of every shipped provider, made from its examples, and checked before.

use std::time::Duration;

use serde_json::Value;
use throughline::author::{Example, ResponseSpec, load_examples, prepare, rehearse, shown};
use throughline::catalog::{Catalog, Files, Options};
use throughline::mapping::Engine;
use throughline::unified::{Call, Reply, Translate};
use tower::ServiceExt;

use super::vendor::{Answer, Vendor};

/// The shipped mappings, by both engines.
pub struct Mappings {
    files: Files,
    pub core: Catalog,
    rs: Catalog,
}

/// A call and a stage that has its answers.
pub struct Case {
    pub name: String,
    pub call: Call,
    stage: Translate,
}

impl Case {
    fn new(name: String, catalog: &Catalog, provider: &str, example: &Example, answers: Vec<Answer>) -> Self {
        let mut call = prepare(catalog, provider, example).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        // Longer than all measuring takes.
        call.deadline += Duration::from_secs(24 * 3600);
        Self { name, call, stage: Translate::new(Vendor::service(answers)) }
    }

    pub async fn run(&self, call: Call) -> Reply {
        let reply = self.stage.clone().oneshot(call).await;
        reply.unwrap_or_else(|error| panic!("{}: {error:?}", self.name))
    }

    async fn document(&self) -> Value {
        shown(&self.run(self.call.clone()).await)
    }
}

impl Mappings {
    pub fn load() -> Self {
        let files = Files::embedded();
        let compiled = |engine| {
            let options = Options { engine, ..Options::default() };
            Catalog::load(&files, &options).unwrap_or_else(|problems| panic!("{problems:?}"))
        };
        let (core, rs) = (compiled(Engine::Core), compiled(Engine::Rs));
        Self { files, core, rs }
    }

    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.core.provider_names()
    }

    /// The provider's examples of an operation: those of contacts first, of these the largest record first.
    fn examples(&self, provider: &str, operation: &str) -> Vec<Example> {
        let placed = load_examples(&self.files, provider).expect("the shipped examples can be read");
        let mut examples: Vec<Example> = placed.into_iter().map(|placed| placed.example).collect();
        examples.retain(|example| example.operation == operation && expected(example).is_some());
        let size = |example: &Example| expected(example).map_or(0, |data| data.to_string().len());
        examples.sort_by_key(|example| (example.resource != "contacts", usize::MAX - size(example)));
        examples
    }

    /// A single operation, as its example has it.
    pub async fn single(&self, provider: &str, operation: &str) -> Case {
        let example = self.examples(provider, operation).into_iter().next();
        let example = example.unwrap_or_else(|| panic!("{provider} has no example of {operation}"));
        for catalog in [&self.core, &self.rs] {
            let differences = settled(catalog, provider, &example).await;
            assert!(differences.is_empty(), "{provider}: {}: {differences:?}", example.example);
        }
        let answers = || example.exchanges.iter().map(|exchange| Answer::of(&exchange.response)).collect();
        let name = format!("{operation}/{provider}");
        let [case, other] =
            [&self.core, &self.rs].map(|catalog| Case::new(name.clone(), catalog, provider, &example, answers()));
        let found = same(&case, &other).await;
        assert_eq!(canonical(&found["data"]), canonical(expected(&example).unwrap_or(&Value::Null)), "{name}");
        case
    }

    /// Lists of so many rows: those of an example, over and over.
    pub async fn lists(&self, provider: &str, sizes: &[usize]) -> Vec<Case> {
        let plain = |example: &&Example| {
            let call = &example.call;
            let rest = (&call.q, &call.include, &call.expand, &call.at, &call.sort);
            let rows = rows_of(example).map_or(0, |(rows, _)| rows.len());
            call.filter.is_empty()
                && matches!(rest, (None, None, None, None, None))
                && rows > 0
                && expected(example).and_then(Value::as_array).is_some_and(|records| records.len() == rows)
        };
        let examples = self.examples(provider, "list");
        let example = examples.iter().find(plain);
        let example = example.unwrap_or_else(|| panic!("{provider} has no list that one answer makes"));
        let differences = settled(&self.core, provider, example).await;
        assert!(differences.is_empty(), "{provider}: {}: {differences:?}", example.example);
        let (rows, _) = rows_of(example).expect("a plain list has rows");
        let records = expected(example).and_then(Value::as_array).expect("a plain list has records");
        let mut cases = Vec::new();
        for size in sizes {
            let mut example = example.clone();
            example.call.limit = u32::try_from(*size).ok();
            let response = with_rows(&example, rows.iter().cycle().take(*size).cloned().collect());
            let name = format!("list/{provider}/{size}");
            let [case, other] = [&self.core, &self.rs]
                .map(|catalog| Case::new(name.clone(), catalog, provider, &example, vec![Answer::of(&response)]));
            let found = same(&case, &other).await;
            let wanted: Value = records.iter().cycle().take(*size).cloned().collect();
            assert_eq!(canonical(&found["data"]), canonical(&wanted), "{name}");
            cases.push(case);
        }
        cases
    }

    /// The list with the most conditions, to which the vendor has no records: what filters cost.
    pub async fn filters(&self, provider: &str) -> Option<Case> {
        let examples = self.examples(provider, "list");
        let filtered = examples.iter().filter(|example| !example.call.filter.is_empty() && rows_of(example).is_some());
        let example = filtered.max_by_key(|example| example.call.filter.len())?;
        let response = with_rows(example, Vec::new());
        let name = format!("filters/{provider}");
        let [case, other] = [&self.core, &self.rs]
            .map(|catalog| Case::new(name.clone(), catalog, provider, example, vec![Answer::of(&response)]));
        let found = same(&case, &other).await;
        assert_eq!(found["data"], Value::Array(Vec::new()), "{name}");
        Some(case)
    }

    /// The vendor's answer in `body`, a list of contacts, whole. The account has no fields of its own.
    pub async fn pinned(&self, provider: &str, body: &'static [u8], wanted: &[u8]) -> Case {
        let mut example = self.examples(provider, "list").swap_remove(0);
        example.resource = "contacts".to_owned();
        example.call = serde_json::from_value(serde_json::json!({"limit": 100})).expect("a call");
        let name = "list of 100 contacts".to_owned();
        let answers = vec![Answer::json(r#"{"results": []}"#), Answer::json(body)];
        let case = Case::new(name, &self.core, provider, &example, answers);
        let found = case.document().await;
        let wanted: Value = serde_json::from_slice(wanted).expect("JSON");
        assert_eq!(canonical(&found["data"]), canonical(&wanted), "{}", case.name);
        case
    }
}

fn expected(example: &Example) -> Option<&Value> {
    example.answer.as_ref()?.data.as_ref()
}

/// What differs. The time limit of an expression is counted on the wall clock, which a busy machine can use up.
async fn settled(catalog: &Catalog, provider: &str, example: &Example) -> Vec<String> {
    for _ in 0..5 {
        let differences = rehearse(catalog, provider, example).await;
        if !differences.iter().any(|line| line.contains("Evaluation timeout")) {
            return differences;
        }
    }
    vec!["an expression does not end".to_owned()]
}

/// Both engines give the same (the order of members within what an expression made may differ), and the first gives the
/// same bytes again.
async fn same(case: &Case, other: &Case) -> Value {
    let found = case.document().await;
    let (again, other) = (case.document().await, other.document().await);
    assert_eq!(found.to_string(), again.to_string(), "{}: made again", case.name);
    assert_eq!(canonical(&found), canonical(&other), "{}: by the other engine", case.name);
    found
}

/// As bytes in which the order of members does not matter: an example may have written them in another one.
fn canonical(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}

/// The rows in a list's only answer, and the member that holds them; no member if the answer is the rows.
fn rows_of(example: &Example) -> Option<(&Vec<Value>, Option<&str>)> {
    let [exchange] = example.exchanges.as_slice() else { return None };
    let objects = |value: &Value| value.as_array().is_some_and(|rows| rows.first().is_none_or(Value::is_object));
    match exchange.response.body.as_ref()? {
        Value::Array(rows) => Some((rows, None)),
        Value::Object(members) => {
            let (name, rows) = members.iter().find(|(_, value)| objects(value))?;
            Some((rows.as_array()?, Some(name)))
        }
        _ => None,
    }
}

fn with_rows(example: &Example, rows: Vec<Value>) -> ResponseSpec {
    let mut response = example.exchanges.first().expect("one exchange").response.clone();
    let name = rows_of(example).and_then(|(_, name)| name);
    response.body = Some(match (name, response.body) {
        (Some(name), Some(Value::Object(mut members))) => {
            members.insert(name.to_owned(), rows.into());
            Value::Object(members)
        }
        _ => rows.into(),
    });
    response
}
