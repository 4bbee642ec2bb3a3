//! What an account says of its own fields, and how that becomes lines of the fields table.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::build::{Build, Scope};
use super::field::{Field, Shape, Source, Target, Values};
use super::filter::FilterRule;
use super::leaf::Leaf;
use super::resource::Resource;
use super::spec::{FieldKind, MetadataSpec, OptionNames, TypeSpec};
use super::table::compile_codecs;
use super::upsert::ANY_CUSTOM;
use super::variant::{Variant, VariantContext, answer_scope, compile_variant};
use crate::error::Error;
use crate::mapping::{Codec, Path, Vars};
use crate::model::{FilterOp, Member, Operation, Type};

/// How the vendor tells which fields an account has.
#[derive(Debug)]
pub struct Metadata {
    pub fetch: Variant,
    key: Leaf,
    name: Option<Leaf>,
    label: Option<Leaf>,
    kind: Option<Leaf>,
    custom: Leaf,
    writable: Option<Leaf>,
    filterable: Option<Leaf>,
    required: Option<Leaf>,
    options: Option<Leaf>,
    types: IndexMap<String, FieldType>,
}

/// What a vendor's word for a type means here.
#[derive(Debug, Clone)]
struct FieldType {
    kind: FieldKind,
    list: bool,
    codecs: Vec<Codec>,
    path: Option<Path>,
    by_label: bool,
    read_only: bool,
}

/// One field of an account.
#[derive(Debug, Clone)]
pub struct AccountField {
    /// The column's name at the vendor.
    pub key: String,
    /// The name callers use below `custom_fields`.
    pub name: String,
    pub label: String,
    pub custom: bool,
    pub writable: bool,
    pub required: bool,
    filterable: bool,
    pub options: Vec<Choice>,
    meaning: FieldType,
}

#[derive(Debug, Clone)]
pub struct Choice {
    pub value: Value,
    pub label: String,
}

impl Metadata {
    pub fn compile(
        build: &mut Build<'_>,
        spec: &MetadataSpec,
        codecs: &IndexMap<String, Codec>,
        context: &VariantContext<'_>,
    ) -> Option<Self> {
        let at = "/metadata";
        let context = context.of(Operation::Fields);
        let fetch = compile_variant(build, &format!("{at}/fetch"), &spec.fetch, &context)?;
        let scope = Scope { title: "the row", ..answer_scope() };
        let leaf = |build: &mut Build<'_>, word: &str, spec: Option<&Value>| match spec {
            Some(spec) => Leaf::compile(build, &format!("{at}/field/{word}"), spec, &scope).map(Some),
            None => Some(None),
        };
        let field = &spec.field;
        let mut types = IndexMap::new();
        for (word, spec) in &spec.types {
            types.insert(word.clone(), compile_type(build, &format!("{at}/types/{word}"), spec, codecs)?);
        }
        Some(Self {
            fetch,
            key: leaf(build, "key", Some(&field.key))??,
            name: leaf(build, "name", field.name.as_ref())?,
            label: leaf(build, "label", field.label.as_ref())?,
            kind: leaf(build, "type", field.r#type.as_ref())?,
            custom: leaf(build, "custom", Some(&field.custom))??,
            writable: leaf(build, "writable", field.writable.as_ref())?,
            filterable: leaf(build, "filterable", field.filterable.as_ref())?,
            required: leaf(build, "required", field.required.as_ref())?,
            options: leaf(build, "options", field.options.as_ref())?,
            types,
        })
    }

    /// The fields that the rows tell of. A row without a key is none; a name that is taken gets a number.
    pub fn read(&self, rows: &[Value], vars: &Vars) -> Result<Vec<AccountField>, Error> {
        let mut fields: Vec<AccountField> = Vec::with_capacity(rows.len());
        let mut names = HashSet::new();
        for row in rows {
            let text = |leaf: &Option<Leaf>| leaf.as_ref().map_or(Ok(None), |leaf| leaf.text(row, vars));
            let Some(key) = self.key.text(row, vars)?.filter(|key| !key.is_empty()) else { continue };
            let flag = |leaf: &Option<Leaf>, default: bool| match leaf {
                Some(leaf) => leaf.evaluate(row, vars).map(|value| value.map_or(default, |value| truth(&value))),
                None => Ok(default),
            };
            let label = text(&self.label)?.unwrap_or_else(|| key.clone());
            let wanted = text(&self.name)?.map(|name| word(&name)).filter(|name| !name.is_empty());
            let wanted = wanted.unwrap_or_else(|| key.clone());
            let mut name = wanted.clone();
            let mut count = 1;
            while !names.insert(name.clone()) {
                count += 1;
                name = format!("{wanted}_{count}");
            }
            let meaning = text(&self.kind)?.and_then(|word| self.types.get(&word).cloned()).unwrap_or_else(as_it_is);
            let custom = self.custom.evaluate(row, vars)?.is_some_and(|value| truth(&value));
            fields.push(AccountField {
                writable: flag(&self.writable, true)? && !meaning.read_only,
                filterable: flag(&self.filterable, true)?,
                required: flag(&self.required, false)?,
                options: match &self.options {
                    Some(leaf) => choices(leaf.evaluate(row, vars)?),
                    None => Vec::new(),
                },
                key,
                name,
                label,
                custom,
                meaning,
            });
        }
        Ok(fields)
    }
}

