//! Collections of a document: a path that lists, and the paths of one record.

use serde_json::{Map, Value};

use super::document::Document;
use super::schema::{self, Kind};
use super::words;

/// What a document says of one request.
#[derive(Clone, Copy)]
pub struct Request<'d> {
    pub method: &'static str,
    pub spec: &'d Value,
}

/// A kind of record.
pub struct Collection<'d> {
    /// As requests are written: `/v1/contacts`.
    pub path: String,
    /// `/v1/contacts/{id}`, and what the document calls `id`.
    pub item: Option<(String, String)>,
    pub list: Option<Request<'d>>,
    pub get: Option<Request<'d>>,
    pub create: Option<Request<'d>>,
    pub update: Option<Request<'d>>,
    pub delete: Option<Request<'d>>,
}

impl Collection<'_> {
    /// The last word of the path.
    pub fn word(&self) -> &str {
        self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    pub fn operations(&self) -> usize {
        [self.list, self.get, self.create, self.update, self.delete].iter().flatten().count()
    }
}

/// All collections at the top of the API: those below single records are left out.
pub fn collections(document: &Document) -> Vec<Collection<'_>> {
    let paths: Vec<(&str, &Value)> = document.paths().collect();
    let mut found: Vec<Collection> = Vec::new();
    for (path, spec) in &paths {
        if path.contains('{') || !is_plain(path) {
            continue;
        }
        let mut plain = paths.iter().filter(|(other, _)| is_plain(other));
        let item = plain.find_map(|(other, spec)| Some((*other, item_parameter(path, other)?, *spec)));
        let list = request(spec, &["get"]).filter(|list| rows(document, list.spec).is_some());
        // A lone path that lists nothing is an action, not a collection.
        if list.is_some() || item.is_some() {
            found.push(collection(path, spec, list, item));
        }
    }
    // Records that can only be got one by one.
    for (path, spec) in paths.iter().filter(|(path, _)| is_plain(path)) {
        let Some((parent, rest)) = path.rsplit_once("/{").filter(|(parent, _)| !parent.contains('{')) else { continue };
        let Some(parameter) = rest.strip_suffix('}') else { continue };
        let item = item_path(path, parameter);
        let known = found.iter().any(|known| known.item.as_ref().map(|(item, _)| item) == item.as_ref());
        if !known {
            found.push(collection(parent, &Value::Null, None, Some((path, parameter.to_owned(), spec))));
        }
    }
    found
}

fn collection<'d>(
    path: &str,
    spec: &'d Value,
    list: Option<Request<'d>>,
    item: Option<(&str, String, &'d Value)>,
) -> Collection<'d> {
    let one = item.as_ref().map_or(&Value::Null, |(_, _, spec)| *spec);
    Collection {
        path: path.to_owned(),
        list,
        create: request(spec, &["post"]),
        get: request(one, &["get"]),
        update: request(one, &["patch", "put", "post"]),
        delete: request(one, &["delete"]),
        item: item.and_then(|(path, name, _)| Some((item_path(path, &name)?, name))),
    }
}

/// What a request of a mapping can say as it is. `:merge` and the like are actions.
fn is_plain(path: &str) -> bool {
    path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '~' | '{' | '}'))
}

/// The parameter of `/contacts/{contact_id}` and `/contact/{contact_id}` beside `/contacts`.
fn item_parameter(collection: &str, path: &str) -> Option<String> {
    let (parent, parameter) = path.trim_end_matches('/').rsplit_once("/{")?;
    let name = parameter.strip_suffix('}').or_else(|| parameter.strip_suffix("}.json"))?;
    let collection = collection.trim_end_matches('/').trim_end_matches(".json");
    let same = parent == collection
        || collection
            .rsplit_once('/')
            .zip(parent.rsplit_once('/'))
            .is_some_and(|((above, many), (beside, one))| above == beside && words::singular(many) == one);
    (same && !parent.contains('{') && !name.contains(['{', '}'])).then(|| name.to_owned())
}

/// The path with the parameter called `id`, as mappings call it.
fn item_path(path: &str, parameter: &str) -> Option<String> {
    let (parent, rest) = path.rsplit_once(&format!("{{{parameter}}}"))?;
    Some(format!("{parent}{{id}}{rest}"))
}

