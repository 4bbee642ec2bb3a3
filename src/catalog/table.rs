//! Compiles the fields table.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::build::{Build, Scope, hint};
use super::clash;
use super::field::{Field, Place, Shape, Source, Table, Target, Values};
use super::leaf::Leaf;
use super::spec::{FieldFull, FieldSpec, OneOrMany, PlaceSpec, Required};
use crate::mapping::{Codec, Path};
use crate::model::{Member, Members, Type};

/// What the compiler of a table has to know about its surroundings.
pub struct TableContext<'a> {
    pub codecs: &'a IndexMap<String, Codec>,
    /// Columns live below this path and are named without it.
    pub under: Option<&'a Path>,
    /// Whether a column is named by its whole path.
    pub full_depth: bool,
    /// The table of the record itself, not of an object in it: only there does an override add custom fields.
    pub top: bool,
}

const READ_VARIABLES: &[&str] = &["settings", "call", "status", "headers", "metadata", "now"];
const WRITE_VARIABLES: &[&str] = &["settings", "value", "operation", "now"];

pub fn compile_table(
    build: &mut Build<'_>,
    at: &str,
    specs: &IndexMap<String, FieldSpec>,
    members: &Members,
    context: &TableContext<'_>,
) -> Table {
    let mut table = Table::new();
    for (name, spec) in specs {
        let at = format!("{at}/{}", crate::model::escape(name));
        let custom = name.strip_prefix("custom_fields.");
        let member = match (members.get(name), custom) {
            (Some(member), _) => member.clone(),
            (None, Some(_)) => any_member(),
            // A field that an override adds and the model does not have lands in custom_fields.
            (None, None) if context.top && build.node.locate(&at).file.starts_with("overrides") => {
                let field = compile_field(build, &at, spec, &any_member(), context);
                table.extend(field.map(|field| (format!("custom_fields.{name}"), field)));
                continue;
            }
            (None, None) => {
                let hint = hint(name, members.keys().map(String::as_str));
                let known = members.keys().cloned().collect::<Vec<_>>().join(", ");
                build.problem(&at, format!("the model has no `{name}`{hint} (it has {known})"));
                continue;
            }
        };
        table.extend(compile_field(build, &at, spec, &member, context).map(|field| (name.clone(), field)));
    }
    table
}

fn any_member() -> Member {
    Member {
        kind: Type::Any,
        list: false,
        read_only: false,
        nullable: true,
        required: false,
        refers: None,
        description: String::new(),
    }
}

fn compile_field(
    build: &mut Build<'_>,
    at: &str,
    spec: &FieldSpec,
    member: &Member,
    context: &TableContext<'_>,
) -> Option<Field> {
    let (field, unbounded) = build.bounded_part(|build| compile_line(build, at, spec, member, context));
    field.map(|field| Field { unbounded, ..field })
}

fn compile_line(
    build: &mut Build<'_>,
    at: &str,
    spec: &FieldSpec,
    member: &Member,
    context: &TableContext<'_>,
) -> Option<Field> {
    let full = match spec {
        FieldSpec::Path(path) => FieldFull { path: Some(path.clone()), ..FieldFull::default() },
        FieldSpec::Full(full) => (**full).clone(),
    };
    let mut codecs = Vec::new();
    if let Some(spec) = &full.r#as {
        codecs = compile_codecs(build, &format!("{at}/as"), spec, context.codecs);
    }
    let shape = compile_shape(build, at, &full, member, context)?;
    clash::check(build, at, &full, member, &shape, &codecs);
    let values = full.values.as_ref().map(|values| compile_values(build, at, values, &full, member));
    let mut when = Vec::new();
    for (path, pattern) in &full.when {
        let at = format!("{at}/when");
        if let (Some(path), Some(pattern)) = (build.path(&at, path), build.regex(&at, pattern, false)) {
            when.push((path, pattern));
        }
    }
    let default = match &full.default {
        Some(default) => {
            let scope = Scope { title: "the caller's record", names: None, variables: WRITE_VARIABLES };
            Some(Leaf::compile(build, &format!("{at}/default"), default, &scope)?)
        }
        None => None,
    };
    let mut columns = match &full.needs {
        Some(needs) => needs.clone(),
        None => columns_of(build, at, &shape, context),
    };
    columns.extend(when.iter().filter_map(|(path, _)| column(path, context)));
    let mut seen = std::collections::HashSet::new();
    columns.retain(|column| seen.insert(column.clone()));
    let mut member = member.clone();
    if let Some(refers) = &full.refers {
        member.refers = Some(refers.clone()).filter(|refers| refers != "none");
    }
    Some(Field {
        member,
        shape,
        codecs,
        values,
        when,
        required_on_create: full.required == Some(Required::Create),
        once: full.once,
        default,
        link: full.link,
        clear: full.clear,
        columns,
        optional: full.optional,
        unbounded: false,
        conditions: full.filter,
    })
}

