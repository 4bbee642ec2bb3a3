//! Columns of an object: their types, where their values come from, and what may be written to them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::template::{Template, as_text};
use super::words::{Problems, Words, choose, not_one_of};
use crate::catalog::{Node, NodeKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Text,
    Id,
    Number,
    Boolean,
    Date,
    DateTime,
    /// A value of any shape, kept as it is. A condition on a list is about its entries.
    Any,
}

pub(super) const KINDS: &[(&str, Kind)] = &[
    ("text", Kind::Text),
    ("id", Kind::Id),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("date", Kind::Date),
    ("datetime", Kind::DateTime),
    ("any", Kind::Any),
];

/// Where a column's value comes from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Stored,
    /// Looked up by another column's value.
    Table {
        column: String,
        values: Map<String, Value>,
        otherwise: Value,
    },
    /// Made of the record's stored columns. A map whose members are all null is null.
    Template(Template),
    /// The ids of linked records of this object; the first one is the column's value.
    Link(String),
    /// How many linked records of this object there are.
    Count(String),
    /// A column of the record that a relation leads to: `Relation.Column`.
    Related(String),
    /// The records of an object whose column holds this record's id.
    Rows {
        object: String,
        column: String,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) required: bool,
    /// The fault of a second record with the same value.
    pub(super) unique: Option<String>,
    /// A record can be upserted by its value, although others may have the same.
    pub(super) matched: bool,
    /// The value on create where none is sent.
    pub(super) default: Option<Value>,
    /// The only values there are, with their labels.
    pub(super) options: Vec<(String, String)>,
    /// The objects of one of which this is an id, and the name of the relation.
    pub(super) to: Vec<String>,
    pub(super) relation: Option<String>,
    pub(super) read_only: bool,
    /// A computed column that may be written as well: what is written stands until the column it follows changes.
    pub(super) writable: bool,
    /// Can be filtered by, is never shown.
    pub(super) hidden: bool,
    /// What the vendor tells of the column besides: members for the answers of the action `columns`.
    pub(super) info: Map<String, Value>,
}

impl Column {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut column = Self {
            kind: Kind::Text,
            source: Source::Stored,
            required: false,
            unique: None,
            matched: false,
            default: None,
            options: Vec::new(),
            to: Vec::new(),
            relation: None,
            read_only: false,
            writable: false,
            hidden: false,
            info: Map::new(),
        };
        if let Some(kind) = node.as_str() {
            match choose(kind, KINDS) {
                Some(kind) => column.kind = kind,
                None => problems.add(node, not_one_of(kind, KINDS)),
            }
            return column;
        }
        let mut words = Words::of(node, problems);
        column.kind = words.choice("type", KINDS).unwrap_or_default();
        column.required = words.flag("required");
        column.unique = words.text("unique").map(str::to_owned);
        column.matched = words.flag("matched");
        column.default = words.get("default").map(Node::to_value);
        column.options = options(&mut words);
        if let Some(Value::Object(info)) = words.get("info").map(Node::to_value) {
            column.info = info;
        }
        column.to = words.texts("to");
        column.relation = words.text("relation").map(str::to_owned);
        column.hidden = words.flag("hidden");
        column.read_only = words.flag("read_only");
        column.writable = words.flag("writable");
        let rows = words.text("rows").map(str::to_owned);
        let table = words.text("by").map(str::to_owned).map(|column| match rows {
            Some(object) => Source::Rows { object, column },
            None => Source::Table {
                column,
                values: match words.need("values").map(Node::to_value) {
                    Some(Value::Object(values)) => values,
                    _ => Map::new(),
                },
                otherwise: words.get("else").map_or(Value::Null, Node::to_value),
            },
        });
        let made = words.template("read").map(Source::Template);
        let link = words.text("link").map(|link| Source::Link(link.to_owned()));
        let count = words.text("count").map(|other| Source::Count(other.to_owned()));
        let related = words.text("copy").map(|path| Source::Related(path.to_owned()));
        let mut sources = [table, made, link, count, related].into_iter().flatten();
        column.source = sources.next().unwrap_or(Source::Stored);
        if sources.next().is_some() {
            problems.add(node, "a column has one of `by`, `read`, `link`, `count` and `copy`");
        }
        let writable = column.writable || matches!(column.source, Source::Stored | Source::Link(_)) && !column.hidden;
        column.read_only |= !writable;
        words.finish();
        column
    }

    /// The value as the vendor keeps it, or the fault of a value that this column cannot hold.
    pub(super) fn accept(&self, name: &str, value: &Value, stamp: &str, text_only: bool) -> Result<Value, Fault> {
        let fault = || Fault::new("bad_value").with("column", name).with("value", value.clone());
        if value.is_null() || value.as_str() == Some("") {
            return Ok(Value::Null);
        }
        if self.kind == Kind::Any {
            return Ok(value.clone());
        }
        let text = as_text(value).ok_or_else(fault)?;
        if !self.options.is_empty() && !self.options.iter().any(|(known, _)| *known == text) {
            return Err(fault());
        }
        let kept = match self.kind {
            Kind::Text | Kind::Id if text_only || value.is_string() => Value::String(text),
            Kind::Text | Kind::Id => return Err(fault()),
            Kind::Number => {
                text.parse::<f64>().ok().filter(|number| number.is_finite()).ok_or_else(fault)?;
                if text_only { Value::String(text) } else { serde_json::from_str(&text).map_err(|_| fault())? }
            }
            Kind::Boolean => match (text.as_str(), text_only) {
                ("true" | "false", true) => Value::String(text),
                ("true", false) => Value::Bool(true),
                ("false", false) => Value::Bool(false),
                _ => return Err(fault()),
            },
            Kind::Date => Value::String(instant(value).ok_or_else(fault)?.strftime("%Y-%m-%d").to_string()),
            Kind::DateTime => Value::String(instant(value).ok_or_else(fault)?.strftime(stamp).to_string()),
            Kind::Any => value.clone(),
        };
        Ok(kept)
    }
}

/// A list of values, or a map of values to labels.
fn options(words: &mut Words) -> Vec<(String, String)> {
    match words.node.get("options").map(|node| &node.kind) {
        Some(NodeKind::Map(_)) => words
            .entries("options")
            .into_iter()
            .map(|(value, node)| (value.to_owned(), node.as_str().unwrap_or(value).to_owned()))
            .collect(),
        _ => words.texts("options").into_iter().map(|value| (value.clone(), value)).collect(),
    }
}

/// The moment a value names: milliseconds since 1970, RFC 3339 with or without a colon in the offset, or a day (UTC).
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    let text = as_text(value)?;
    if let Ok(milliseconds) = text.parse::<i64>() {
        return Timestamp::from_millisecond(milliseconds).ok();
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

pub(super) fn read_columns(node: Option<&Node>, problems: &Problems) -> indexmap::IndexMap<String, Column> {
    let Some(node) = node else { return indexmap::IndexMap::new() };
    match &node.kind {
        NodeKind::Map(map) => map.iter().map(|(name, node)| (name.clone(), Column::read(node, problems))).collect(),
        _ => {
            problems.add(node, "`columns` is a map of names to types");
            indexmap::IndexMap::new()
        }
    }
}
