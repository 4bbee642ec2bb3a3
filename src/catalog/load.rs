//! Reads all mapping files, reports every fault at once, and makes the catalog of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use include_dir::{Dir, include_dir};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::grant::Addresses;
use super::interpolation;
use super::provider::Provider;
use super::quota::QuotaChange;
use super::resource::{Resource, Surroundings};
use super::source::{Node, Problem};
use super::spec::{ProviderSpec, ResourceSpec};
use super::structure;
use crate::mapping::Engine;
use crate::model::Model;
use crate::telemetry::Vocabulary;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/mappings");

/// Files that are not resources.
const NOT_RESOURCES: [&str; 2] = ["provider.yaml", "sandbox.yaml"];

/// Mapping files by their path in the folder, for example `acme/contacts.yaml`.
#[derive(Debug, Clone, Default)]
pub struct Files(BTreeMap<String, String>);

/// Everything that is known of providers. Immutable: a reload makes another one.
#[derive(Debug)]
pub struct Catalog {
    pub providers: IndexMap<String, Arc<Provider>>,
    /// By resource name, the plural in URLs.
    pub models: IndexMap<String, Arc<Model>>,
    /// Tells revisions apart in metrics and cache keys.
    pub revision: String,
    /// What it was made of: overrides are laid over it later.
    files: Arc<Files>,
    engine: Engine,
}

/// What a deployment may change.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub engine: Engine,
    /// Provider to the scheme, host and port that its requests go to instead.
    pub bases: HashMap<String, String>,
    /// Provider to the addresses of its authorization server that are others.
    pub addresses: HashMap<String, Addresses>,
    /// Provider to what is different about its allowances.
    pub limits: HashMap<String, IndexMap<String, QuotaChange>>,
}

impl Files {
    /// The files that the binary ships with.
    pub fn embedded() -> Self {
        let mut files = BTreeMap::new();
        collect(&EMBEDDED, &mut files);
        Self(files)
    }

    /// Files from elsewhere: (path in the folder, text).
    pub fn of<N: Into<String>, T: Into<String>>(files: impl IntoIterator<Item = (N, T)>) -> Self {
        Self(files.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
    }

    /// All YAML files below a folder. Unreadable ones are problems.
    pub fn folder(root: &Path) -> Result<Self, Problem> {
        let mut files = BTreeMap::new();
        let mut pending: Vec<PathBuf> = vec![root.to_owned()];
        let problem = |path: &Path, error: std::io::Error| Problem {
            file: path.display().to_string().into(),
            line: 0,
            message: format!("it cannot be read: {error}"),
        };
        while let Some(folder) = pending.pop() {
            for entry in std::fs::read_dir(&folder).map_err(|error| problem(&folder, error))? {
                let path = entry.map_err(|error| problem(&folder, error))?.path();
                if path.is_dir() {
                    pending.push(path);
                } else if path.extension().is_some_and(|extension| extension == "yaml") {
                    let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                    let text = std::fs::read_to_string(&path).map_err(|error| problem(&path, error))?;
                    files.insert(name, text);
                }
            }
        }
        Ok(Self(files))
    }

    /// The models alone.
    pub fn models(self) -> Self {
        Self(self.0.into_iter().filter(|(name, _)| name.starts_with("models/")).collect())
    }

    /// The same files below a folder.
    pub fn below(self, folder: &str) -> Self {
        Self(self.0.into_iter().map(|(name, text)| (format!("{folder}/{name}"), text)).collect())
    }

    /// Lays a folder over the files: a provider that it holds replaces the whole provider, a model the model.
    pub fn laid_over(mut self, over: Files) -> Self {
        let providers: Vec<&str> = over.providers();
        self.0.retain(|name, _| name.split_once('/').is_none_or(|(folder, _)| !providers.contains(&folder)));
        self.0.extend(over.0);
        self
    }

    /// Adds overrides: files of the same names, laid over the fields and filters of the resources.
    pub fn with_overrides(mut self, overrides: Files) -> Self {
        self.0.extend(overrides.0.into_iter().map(|(name, text)| (format!("overrides/{name}"), text)));
        self
    }

    /// Overrides that lie over nothing: a name was mistyped, and the line would be lost in silence.
    fn lost_overrides(&self) -> impl Iterator<Item = Problem> {
        let lost = self.0.keys().filter_map(|name| Some((name, name.strip_prefix("overrides/")?)));
        lost.filter(|(_, target)| !self.0.contains_key(*target)).map(|(name, target)| {
            let hint = super::build::hint(target, self.0.keys().map(String::as_str));
            let message = format!("there is no {target} that this could be laid over{hint}");
            Problem { file: name.as_str().into(), line: 0, message }
        })
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Folder names that hold a `provider.yaml`.
    pub fn providers(&self) -> Vec<&str> {
        self.0
            .keys()
            .filter_map(|name| name.strip_suffix("/provider.yaml"))
            .filter(|name| !name.contains('/'))
            .collect()
    }

    /// Files in `folder` as (name without `.yaml`, text).
    pub fn within<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, text)| {
            let name = name.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".yaml")?;
            (!name.contains('/')).then_some((name, text.as_str()))
        })
    }
}

