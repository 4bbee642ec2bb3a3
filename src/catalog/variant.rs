//! One way to do an operation, compiled: the request to make and how to read the answer.

use std::time::Duration;

use http::{HeaderName, Method};
use indexmap::IndexMap;
use serde_json::Value;

use super::build::{Build, Located, Scope, hint};
use super::filter::FilterRule;
use super::leaf::Leaf;
use super::spec::{AcceptedFilters, AcceptedSorts, AcceptsSpec, LimitSpec, OneOrMany, StepSpec, ThenSpec, VariantSpec};
use super::template::Template;
use super::upsert::ANY_CUSTOM;
use crate::model::{FilterOp, Operation};

#[derive(Debug, Clone)]
pub struct Variant {
    pub accepts: Accepts,
    pub when: Option<Located>,
    pub lets: Vec<(String, Leaf)>,
    pub steps: Vec<(String, Step)>,
    pub request: RequestShape,
    pub limit: Option<LimitSpec>,
    pub answer: Answer,
    pub next: Next,
    pub keyset: Option<String>,
    pub window: Option<(u64, String)>,
    pub coarse: Vec<String>,
    pub lacks: Vec<String>,
    /// Fields that its request takes from the caller's record itself.
    pub uses: Vec<String>,
    /// The record is read first, and what is written is laid over it.
    pub whole: bool,
    pub then: ThenSpec,
    /// Its requests look at which fields are wanted.
    pub sees_wanted: bool,
    /// Its requests look at the version that the record must still have.
    pub sees_version: bool,
    /// Some expression of it may run until its limit.
    pub unbounded: bool,
}

/// What a list variant covers.
#[derive(Debug, Clone, Default)]
pub struct Accepts {
    pub filters: IndexMap<String, Vec<FilterOp>>,
    pub sort: Vec<String>,
    pub q: bool,
    pub conditions: Option<usize>,
    pub sort_fields: Option<usize>,
}

impl Accepts {
    /// The operators that a filter is accepted with; a custom field stands behind the wildcard.
    pub fn ops(&self, filter: &str) -> &[FilterOp] {
        let wildcard = || self.filters.get(ANY_CUSTOM).filter(|_| filter.starts_with("custom_fields."));
        self.filters.get(filter).or_else(wildcard).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A request to the vendor.
#[derive(Debug, Clone)]
pub struct RequestShape {
    pub method: Method,
    pub path: Template,
    pub query: Vec<(String, Leaf)>,
    pub headers: Vec<(HeaderName, Leaf)>,
    pub body: Option<Leaf>,
    /// It changes nothing.
    pub safe: bool,
    /// It changes something, and twice is the same as once.
    pub repeatable: bool,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub request: RequestShape,
    pub when: Option<Located>,
    pub ok: Option<Located>,
    pub keep: Option<Leaf>,
    /// How long what is kept is good for on a connection.
    pub cache: Option<Duration>,
    pub stop: Option<Located>,
}

/// How the vendor's answer is read.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub ok: Option<Located>,
    pub error: Option<Located>,
    pub empty: Vec<u16>,
    pub absent: Vec<u16>,
    pub records: Option<Leaf>,
    pub record: Option<Leaf>,
    pub id: Option<Leaf>,
    /// For upserts: whether the record is new.
    pub created: Option<Located>,
}

/// How a list goes on.
#[derive(Debug, Clone, Default)]
pub struct Next {
    /// The vendor's own cursor in the answer.
    pub cursor: Option<Leaf>,
    /// A link that is followed byte for byte, on the same origin.
    pub link: Option<Leaf>,
    /// Counted here: rows (from this number) or pages.
    pub count: Option<Count>,
    /// There is more while this holds; for counted lists a full page otherwise.
    pub more: Option<Located>,
    /// Counted lists end at an empty page instead of a short one.
    pub until_empty: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Count {
    Rows(u64),
    Pages(u64),
}

/// The names that requests see.
const CALL_NAMES: &[&str] = &[
    "operation",
    "id",
    "input",
    "record",
    "filter",
    "conditions",
    "sort",
    "limit",
    "cursor",
    "select",
    "wanted",
    "if_version",
    "q",
    "steps",
];

/// What some operations see besides.
pub fn names_of(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::Upsert => &["match"],
        Operation::Batch => &["items"],
        Operation::Associations => &["other"],
        Operation::Associate | Operation::Dissociate => &["other", "other_id", "labels"],
        _ => &[],
    }
}

pub const CALL_VARIABLES: &[&str] = &["now", "settings"];
pub const ANSWER_VARIABLES: &[&str] = &["status", "headers", "call", "settings"];

pub struct VariantContext<'a> {
    pub operation: Operation,
    pub filters: &'a IndexMap<String, FilterRule>,
    pub sorts: &'a IndexMap<String, String>,
    /// Settings and params, which expressions see by name.
    pub names: Vec<&'a str>,
}

