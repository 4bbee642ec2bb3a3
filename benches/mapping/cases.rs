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
        self.prove(provider, &example).await;
        let answers = || example.exchanges.iter().map(|exchange| Answer::of(&exchange.response)).collect();
        let wanted = expected(&example).unwrap_or(&Value::Null);
        self.checked(format!("{operation}/{provider}"), provider, &example, answers, wanted).await
    }

    /// A list of so many rows: those of an example, over and over.
    pub async fn list(&self, provider: &str, size: usize) -> Case {
        let plain = |example: &&Example| {
            let call = &example.call;
            let rest = (&call.q, &call.include, &call.expand, &call.at, &call.sort);
            let rows = rows_of(example).map_or(0, |(rows, _)| rows.len());
            call.filter.is_empty()
                && matches!(rest, (None, None, None, None, None))
                && rows > 0
                && records_of(example).is_some_and(|records| records.len() == rows)
        };
        let examples = self.examples(provider, "list");
        let example = examples.iter().find(plain);
        let example = example.unwrap_or_else(|| panic!("{provider} has no list that one answer makes"));
        self.prove(provider, example).await;
        let (rows, _) = rows_of(example).expect("a plain list has rows");
        let response = with_rows(example, rows.iter().cycle().take(size).cloned().collect());
        let wanted =
            records_of(example).expect("a plain list has records").iter().cycle().take(size).cloned().collect();

        let mut example = example.clone();
        example.call.limit = u32::try_from(size).ok();
        let name = format!("list/{provider}/{size}");
        self.checked(name, provider, &example, || vec![Answer::of(&response)], &wanted).await
    }

    /// The list with the most conditions, to which the vendor has no records: what filters cost.
    pub async fn filters(&self, provider: &str) -> Case {
        let mut examples = self.examples(provider, "list");
        examples.retain(|example| rows_of(example).is_some());
        let example = examples.iter().max_by_key(|example| example.call.filter.len());
        let example = example.filter(|example| !example.call.filter.is_empty());
        let example = example.unwrap_or_else(|| panic!("{provider} has no list with filters"));
        let response = with_rows(example, Vec::new());
        let (name, nothing) = (format!("filters/{provider}"), Value::Array(Vec::new()));
        self.checked(name, provider, example, || vec![Answer::of(&response)], &nothing).await
    }

    /// The example holds, requests and all. The time limit of an expression is counted on the wall clock, which a busy
    /// machine can use up: then once more.
    async fn prove(&self, provider: &str, example: &Example) {
        for catalog in [&self.core, &self.rs] {
            let mut differences = Vec::new();
            for _ in 0..5 {
                differences = rehearse(catalog, provider, example).await;
                if !differences.iter().any(|line| line.contains("Evaluation timeout")) {
                    break;
                }
            }
            assert!(differences.is_empty(), "{provider}: {}: {differences:?}", example.example);
        }
    }

    /// The case by the first engine. Both engines give what is wanted and otherwise the same (the order of members within
    /// what an expression made may differ), and the first gives the same bytes again.
    async fn checked(
        &self,
        name: String,
        provider: &str,
        example: &Example,
        answers: impl Fn() -> Vec<Answer>,
        wanted: &Value,
    ) -> Case {
        let other = Case::new(name.clone(), &self.rs, provider, example, answers()).document().await;
        let case = Case::new(name, &self.core, provider, example, answers());
        let (found, again) = (case.document().await, case.document().await);
        assert_eq!(found.to_string(), again.to_string(), "{}: made again", case.name);
        assert_eq!(canonical(&found), canonical(&other), "{}: by the other engine", case.name);
        assert_eq!(canonical(&found["data"]), canonical(wanted), "{}", case.name);
        case
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

fn records_of(example: &Example) -> Option<&Vec<Value>> {
    expected(example)?.as_array()
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
