//! One resource of one provider, compiled.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;
use regex::Regex;
use serde_json::{Map, Value};

use super::association::{Association, compile_associations};
use super::batch::{Batch, compile_batches};
use super::build::Build;
use super::field::{Field, Table};
use super::filter::{FilterRule, compile_filters};
use super::leaf::Leaf;
use super::metadata::Metadata;
use super::source::{Node, Problem};
use super::spec::{LimitSpec, OneOrMany, OperationsSpec, ResourceSpec, SelectDepth, SelectSpec, VariantSpec};
use super::table::{TableContext, compile_table};
use super::types::Types;
use super::upsert::{Upsert, compile_upserts};
use super::variant::{Variant, VariantContext, compile_variants, optional_leaf};
use crate::mapping::{Codec, Engine, Path};
use crate::model::{Filter, Model, Operation, Query};

#[derive(Debug, Clone)]
pub struct Resource {
    pub name: Arc<str>,
    pub model: Arc<Model>,
    pub id_pattern: Option<Regex>,
    pub table: Table,
    pub select: Option<Select>,
    pub filters: IndexMap<String, FilterRule>,
    /// Unified field to vendor column.
    pub sorts: IndexMap<String, String>,
    pub limit: LimitSpec,
    pub only: IndexMap<String, Value>,
    pub clear: Value,
    /// What a record's ETag is made of.
    pub version: Option<Leaf>,
    pub text: Option<Path>,
    operations: Arc<HashMap<Operation, Vec<Variant>>>,
    pub upserts: Arc<Vec<Upsert>>,
    batches: Arc<Vec<(Operation, Batch)>>,
    /// By the other resource.
    pub associations: Arc<IndexMap<String, Association>>,
    pub metadata: Option<Arc<Metadata>>,
    pub types: Option<Arc<Types>>,
    /// All columns of the account, once its own fields are lines of the table.
    pub account: Option<Arc<HashSet<String>>>,
    pub params: Map<String, Value>,
}

#[derive(Debug, Clone)]
pub struct Select {
    pub under: Option<Path>,
    pub always: Vec<String>,
    /// The most columns in one request.
    pub max: Option<usize>,
}

/// What a resource takes from its provider.
pub struct Surroundings<'a> {
    pub models: &'a IndexMap<String, Arc<Model>>,
    pub codecs: &'a IndexMap<String, Codec>,
    pub settings: Vec<&'a str>,
    pub engine: Engine,
}

impl Resource {
    pub fn compile(
        name: &str,
        node: &Node,
        spec: &ResourceSpec,
        params: Map<String, Value>,
        around: &Surroundings<'_>,
    ) -> Result<Self, Vec<Problem>> {
        let mut build = Build::new(node, around.engine);
        let wanted = spec.model.as_deref();
        let model = around.models.values().find(|model| match wanted {
            Some(wanted) => model.name == wanted,
            None => model.resource == name,
        });
        let Some(model) = model else {
            let known = around.models.values().map(|model| model.resource.as_str()).collect::<Vec<_>>().join(", ");
            return Err(vec![node.problem(format!("there is no model for `{name}`: models serve {known}"))]);
        };
        let select_spec = match &spec.select {
            Some(SelectSpec::On(full)) => Some(full.clone()),
            _ => None,
        };
        let under = match select_spec.as_ref().and_then(|select| select.under.as_ref()) {
            Some(under) => build.path("/select/under", under),
            None => None,
        };
        let full_depth = select_spec.as_ref().is_some_and(|select| select.depth == SelectDepth::Full);
        let context = TableContext { codecs: around.codecs, under: under.as_ref(), full_depth, top: true };
        let table = compile_table(&mut build, "/fields", &spec.fields, &model.members, &context);
        if !table.contains_key("id") {
            build.problem("/fields", "every resource reads an `id`");
        }
        let filters = compile_filters(&mut build, &spec.filters, model, &table, around.codecs, under.as_ref());
        for name in spec.sorts.keys().filter(|name| model.member(name).is_none()) {
            build.problem(&format!("/sorts/{name}"), format!("the model {} has no `{name}`", model.name));
        }
        let id_pattern = match &spec.id {
            Some(id) => build.regex("/id/pattern", &id.pattern, true),
            None => None,
        };
        let text = match &spec.text {
            Some(text) => build.path("/text", text),
            None => None,
        };
        let version = optional_leaf(&mut build, "", "version", spec.version.as_ref()).flatten();
        let mut names = around.settings.clone();
        names.extend(params.keys().map(String::as_str));
        let context = VariantContext { operation: Operation::List, filters: &filters, sorts: &spec.sorts, names };
        let types = spec.types.as_ref().and_then(|types| Types::compile(&mut build, types, &context));
        // Requests for objects of one type see which, and what is kept of it.
        let mut names = context.names.clone();
        if let Some(types) = &spec.types {
            names.push("type");
            names.extend(types.keep.keys().map(String::as_str));
        }
        let context = VariantContext { names, ..context };
        let operations = compile_operations(&mut build, &spec.operations, &context);
        let holds = |operation| operations.get(&operation).is_some_and(|all| all.iter().any(|way| way.sees_version));
        let held = holds(Operation::Update) || holds(Operation::Delete);
        if version.is_none() && held {
            build.problem(
                "/operations",
                "a request reads `if_version`, but no `version` says where records have theirs",
            );
        }
        let upserts = match &spec.operations.upsert {
            Some(upserts) => compile_upserts(&mut build, upserts, &filters, &context.of(Operation::Upsert)),
            None => Vec::new(),
        };
        let batches = compile_batches(&mut build, &spec.operations.batch, &context.of(Operation::Batch));
        let mut associations = compile_associations(&mut build, &spec.associations, &table, &context);
        if spec.operations.update.is_none() {
            for association in associations.values_mut() {
                if let Association::Field { written, .. } = association {
                    *written = false;
                }
            }
        }
        let metadata = spec.metadata.as_ref();
        let metadata = metadata.and_then(|metadata| Metadata::compile(&mut build, metadata, around.codecs, &context));
        if !build.problems.is_empty() {
            return Err(build.problems);
        }
        let select = match &spec.select {
            Some(SelectSpec::On(full)) => Some(Select { under, always: full.always.clone(), max: full.max }),
            Some(SelectSpec::Off(_)) => None,
            None => Some(Select { under: None, always: Vec::new(), max: None }),
        };
        Ok(Self {
            name: name.into(),
            model: model.clone(),
            id_pattern,
            table,
            select,
            filters,
            sorts: spec.sorts.clone(),
            limit: spec.limit.clone(),
            only: spec.only.clone(),
            version,
            clear: spec.clear.clone().unwrap_or(Value::Null),
            text,
            operations: Arc::new(operations),
            upserts: Arc::new(upserts),
            batches: Arc::new(batches),
            associations: Arc::new(associations),
            metadata: metadata.map(Arc::new),
            types: types.map(Arc::new),
            account: None,
            params,
        })
    }

