//! Reads one map of a sandbox file word by word. A word that nobody asked for is a problem that names its line.

use std::cell::RefCell;

use regex::Regex;

use super::template::Template;
use crate::catalog::{Node, NodeKind, Problem};

/// Everything that is wrong in a file, gathered while it is read.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, node: &Node, message: impl Into<String>) {
        self.0.borrow_mut().push(node.problem(message));
    }

    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort();
        problems.dedup();
        problems
    }
}

pub(super) struct Words<'a> {
    pub(super) node: &'a Node,
    pub(super) problems: &'a Problems,
    known: Vec<&'static str>,
}

impl<'a> Words<'a> {
    pub(super) fn of(node: &'a Node, problems: &'a Problems) -> Self {
        if !matches!(node.kind, NodeKind::Map(_)) {
            problems.add(node, "a map of words is expected here");
        }
        Self { node, problems, known: Vec::new() }
    }

    pub(super) fn get(&mut self, word: &'static str) -> Option<&'a Node> {
        self.known.push(word);
        self.node.get(word)
    }

    pub(super) fn need(&mut self, word: &'static str) -> Option<&'a Node> {
        let found = self.get(word);
        if found.is_none() {
            self.problems.add(self.node, format!("`{word}` is missing"));
        }
        found
    }

    pub(super) fn text(&mut self, word: &'static str) -> Option<&'a str> {
        let node = self.get(word)?;
        let text = node.as_str();
        if text.is_none() {
            self.problems.add(node, format!("`{word}` is a text"));
        }
        text
    }

    pub(super) fn need_text(&mut self, word: &'static str) -> &'a str {
        match self.need(word) {
            Some(_) => self.text(word).unwrap_or_default(),
            None => "",
        }
    }

    pub(super) fn number(&mut self, word: &'static str) -> Option<u64> {
        let node = self.get(word)?;
        let number = match &node.kind {
            NodeKind::Scalar(value) => value.as_u64(),
            _ => None,
        };
        if number.is_none() {
            self.problems.add(node, format!("`{word}` is a whole number"));
        }
        number
    }

    pub(super) fn flag(&mut self, word: &'static str) -> bool {
        let Some(node) = self.get(word) else { return false };
        match node.to_value().as_bool() {
            Some(flag) => flag,
            None => {
                self.problems.add(node, format!("`{word}` is true or false"));
                false
            }
        }
    }

    /// One text or a list of them.
    pub(super) fn texts(&mut self, word: &'static str) -> Vec<String> {
        let Some(node) = self.get(word) else { return Vec::new() };
        let texts = match &node.kind {
            NodeKind::List(list) => list.iter().map(|node| node.as_str().map(str::to_owned)).collect(),
            _ => node.as_str().map(|text| vec![text.to_owned()]),
        };
        texts.unwrap_or_else(|| {
            self.problems.add(node, format!("`{word}` is a text or a list of texts"));
            Vec::new()
        })
    }

    pub(super) fn template(&mut self, word: &'static str) -> Option<Template> {
        self.get(word).map(|node| Template::compile(node, self.problems))
    }

    pub(super) fn templates(&mut self, word: &'static str) -> Vec<(String, Template)> {
        let entries = self.entries(word);
        entries.into_iter().map(|(name, node)| (name.to_owned(), Template::compile(node, self.problems))).collect()
    }

    pub(super) fn entries(&mut self, word: &'static str) -> Vec<(&'a str, &'a Node)> {
        let Some(node) = self.get(word) else { return Vec::new() };
        match &node.kind {
            NodeKind::Map(map) => map.iter().map(|(name, node)| (name.as_str(), node)).collect(),
            _ => {
                self.problems.add(node, format!("`{word}` is a map"));
                Vec::new()
            }
        }
    }

    pub(super) fn list(&mut self, word: &'static str) -> &'a [Node] {
        let Some(node) = self.get(word) else { return &[] };
        match &node.kind {
            NodeKind::List(list) => list,
            _ => {
                self.problems.add(node, format!("`{word}` is a list"));
                &[]
            }
        }
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(&mut self, word: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(word)?;
        let found = choose(text, choices);
        if found.is_none() {
            self.problems.add(self.node.get(word).unwrap_or(self.node), not_one_of(text, choices));
        }
        found
    }

    /// Says which words nobody asked for.
    pub(super) fn finish(self) {
        let NodeKind::Map(map) = &self.node.kind else { return };
        for (word, node) in map {
            if !self.known.contains(&word.as_str()) {
                let known = self.known.join(", ");
                self.problems.add(node, format!("`{word}` is not a word here; known are: {known}"));
            }
        }
    }
}

pub(super) fn choose<T: Copy>(text: &str, choices: &[(&str, T)]) -> Option<T> {
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

pub(super) fn not_one_of<T>(text: &str, choices: &[(&str, T)]) -> String {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    format!("`{text}` is not one of: {}", names.join(", "))
}

/// A regular expression that has to match at the start.
pub(super) fn anchored(pattern: &str, node: &Node, problems: &Problems) -> Option<Regex> {
    match Regex::new(&format!("^(?:{pattern})")) {
        Ok(regex) => Some(regex),
        Err(error) => {
            problems.add(node, format!("this is not a regular expression: {error}"));
            None
        }
    }
}
