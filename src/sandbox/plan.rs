//! The whole file, read and checked: what the engine works from.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::column::{Column, Source};
use super::fault::FAULTS;
use super::language::Language;
use super::limit::Limit;
use super::object::Object;
use super::route::Route;
use super::template::Template;
use super::words::{Problems, Words};
use crate::catalog::{Node, NodeKind, Problem};

#[derive(Debug)]
pub(super) struct Plan {
    /// Names of objects and columns, and texts, are the same in capitals.
    pub(super) fold: bool,
    pub(super) auth: Auth,
    pub(super) content_type: String,
    /// Headers of every answer.
    pub(super) headers: Vec<(String, Template)>,
    pub(super) limits: Vec<Limit>,
    pub(super) languages: BTreeMap<String, Language>,
    /// Lists that seeds pick from.
    pub(super) lists: Map<String, Value>,
    pub(super) objects: IndexMap<String, Object>,
    pub(super) links: Vec<Link>,
    pub(super) routes: Vec<Route>,
    pub(super) errors: BTreeMap<String, Answer>,
}

/// How the credential is presented.
#[derive(Debug, Default)]
pub(super) struct Auth {
    pub(super) header: String,
    pub(super) prefix: String,
}

/// Records of one object may be linked with records of another, seen from one end.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) from: String,
    pub(super) to: String,
    /// The vendor's words for it: maps with an `id`, given to templates as they are. A type that is `given` is one
    /// that single links have or lack; in the other direction it stands at the same place of the list.
    pub(super) types: Vec<Value>,
}

impl Plan {
    pub(super) fn read(provider: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let mut node = Node::parse(&format!("{provider}/sandbox.yaml"), text).map_err(|problem| vec![problem])?;
        if let Some(Value::Object(params)) = node.get("params").map(Node::to_value) {
            node.substitute(&params);
        }
        let problems = Problems::default();
        let plan = Self::read_words(&node, &problems);
        plan.check(&node, &problems);
        let problems = problems.into_sorted();
        if problems.is_empty() { Ok(plan) } else { Err(problems) }
    }

    fn read_words(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        words.get("params");
        let auth = words.need("auth").map(|node| {
            let mut words = Words::of(node, problems);
            let auth = Auth {
                header: words.need_text("header").to_ascii_lowercase(),
                prefix: words.text("prefix").unwrap_or_default().to_owned(),
            };
            words.finish();
            auth
        });
        let lists = words.get("lists").map(Node::to_value);
        let objects = words.entries("objects");
        let languages = words.entries("languages");
        let errors = words.entries("errors");
        let plan = Self {
            fold: words.flag("ignore_case"),
            auth: auth.unwrap_or_default(),
            content_type: words.text("content_type").unwrap_or("application/json").to_owned(),
            headers: words.templates("headers"),
            limits: words.list("limits").iter().map(|node| Limit::read(node, problems)).collect(),
            languages: languages
                .into_iter()
                .map(|(name, node)| (name.to_owned(), Language::read(node, problems)))
                .collect(),
            lists: lists.and_then(|lists| lists.as_object().cloned()).unwrap_or_default(),
            objects: objects
                .into_iter()
                .map(|(name, node)| (name.to_owned(), Object::read(name, node, problems)))
                .collect(),
            links: words.list("links").iter().flat_map(|node| Link::read(node, problems)).collect(),
            routes: words.list("routes").iter().filter_map(|node| Route::read(node, problems)).collect(),
            errors: errors.into_iter().map(|(name, node)| (name.to_owned(), Answer::read(node, problems))).collect(),
        };
        words.finish();
        plan
    }

