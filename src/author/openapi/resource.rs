//! The file of one resource, made of a collection.

use serde_json::{Map, Value, json};

use super::collection::{self, Collection, Request};
use super::document::Document;
use super::emit::object;
use super::lines::{Lines, Records};
use super::paging::{self, Paging, dotted};
use super::schema::{self, Kind, Properties};
use super::words;
use crate::model::Model;

/// A resource's file, and what is known besides.
pub struct Resource {
    pub name: String,
    pub path: String,
    pub spec: Value,
    pub lines: Lines,
    pub paging: Paging,
    /// Where records are in answers of single operations and of lists.
    pub record: Vec<String>,
    pub rows: Vec<String>,
    /// What is a guess and should be shown to callers until it is verified.
    pub gotchas: Vec<String>,
    pub notes: Vec<String>,
}

/// `picked` is what a person chose: then an id may be missing.
pub fn resource(
    document: &Document,
    model: &Model,
    collection: &Collection<'_>,
    picked: bool,
) -> Result<Resource, String> {
    let word = collection.word().to_owned();
    let rows = collection.list.and_then(|list| collection::rows(document, list.spec));
    let one = [collection.get, collection.create, collection.update];
    let record = one.into_iter().flatten().find_map(|request| collection::record(document, request.spec, &word));
    let of_get = record.as_ref().map(|(_, schema)| schema::properties(document, schema)).unwrap_or_default();
    let of_rows = rows.as_ref().map(|(_, schema)| schema::properties(document, schema)).unwrap_or_default();
    let (created, wrapper) = taken(document, collection.create, &word);
    let (updated, update_wrapper) = taken(document, collection.update, &word);
    let mut read = if of_get.len() >= of_rows.len() { of_get } else { of_rows };
    if read.is_empty() {
        read = created.clone().or_else(|| updated.clone()).unwrap_or_default();
    }
    if read.is_empty() {
        return Err(format!("{}: the document does not say what its records hold", collection.path));
    }
    let body = collection.create.and_then(|create| collection::body(document, create.spec));
    let body = body.map(|schema| inside(document, schema, wrapper.as_deref()));
    let required = body.map(|schema| schema::required(document, schema)).unwrap_or_default();
    let records = Records { document, model, word: word.clone(), read, created, updated, required: required.clone() };
    let mut lines = records.lines();
    let mut gotchas = Vec::new();
    ensure_id(&mut lines, collection, &records, &mut gotchas);
    if !picked && !gotchas.is_empty() {
        let name = &model.resource;
        let path = &collection.path;
        return Err(format!(
            "{path} is not taken for {name}: its records have no id (--resource {name}={path} takes it all the same)"
        ));
    }
    let paging = collection.list.map(|list| paging::paging(document, list.spec)).unwrap_or_default();
    let mut made = Resource {
        name: model.resource.clone(),
        path: collection.path.clone(),
        spec: Value::Null,
        lines,
        paging,
        record: record.map(|(path, _)| path).unwrap_or_default(),
        rows: rows.map(|(path, _)| path).unwrap_or_default(),
        gotchas,
        notes: Vec::new(),
    };
    for name in required.iter().filter(|name| !made.lines.used.contains(*name)) {
        made.gotchas.push(format!("{}: a create needs `{name}`, which no field writes yet", made.name));
    }
    let (filters, list) = made.list(document, collection);
    let operations = object([
        ("list", list),
        ("get", collection.get.map(|_| made.single("GET", collection, None))),
        ("create", collection.create.map(|_| made.create(collection, wrapper))),
        ("update", collection.update.map(|update| made.update(collection, update, update_wrapper))),
        ("delete", collection.delete.map(|_| json!({"request": format!("DELETE {}", item(collection))}))),
    ]);
    let integer_id = records.read.get("id").is_some_and(|id| schema::kind(document, id) == Kind::Integer);
    let limit = collection.list.map(|_| {
        let max = made.paging.max.unwrap_or(100).clamp(1, 1000);
        json!({"default": max.min(50), "max": max})
    });
    made.spec = object([
        ("id", integer_id.then(|| json!({"pattern": "[0-9]+"}))),
        ("select", Some(json!(false))),
        ("limit", limit),
        ("fields", Some(Value::Object(made.lines.table.clone()))),
        ("filters", (!filters.is_empty()).then_some(Value::Object(filters))),
        ("operations", Some(operations)),
    ]);
    let unused: Vec<&str> =
        records.read.keys().filter(|name| !made.lines.used.contains(*name)).map(String::as_str).collect();
    if !unused.is_empty() {
        made.notes.push(format!("no field for {}", shorten(&unused)));
    }
    made.notes.append(&mut made.lines.notes);
    Ok(made)
}

