//! `new --openapi`: a provider's folder made of the vendor's OpenAPI document. Everything that it says is a guess from
//! names and types; what is a guess is said in `gotchas`, what could not be used in words.

mod collection;
mod document;
mod emit;
mod imagined;
mod lines;
mod paging;
mod places;
mod provider;
mod record;
mod resource;
mod sample;
mod scenes;
mod schema;
mod security;
mod words;

use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, Files, Options, nearest};
use collection::{Collection, collections};
use document::Document;
use resource::{Resource, shorten};

/// A folder that is still to be written, and what people should know of it.
#[derive(Debug, Default)]
pub struct Draft {
    /// Path in the provider's folder, and text.
    pub files: Vec<(String, String)>,
    pub notes: Vec<String>,
}

/// `picks` say which path serves a resource where the guess is wrong or missing.
pub async fn from_openapi(name: &str, path: &Path, picks: &[(String, String)]) -> Result<Draft, String> {
    draft(name, &Document::read(path)?, picks).await
}

/// The files of resources of a vendor that calls everything as we do: a beginning for people to change.
pub async fn of_models(name: &str, resources: &[&str]) -> Result<Vec<(String, String)>, String> {
    if resources.is_empty() {
        return Ok(Vec::new());
    }
    let models = Catalog::load(&Files::embedded().models(), &Options::default()).map_err(told)?.models;
    let mut paths = Map::new();
    for resource in resources {
        let known = || models.keys().cloned().collect::<Vec<_>>().join(", ");
        let model =
            models.get(*resource).ok_or_else(|| format!("there is no model for {resource} (there is {})", known()))?;
        imagined::paths(model, &mut paths);
    }
    let document = json!({"openapi": "3.1.0", "info": {"title": name}, "paths": paths});
    let picks: Vec<(String, String)> = resources.iter().map(|name| ((*name).to_owned(), format!("/{name}"))).collect();
    let drafted = draft(name, &Document::parse(&document.to_string())?, &picks).await?;
    Ok(drafted.files.into_iter().filter(|(file, _)| file != "provider.yaml").collect())
}

async fn draft(name: &str, document: &Document, picks: &[(String, String)]) -> Result<Draft, String> {
    let base = Files::embedded();
    let models = Catalog::load(&base.clone().models(), &Options::default()).map_err(told)?.models;
    let all = collections(document);
    let mut notes = Vec::new();
    let lost = document.lost_references();
    if !lost.is_empty() {
        let lost: Vec<&str> = lost.iter().map(String::as_str).collect();
        notes.push(format!("references that lead nowhere in the document are left out: {}", shorten(&lost)));
    }
    let known: Vec<&str> = models.keys().map(String::as_str).collect();
    let chosen = choose(&all, picks, &known, &mut notes)?;
    let mut resources = Vec::new();
    let mut gotchas = Vec::new();
    let mut operations: Vec<&Value> = Vec::new();
    for (resource, collection) in &chosen {
        let Some(model) = models.get(*resource) else { continue };
        let picked = picks.iter().any(|(name, _)| name == resource);
        match resource::resource(document, model, collection, picked) {
            Ok(made) => {
                gotchas.extend(made.gotchas.iter().cloned());
                let requests =
                    [collection.list, collection.get, collection.create, collection.update, collection.delete];
                operations.extend(requests.into_iter().flatten().map(|request| request.spec));
                resources.push(made);
            }
            Err(why) => notes.push(why),
        }
    }
    if resources.is_empty() {
        let paths: Vec<&str> = all.iter().map(|collection| collection.path.as_str()).collect();
        let hint = if paths.is_empty() {
            "it has no path that lists records".to_owned()
        } else {
            format!("its collections are {}; say --resource contacts=/path", shorten(&paths))
        };
        return Err(format!("nothing of the document could be made a resource: {hint}"));
    }
    let provider = provider::provider(document, name, &operations, gotchas);
    notes.extend(provider.notes.iter().cloned());
    let mut files = vec![("provider.yaml".to_owned(), provider_text(&provider.spec))];
    files.extend(resources.iter().map(|made| (format!("{}.yaml", made.name), resource_text(made))));
    let placed = |files: &[(String, String)]| {
        files.iter().map(|(file, text)| (format!("{name}/{file}"), text.clone())).collect::<Vec<_>>()
    };
    let catalog =
        Catalog::load(&base.models().laid_over(Files::of(placed(&files))), &Options::default()).map_err(told)?;
    let errors = provider.spec.get("errors").map(refusal);
    for made in &resources {
        notes.push(format!(
            "{}: {} ({})",
            made.name,
            made.path,
            made.spec.get("operations").map(names).unwrap_or_default()
        ));
        notes.extend(made.notes.iter().map(|note| format!("  {note}")));
        let examples = examples(&catalog, name, made, errors.as_ref(), &mut notes).await;
        if !examples.is_empty() {
            let text = format!(
                "# Recorded from the mapping with invented answers: replace them by what the vendor really sends.\n{}",
                emit::yaml(&Value::Array(examples))
            );
            files.push((format!("examples/{}.yaml", made.name), text));
        }
    }
    Ok(Draft { files, notes })
}

fn told(problems: Vec<crate::catalog::Problem>) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    format!("what was made of the document does not pass check; please report it:\n{}", lines.join("\n"))
}