    /// What can only be seen in the whole: names that lead nowhere.
    fn check(&self, node: &Node, problems: &Problems) {
        let at = |pointer: &str| node.locate(pointer);
        for (name, object) in &self.objects {
            let single = |other: &&String| self.objects.get(*other).is_some_and(|other| other.of.is_empty());
            for other in object.of.iter().filter(|other| !single(other)) {
                problems.add(at(&format!("/objects/{name}/of")), format!("there is no object `{other}` by itself"));
            }
            for (column_name, column) in &object.columns {
                let place = at(&format!("/objects/{name}/columns/{column_name}"));
                let other = match &column.source {
                    Source::Link(other) | Source::Count(other) | Source::Rows { object: other, .. } => Some(other),
                    _ => None,
                };
                for other in other.into_iter().chain(&column.to).filter(|other| !self.objects.contains_key(*other)) {
                    problems.add(place, format!("there is no object `{other}`"));
                }
                if let Source::Related(path) = &column.source {
                    let relation = path.split_once('.').map(|(relation, _)| relation);
                    let there = |other: &Column| other.relation.as_deref() == relation && !other.to.is_empty();
                    if relation.is_none() || !object.columns.values().any(there) {
                        problems.add(place, format!("`{path}` is not a column that a relation leads to"));
                    }
                }
                if let Source::Table { column: by, .. } = &column.source
                    && !object.columns.contains_key(by)
                {
                    problems.add(place, format!("`{by}` is not one of the columns"));
                }
            }
        }
        let lines = node.get("links").map(|node| &node.kind);
        let lines = if let Some(NodeKind::List(lines)) = lines { lines.as_slice() } else { &[] };
        for (line, name) in lines.iter().flat_map(|line| [(line, line.get("from")), (line, line.get("to"))]) {
            let name = name.and_then(Node::as_str).unwrap_or_default();
            if !self.objects.contains_key(name) {
                problems.add(line, format!("there is no object `{name}`"));
            }
        }
        for (index, route) in self.routes.iter().enumerate() {
            let place = at(&format!("/routes/{index}"));
            if let Some(name) = route.object.as_ref().filter(|name| !self.objects.contains_key(*name)) {
                problems.add(place, format!("there is no object `{name}`"));
            }
            for written in [&route.statement, &route.filter, &route.order].into_iter().flatten() {
                if !self.languages.contains_key(&written.language) {
                    problems.add(place, format!("there is no language `{}`", written.language));
                }
            }
        }
        let mut known: Vec<&str> = FAULTS.iter().map(|(name, _)| *name).collect();
        known.extend(self.limits.iter().map(|limit| limit.fault.as_str()));
        known.extend(
            self.objects.values().flat_map(|object| object.columns.values()).filter_map(|c| c.unique.as_deref()),
        );
        known.extend(self.routes.iter().filter_map(|route| route.select.as_ref()?.unknown.as_deref()));
        for name in self.errors.keys().filter(|name| !known.contains(&name.as_str())) {
            problems.add(
                at(&format!("/errors/{name}")),
                format!("nothing leads to the error `{name}`; known are: {}", known.join(", ")),
            );
        }
    }

    /// The object of this name or alias.
    pub(super) fn object(&self, name: &str) -> Option<&Object> {
        let same = |known: &str| known == name || self.fold && known.eq_ignore_ascii_case(name);
        self.objects.values().find(|object| same(&object.name) || object.aliases.iter().any(|alias| same(alias)))
    }

    pub(super) fn link(&self, from: &str, to: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.from == from && link.to == to)
    }
}

impl Link {
    /// One line of the file: a direction, and the other one if it says how the types are called from there.
    fn read(node: &Node, problems: &Problems) -> Vec<Self> {
        let mut words = Words::of(node, problems);
        let link = Self {
            from: words.need_text("from").to_owned(),
            to: words.need_text("to").to_owned(),
            types: words.list("types").iter().map(Node::to_value).collect(),
        };
        let back = words.list("back").iter().map(Node::to_value).collect::<Vec<_>>();
        words.finish();
        let back = Self { from: link.to.clone(), to: link.from.clone(), types: back };
        if back.types.is_empty() { vec![link] } else { vec![link, back] }
    }
}
