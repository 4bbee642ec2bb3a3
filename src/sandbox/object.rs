//! One collection of records as the file describes it.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::column::{Column, Kind, read_columns};
use super::ids::Ids;
use super::template::Template;
use super::words::{Problems, Words};
use crate::catalog::{Node, NodeKind};

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) name: String,
    /// Other names that requests may use for it.
    pub(super) aliases: Vec<String>,
    /// The objects whose records, taken together, are this one's: they are read here and written there.
    pub(super) of: Vec<String>,
    pub(super) ids: Ids,
    /// The columns that hold the id and the stamps.
    pub(super) key: String,
    pub(super) created: Option<String>,
    pub(super) updated: Option<String>,
    /// The column that says what a record is called, where others refer to it.
    pub(super) title: Option<String>,
    /// How stamps and other moments are written: strftime words, in UTC.
    pub(super) stamp: String,
    /// Every value is kept and shown as text.
    pub(super) text_only: bool,
    /// After a write only the columns that have a value are shown.
    pub(super) sparse: bool,
    /// Members of a written record that mean nothing.
    pub(super) ignored: Vec<String>,
    pub(super) columns: IndexMap<String, Column>,
    /// Shown whatever is asked for, and shown where nothing is asked for (all columns if empty).
    pub(super) always: Vec<String>,
    pub(super) shown: Vec<String>,
    /// One record in an answer. Scope: `id`, `object`, `columns` (the selected ones), `all`, `linked`, and `names`: the
    /// labels of options, and what the records are called that columns refer to.
    pub(super) record: Template,
    pub(super) seed: Seed,
}

/// The records that are there at start.
#[derive(Debug, Clone, Default)]
pub(super) struct Seed {
    pub(super) count: u64,
    /// The moment of the first record's creation, and the seconds from one to the next.
    pub(super) from: Option<jiff::Timestamp>,
    pub(super) every: i64,
    /// Templates over `n`, `pick.<list>` and `seeded.<object>`.
    pub(super) columns: Vec<(String, Template)>,
    /// Literal values, one map a record, laid over the columns.
    pub(super) rows: Vec<Map<String, Value>>,
    /// Linked records: object to a template that gives an id or a list of ids.
    pub(super) links: Vec<(String, Template)>,
}

impl Object {
    pub(super) fn read(name: &str, node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let of = words.texts("of");
        let ids = if of.is_empty() { words.need("id") } else { None };
        let ids = match ids {
            Some(node) => Ids::read(node, problems),
            None => Ids::read(node, &Problems::default()),
        };
        let mut object = Self {
            name: name.to_owned(),
            aliases: words.texts("aliases"),
            of,
            ids,
            key: words.need_text("key").to_owned(),
            created: words.text("created").map(str::to_owned),
            updated: words.text("updated").map(str::to_owned),
            title: words.text("title").map(str::to_owned),
            stamp: words.text("stamp").unwrap_or("%Y-%m-%dT%H:%M:%SZ").to_owned(),
            text_only: words.flag("text_only"),
            sparse: words.flag("sparse"),
            ignored: words.texts("ignored"),
            columns: read_columns(words.need("columns"), problems),
            always: words.texts("always"),
            shown: words.texts("shown"),
            record: words.template("record").unwrap_or(Template::Map(Vec::new())),
            seed: words.get("seed").map(|node| Seed::read(node, problems)).unwrap_or_default(),
        };
        if node.get("record").is_none() {
            problems.add(node, "`record` is missing");
        }
        words.finish();
        object.check(node, problems);
        object
    }

    fn check(&mut self, node: &Node, problems: &Problems) {
        let stamps = [&self.created, &self.updated].into_iter().flatten().map(|name| (name.clone(), Kind::DateTime));
        for (name, kind) in std::iter::once((self.key.clone(), Kind::Id)).chain(stamps) {
            match self.columns.get_mut(&name) {
                Some(column) => {
                    column.kind = kind;
                    column.read_only = true;
                }
                None => problems.add(node, format!("`{name}` is not one of the columns")),
            }
        }
        for name in self.always.iter().chain(&self.shown).chain(&self.title) {
            if !self.columns.contains_key(name) {
                problems.add(node, format!("`{name}` is not one of the columns"));
            }
        }
        let seeded = self.seed.columns.iter().map(|(name, _)| name).chain(self.seed.rows.iter().flat_map(Map::keys));
        for name in seeded {
            if !self.columns.contains_key(name) {
                problems.add(node.get("seed").unwrap_or(node), format!("`{name}` is not one of the columns"));
            }
        }
        if jiff::fmt::strtime::format(&self.stamp, jiff::Timestamp::UNIX_EPOCH).is_err() {
            problems.add(node.get("stamp").unwrap_or(node), "`stamp` is not a strftime format");
        }
    }

    /// The column of this name, in the vendor's spelling.
    pub(super) fn column(&self, name: &str, fold: bool) -> Option<(&String, &Column)> {
        self.columns.get_key_value(name).or_else(|| {
            let same = |(known, _): &(&String, &Column)| fold && known.eq_ignore_ascii_case(name);
            self.columns.iter().find(same)
        })
    }
}

impl Seed {
    fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let mut rows = Vec::new();
        for row in words.list("rows") {
            match (&row.kind, row.to_value()) {
                (NodeKind::Map(_), Value::Object(map)) => rows.push(map),
                _ => problems.add(row, "a row is a map of values"),
            }
        }
        let from = words.text("from").and_then(|text| {
            let moment = text.parse().ok();
            if moment.is_none() {
                problems.add(node, "`from` is a moment such as 2026-01-05T08:00:00Z");
            }
            moment
        });
        let seed = Self {
            count: words.number("count").unwrap_or(rows.len() as u64).min(100_000),
            from,
            every: words.number("every").unwrap_or(3600).min(100_000_000) as i64,
            columns: words.templates("columns"),
            links: words.templates("links"),
            rows,
        };
        words.finish();
        seed
    }
}