impl<'a> VariantContext<'a> {
    /// The same for another operation.
    pub fn of(&self, operation: Operation) -> Self {
        Self { operation, filters: self.filters, sorts: self.sorts, names: self.names.clone() }
    }

    /// What requests of the operation see.
    pub fn scope(&self) -> Scope<'a> {
        let names = CALL_NAMES.iter().chain(names_of(self.operation)).copied().chain(self.names.iter().copied());
        Scope { title: "the call", names: Some(names.collect()), variables: CALL_VARIABLES }
    }
}

pub fn answer_scope() -> Scope<'static> {
    Scope { title: "the answer", names: None, variables: ANSWER_VARIABLES }
}

/// The variants of one operation, in the order in which they are asked.
pub fn compile_variants(
    build: &mut Build<'_>,
    base: &str,
    specs: &OneOrMany<VariantSpec>,
    context: &VariantContext<'_>,
) -> Vec<Variant> {
    let placed: Vec<(String, &VariantSpec)> = match specs {
        OneOrMany::One(spec) => vec![(base.to_owned(), spec)],
        OneOrMany::Many(specs) => {
            specs.iter().enumerate().map(|(index, spec)| (format!("{base}/{index}"), spec)).collect()
        }
    };
    let compiled = placed.into_iter().filter_map(|(at, spec)| {
        let variant = compile_variant(build, &at, spec, context)?;
        Some((at, variant))
    });
    let (places, variants): (Vec<String>, Vec<Variant>) = compiled.unzip();
    super::unreachable::check_variants(build, &places, &variants);
    variants
}

pub fn compile_variant(
    build: &mut Build<'_>,
    at: &str,
    spec: &VariantSpec,
    context: &VariantContext<'_>,
) -> Option<Variant> {
    let (variant, unbounded) = build.bounded_part(|build| compile_parts(build, at, spec, context));
    let variant = variant.map(|variant| Variant { unbounded, ..variant })?;
    if context.operation == Operation::List {
        super::unread::check(build, at, &variant);
    }
    let reads = super::unread::reads(&variant);
    let sees = |name: &str| reads.iter().any(|path| path.first().is_some_and(|first| first == name));
    let (sees_wanted, sees_version) = (sees("wanted"), sees("if_version"));
    Some(Variant { sees_wanted, sees_version, ..variant })
}

