//! Examples: a unified call, the exchanges with the vendor that it becomes, and the unified answer.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::catalog::{Files, Node, Problem, structure};

/// `examples/*.yaml`: a list of these.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// A sentence that says what it shows.
    pub example: String,
    pub resource: String,
    pub operation: String,
    /// The connection's settings.
    #[serde(default)]
    pub settings: Map<String, Value>,
    #[serde(default)]
    pub call: CallSpec,
    /// In order: each must happen, and none else may.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
    #[serde(default)]
    pub answer: Option<AnswerSpec>,
    #[serde(default)]
    pub problem: Option<ProblemSpec>,
}

/// What the caller sends.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallSpec {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub limit: Option<u32>,
    #[serde(default)]
    pub fields: Option<Vec<String>>,
    #[serde(default)]
    pub filter: Map<String, Value>,
    #[serde(default)]
    pub sort: Option<String>,
    #[serde(default)]
    pub q: Option<String>,
    #[serde(default)]
    pub include: Option<String>,
    /// The vendor position to go on from: its cursor, or `{offset: 2}`, `{page: 2}`, `{keys: […]}`, `{link: /path}`.
    #[serde(default)]
    pub at: Option<Value>,
    /// The list variant that `at` belongs to, where it is not the first that covers the call.
    #[serde(default)]
    pub variant: Option<usize>,
    #[serde(default)]
    pub body: Option<Map<String, Value>>,
    /// The version that `If-Match` names; `*` is any.
    #[serde(default)]
    pub if_version: Option<String>,
    /// `Prefer: return=minimal`.
    #[serde(default)]
    pub minimal: bool,
    /// References whose records are wanted too.
    #[serde(default)]
    pub expand: Option<Vec<String>>,
    /// Upserts: the field to match by.
    #[serde(default)]
    pub r#match: Option<String>,
    /// Associations: the other resource, and the record of it.
    #[serde(default)]
    pub other: Option<String>,
    #[serde(default)]
    pub other_id: Option<String>,
    #[serde(default)]
    pub labels: Vec<String>,
    /// The type of custom object, for the resource `objects`.
    #[serde(default)]
    pub object: Option<String>,
    /// Batches: what is to be done.
    #[serde(default)]
    pub operations: Vec<ItemSpec>,
}

/// One operation of a batch.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemSpec {
    pub operation: String,
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub r#match: Option<String>,
    #[serde(default)]
    pub data: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    pub request: RequestSpec,
    pub response: ResponseSpec,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    pub method: String,
    /// Relative to `base_url`; for a followed link the whole path.
    pub url: String,
    /// Headers that must be there; others may.
    #[serde(default)]
    pub headers: Map<String, Value>,
    #[serde(default)]
    pub body: Option<Value>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseSpec {
    pub status: u16,
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// Text is sent as it is, everything else as JSON; nothing without it.
    #[serde(default)]
    pub body: Option<Value>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerSpec {
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub data: Option<Value>,
    /// What the record's ETag is made of.
    #[serde(default)]
    pub version: Option<String>,
    /// The vendor position of the next page, written as under `at`.
    #[serde(default)]
    pub next: Option<Value>,
    #[serde(default)]
    pub warnings: Vec<WarningSpec>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarningSpec {
    pub code: String,
    #[serde(default)]
    pub pointer: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProblemSpec {
    pub code: String,
    #[serde(default)]
    pub pointers: Option<Vec<String>>,
    #[serde(default)]
    pub outcome: Option<String>,
    #[serde(default)]
    pub retryable: Option<bool>,
    /// Seconds.
    #[serde(default)]
    pub retry_after: Option<u64>,
    #[serde(default)]
    pub provider: Option<ProviderProblemSpec>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderProblemSpec {
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(default)]
    pub code: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub other_id: Option<String>,
}

/// An example and where it stands.
#[derive(Debug, Clone)]
pub struct Placed {
    pub example: Example,
    pub place: String,
}

/// All examples of a provider, in the order of files and lines.
pub fn load(files: &Files, provider: &str) -> Result<Vec<Placed>, Vec<Problem>> {
    let mut examples = Vec::new();
    let mut problems = Vec::new();
    let folder = format!("{provider}/examples");
    for (name, text) in files.within(&folder) {
        let file = format!("{folder}/{name}.yaml");
        let node = match Node::parse(&file, text) {
            Ok(node) => node,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        match structure::read::<Vec<Example>>(&node) {
            Ok(list) => examples.extend(list.into_iter().enumerate().map(|(index, example)| {
                let place = format!("{file}:{}", node.locate(&format!("/{index}")).line);
                Placed { example, place }
            })),
            Err(faults) => problems.extend(faults),
        }
    }
    if problems.is_empty() { Ok(examples) } else { Err(problems) }
}
