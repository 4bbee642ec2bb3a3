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
    /// By the `value` of a unique `column`; without a value the record is a new one.
    Upsert,
    Delete,
    /// Linked records: `other` and, for the last two, `other_id`.
    Links,
    Link,
    Unlink,
    /// The types of links with records of `other`.
    Types,
    /// The columns of an object.
    Columns,
    /// Another request, answered as if it had come alone.
    Call,
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
    ("types", Action::Types),
    ("columns", Action::Columns),
    ("call", Action::Call),
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
    /// Names beside those that the path captures, in the order of the file: a later one may read an earlier one.
    pub(super) lets: Vec<(String, Template)>,
    /// The action is done once for each of several rows.
    pub(super) rows: Option<Rows>,
    /// The request that [`Action::Call`] makes.
    pub(super) call: Option<Call>,
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
    /// What `upsert` may do: `create` or `update` alone, or both without it.
    pub(super) only: Option<Template>,
    /// Where this is false of the record that is `stored`, `update` and `delete` refuse: it has changed.
    pub(super) held: Option<Template>,
    /// Where this is true, the action `link` takes the link away.
    pub(super) away: Option<Template>,
    /// The types of a link that is made, by the vendor's ids: those that links do not have of themselves.
    pub(super) types: Option<Template>,
    /// One linked record in the answer of `links`. Scope: `id`, `types`.
    pub(super) each: Option<Template>,
    pub(super) answer: Answer,
}

/// Requests for many records.
#[derive(Debug)]
pub(super) struct Rows {
    /// The list of rows; each is `row` in the scope of its action, and its number `index`.
    pub(super) of: Template,
    /// More rows than that are too many.
    pub(super) max: u64,
    /// The first refusal is the answer, and nothing has happened.
    pub(super) atomic: Option<Template>,
    /// What a row adds to `results`, and to `made` or `failed`. Scope of the latter: `fault`, and `refused` with the
    /// `status` and `body` that the refusal would have had alone.
    pub(super) made: Option<Template>,
    pub(super) failed: Option<Template>,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Template,
    pub(super) path: Template,
    pub(super) body: Option<Template>,
}

/// What stands between two strokes: fixed text and captures.
#[derive(Debug, PartialEq)]
struct Segment(Vec<Piece>);

#[derive(Debug, PartialEq)]
enum Piece {
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
            segments: path.trim().split('/').skip(1).map(|text| Segment::read(text, node, problems)).collect(),
            action: action.unwrap_or(Action::Fixed),
            object: words.text("object").map(str::to_owned),
            open: words.flag("open"),
            lets: words.templates("let"),
            rows: words.get("rows").map(|node| Rows::read(node, problems)),
            call: words.get("call").map(|node| Call::read(node, problems)),
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
            only: words.template("only"),
            held: words.template("held"),
            away: words.template("away"),
            types: words.template("types"),
            each: words.template("each"),
            answer: Answer::read(answer, problems),
        };
        words.finish();
        route.check(node, problems);
        Some(route)
    }

    fn check(&self, node: &Node, problems: &Problems) {
        let piece = |name: &str| Piece::Capture(name.to_owned());
        let known = |name: &str| {
            self.segments.iter().any(|segment| segment.0.contains(&piece(name)))
                || self.lets.iter().any(|(known, _)| known == name)
        };
        let needed: &[&str] = match self.action {
            Action::Get | Action::Update | Action::Delete => &["id"],
            Action::Upsert => &["column", "value"],
            Action::Links => &["id", "other"],
            Action::Types => &["other"],
            Action::Link | Action::Unlink => &["id", "other", "other_id"],
            _ => &[],
        };
        for name in needed.iter().filter(|name| !known(name)) {
            problems.add(node, format!("this action needs `{{{name}}}` in its path, or `{name}` in its `let`"));
        }
        let free = matches!(self.action, Action::Query | Action::Continue | Action::Fixed | Action::Call);
        if !free && self.object.is_none() && !known("object") {
            problems.add(node, "this action needs `object`, or `{object}` in its path");
        }
        if (self.action == Action::Call) != self.call.is_some() {
            problems.add(node, "`call` says which request the action `call` makes");
        }
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
            if !fits(&segment.0, &text, &mut captures) {
                return None;
            }
        }
        Some(captures)
    }

    /// How much of the path is fixed, in segments and then in letters: the route with more of it is the better match.
    pub(super) fn weight(&self) -> (usize, usize) {
        let fixed = |segment: &&Segment| matches!(segment.0.as_slice(), [Piece::Is(_)]);
        let letters = self.segments.iter().flat_map(|segment| &segment.0).map(|piece| match piece {
            Piece::Is(text) => text.len(),
            Piece::Capture(_) => 0,
        });
        (self.segments.iter().filter(fixed).count(), letters.sum())
    }
}

impl Segment {
    fn read(text: &str, node: &Node, problems: &Problems) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                problems.add(node, "a `{` in this path is never closed");
                break;
            };
            if !before.is_empty() {
                pieces.push(Piece::Is(before.to_owned()));
            }
            if let Some(Piece::Capture(_)) = pieces.last() {
                problems.add(node, "nothing stands between two captures of this path");
            }
            pieces.push(Piece::Capture(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Is(rest.to_owned()));
        }
        Self(pieces)
    }
}

impl Rows {
    fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        words.need("of");
        let rows = Self {
            of: words.template("of").unwrap_or(Template::List(Vec::new())),
            max: words.number("max").unwrap_or(u64::MAX),
            atomic: words.template("atomic"),
            made: words.template("made"),
            failed: words.template("failed"),
        };
        words.finish();
        rows
    }
}

impl Call {
    fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let mut needed = |word| {
            words.need(word);
            words.template(word).unwrap_or(Template::List(Vec::new()))
        };
        let (method, path) = (needed("method"), needed("path"));
        let call = Self { method, path, body: words.template("body") };
        words.finish();
        call
    }
}

/// Whether the text is these pieces; a capture is as short as it can be, and never empty.
fn fits(pieces: &[Piece], text: &str, captures: &mut Vec<(String, String)>) -> bool {
    match pieces {
        [] => text.is_empty(),
        [Piece::Is(known), rest @ ..] => {
            text.strip_prefix(known.as_str()).is_some_and(|text| fits(rest, text, captures))
        }
        [Piece::Capture(name), rest @ ..] => {
            let ends = text.char_indices().map(|(at, _)| at).skip(1).chain((!text.is_empty()).then_some(text.len()));
            let before = captures.len();
            for end in ends {
                let Some((taken, left)) = text.split_at_checked(end) else { continue };
                captures.push((name.clone(), taken.to_owned()));
                if fits(rest, left, captures) {
                    return true;
                }
                captures.truncate(before);
            }
            false
        }
    }
}
