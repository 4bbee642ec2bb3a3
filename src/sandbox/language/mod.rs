//! Query languages as data, read in the direction opposite to a style: a text becomes a select list, an object,
//! conditions, an order and a limit. The file gives the templates of the statement and of the operators; they are split
//! into words once, so that nothing in a query can be taken for a part of a template.

mod lexer;
mod pattern;
mod reader;

use indexmap::IndexMap;
use regex::Regex;

use super::column::{KINDS, Kind};
use super::condition::{Condition, OPS, Op};
use super::words::{Problems, Words, anchored, choose, not_one_of};
use crate::catalog::Node;
use pattern::{Part, gather, is_mark, split};

#[derive(Debug)]
pub(super) struct Language {
    name: Regex,
    /// Unquoted literals by their kind.
    bare: Vec<(Kind, Regex)>,
    quote: Option<char>,
    /// What a sequence inside a quoted text stands for, the longest first.
    escapes: Vec<(String, String)>,
    like: Like,
    null: Option<String>,
    statement: Vec<Part>,
    ops: Vec<(Op, Vec<Part>)>,
    and: String,
    or: String,
    not: Option<String>,
    orders: Vec<(bool, Vec<Part>)>,
    /// Words after an order item that put records without a value first or last.
    nulls_first: Vec<Part>,
    nulls_last: Vec<Part>,
    /// Punctuation, the longest first.
    marks: Vec<String>,
    /// The kinds of literals must fit the columns.
    strict: bool,
}

#[derive(Debug, Default)]
struct Like {
    many: Option<String>,
    one: Option<String>,
    escapes: Vec<(String, String)>,
}

/// What a statement asks for.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub(super) select: Vec<String>,
    pub(super) from: Option<String>,
    pub(super) conditions: Option<Condition>,
    pub(super) order: Vec<Order>,
    pub(super) limit: Option<u64>,
    pub(super) offset: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) column: String,
    pub(super) desc: bool,
    pub(super) nulls_last: bool,
}

/// Where a text stops making sense.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) near: String,
    pub(super) message: String,
}

impl Language {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let parts = |text: &str, node: &Node| {
            split(text).unwrap_or_else(|fault| {
                problems.add(node, fault);
                Vec::new()
            })
        };
        let one = |words: &mut Words, word: &'static str| match words.get(word) {
            Some(node) => parts(node.as_str().unwrap_or_default(), node),
            None => Vec::new(),
        };
        let statement = one(&mut words, "statement");
        let nulls_first = one(&mut words, "nulls_first");
        let nulls_last = one(&mut words, "nulls_last");
        let mut ops = Vec::new();
        for (name, node) in words.entries("ops") {
            let Some(op) = choose(name, OPS) else {
                problems.add(node, not_one_of(name, OPS));
                continue;
            };
            for text in texts(node) {
                ops.push((op, parts(text, node)));
            }
        }
        let mut orders = Vec::new();
        for (name, node) in words.entries("orders") {
            let desc = choose(name, &[("asc", false), ("desc", true)]);
            if desc.is_none() {
                problems.add(node, "`orders` knows `asc` and `desc`");
            }
            for text in texts(node) {
                orders.push((desc.unwrap_or_default(), parts(text, node)));
            }
        }
        orders.sort_by_key(|(_, parts)| std::cmp::Reverse(parts.len()));
        let mut bare = Vec::new();
        for (name, node) in words.entries("bare") {
            match choose(name, KINDS) {
                Some(kind) => {
                    bare.extend(anchored(node.as_str().unwrap_or_default(), node, problems).map(|re| (kind, re)))
                }
                None => problems.add(node, not_one_of(name, KINDS)),
            }
        }
        let (mut quote, mut escapes) = (None, Vec::new());
        if let Some(node) = words.get("text") {
            let mut words = Words::of(node, problems);
            quote = words.need_text("quote").chars().next();
            escapes = sequences(words.entries("escapes"));
            words.finish();
        }
        let mut like = Like::default();
        if let Some(node) = words.get("like") {
            let mut words = Words::of(node, problems);
            like.many = words.text("many").filter(|many| !many.is_empty()).map(str::to_owned);
            like.one = words.text("one").filter(|one| !one.is_empty()).map(str::to_owned);
            like.escapes = sequences(words.entries("escapes"));
            words.finish();
        }
        let mut language = Self {
            name: anchored(words.text("name").unwrap_or("[A-Za-z_][A-Za-z0-9_.]*"), node, problems)
                .unwrap_or_else(never),
            bare,
            quote,
            escapes,
            like,
            null: words.text("null").map(str::to_owned),
            statement,
            ops,
            and: words.text("and").unwrap_or("and").to_owned(),
            or: words.text("or").unwrap_or("or").to_owned(),
            not: words.text("not").map(str::to_owned),
            orders,
            nulls_first,
            nulls_last,
            marks: ["(", ")", ","].map(str::to_owned).to_vec(),
            strict: words.flag("strict"),
        };
        words.finish();
        language.gather_marks();
        language
    }

    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    fn gather_marks(&mut self) {
        let mut marks = std::mem::take(&mut self.marks);
        let all = [&self.statement, &self.nulls_first, &self.nulls_last].into_iter();
        for parts in
            all.chain(self.ops.iter().map(|(_, parts)| parts)).chain(self.orders.iter().map(|(_, parts)| parts))
        {
            gather(parts, &mut marks);
        }
        marks.extend([&self.and, &self.or].into_iter().filter(|word| is_mark(word)).cloned());
        marks.sort_by_key(|mark| (std::cmp::Reverse(mark.len()), mark.clone()));
        marks.dedup();
        self.marks = marks;
    }
}

/// A regular expression that matches nothing, in place of one that is wrong.
fn never() -> Regex {
    #[expect(clippy::expect_used, reason = "a constant")]
    Regex::new("^[^\\s\\S]").expect("a constant expression")
}

fn texts(node: &Node) -> Vec<&str> {
    match &node.kind {
        crate::catalog::NodeKind::List(list) => list.iter().filter_map(Node::as_str).collect(),
        _ => node.as_str().into_iter().collect(),
    }
}

fn sequences(entries: Vec<(&str, &Node)>) -> Vec<(String, String)> {
    let map: IndexMap<&str, &str> = entries.into_iter().filter_map(|(from, to)| Some((from, to.as_str()?))).collect();
    let map = map.into_iter().filter(|(from, _)| !from.is_empty());
    let mut list: Vec<_> = map.map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
    list.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
    list
}

#[cfg(test)]
mod tests;
