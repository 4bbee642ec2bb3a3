//! Lines of the fields table that cannot give what the model wants, as far as that is known before any record is read.

use serde_json::Value;

use super::build::Build;
use super::field::{Shape, Source, Target};
use super::spec::FieldFull;
use crate::mapping::Codec;
use crate::model::{Member, Type, parse_filter_value, validate_member};

/// Reports what of a line clashes with the type of its member.
pub fn check(build: &mut Build<'_>, at: &str, full: &FieldFull, member: &Member, shape: &Shape, codecs: &[Codec]) {
    let wanted = || wanted(member);
    match shape {
        Shape::Const(value) => check_constant(build, &format!("{at}/const"), value, member),
        Shape::Value { read, write } => {
            let plain = read.iter().all(|source| matches!(source, Source::Path(_)));
            let patched = matches!(write, Target::Patch { .. });
            if plain && !patched && !read.is_empty() && codecs.is_empty() && member.kind.members().is_some() {
                let how = if member.list { "`each` with `fields`, or `places`" } else { "`fields`" };
                build.problem(at, format!("a path gives one value, but the model has {} here: use {how}", wanted()));
            }
        }
        _ => {}
    }
    if let (Some(given), true) = (last(codecs), full.values.is_none())
        && !fits(given, member)
    {
        let message =
            format!("`as` makes {} of the vendor's value, but the model has {} here", given.words(), wanted());
        build.problem(&format!("{at}/as"), message);
    }
    let named = full.values.iter().flat_map(|values| values.keys());
    for name in named {
        check_name(build, &format!("{at}/values/{}", crate::model::escape(name)), name, member);
    }
    if let Some(other) = &full.r#else {
        match other {
            Value::Null => {}
            Value::String(name) => check_name(build, &format!("{at}/else"), name, member),
            value => check_constant(build, &format!("{at}/else"), value, member),
        }
    }
}

/// A constant has to be a value that callers could send as well.
pub fn check_constant(build: &mut Build<'_>, at: &str, value: &Value, member: &Member) {
    let verdict = validate_member(member, value, "");
    for violation in verdict.invalid.iter().chain(&verdict.unknown) {
        let expected = violation.expected.as_ref().map(|expected| format!(", it has to be {expected}"));
        let expected = expected.unwrap_or_default();
        build.problem(at, format!("{value} clashes with the model: {}{expected}", violation.detail));
    }
}

/// Our side of `values` is written as text whatever its type. Enums are looked at where their names are known.
fn check_name(build: &mut Build<'_>, at: &str, name: &str, member: &Member) {
    let refused = match &member.kind {
        Type::Enum(_) | Type::Any => None,
        Type::Object(_) => Some("`values` translates single values".to_owned()),
        kind => parse_filter_value(kind, name).err().map(|expected| format!("it has to be {expected}")),
    };
    if let Some(refused) = refused {
        build.problem(at, format!("`{name}` cannot be a value of {}: {refused}", wanted(member)));
    }
}

fn wanted(member: &Member) -> String {
    let kind = match &member.kind {
        Type::Object(_) => "object".to_owned(),
        kind => kind.describe(),
    };
    if member.list { format!("a list of {kind}") } else { kind }
}

/// What a conversion gives on reading.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Given {
    Number,
    Boolean,
    Time,
    Text,
    List,
    /// It cannot be told.
    Anything,
}

impl Given {
    fn words(self) -> &'static str {
        match self {
            Given::Number => "a number",
            Given::Boolean => "true or false",
            Given::Time => "a date or a date-time",
            Given::Text => "a text",
            Given::List => "a list of texts",
            Given::Anything => "anything",
        }
    }
}

/// What the conversions give together: the last that changes anything counts.
fn last(codecs: &[Codec]) -> Option<Given> {
    codecs.iter().rev().find_map(gives)
}

/// `None` for conversions that hand on what they get.
fn gives(codec: &Codec) -> Option<Given> {
    match codec {
        Codec::Integer | Codec::Number | Codec::Decimal | Codec::Minor(_) | Codec::Scale(_) => Some(Given::Number),
        Codec::BooleanText(..) => Some(Given::Boolean),
        Codec::Date
        | Codec::DateTime
        | Codec::DateTimeSeconds
        | Codec::LocalDateTime(_)
        | Codec::EpochSeconds
        | Codec::EpochMillis
        | Codec::EpochDays => Some(Given::Time),
        Codec::Base64 => Some(Given::Text),
        Codec::List(_) => Some(Given::List),
        Codec::Chain(codecs) => codecs.iter().find_map(gives),
        Codec::Json | Codec::Custom { .. } => Some(Given::Anything),
        Codec::Text | Codec::Affix(..) | Codec::NullIs(_) => None,
    }
}

/// Whether the model's type can be made of it. Texts are made of everything but lists.
fn fits(given: Given, member: &Member) -> bool {
    match &member.kind {
        _ if given == Given::Anything => true,
        Type::Any => true,
        _ if given == Given::List => member.list,
        Type::Id => true,
        Type::Text => given != Given::Time && given != Given::Boolean,
        Type::Integer | Type::Number | Type::Decimal => given == Given::Number || given == Given::Text,
        Type::Boolean => given == Given::Boolean,
        Type::Date | Type::DateTime => given == Given::Time || given == Given::Text,
        Type::Enum(_) => given == Given::Text,
        Type::Object(_) => false,
    }
}
