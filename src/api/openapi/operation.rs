//! One operation of the document, put together word by word.

use serde_json::{Map, Value, json};

use super::problems::Family;

/// Groups of operations besides those of the resources.
pub const TAGS: [(&str, &str); 7] = [
    ("Passthrough", "The provider's own API, with the customer's credential: nothing is translated."),
    ("Connections", "Customers' accounts, by which requests reach their CRMs."),
    ("Connect", "Links on which customers connect their accounts themselves, and the OAuth apps under which they do."),
    ("Mapping", "A tenant's and a connection's own lines over the shipped mappings."),
    ("Keys", "API keys. The secret of a key is shown once, when it is made."),
    ("Audit", "Who did what with customers' accounts: a log that only grows, each row bound to the one before it."),
    ("About", "What the providers can do, and this document."),
];

pub struct Operation {
    id: String,
    tag: String,
    summary: String,
    description: String,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Vec<(String, Value)>,
    family: Option<&'static Family>,
    open: bool,
}

impl Operation {
    pub fn new(id: impl Into<String>, tag: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            tag: tag.into(),
            summary: summary.into(),
            description: String::new(),
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            family: None,
            open: false,
        }
    }

    /// Another paragraph.
    pub fn about(mut self, text: impl AsRef<str>) -> Self {
        let gap = if self.description.is_empty() || text.as_ref().is_empty() { "" } else { "\n\n" };
        self.description.push_str(gap);
        self.description.push_str(text.as_ref());
        self
    }

    /// Needs no key.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    pub fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    pub fn parameters(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// A JSON body of a schema among the components, with an example there.
    pub fn body(mut self, schema: &str, example: &str) -> Self {
        self.body = Some(json!({"required": true, "content": {"application/json": media(schema, example)}}));
        self
    }

    /// The same, which may be left out.
    pub fn optional_body(mut self, schema: &str, example: &str) -> Self {
        self.body = Some(json!({"required": false, "content": {"application/json": media(schema, example)}}));
        self
    }

    /// The same body also as a merge patch.
    pub fn patch(mut self, schema: &str, example: &str) -> Self {
        let media = media(schema, example);
        let content = json!({"application/json": media, "application/merge-patch+json": media});
        self.body = Some(json!({"required": true, "content": content}));
        self
    }

    /// A body of these media types.
    pub fn media_body(mut self, content: Value) -> Self {
        self.body = Some(json!({"required": true, "content": content}));
        self
    }

    /// Any body.
    pub fn raw_body(mut self) -> Self {
        self.body = Some(json!({"description": "Sent as it is.", "content": {"*/*": {}}}));
        self
    }

    /// A success with JSON of a schema and an example among the components.
    pub fn answer(self, status: u16, description: &str, schema: &str, example: &str, headers: &[&str]) -> Self {
        self.response(&status.to_string(), description, json!({"application/json": media(schema, example)}), headers)
    }

    /// A success without a body.
    pub fn done(self, description: &str) -> Self {
        self.response("204", description, Value::Null, &[])
    }

    /// The answer without its body, for callers that have it.
    pub fn known(self) -> Self {
        let headers = ["ETag", "Cache-Status", "Cache-Control", "Age"];
        self.response("304", "The caller has this answer, as `If-None-Match` says.", Value::Null, &headers)
    }

    pub fn response(mut self, status: &str, description: &str, content: Value, headers: &[&str]) -> Self {
        let headers: Map<String, Value> = ["X-Request-Id", "Server-Timing"].iter().chain(headers).map(header).collect();
        let mut response = json!({"description": description, "headers": headers});
        if let (Value::Object(response), false) = (&mut response, content.is_null()) {
            response.insert("content".into(), content);
        }
        self.answers.push((status.to_owned(), response));
        self
    }

    pub fn problems(mut self, family: &'static Family) -> Self {
        self.family = Some(family);
        self
    }

    /// The path's own parameters come first.
    pub fn into_value(self, path: &str) -> Value {
        let mut operation = Map::new();
        operation.insert("operationId".into(), self.id.into());
        operation.insert("tags".into(), json!([self.tag]));
        operation.insert("summary".into(), self.summary.into());
        if !self.description.is_empty() {
            operation.insert("description".into(), self.description.into());
        }
        if self.open {
            operation.insert("security".into(), json!([]));
        }
        let parameters: Vec<Value> = in_path(path).chain(self.parameters).collect();
        if !parameters.is_empty() {
            operation.insert("parameters".into(), parameters.into());
        }
        operation.extend(self.body.map(|body| ("requestBody".to_owned(), body)));
        let problems = self.family.into_iter().flat_map(Family::references);
        operation.insert("responses".into(), Value::Object(self.answers.into_iter().chain(problems).collect()));
        Value::Object(operation)
    }
}

/// A reference to a component.
pub fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn media(schema: &str, example: &str) -> Value {
    let mut media = json!({"schema": reference("schemas", schema)});
    if let (Value::Object(media), false) = (&mut media, example.is_empty()) {
        media.insert("examples".into(), json!({ "invented": reference("examples", example) }));
    }
    media
}

fn header(name: &&str) -> (String, Value) {
    ((*name).to_owned(), reference("headers", name))
}

fn in_path(path: &str) -> impl Iterator<Item = Value> {
    let names = path.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
    names.map(|name| {
        let about = match name {
            "id" => "The id of the one that is meant.",
            "name" | "provider" => "The provider's name.",
            "token" => "What makes the link one that nobody can guess.",
            "page" => "`problems`, `clients` or `style.css`.",
            "group" => "A resource or a group of routes, such as `contacts`; `models` for what they have in common.",
            "code" => "The `code` of a problem.",
            "path" => "Path of the provider's own API, with its slashes; an empty one is the root of its host.",
            "other" => "The resource on the other side.",
            "other_id" => "The id of the record on the other side.",
            "type" => "The name of the type, as the list of types has it.",
            _ => "A part of the path.",
        };
        json!({"name": name, "in": "path", "required": true, "description": about, "schema": {"type": "string"}})
    })
}