fn request<'d>(item: &'d Value, methods: &[&'static str]) -> Option<Request<'d>> {
    methods.iter().find_map(|method| item.get(*method).map(|spec| Request { method, spec }))
}

/// The schema of the answer that is a success.
pub fn answer<'d>(document: &'d Document, spec: &'d Value) -> &'d Value {
    let responses = spec.get("responses").and_then(Value::as_object);
    let mut good =
        responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2') || *status == "default");
    good.find_map(|(_, response)| json(document.resolve(response)))
        .map_or(&Value::Null, |schema| document.resolve(schema))
}

/// The schema of the body that is sent.
pub fn body<'d>(document: &'d Document, spec: &'d Value) -> Option<&'d Value> {
    let body = document.resolve(spec.get("requestBody")?);
    json(body).map(|schema| document.resolve(schema))
}

pub fn json(holder: &Value) -> Option<&Value> {
    let content = holder.get("content").and_then(Value::as_object)?;
    let named = content.iter().find(|(kind, _)| kind.contains("json")).or_else(|| content.get_key_value("*/*"));
    named.and_then(|(_, media)| media.get("schema"))
}

/// Where the rows of a list are in its answer, with the schema of one: `[]` is the answer itself.
pub fn rows<'d>(document: &'d Document, spec: &'d Value) -> Option<(Vec<String>, &'d Value)> {
    let schema = answer(document, spec);
    if schema::kind(document, schema) == Kind::List {
        return Some((Vec::new(), schema::items(document, schema)));
    }
    let found = lists(document, schema, &mut Vec::new(), 0);
    let rank = |path: &[String]| {
        let last = path.last().map(String::as_str).unwrap_or_default();
        words::ROWS.iter().position(|word| *word == words::plain(last)).unwrap_or(words::ROWS.len())
    };
    found.into_iter().min_by_key(|(path, _)| (path.len(), rank(path)))
}

/// Lists of objects, at most one object deep.
fn lists<'d>(
    document: &'d Document,
    schema: &'d Value,
    at: &mut Vec<String>,
    depth: usize,
) -> Vec<(Vec<String>, &'d Value)> {
    let mut found = Vec::new();
    for (name, property) in schema::properties(document, schema) {
        at.push(name);
        match schema::kind(document, property) {
            Kind::List => {
                let items = schema::items(document, property);
                let objects = !schema::properties(document, items).is_empty();
                // What is wrong with a request, or comes with the records, is no list of records.
                let beside =
                    at.last().is_some_and(|name| ["errors", "warnings", "included", "links"].contains(&name.as_str()));
                if objects && !beside {
                    found.push((at.clone(), items));
                }
            }
            Kind::Object if depth < 1 && is_wrapper(at) => found.extend(lists(document, property, at, depth + 1)),
            _ => {}
        }
        at.pop();
    }
    found
}

fn is_wrapper(at: &[String]) -> bool {
    at.last().is_some_and(|name| words::ROWS.contains(&words::plain(name).as_str()) || name == "_embedded")
}

/// Where the record is in the answer of a single operation: `[]` is the answer itself.
pub fn record<'d>(document: &'d Document, spec: &'d Value, word: &str) -> Option<(Vec<String>, &'d Value)> {
    let schema = answer(document, spec);
    let own = schema::properties(document, schema);
    if own.is_empty() {
        return None;
    }
    let named = |name: &str| words::is(name, words::ROWS) || words::is_one_of(name, word);
    let wrapped = own.iter().find(|(name, property)| {
        named(name) && schema::kind(document, property) == Kind::Object && !own.contains_key("id")
    });
    Some(match wrapped {
        Some((name, property)) => (vec![name.clone()], property),
        None => (Vec::new(), schema),
    })
}

/// The parameters of a request, those of its path with them, by name.
pub fn parameters<'d>(document: &'d Document, spec: &'d Value, place: &str) -> Map<String, Value> {
    let listed = spec.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let parameters = listed.map(|parameter| document.resolve(parameter));
    let wanted = parameters.filter(|parameter| schema::text(parameter, "in") == Some(place));
    wanted.filter_map(|parameter| Some((schema::text(parameter, "name")?.to_owned(), parameter.clone()))).collect()
}