fn names(operations: &Value) -> String {
    operations.as_object().map(|all| all.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

/// Resource to collection: the picks first, then the likeliest of what is left.
fn choose<'a, 'd>(
    all: &'a [Collection<'d>],
    picks: &'a [(String, String)],
    known: &[&'a str],
    notes: &mut Vec<String>,
) -> Result<IndexMap<&'a str, &'a Collection<'d>>, String> {
    let mut chosen: IndexMap<&str, &Collection> = IndexMap::new();
    let same = |a: &str, b: &str| a.trim_matches('/') == b.trim_matches('/');
    for (resource, path) in picks {
        if !known.contains(&resource.as_str()) {
            let hint = nearest(resource, known.iter().copied())
                .map(|near| format!("; did you mean {near}?"))
                .unwrap_or_default();
            return Err(format!(
                "--resource {resource}={path}: there is no model for {resource}{hint} (there is {})",
                known.join(", ")
            ));
        }
        let Some(collection) = all.iter().find(|collection| same(&collection.path, path)) else {
            let paths: Vec<&str> = all.iter().map(|collection| collection.path.as_str()).collect();
            let near = nearest(path, paths.iter().copied()).map(|near| format!("; did you mean {near}?"));
            return Err(format!(
                "--resource {resource}={path}: no collection has this path{} (there is {})",
                near.unwrap_or_default(),
                shorten(&paths)
            ));
        };
        chosen.insert(resource, collection);
    }
    let picked: Vec<&str> = chosen.values().map(|collection| collection.path.as_str()).collect();
    let left = || all.iter().filter(|collection| !picked.contains(&collection.path.as_str()));
    let mut guessed: Vec<(&str, usize, &Collection)> = left()
        .filter_map(|collection| {
            words::resource(collection.word()).map(|(resource, rank)| (resource, rank, collection))
        })
        .filter(|(resource, ..)| known.contains(resource))
        .collect();
    // What lists and can be written is the thing itself; a longer path is a view of it.
    guessed.sort_by_key(|(_, rank, collection)| {
        (collection.list.is_none(), *rank, usize::MAX - collection.operations(), collection.path.len())
    });
    for (resource, _, collection) in &guessed {
        match chosen.get(resource) {
            None => {
                chosen.insert(resource, collection);
            }
            Some(taken) => notes.push(format!(
                "{} could be {resource}, too, for which {} was taken; --resource {resource}={} takes it instead",
                collection.path, taken.path, collection.path
            )),
        }
    }
    let unknown: Vec<&str> = left()
        .filter(|collection| words::resource(collection.word()).is_none())
        .map(|collection| collection.path.as_str())
        .collect();
    if !unknown.is_empty() {
        notes.push(format!(
            "collections that are no unified resource by their names: {} (--resource NAME=/path takes one)",
            shorten(&unknown)
        ));
    }
    chosen.sort_by(|a, _, b, _| known.iter().position(|name| name == a).cmp(&known.iter().position(|name| name == b)));
    Ok(chosen)
}

fn provider_text(spec: &Value) -> String {
    format!("# Made from an OpenAPI document. Every word is told in mappings/README.md.\n{}", emit::yaml(spec))
}

fn resource_text(made: &Resource) -> String {
    format!(
        "# {} of the vendor's {}. The names on the left are unified, the paths on the right the vendor's.\n{}",
        made.name,
        made.path,
        emit::yaml(&made.spec)
    )
}

/// An answer that has an error's words where `errors.read` looks for them.
fn refusal(errors: &Value) -> Value {
    let mut body = json!({});
    for (word, text) in [("code", "refused"), ("message", "You may not see this.")] {
        let Some(path) = errors.pointer(&format!("/read/{word}")).and_then(Value::as_str) else { continue };
        let list = path.contains("[0]");
        let names: Vec<String> = path.replace("[0]", "").replace('`', "").split('.').map(str::to_owned).collect();
        let mut made = scenes::wrapped(names.get(1..).unwrap_or_default(), json!(text));
        if list {
            made = json!([made]);
        }
        if let (Value::Object(body), Some(first)) = (&mut body, names.first()) {
            merge(body.entry(first.clone()).or_insert(Value::Null), made);
        }
    }
    body
}

fn merge(target: &mut Value, over: Value) {
    match (target, over) {
        (Value::Object(target), Value::Object(over)) => {
            over.into_iter().for_each(|(name, value)| merge(target.entry(name).or_insert(Value::Null), value));
        }
        (Value::Array(target), Value::Array(over)) => {
            target.iter_mut().zip(over).for_each(|(target, over)| merge(target, over))
        }
        (target, over) => *target = over,
    }
}

async fn examples(
    catalog: &Catalog,
    name: &str,
    made: &Resource,
    errors: Option<&Value>,
    notes: &mut Vec<String>,
) -> Vec<Value> {
    let get = made.spec.pointer("/operations/get").is_some();
    let mut examples: Vec<Value> = Vec::new();
    let mut known: Option<Map<String, Value>> = None;
    // What a read gives says what a write may send.
    for reads in [true, false] {
        for scene in scenes::scenes(made, get, errors, known.as_ref()) {
            if matches!(scene.operation, "list" | "get") != reads {
                continue;
            }
            match record::record(catalog, name, &scene).await {
                Ok(example) => {
                    let data = example.pointer("/answer/data");
                    let data = data.and_then(|data| data.as_array().map_or(Some(data), |rows| rows.first()));
                    known = known.or_else(|| data.and_then(Value::as_object).cloned());
                    examples.push(example);
                }
                Err(why) => {
                    notes.push(format!("  no example `{}`: {}", scene.title, why.lines().next().unwrap_or_default()))
                }
            }
        }
    }
    examples
}