fn collect(dir: &Dir<'_>, files: &mut BTreeMap<String, String>) {
    for file in dir.files() {
        if file.path().extension().is_some_and(|extension| extension == "yaml")
            && let Some(text) = file.contents_utf8()
        {
            files.insert(file.path().to_string_lossy().replace('\\', "/"), text.to_owned());
        }
    }
    dir.dirs().for_each(|inner| collect(inner, files));
}

impl Catalog {
    pub fn load(files: &Files, options: &Options) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let models = load_models(files, &mut problems);
        let mut providers = IndexMap::new();
        for (name, loaded) in load_providers(files, &models, options) {
            match loaded {
                Ok(provider) => {
                    providers.insert(name.to_owned(), Arc::new(provider));
                }
                Err(faults) => problems.extend(faults),
            }
        }
        for name in options
            .bases
            .keys()
            .chain(options.addresses.keys())
            .filter(|name| !files.providers().contains(&name.as_str()))
        {
            problems.push(Problem {
                file: "configuration".into(),
                line: 0,
                message: format!("providers: there is no provider `{name}`"),
            });
        }
        problems.extend(files.lost_overrides());
        if !problems.is_empty() {
            problems.sort();
            problems.dedup();
            return Err(problems);
        }
        let mut hasher = DefaultHasher::new();
        files.0.hash(&mut hasher);
        let revision = format!("{:016x}", hasher.finish());
        Ok(Self { providers, models, revision, files: Arc::new(files.clone()), engine: options.engine })
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// A resource of this catalog once more, with further trees laid over its files.
    pub(super) fn compile(&self, provider: &str, name: &str, over: Vec<Node>) -> Result<Resource, Vec<Problem>> {
        let unknown = || vec![Problem { file: provider.into(), line: 0, message: "there is no such provider".into() }];
        let known = self.providers.get(provider).ok_or_else(unknown)?;
        let around = Surroundings {
            models: &self.models,
            codecs: &known.codecs,
            settings: known.settings.keys().map(String::as_str).collect(),
            engine: self.engine,
        };
        load_resource(provider, name, &self.files, &known.params, &around, over)
    }

    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.get(name)
    }

    /// The names that may become labels of metrics.
    pub fn vocabulary(&self) -> Vocabulary {
        let rules = self.providers.values().flat_map(|provider| &provider.quotas.rules);
        Vocabulary {
            revision: self.revision.clone(),
            providers: self.providers.keys().cloned().collect(),
            resources: self.models.keys().cloned().collect(),
            limits: rules.map(|rule| rule.name.to_string()).collect(),
        }
    }

    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }

    pub fn model(&self, resource: &str) -> Option<&Arc<Model>> {
        self.models.get(resource)
    }
}