fn compile_parts(build: &mut Build<'_>, at: &str, spec: &VariantSpec, context: &VariantContext<'_>) -> Option<Variant> {
    let mut scope = context.scope();
    scope.names.iter_mut().for_each(|names| names.extend(spec.r#let.keys().map(String::as_str)));
    let accepts = compile_accepts(build, at, spec.accepts.as_ref(), context);
    let when = match &spec.when {
        Some(when) => Some(build.expression(&format!("{at}/when"), when, &scope)?),
        None => None,
    };
    let mut lets = Vec::new();
    for (name, leaf) in &spec.r#let {
        lets.push((name.clone(), Leaf::compile(build, &format!("{at}/let/{name}"), leaf, &scope)?));
    }
    let mut steps = Vec::new();
    for (name, step) in &spec.steps {
        steps.push((name.clone(), compile_step(build, &format!("{at}/steps/{name}"), step, &scope)?));
    }
    let request = compile_request(
        build,
        at,
        RequestParts {
            request: &spec.request,
            query: &spec.query,
            headers: &spec.headers,
            body: spec.body.as_ref(),
            safe: spec.safe,
            repeatable: spec.repeatable,
        },
        &scope,
    )?;
    let operation = context.operation;
    let lists = matches!(operation, Operation::List | Operation::Associations | Operation::Fields | Operation::Types);
    if lists && spec.records.is_none() {
        build.problem(at, "a list says where its records are: `records: path` (`$` when the answer is the list)");
    }
    let answer = Answer {
        ok: optional_expression(build, at, "ok", spec.ok.as_deref())?,
        error: optional_expression(build, at, "error", spec.error.as_deref())?,
        empty: spec.empty.clone().unwrap_or_else(|| vec![204, 304]),
        absent: spec.absent.clone().unwrap_or_else(|| vec![404, 410]),
        records: optional_leaf(build, at, "records", spec.records.as_ref())?,
        record: optional_leaf(build, at, "record", spec.record.as_ref())?,
        id: optional_leaf(build, at, "id", spec.id.as_ref())?,
        created: optional_expression(build, at, "created", spec.created.as_deref())?,
    };
    let next = match &spec.next {
        Some(next) => compile_next(build, &format!("{at}/next"), next)?,
        None => Next::default(),
    };
    for name in &spec.coarse {
        if !context.filters.contains_key(name) {
            build.problem(&format!("{at}/coarse"), format!("`{name}` is not a filter of this resource"));
        }
    }
    let then = spec.then.unwrap_or(ThenSpec::None);
    Some(Variant {
        accepts,
        when,
        lets,
        steps,
        request,
        limit: spec.limit.clone(),
        answer,
        next,
        keyset: spec.keyset.as_ref().map(|keyset| keyset.key.clone()),
        window: spec.window.as_ref().map(|window| (window.at, window.key.clone())),
        coarse: spec.coarse.clone(),
        lacks: spec.lacks.clone(),
        uses: spec.uses.clone(),
        whole: spec.whole,
        then,
        sees_wanted: false,
        sees_version: false,
        unbounded: false,
    })
}

pub fn optional_leaf(build: &mut Build<'_>, at: &str, word: &str, spec: Option<&Value>) -> Option<Option<Leaf>> {
    match spec {
        Some(spec) => Leaf::compile(build, &format!("{at}/{word}"), spec, &answer_scope()).map(Some),
        None => Some(None),
    }
}

pub fn optional_expression(build: &mut Build<'_>, at: &str, word: &str, spec: Option<&str>) -> Option<Option<Located>> {
    match spec {
        Some(source) => build.expression(&format!("{at}/{word}"), source, &answer_scope()).map(Some),
        None => Some(None),
    }
}

fn compile_step(build: &mut Build<'_>, at: &str, spec: &StepSpec, scope: &Scope<'_>) -> Option<Step> {
    let parts = RequestParts {
        request: &spec.request,
        query: &spec.query,
        headers: &spec.headers,
        body: spec.body.as_ref(),
        safe: spec.safe,
        repeatable: false,
    };
    let request = compile_request(build, at, parts, scope)?;
    if spec.cache.is_some() && !request.safe {
        build.problem(&format!("{at}/cache"), "only what changes nothing can be kept: a GET, or a POST that is `safe`");
    }
    Some(Step {
        request,
        when: match &spec.when {
            Some(when) => Some(build.expression(&format!("{at}/when"), when, scope)?),
            None => None,
        },
        ok: optional_expression(build, at, "ok", spec.ok.as_deref())?,
        keep: optional_leaf(build, at, "keep", spec.keep.as_ref())?,
        cache: spec.cache.map(Duration::from_secs),
        stop: optional_expression(build, at, "stop", spec.stop.as_deref())?,
    })
}

pub struct RequestParts<'a> {
    pub request: &'a str,
    pub query: &'a IndexMap<String, Value>,
    pub headers: &'a IndexMap<String, Value>,
    pub body: Option<&'a Value>,
    pub safe: Option<bool>,
    pub repeatable: bool,
}