fn compile_type(
    build: &mut Build<'_>,
    at: &str,
    spec: &TypeSpec,
    codecs: &IndexMap<String, Codec>,
) -> Option<FieldType> {
    Some(match spec {
        TypeSpec::Kind(kind) => FieldType { kind: *kind, ..as_it_is() },
        TypeSpec::Full(full) => FieldType {
            kind: full.r#type,
            list: full.list,
            codecs: match &full.r#as {
                Some(spec) => compile_codecs(build, &format!("{at}/as"), spec, codecs),
                None => Vec::new(),
            },
            path: match &full.path {
                Some(path) => Some(build.path(&format!("{at}/path"), path)?),
                None => None,
            },
            by_label: full.options == OptionNames::Label,
            read_only: full.read_only,
        },
    })
}

/// A type without a line: the value goes through as the vendor has it.
fn as_it_is() -> FieldType {
    FieldType { kind: FieldKind::Any, list: false, codecs: Vec::new(), path: None, by_label: false, read_only: false }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::String(text) => text.eq_ignore_ascii_case("true") || text == "1",
        Value::Number(number) => number.to_string() != "0",
        _ => false,
    }
}

fn choices(options: Option<Value>) -> Vec<Choice> {
    let options = match options {
        Some(Value::Array(options)) => options,
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    };
    let choice = |option: Value| {
        let value = option.get("value")?.clone();
        let label = option.get("label").and_then(Value::as_str).map_or_else(|| plain(&value), str::to_owned);
        Some(Choice { value, label })
    };
    options.into_iter().filter_map(choice).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A label as a name: `Favourite colour` becomes `favourite_colour`.
fn word(label: &str) -> String {
    let mut name = String::new();
    for character in label.chars().flat_map(char::to_lowercase) {
        if character.is_alphanumeric() {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
    }
    name.trim_end_matches('_').to_owned()
}

impl AccountField {
    /// The field's type as callers see it.
    pub fn kind(&self) -> &'static str {
        match self.meaning.kind {
            FieldKind::Text => "string",
            FieldKind::Integer => "integer",
            FieldKind::Number => "number",
            FieldKind::Decimal => "decimal",
            FieldKind::Boolean => "boolean",
            FieldKind::Date => "date",
            FieldKind::Datetime => "date-time",
            FieldKind::Choice => "choice",
            FieldKind::Id => "id",
            FieldKind::Any => "any",
        }
    }

    pub fn is_list(&self) -> bool {
        self.meaning.list
    }

    /// What callers call a choice.
    pub fn choice_name(&self, choice: &Choice) -> String {
        if self.meaning.by_label { choice.label.clone() } else { plain(&choice.value) }
    }

    fn member(&self) -> Member {
        let kind = match self.meaning.kind {
            FieldKind::Text | FieldKind::Choice => Type::Text,
            FieldKind::Integer => Type::Integer,
            FieldKind::Number => Type::Number,
            FieldKind::Decimal => Type::Decimal,
            FieldKind::Boolean => Type::Boolean,
            FieldKind::Date => Type::Date,
            FieldKind::Datetime => Type::DateTime,
            FieldKind::Id => Type::Id,
            FieldKind::Any => Type::Any,
        };
        Member {
            kind,
            list: self.meaning.list,
            read_only: !self.writable,
            nullable: true,
            required: false,
            refers: None,
            description: self.label.clone(),
        }
    }

    /// The line of the fields table.
    fn line(&self, inside: Option<&Path>, select: bool) -> Field {
        let path = column_path(inside, &self.key);
        let path = self.meaning.path.as_ref().map_or_else(|| path.clone(), |below| path.join(below));
        let write = if self.writable { Target::Path(path.clone()) } else { Target::ReadOnly };
        Field {
            member: self.member(),
            shape: Shape::Value { read: vec![Source::Path(path)], write },
            codecs: self.meaning.codecs.clone(),
            values: self.values(),
            when: Vec::new(),
            required_on_create: false,
            once: false,
            default: None,
            link: None,
            clear: None,
            columns: if select { vec![self.key.clone()] } else { Vec::new() },
            optional: false,
            unbounded: false,
            conditions: None,
        }
    }

    fn values(&self) -> Option<Values> {
        if self.options.is_empty() || self.meaning.kind != FieldKind::Choice {
            return None;
        }
        let pairs = self.options.iter().map(|choice| (self.choice_name(choice), vec![choice.value.clone()]));
        Some(Values { pairs: pairs.collect(), other: None, open: true })
    }

    /// The type that a query style writes values as: a conversion makes text of all but numbers.
    fn literal(&self, member: &Member) -> &'static str {
        let by_number = self.options.first().is_some_and(|choice| choice.value.is_number());
        if by_number {
            return "number";
        }
        let numeric = matches!(member.kind, Type::Integer | Type::Number | Type::Decimal);
        if self.meaning.codecs.is_empty() || numeric { member.kind.literal() } else { "string" }
    }

    /// A filter on the column, with those of the operators that make sense for the type.
    fn rule(&self, ops: &[FilterOp]) -> Option<FilterRule> {
        let member = self.member();
        let ordered = matches!(member.kind, Type::Integer | Type::Number | Type::Decimal | Type::Date | Type::DateTime);
        let fits = |op: &FilterOp| match op {
            FilterOp::Gt | FilterOp::Gte | FilterOp::Lt | FilterOp::Lte => ordered,
            FilterOp::Contains | FilterOp::StartsWith => member.kind == Type::Text && self.options.is_empty(),
            _ => true,
        };
        let ops: Vec<FilterOp> = ops.iter().copied().filter(fits).collect();
        if ops.is_empty() || !self.filterable || self.meaning.list || self.meaning.path.is_some() {
            return None;
        }
        Some(FilterRule {
            literal: self.literal(&member).to_owned(),
            kind: member.kind,
            ops,
            on: vec![self.key.clone()],
            codecs: self.meaning.codecs.clone(),
            values: self.values(),
            conditions: None,
            using: IndexMap::new(),
        })
    }
}