fn load_models(files: &Files, problems: &mut Vec<Problem>) -> IndexMap<String, Arc<Model>> {
    let mut nodes = IndexMap::new();
    for (name, text) in files.within("models") {
        match Node::parse(&format!("models/{name}.yaml"), text) {
            Ok(node) => {
                nodes.insert(name.to_owned(), node);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let values: IndexMap<String, Value> = nodes.iter().map(|(name, node)| (name.clone(), node.to_value())).collect();
    let mut models = IndexMap::new();
    for (name, node) in nodes.iter().filter(|(name, _)| !name.starts_with('_')) {
        let mut schema = node.to_value();
        if let Err(message) = inline(&mut schema, &values, 0) {
            problems.push(node.problem(message));
            continue;
        }
        match Model::compile(name, &schema) {
            Ok(model) => {
                models.insert(model.resource.clone(), Arc::new(model));
            }
            Err(faults) => {
                problems.extend(faults.into_iter().map(|(pointer, message)| node.locate(&pointer).problem(message)));
            }
        }
    }
    models
}

/// Replaces `$ref: _common.yaml#/$defs/x` by what it refers to.
fn inline(schema: &mut Value, files: &IndexMap<String, Value>, depth: u8) -> Result<(), String> {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
                let target = files.get(file.trim_end_matches(".yaml")).and_then(|value| value.pointer(pointer));
                let Some(target) = target.filter(|_| depth < 8) else {
                    return Err(format!("`$ref: {reference}` leads nowhere"));
                };
                let mut target = target.clone();
                inline(&mut target, files, depth + 1)?;
                if let Value::Object(target) = &mut target {
                    target.extend(map.iter().filter(|(key, _)| *key != "$ref").map(|(k, v)| (k.clone(), v.clone())));
                }
                *schema = target;
                return Ok(());
            }
            map.values_mut().try_for_each(|value| inline(value, files, depth))
        }
        Value::Array(list) => list.iter_mut().try_for_each(|value| inline(value, files, depth)),
        _ => Ok(()),
    }
}

type Loaded<'f> = (&'f str, Result<Provider, Vec<Problem>>);