    pub fn variants(&self, operation: Operation) -> &[Variant] {
        self.operations.get(&operation).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a write can be made to depend on the version of its record.
    pub fn holds_version(&self, operation: Operation) -> bool {
        let variants = self.variants(operation);
        self.version.is_some() && !variants.is_empty() && variants.iter().all(|variant| variant.sees_version)
    }

    /// Whether it can be done at all. Fields are always told; batches go one by one where the vendor has none.
    pub fn supports(&self, operation: Operation) -> bool {
        match operation {
            Operation::Upsert => !self.upserts.is_empty(),
            Operation::Batch => {
                const ONE_BY_ONE: [Operation; 5] =
                    [Operation::Get, Operation::Create, Operation::Update, Operation::Delete, Operation::Upsert];
                ONE_BY_ONE.into_iter().any(|operation| self.supports(operation))
            }
            Operation::Fields => true,
            Operation::Associations | Operation::Associate | Operation::Dissociate => {
                self.associations.values().any(|association| association.supports(operation))
            }
            Operation::Types => self.types.is_some(),
            _ => !self.variants(operation).is_empty(),
        }
    }

    /// Associations by a reference of the other record: the key, the other resource and its reference.
    pub(super) fn leads(&self) -> impl Iterator<Item = (String, String, String)> {
        self.associations.iter().filter_map(|(key, association)| match association {
            Association::Other { resource, by, .. } => Some((key.clone(), resource.clone(), by.clone())),
            _ => None,
        })
    }

    /// Whether a reference can be changed on a record that is there.
    pub(super) fn writes_reference(&self, field: &str) -> bool {
        let line = self.table.get(field);
        self.supports(Operation::Update)
            && line.is_some_and(|line| line.is_writable() && !line.once && line.link.is_none())
    }

    /// Notes whether an association by the other's reference can be written.
    pub(super) fn set_written(&mut self, key: &str, able: bool) {
        let associations = Arc::get_mut(&mut self.associations);
        if let Some(Association::Other { written, .. }) = associations.and_then(|all| all.get_mut(key)) {
            *written = able;
        }
    }

    /// The vendor's request for many records.
    pub fn batch(&self, operation: Operation) -> Option<&Batch> {
        self.batches.iter().find(|(known, _)| *known == operation).map(|(_, batch)| batch)
    }

    /// Whether this call meets an expression that may run until its limit: then it keeps off the request threads.
    /// A call that does not ask for such a field is not held up by those that do.
    pub fn is_unbounded_for(&self, operation: Operation, query: &Query, body: Option<&Map<String, Value>>) -> bool {
        let reads_back = operation.is_write().then_some(Operation::Get);
        let mut variants = self.variants(operation).iter().chain(reads_back.iter().flat_map(|get| self.variants(*get)));
        let met = |name: &str| {
            let member = name.split('.').next().unwrap_or(name);
            let filtered = |filter: &Filter| self.model.filter_target(&filter.field).starts_with(member);
            let written = body.is_some_and(|body| body.contains_key(member));
            query.fields.wants(member) || written || query.filters.iter().any(filtered)
        };
        variants.any(|variant| variant.unbounded) || self.table.iter().any(|(name, field)| field.unbounded && met(name))
    }

    /// The line for a unified top-level member.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.table.get(name)
    }
}

fn compile_operations(
    build: &mut Build<'_>,
    spec: &OperationsSpec,
    context: &VariantContext<'_>,
) -> HashMap<Operation, Vec<Variant>> {
    let written: [(Operation, &Option<OneOrMany<VariantSpec>>); 5] = [
        (Operation::List, &spec.list),
        (Operation::Get, &spec.get),
        (Operation::Create, &spec.create),
        (Operation::Update, &spec.update),
        (Operation::Delete, &spec.delete),
    ];
    let mut operations = HashMap::new();
    for (operation, specs) in written {
        let Some(specs) = specs else { continue };
        let context = context.of(operation);
        let base = format!("/operations/{}", operation.as_str());
        let variants = compile_variants(build, &base, specs, &context);
        if variants.iter().any(|variant| variant.then == super::spec::ThenSpec::Get) && spec.get.is_none() {
            build.problem(&base, "`then: get` needs the operation `get`");
        }
        operations.insert(operation, variants);
    }
    operations
}