/// Names in a sentence, the first few of them.
pub fn shorten(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// What the body of a request takes; where it wraps the record in one member, that member's name.
fn taken<'d>(
    document: &'d Document,
    request: Option<Request<'d>>,
    word: &str,
) -> (Option<Properties<'d>>, Option<String>) {
    let Some(schema) = request.and_then(|request| collection::body(document, request.spec)) else {
        return (None, None);
    };
    let own = schema::properties(document, schema);
    let lone = own.first().filter(|(name, inner)| {
        let named = words::is(name, &["data"]) || words::is_one_of(name, word);
        own.len() == 1 && named && schema::kind(document, inner) == Kind::Object
    });
    match lone {
        Some((name, inner)) => (Some(schema::properties(document, inner)), Some(name.clone())),
        None => (Some(own), None),
    }
}

fn inside<'d>(document: &'d Document, schema: &'d Value, wrapper: Option<&str>) -> &'d Value {
    let inner = wrapper.and_then(|name| schema::properties(document, schema).get(name).copied());
    inner.unwrap_or(schema)
}

/// Every resource reads an id: the property that the path's parameter is called after, or a guess.
fn ensure_id(lines: &mut Lines, collection: &Collection<'_>, records: &Records<'_>, gotchas: &mut Vec<String>) {
    if lines.table.contains_key("id") {
        return;
    }
    let parameter = collection.item.as_ref().map(|(_, name)| name.clone());
    let named = parameter.filter(|name| records.read.contains_key(name) && !name.contains('`'));
    let name = named.unwrap_or_else(|| {
        gotchas.push(format!("{}: the document names no id of a record; `id` is a guess", records.model.resource));
        "id".to_owned()
    });
    let kind = records.read.get(&name).map_or(Kind::Text, |schema| records.kind(schema));
    lines
        .sample
        .insert(name.clone(), super::sample::id(kind, records.read.get(&name).copied().unwrap_or(&Value::Null)));
    lines.table.shift_insert(0, "id".into(), json!({"read": dotted(std::slice::from_ref(&name))}));
    lines.used.insert(name);
}

fn item(collection: &Collection<'_>) -> String {
    collection
        .item
        .as_ref()
        .map_or_else(|| format!("{}/{{id}}", collection.path.trim_end_matches('/')), |(path, _)| path.clone())
}

impl Resource {
    fn single(&self, method: &str, collection: &Collection<'_>, body: Option<Value>) -> Value {
        object([
            ("request", Some(json!(format!("{method} {}", item(collection))))),
            ("body", body),
            ("record", (!self.record.is_empty()).then(|| json!(dotted(&self.record)))),
        ])
    }

    fn create(&mut self, collection: &Collection<'_>, wrapper: Option<String>) -> Value {
        let id =
            self.lines.table.get("id").and_then(|id| id.get("read")).and_then(Value::as_str).unwrap_or("id").to_owned();
        let id = if self.record.is_empty() { id } else { format!("{}.{id}", dotted(&self.record)) };
        object([
            ("request", Some(json!(format!("POST {}", collection.path)))),
            ("body", wrapper.map(|wrapper| json!({wrapper: "record"}))),
            ("record", (!self.record.is_empty()).then(|| json!(dotted(&self.record)))),
            ("id", Some(json!(id))),
            ("then", collection.get.map(|_| json!("get"))),
        ])
    }