pub fn compile_request(
    build: &mut Build<'_>,
    at: &str,
    parts: RequestParts<'_>,
    scope: &Scope<'_>,
) -> Option<RequestShape> {
    let here = format!("{at}/request");
    if parts.request.is_empty() {
        build.problem(at, "`request: METHOD /path` is missing");
        return None;
    }
    let Some((method, path)) = parts.request.split_once(' ') else {
        build.problem(&here, format!("`{}` is not of the form `METHOD /path`", parts.request));
        return None;
    };
    let Ok(method) = method.parse::<Method>() else {
        build.problem(&here, format!("`{method}` is not an HTTP method"));
        return None;
    };
    let path = path.trim();
    if !path.starts_with('/') || path.contains('?') {
        build.problem(&here, "the path starts with `/` and holds no `?`: parameters go under `query`");
    }
    let path = Template::compile(build, &here, path, scope)?;
    let mut query = Vec::new();
    for (name, leaf) in parts.query {
        query.push((name.clone(), Leaf::compile(build, &format!("{at}/query/{name}"), leaf, scope)?));
    }
    let headers = compile_headers(build, &format!("{at}/headers"), parts.headers, scope)?;
    let body = match parts.body {
        Some(body) => Some(Leaf::compile(build, &format!("{at}/body"), body, scope)?),
        None => None,
    };
    let safe = parts.safe.unwrap_or(method == Method::GET || method == Method::HEAD);
    if safe && parts.repeatable {
        build.problem(&format!("{at}/repeatable"), "what changes nothing may be sent again anyway");
    }
    Some(RequestShape { method, path, query, headers, body, safe, repeatable: parts.repeatable })
}

pub fn compile_headers(
    build: &mut Build<'_>,
    at: &str,
    specs: &IndexMap<String, Value>,
    scope: &Scope<'_>,
) -> Option<Vec<(HeaderName, Leaf)>> {
    let mut headers = Vec::new();
    for (name, leaf) in specs {
        let here = format!("{at}/{name}");
        let Ok(header) = name.parse::<HeaderName>() else {
            build.problem(&here, format!("`{name}` is not a header's name"));
            continue;
        };
        headers.push((header, Leaf::compile(build, &here, leaf, scope)?));
    }
    Some(headers)
}

fn compile_accepts(
    build: &mut Build<'_>,
    at: &str,
    spec: Option<&AcceptsSpec>,
    context: &VariantContext<'_>,
) -> Accepts {
    let everything = || context.filters.iter().map(|(name, rule)| (name.clone(), rule.ops.clone())).collect();
    let all_sorts = || context.sorts.keys().cloned().collect();
    let Some(spec) = spec else {
        return Accepts { filters: everything(), sort: all_sorts(), ..Accepts::default() };
    };
    let filters = match &spec.filters {
        AcceptedFilters::All(_) => everything(),
        AcceptedFilters::Some(some) => {
            for name in some.keys().filter(|name| !context.filters.contains_key(*name)) {
                let hint = hint(name, context.filters.keys().map(String::as_str));
                build
                    .problem(&format!("{at}/accepts/filters/{name}"), format!("`{name}` is not under `filters`{hint}"));
            }
            some.clone()
        }
    };
    let sort = match &spec.sort {
        AcceptedSorts::All(_) => all_sorts(),
        AcceptedSorts::Some(some) => {
            for name in some.iter().filter(|name| !context.sorts.contains_key(*name)) {
                let hint = hint(name, context.sorts.keys().map(String::as_str));
                build.problem(&format!("{at}/accepts/sort"), format!("`{name}` is not under `sorts`{hint}"));
            }
            some.clone()
        }
    };
    Accepts { filters, sort, q: spec.q, conditions: spec.conditions, sort_fields: spec.sort_fields }
}

fn compile_next(build: &mut Build<'_>, at: &str, spec: &Value) -> Option<Next> {
    let scope = answer_scope();
    let Value::Object(map) = spec else {
        return Some(Next { cursor: Some(Leaf::compile(build, at, spec, &scope)?), ..Next::default() });
    };
    let mut next = Next::default();
    for (key, value) in map {
        let here = format!("{at}/{key}");
        match (key.as_str(), value) {
            ("offset", Value::Number(start)) => next.count = start.as_u64().map(Count::Rows),
            ("page", Value::Number(start)) => next.count = start.as_u64().map(Count::Pages),
            ("link", leaf) => next.link = Some(Leaf::compile(build, &here, leaf, &scope)?),
            ("cursor", leaf) => next.cursor = Some(Leaf::compile(build, &here, leaf, &scope)?),
            ("more", Value::String(more)) => next.more = Some(build.expression(&here, more, &scope)?),
            ("until", Value::String(until)) if until == "empty" || until == "short" => {
                next.until_empty = until == "empty";
            }
            _ => build.problem(
                &here,
                "`next` is a leaf, or a map of offset: 0, page: 1, link, cursor, more: expression, until: short or empty",
            ),
        }
    }
    Some(next)
}