pub fn compile_codecs(build: &mut Build<'_>, at: &str, spec: &Value, named: &IndexMap<String, Codec>) -> Vec<Codec> {
    let specs = match spec {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let mut codecs = Vec::new();
    for spec in specs {
        if let Some(codec) = spec.as_str().and_then(|name| named.get(name)) {
            codecs.push(codec.clone());
            continue;
        }
        match Codec::parse(&spec) {
            Ok(codec) => codecs.push(codec),
            Err(reason) => {
                let hint = spec.as_str().map(|name| hint(name, named.keys().map(String::as_str))).unwrap_or_default();
                build.problem(at, format!("{reason}{hint}"));
            }
        }
    }
    codecs
}

fn compile_values(
    build: &mut Build<'_>,
    at: &str,
    values: &IndexMap<String, Value>,
    full: &FieldFull,
    member: &Member,
) -> Values {
    if let Type::Enum(known) = &member.kind {
        for name in values.keys().chain(full.r#else.as_ref().and_then(|other| other.as_str()).map(str::to_owned).iter())
        {
            if !known.contains(name) {
                let hint = hint(name, known.iter().map(String::as_str));
                build.problem(&format!("{at}/values/{name}"), format!("the model's enum has no `{name}`{hint}"));
            }
        }
    }
    let pairs = values.iter().map(|(name, vendor)| {
        let vendor = match vendor {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        };
        (name.clone(), vendor)
    });
    Values { pairs: pairs.collect(), other: full.r#else.clone(), open: false }
}

fn compile_shape(
    build: &mut Build<'_>,
    at: &str,
    full: &FieldFull,
    member: &Member,
    context: &TableContext<'_>,
) -> Option<Shape> {
    let given = [
        ("path", full.path.is_some() && full.fields.is_none()),
        ("from/to", full.from.is_some() || full.to.is_some()),
        ("read/write", full.read.is_some() || full.write.is_some()),
        ("const", full.r#const.is_some()),
        ("none", full.none.is_some()),
        ("fields", full.fields.is_some() && full.each.is_none()),
        ("each", full.each.is_some()),
        ("places", full.places.is_some()),
        ("in", full.r#in.is_some()),
    ];
    let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(word, _)| *word).collect();
    if given.len() != 1 && !(given.contains(&"from/to") && given.contains(&"read/write")) {
        let what = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
        build.problem(
            at,
            format!("a field says once where it is: one of path, from + to, read / write, const, none, fields, each, places, in; here is {what}"),
        );
        return None;
    }
    let inner = TableContext { top: false, ..*context };
    let no_members = Members::new();
    let members = member.kind.members().unwrap_or(&no_members);
    if let Some(value) = &full.r#const {
        return Some(Shape::Const(value.clone()));
    }
    if let Some(reason) = &full.none {
        return Some(Shape::Absent(reason.clone()));
    }
    if let Some(inside) = &full.r#in {
        let path = build.path(&format!("{at}/in"), inside)?;
        return Some(Shape::Custom { inside: (inside != "$").then_some(path) });
    }
    if let Some(places) = &full.places {
        if !member.list || member.kind.members().is_none() {
            build.problem(at, "`places` makes a list of objects, which the model does not have here");
            return None;
        }
        let places = places.iter().enumerate();
        let places =
            places.map(|(index, place)| compile_place(build, &format!("{at}/places/{index}"), place, members, &inner));
        return Some(Shape::Places(places.collect()));
    }
    if let Some(fields) = &full.fields {
        if member.kind.members().is_none() {
            build.problem(at, "`fields` makes an object, which the model does not have here");
            return None;
        }
        let nested = TableContext { under: None, ..inner };
        if let Some(each) = &full.each {
            let path = build.path(&format!("{at}/each"), each)?;
            let table = compile_table(build, &format!("{at}/fields"), fields, members, &nested);
            return Some(Shape::Each { path, table });
        }
        let base = match &full.path {
            Some(path) => Some(build.path(&format!("{at}/path"), path)?),
            None => None,
        };
        let table_context = if base.is_some() { &nested } else { &inner };
        let table = compile_table(build, &format!("{at}/fields"), fields, members, table_context);
        return Some(Shape::Object { base, table });
    }
    if full.each.is_some() {
        build.problem(at, "`each` needs `fields`, the table of one element");
        return None;
    }
    let (read, write) = compile_ends(build, at, full)?;
    Some(Shape::Value { read, write })
}

fn compile_ends(build: &mut Build<'_>, at: &str, full: &FieldFull) -> Option<(Vec<Source>, Target)> {
    let mut read = Vec::new();
    let mut write = Target::ReadOnly;
    if let Some(path) = &full.path {
        let path = build.path(at, path)?;
        read.push(Source::Path(path.clone()));
        write = Target::Path(path);
    }
    if let Some(from) = &full.from {
        read.push(Source::Path(build.path(&format!("{at}/from"), from)?));
    }
    if let Some(to) = &full.to {
        write = Target::Path(build.path(&format!("{at}/to"), to)?);
    }
    let sources = full.read.as_ref().map(OneOrMany::to_vec).unwrap_or_default();
    for source in &sources {
        let at = format!("{at}/read");
        let scope = Scope { title: "the vendor's record", names: None, variables: READ_VARIABLES };
        read.push(match Path::parse(source) {
            Some(path) => Source::Path(path),
            None => Source::Expression(build.expression(&at, source, &scope)?),
        });
    }
    if let Some(source) = &full.write {
        let scope = Scope { title: "the caller's record", names: None, variables: WRITE_VARIABLES };
        let expression = build.expression(&format!("{at}/write"), source, &scope)?;
        let mut sets = Vec::new();
        for path in &full.sets {
            sets.push(build.path(&format!("{at}/sets"), path)?);
        }
        if sets.is_empty() && full.link.is_none() {
            build.problem(at, "a `write` expression names what it sets (`sets: [path, …]`), or a null would be lost");
        }
        write = Target::Patch { expression, sets };
    }
    Some((read, write))
}

fn compile_place(
    build: &mut Build<'_>,
    at: &str,
    spec: &IndexMap<String, PlaceSpec>,
    members: &Members,
    context: &TableContext<'_>,
) -> Place {
    let mut constants = Map::new();
    let mut fields = IndexMap::new();
    for (name, value) in spec {
        match (name.as_str(), value) {
            (_, PlaceSpec::Flag(flag)) => {
                constants.insert(name.clone(), Value::Bool(*flag));
            }
            // `type` is what the place is, every other text says where a sub-field lies.
            ("type", PlaceSpec::Text(text)) => {
                constants.insert(name.clone(), Value::String(text.clone()));
            }
            (_, PlaceSpec::Text(path)) => {
                fields.insert(name.clone(), FieldSpec::Path(path.clone()));
            }
            (_, PlaceSpec::Field(full)) => match &full.r#const {
                Some(constant) => {
                    constants.insert(name.clone(), constant.clone());
                }
                None => {
                    fields.insert(name.clone(), FieldSpec::Full(full.clone()));
                }
            },
        }
    }
    for (name, value) in &constants {
        let here = format!("{at}/{}", crate::model::escape(name));
        match members.get(name) {
            Some(member) => clash::check_constant(build, &here, value, member),
            None => {
                let known = members.keys().map(String::as_str);
                let hint = hint(name, known.clone());
                let known = known.collect::<Vec<_>>().join(", ");
                build.problem(&here, format!("the model's items have no `{name}`{hint} (they have {known})"));
            }
        }
    }
    if fields.is_empty() {
        build.problem(at, "a place says where at least one sub-field lies");
    }
    Place { constants, table: compile_table(build, at, &fields, members, context) }
}

/// The vendor's name of the column that holds this path; `None` for what is always sent.
fn column(path: &Path, context: &TableContext<'_>) -> Option<String> {
    let path = match context.under {
        Some(under) => path.strip_prefix(under)?,
        None => path.clone(),
    };
    if path.names().is_empty() {
        return None;
    }
    Some(if context.full_depth { path.dotted() } else { path.first().to_owned() })
}

fn columns_of(build: &mut Build<'_>, at: &str, shape: &Shape, context: &TableContext<'_>) -> Vec<String> {
    match shape {
        Shape::Value { read, .. } => {
            let mut columns = Vec::new();
            for source in read {
                match source {
                    Source::Path(path) => columns.extend(column(path, context)),
                    Source::Expression(located) => {
                        let expression = located.expression();
                        if expression.is_opaque() {
                            build.problem(
                                at,
                                "it cannot be told which columns this expression reads: say `needs: [names]`",
                            );
                        }
                        for names in expression.reads() {
                            columns.extend(column(&Path::of(names.clone()), context));
                        }
                    }
                }
            }
            columns
        }
        Shape::Const(_) | Shape::Absent(_) | Shape::Custom { .. } => Vec::new(),
        Shape::Object { base: None, table } => table.values().flat_map(|field| field.columns.clone()).collect(),
        Shape::Object { base: Some(base), table } => nested_columns(base, table, context),
        Shape::Each { path, table } => nested_columns(path, table, context),
        Shape::Places(places) => {
            places.iter().flat_map(|place| place.table.values()).flat_map(|field| field.columns.clone()).collect()
        }
    }
}

/// With whole paths as names, every member below the base is a column of its own.
fn nested_columns(base: &Path, table: &Table, context: &TableContext<'_>) -> Vec<String> {
    let Some(base) = column(base, context) else { return Vec::new() };
    if !context.full_depth {
        return vec![base];
    }
    table.values().flat_map(|field| &field.columns).map(|column| format!("{base}.{column}")).collect()
}