/// All providers, in the order of their names. None needs another, so as many are read at once as there are processors.
fn load_providers<'f>(files: &'f Files, models: &IndexMap<String, Arc<Model>>, options: &Options) -> Vec<Loaded<'f>> {
    let names = files.providers();
    let next = AtomicUsize::new(0);
    let work = || {
        let take = || names.get(next.fetch_add(1, Ordering::Relaxed)).copied();
        std::iter::from_fn(take).map(|name| (name, load_provider(name, files, models, options))).collect::<Vec<_>>()
    };
    let helpers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(names.len()).saturating_sub(1);
    let mut loaded = std::thread::scope(|scope| {
        let others: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
        let mut loaded = work();
        for other in others {
            match other.join() {
                Ok(more) => loaded.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        loaded
    });
    loaded.sort_by_key(|(name, _)| *name);
    loaded
}

fn load_provider(
    name: &str,
    files: &Files,
    models: &IndexMap<String, Arc<Model>>,
    options: &Options,
) -> Result<Provider, Vec<Problem>> {
    let text = files.get(&format!("{name}/provider.yaml")).unwrap_or_default();
    let mut node = Node::parse(&format!("{name}/provider.yaml"), text).map_err(|problem| vec![problem])?;
    let params = params(&node);
    node.substitute(&params);
    let spec: ProviderSpec = structure::read(&node)?;
    let mut provider = Provider::compile(name, &node, &spec, options)?;
    let around = Surroundings {
        models,
        codecs: &provider.codecs,
        settings: provider.settings.keys().map(String::as_str).collect(),
        engine: options.engine,
    };
    let mut problems = Vec::new();
    let mut resources = IndexMap::new();
    for (file, _) in files.within(name) {
        if file.starts_with('_') || NOT_RESOURCES.iter().any(|other| other.trim_end_matches(".yaml") == file) {
            continue;
        }
        match load_resource(name, file, files, &provider.params, &around, Vec::new()) {
            Ok(resource) => {
                resources.insert(file.to_owned(), resource);
            }
            Err(faults) => problems.extend(faults),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut problems = link(name, &mut resources);
    let have_patterns = resources.values().all(|resource| resource.id_pattern.is_some());
    resources.values().for_each(|resource| interpolation::check(resource, have_patterns, &mut problems));
    if !problems.is_empty() {
        return Err(problems);
    }
    provider.resources = resources.into_iter().map(|(name, resource)| (name, Arc::new(resource))).collect();
    Ok(provider)
}

/// Associations that lead to references of other resources: these have to be there, and be filtered by them.
fn link(provider: &str, resources: &mut IndexMap<String, Resource>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let others: Vec<(String, String, String, String)> = resources
        .iter()
        .flat_map(|(name, resource)| {
            let leads = resource.leads().map(|(key, other, by)| (name.clone(), key, other, by));
            leads.collect::<Vec<_>>()
        })
        .collect();
    for (name, key, other, by) in others {
        let target = resources.get(&other);
        let filtered = target.is_some_and(|target| target.filters.contains_key(&format!("{by}.id")));
        if !filtered {
            let message = format!("associations: `{key}` leads to {other}, whose lists have no filter `{by}.id`");
            problems.push(Problem { file: format!("{provider}/{name}.yaml").into(), line: 0, message });
        }
        let written = target.is_some_and(|target| target.writes_reference(&by));
        if let Some(resource) = resources.get_mut(&name) {
            resource.set_written(&key, written);
        }
    }
    problems
}

fn load_resource(
    provider: &str,
    name: &str,
    files: &Files,
    provider_params: &Map<String, Value>,
    around: &Surroundings<'_>,
    over: Vec<Node>,
) -> Result<Resource, Vec<Problem>> {
    let mut node = resource_node(files, provider, name, over)?;
    let mut all = provider_params.clone();
    all.extend(params(&node));
    node.substitute(&all);
    let spec: ResourceSpec = structure::read(&node)?;
    Resource::compile(name, &node, &spec, all, around)
}

/// The whole tree of a resource: its file and those it extends, the deployment's overrides, and what lies over them.
pub fn resource_node(files: &Files, provider: &str, name: &str, over: Vec<Node>) -> Result<Node, Vec<Problem>> {
    let mut node = layered(provider, name, files, 0).map_err(|problem| vec![problem])?;
    let file = format!("overrides/{provider}/{name}.yaml");
    if let Some(text) = files.get(&file) {
        node = node.lay_over(Node::parse(&file, text).map_err(|problem| vec![problem])?);
    }
    Ok(over.into_iter().fold(node, Node::lay_over))
}

/// The file with those it extends below it.
fn layered(provider: &str, name: &str, files: &Files, depth: u8) -> Result<Node, Problem> {
    let file = format!("{provider}/{name}.yaml");
    let node = Node::parse(&file, files.get(&file).unwrap_or_default())?;
    let Some(base) = node.get("extends") else { return Ok(node) };
    let Some(base_name) = base.as_str().filter(|base| files.get(&format!("{provider}/{base}.yaml")).is_some()) else {
        return Err(base.problem("`extends` names a file of this folder, without `.yaml`"));
    };
    if depth >= 4 {
        return Err(base.problem("`extends` goes on for more than four files"));
    }
    Ok(layered(provider, base_name, files, depth + 1)?.lay_over(node))
}

fn params(node: &Node) -> Map<String, Value> {
    match node.get("params").map(Node::to_value) {
        Some(Value::Object(params)) => params,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVIDER: &str = "title: Acme\nbase_url: https://api.acme.test\nhosts: { api: ['https://api.acme.test'] }\nauth: { token: {} }\n";
    const RESOURCE: &str =
        "fields: { id: { read: id }, name: name }\noperations: { get: { request: 'GET /companies/{id}' } }\n";

    fn files(over: (&str, &str)) -> Files {
        let model = Files::embedded();
        let models = model.0.into_iter().filter(|(name, _)| name.starts_with("models/"));
        let own = [("acme/provider.yaml", PROVIDER), ("acme/companies.yaml", RESOURCE)];
        let own = own.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
        Files(models.chain(own).collect()).with_overrides(Files::of([over]))
    }

    #[test]
    fn one_line_adds_a_field() {
        let files = files(("acme/companies.yaml", "fields: { favourite: colour }\n"));
        let catalog = Catalog::load(&files, &Options::default()).expect("a good override");
        let resource = catalog.provider("acme").and_then(|acme| acme.resource("companies")).expect("the resource");
        assert!(resource.table.contains_key("custom_fields.favourite") && resource.table.contains_key("name"));
    }

    #[test]
    fn an_override_of_nothing_is_a_problem() {
        let problems = Catalog::load(&files(("acme/companys.yaml", "{}")), &Options::default()).expect_err("lost");
        let text = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains("did you mean `acme/companies.yaml`"), "{text}");
    }

    #[test]
    fn all_shipped_mappings_load() {
        let loaded = Catalog::load(&Files::embedded(), &Options::default());
        assert!(loaded.is_ok_and(|catalog| catalog.providers.len() >= 3));
    }
}
