//! Routes: a method and a path with captures, what is done there, and how it is answered.

use super::answer::Answer;
use super::asking::{Conditions, Filter, Include, Select, Sort, TextSearch, Written};
use super::page::Page;
use super::template::Template;
use super::words::{Problems, Words};
use crate::catalog::Node;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Records by query parameters or a JSON body.
    List,
    /// Records by a statement in a query language.
    Query,
    /// The next page of a list that is held.
    Continue,
    Get,
    Create,
    Update,
    /// By the value of a unique column: captures `column` and `value`.
    Upsert,
    Delete,
    /// Linked records: captures `other` and, for the last two, `other_id`.
    Links,
    Link,
    Unlink,
    /// Nothing; the answer is the template.
    Fixed,
}

const ACTIONS: &[(&str, Action)] = &[
    ("list", Action::List),
    ("query", Action::Query),
    ("continue", Action::Continue),
    ("get", Action::Get),
    ("create", Action::Create),
    ("update", Action::Update),
    ("upsert", Action::Upsert),
    ("delete", Action::Delete),
    ("links", Action::Links),
    ("link", Action::Link),
    ("unlink", Action::Unlink),
    ("fixed", Action::Fixed),
];

#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: String,
    segments: Vec<Segment>,
    pub(super) action: Action,
    /// The object, where the path does not capture it as `{object}`.
    pub(super) object: Option<String>,
    /// Needs no credential.
    pub(super) open: bool,
    pub(super) select: Option<Select>,
    pub(super) filters: Vec<Filter>,
    pub(super) conditions: Option<Conditions>,
    /// Texts in a query language: `statement`, `filter` (conditions alone), `order` (an order alone).
    pub(super) statement: Option<Written>,
    pub(super) filter: Option<Written>,
    pub(super) order: Option<Written>,
    pub(super) sort: Option<Sort>,
    pub(super) text: Option<TextSearch>,
    pub(super) page: Page,
    pub(super) include: Option<Include>,
    /// Where the values of a written record are; the body itself without it.
    pub(super) record: Option<Template>,
    /// The links of a new record: a list of `{id, type}` or `{id, object}`.
    pub(super) links: Option<Template>,
    /// One linked record in the answer of `links`. Scope: `id`, `types`.
    pub(super) each: Option<Template>,
    pub(super) answer: Answer,
}

#[derive(Debug, PartialEq)]
enum Segment {
    Is(String),
    Capture(String),
}

impl Route {
    pub(super) fn read(node: &Node, problems: &Problems) -> Option<Self> {
        let mut words = Words::of(node, problems);
        let request = words.need_text("request");
        let (method, path) = request.split_once(' ').unwrap_or_else(|| {
            problems.add(node, "`request` is a method and a path: GET /things/{id}");
            ("", "")
        });
        let action = words.need("action").and_then(|_| words.choice("action", ACTIONS));
        let answer = words.need("answer")?;
        let written = |words: &mut Words, word| words.get(word).map(|node| Written::read(node, problems));
        let route = Self {
            method: method.to_owned(),
            segments: path.trim().split('/').skip(1).map(segment).collect(),
            action: action.unwrap_or(Action::Fixed),
            object: words.text("object").map(str::to_owned),
            open: words.flag("open"),
            select: words.get("select").map(|node| Select::read(node, problems)),
            filters: words.list("filters").iter().map(|node| Filter::read(node, problems)).collect(),
            conditions: words.get("conditions").map(|node| Conditions::read(node, problems)),
            statement: written(&mut words, "statement"),
            filter: written(&mut words, "filter"),
            order: written(&mut words, "order"),
            sort: words.get("sort").map(|node| Sort::read(node, problems)),
            text: words.get("text").map(|node| TextSearch::read(node, problems)),
            page: Page::read(words.get("page"), problems),
            include: words.get("include").map(|node| Include::read(node, problems)),
            record: words.template("record"),
            links: words.template("links"),
            each: words.template("each"),
            answer: Answer::read(answer, problems),
        };
        words.finish();
        let captured = |name: &str| route.segments.contains(&Segment::Capture(name.to_owned()));
        let needed: &[&str] = match route.action {
            Action::Get | Action::Update | Action::Delete => &["id"],
            Action::Upsert => &["column", "value"],
            Action::Links => &["id", "other"],
            Action::Link | Action::Unlink => &["id", "other", "other_id"],
            _ => &[],
        };
        for name in needed.iter().filter(|name| !captured(name)) {
            problems.add(node, format!("this action needs `{{{name}}}` in its path"));
        }
        let free = matches!(route.action, Action::Query | Action::Continue | Action::Fixed);
        if !free && route.object.is_none() && !captured("object") {
            problems.add(node, "this action needs `object`, or `{object}` in its path");
        }
        Some(route)
    }

    /// The captures, if the path is this route's. Segments are compared before they are decoded.
    pub(super) fn captures(&self, path: &str) -> Option<Vec<(String, String)>> {
        let given: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
        if given.len() != self.segments.len() {
            return None;
        }
        let mut captures = Vec::new();
        for (segment, given) in self.segments.iter().zip(given) {
            let text = percent_encoding::percent_decode_str(given).decode_utf8().ok()?;
            match segment {
                Segment::Is(known) if *known == text => {}
                Segment::Capture(name) if !text.is_empty() => captures.push((name.clone(), text.into_owned())),
                _ => return None,
            }
        }
        Some(captures)
    }

    /// How much of the path is fixed: the route with more of it is the better match.
    pub(super) fn weight(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Is(_))).count()
    }
}

fn segment(text: &str) -> Segment {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(name) => Segment::Capture(name.to_owned()),
        None => Segment::Is(text.to_owned()),
    }
}
