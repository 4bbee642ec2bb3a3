//! Requests that carry many records, compiled.

use super::build::{Build, Located, Scope};
use super::leaf::Leaf;
use super::spec::{BatchSpec, BatchesSpec};
use super::variant::{RequestParts, RequestShape, VariantContext, answer_scope, compile_request, optional_expression};
use crate::model::Operation;

/// One request for many records.
#[derive(Debug)]
pub struct Batch {
    /// The most records in one request.
    pub max: usize,
    /// For upserts: the fields that can be matched by.
    pub matches: Vec<String>,
    pub request: RequestShape,
    pub ok: Option<Located>,
    pub error: Option<Located>,
    pub results: Leaf,
    pub row: Row,
    /// Over an item and over a row: equal values belong together. Without it, rows come in the order of the items.
    pub key: Option<(Leaf, Leaf)>,
    /// Fields that the rows lack.
    pub lacks: Vec<String>,
    /// Some expression of it may run until its limit.
    pub unbounded: bool,
}

/// How a row of the answer is read.
#[derive(Debug)]
pub struct Row {
    pub ok: Option<Located>,
    pub error: Option<Located>,
    pub id: Option<Leaf>,
    pub record: Option<Leaf>,
    pub created: Option<Located>,
}

/// Operation to its request for many.
pub fn compile_batches(
    build: &mut Build<'_>,
    specs: &BatchesSpec,
    context: &VariantContext<'_>,
) -> Vec<(Operation, Batch)> {
    let written = [
        (Operation::Get, &specs.get),
        (Operation::Create, &specs.create),
        (Operation::Update, &specs.update),
        (Operation::Upsert, &specs.upsert),
        (Operation::Delete, &specs.delete),
    ];
    let mut batches = Vec::new();
    for (operation, spec) in written {
        let Some(spec) = spec else { continue };
        let at = format!("/operations/batch/{}", operation.as_str());
        if spec.max == 0 {
            build.problem(&format!("{at}/max"), "a request for many records carries at least one");
        }
        if operation == Operation::Upsert && spec.r#match.is_empty() {
            build.problem(&at, "an upsert says what it can match by: `match: [email]`");
        }
        let (batch, unbounded) = build.bounded_part(|build| compile_batch(build, &at, spec, context));
        batches.extend(batch.map(|batch| (operation, Batch { unbounded, ..batch })));
    }
    batches
}

fn compile_batch(build: &mut Build<'_>, at: &str, spec: &BatchSpec, context: &VariantContext<'_>) -> Option<Batch> {
    let parts = RequestParts {
        request: &spec.request,
        query: &spec.query,
        headers: &spec.headers,
        body: spec.body.as_ref(),
        safe: spec.safe,
        repeatable: spec.repeatable,
    };
    let request = compile_request(build, at, parts, &context.scope())?;
    let row_scope = Scope { title: "the row", ..answer_scope() };
    let here = format!("{at}/row");
    let expression = |build: &mut Build<'_>, word: &str, source: &Option<String>| match source {
        Some(source) => build.expression(&format!("{here}/{word}"), source, &row_scope).map(Some),
        None => Some(None),
    };
    let row = Row {
        ok: expression(build, "ok", &spec.row.ok)?,
        error: expression(build, "error", &spec.row.error)?,
        created: expression(build, "created", &spec.row.created)?,
        id: match &spec.row.id {
            Some(id) => Some(Leaf::compile(build, &format!("{here}/id"), id, &row_scope)?),
            None => None,
        },
        record: match &spec.row.record {
            Some(record) => Some(Leaf::compile(build, &format!("{here}/record"), record, &row_scope)?),
            None => None,
        },
    };
    let key = match &spec.key {
        Some(key) => {
            let names = Some(vec!["index", "id", "record", "input", "match"]);
            let item_scope = Scope { title: "the item", names, variables: &[] };
            let item = Leaf::compile(build, &format!("{at}/key/item"), &key.item, &item_scope)?;
            Some((item, Leaf::compile(build, &format!("{at}/key/row"), &key.row, &row_scope)?))
        }
        None => None,
    };
    Some(Batch {
        max: spec.max,
        matches: spec.r#match.clone(),
        request,
        ok: optional_expression(build, at, "ok", spec.ok.as_deref())?,
        error: optional_expression(build, at, "error", spec.error.as_deref())?,
        results: Leaf::compile(build, &format!("{at}/results"), &spec.results, &answer_scope())?,
        row,
        key,
        lacks: spec.lacks.clone(),
        unbounded: false,
    })
}