    fn update(&mut self, collection: &Collection<'_>, update: Request<'_>, wrapper: Option<String>) -> Value {
        if update.method == "put" {
            self.gotchas.push(format!(
                "{}: an update is a PUT; that it changes only what is sent is a guess (if not, say `whole: true`)",
                self.name
            ));
        }
        let mut spec =
            self.single(&update.method.to_uppercase(), collection, wrapper.map(|wrapper| json!({wrapper: "record"})));
        if let (Value::Object(spec), true) = (&mut spec, collection.get.is_some()) {
            spec.insert("then".into(), json!("get"));
        }
        spec
    }

    /// The filters, and the list itself.
    fn list(&mut self, document: &Document, collection: &Collection<'_>) -> (Map<String, Value>, Option<Value>) {
        let Some(list) = collection.list else { return (Map::new(), None) };
        let parameters = collection::parameters(document, list.spec, "query");
        let mut query = self.paging.query.clone();
        let mut filters: Map<String, Value> = Map::new();
        let mut search = false;
        let mut unused = Vec::new();
        for (name, parameter) in
            parameters.iter().filter(|(name, _)| !self.paging.query.contains_key(*name) && !name.contains('{'))
        {
            let schema = parameter.get("schema").map_or(&Value::Null, |schema| document.resolve(schema));
            let simple =
                matches!(schema::kind(document, schema), Kind::Text | Kind::Integer | Kind::Number | Kind::Boolean);
            let column = self.lines.columns.iter().find(|(field, column)| {
                simple && words::plain(column) == words::plain(name) && !filters.contains_key(field)
            });
            let since = words::is(name, words::SINCE).then(|| self.column("updated_at")).flatten();
            match (column, since) {
                (Some((field, column)), _) => {
                    query.insert(name.clone(), json!(format!("filter.{field}.eq")));
                    filters.insert(field.clone(), json!({"on": column, "ops": ["eq"]}));
                }
                (None, Some(column)) if !filters.contains_key("updated_at") => {
                    query.insert(name.clone(), json!("filter.updated_at.gte"));
                    filters.insert("updated_at".into(), json!({"on": column, "ops": ["gte"]}));
                }
                _ if words::is(name, words::SEARCH) && !search => {
                    query.insert(name.clone(), json!("q"));
                    search = true;
                    self.gotchas.push(format!("{}: that `{name}` of lists is a text search is a guess", self.name));
                }
                _ => unused.push(name.as_str()),
            }
            if parameter.get("required") == Some(&Value::Bool(true)) && unused.last() == Some(&name.as_str()) {
                self.gotchas.push(format!("{}: lists need the parameter `{name}`, which is not sent yet", self.name));
            }
        }
        if !unused.is_empty() {
            self.notes.push(format!("parameters of the list that are not used: {}", shorten(&unused)));
        }
        if self.paging.next.is_none() {
            self.gotchas.push(format!(
                "{}: the document does not say how a list goes on, so only its first page is read",
                self.name
            ));
        }
        let accepts =
            search.then(|| if filters.is_empty() { json!({"q": true}) } else { json!({"filters": "all", "q": true}) });
        let list = object([
            ("accepts", accepts),
            ("request", Some(json!(format!("GET {}", collection.path)))),
            ("query", (!query.is_empty()).then_some(Value::Object(query))),
            ("records", Some(json!(dotted(&self.rows)))),
            ("next", self.paging.next.clone()),
        ]);
        (filters, Some(list))
    }

    /// The column of a field that has one.
    fn column(&self, field: &str) -> Option<String> {
        self.lines.columns.iter().find(|(known, _)| known == field).map(|(_, column)| column.clone())
    }
}