fn column_path(inside: Option<&Path>, key: &str) -> Path {
    let column = Path::of([key]);
    inside.map_or_else(|| column.clone(), |inside| inside.join(&column))
}

impl Resource {
    /// The resource with the account's custom fields as lines of its table, and without the columns of `optional`
    /// lines that the account does not have.
    pub fn with_account(&self, fields: &[AccountField]) -> Resource {
        let mut resource = self.clone();
        let inside = match self.table.get("custom_fields").map(|field| &field.shape) {
            Some(Shape::Custom { inside }) => inside.clone(),
            _ => None,
        };
        let known: HashSet<&str> = fields.iter().map(|field| field.key.as_str()).collect();
        for line in resource.table.values_mut().filter(|line| line.optional) {
            line.columns.retain(|column| known.contains(column.as_str()));
        }
        let wildcard = self.filters.get(ANY_CUSTOM).map(|rule| rule.ops.clone()).unwrap_or_default();
        for field in fields.iter().filter(|field| field.custom) {
            let name = format!("custom_fields.{}", field.name);
            if self.claims(&column_path(inside.as_ref(), &field.key), &field.key) || self.table.contains_key(&name) {
                continue;
            }
            if let Some(rule) = field.rule(&wildcard) {
                resource.filters.insert(name.clone(), rule);
            }
            resource.table.insert(name, field.line(inside.as_ref(), self.select.is_some()));
        }
        resource.account = Some(Arc::new(fields.iter().map(|field| field.key.clone()).collect()));
        resource
    }

    /// The resource of an account that does not tell its fields: what only some accounts have is not asked for.
    pub fn without_optional(&self) -> Resource {
        let mut resource = self.clone();
        resource.table.values_mut().filter(|line| line.optional).for_each(|line| line.columns.clear());
        resource
    }

    /// Whether a line of the table reads or writes this column already.
    fn claims(&self, path: &Path, key: &str) -> bool {
        let column = self.select.is_some().then_some(key);
        self.table.values().any(|field| field.claims(path, column))
    }
}

/// A custom field as `/fields` describes it.
pub fn describe(field: &AccountField, name: &str, custom: bool, writable: bool) -> Map<String, Value> {
    let options: Vec<Value> = field
        .options
        .iter()
        .map(|choice| serde_json::json!({"value": field.choice_name(choice), "label": choice.label}))
        .collect();
    let mut entry = Map::new();
    entry.insert("name".into(), name.into());
    entry.insert("label".into(), field.label.clone().into());
    entry.insert("type".into(), field.kind().into());
    entry.insert("list".into(), field.is_list().into());
    entry.insert("custom".into(), custom.into());
    entry.insert("writable".into(), writable.into());
    entry.insert("required".into(), field.required.into());
    entry.insert("options".into(), options.into());
    entry
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn labels_become_names() {
        for (label, name) in
            [("Favourite colour", "favourite_colour"), ("  % of VAT ", "of_vat"), ("Größe (cm)", "größe_cm")]
        {
            assert_eq!(word(label), name);
        }
    }
}
