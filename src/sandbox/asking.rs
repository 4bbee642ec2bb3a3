//! How a route finds in a request what is asked for: columns, conditions, order, text, linked records.

use super::condition::{OPS, Op};
use super::template::Template;
use super::words::{Problems, Words, choose, not_one_of};
use crate::catalog::Node;

#[derive(Debug)]
pub(super) struct Select {
    pub(super) names: Template,
    pub(super) split: String,
    /// The fault of a name that is no column; such names are passed over without it.
    pub(super) unknown: Option<String>,
}

/// A condition whose value is somewhere in the request; none if the value is absent.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) column: String,
    pub(super) op: Op,
    pub(super) value: Template,
    pub(super) split: Option<String>,
}

/// Conditions in a JSON body: groups of which any holds, each a list of tests that all hold.
#[derive(Debug)]
pub(super) struct Conditions {
    pub(super) groups: Option<Template>,
    pub(super) tests: Template,
    pub(super) column: Template,
    pub(super) operator: Template,
    pub(super) value: Option<Template>,
    pub(super) values: Option<Template>,
    pub(super) high: Option<Template>,
    pub(super) operators: Vec<(String, Op)>,
    pub(super) max_groups: u64,
    pub(super) max_tests: u64,
    pub(super) max_all: u64,
}

#[derive(Debug)]
pub(super) struct Written {
    pub(super) text: Template,
    pub(super) language: String,
}

/// A list of columns to sort by: texts (`-` before one turns it round) or maps.
#[derive(Debug)]
pub(super) struct Sort {
    pub(super) list: Template,
    pub(super) split: Option<String>,
    pub(super) column: Option<Template>,
    pub(super) direction: Option<Template>,
    pub(super) desc: String,
    pub(super) most: u64,
}

#[derive(Debug)]
pub(super) struct TextSearch {
    pub(super) value: Template,
    pub(super) columns: Vec<String>,
}

/// Linked records inside each record: `linked.<object>` in its template.
#[derive(Debug)]
pub(super) struct Include {
    pub(super) names: Template,
    pub(super) split: String,
    /// One entry for each linked record and type. Scope: `id`, `type`.
    pub(super) each: Template,
    /// What holds the entries. Scope: `results`.
    pub(super) list: Template,
}

fn needed(words: &mut Words, word: &'static str) -> Template {
    words.need(word);
    words.template(word).unwrap_or(Template::List(Vec::new()))
}

impl Select {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let select = Self {
            names: needed(&mut words, "names"),
            split: words.text("split").unwrap_or(",").to_owned(),
            unknown: words.text("unknown").map(str::to_owned),
        };
        words.finish();
        select
    }
}

impl Filter {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let filter = Self {
            column: words.need_text("column").to_owned(),
            op: words.choice("op", OPS).unwrap_or(Op::Eq),
            value: needed(&mut words, "value"),
            split: words.text("split").map(str::to_owned),
        };
        words.finish();
        filter
    }
}

impl Conditions {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let mut operators = Vec::new();
        for (name, node) in words.entries("operators") {
            let op = node.as_str().unwrap_or_default();
            match choose(op, OPS) {
                Some(op) => operators.push((name.to_owned(), op)),
                None => problems.add(node, not_one_of(op, OPS)),
            }
        }
        let conditions = Self {
            groups: words.template("groups"),
            tests: needed(&mut words, "tests"),
            column: needed(&mut words, "column"),
            operator: needed(&mut words, "operator"),
            value: words.template("value"),
            values: words.template("values"),
            high: words.template("high"),
            operators,
            max_groups: words.number("max_groups").unwrap_or(u64::MAX),
            max_tests: words.number("max_tests").unwrap_or(u64::MAX),
            max_all: words.number("max_all").unwrap_or(u64::MAX),
        };
        words.finish();
        conditions
    }
}

impl Written {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let written = Self { text: needed(&mut words, "text"), language: words.need_text("language").to_owned() };
        words.finish();
        written
    }
}

impl Sort {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let sort = Self {
            list: needed(&mut words, "list"),
            split: words.text("split").map(str::to_owned),
            column: words.template("column"),
            direction: words.template("direction"),
            desc: words.text("desc").unwrap_or("desc").to_owned(),
            most: words.number("most").unwrap_or(u64::MAX),
        };
        words.finish();
        sort
    }
}

impl TextSearch {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let text = Self { value: needed(&mut words, "value"), columns: words.texts("columns") };
        words.finish();
        text
    }
}

impl Include {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let include = Self {
            names: needed(&mut words, "names"),
            split: words.text("split").unwrap_or(",").to_owned(),
            each: needed(&mut words, "each"),
            list: needed(&mut words, "list"),
        };
        words.finish();
        include
    }
}
