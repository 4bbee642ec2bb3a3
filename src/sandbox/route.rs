//! Routes: a method and a path with captures, what is done there, and how it is answered.

use super::answer::Answer;
use super::condition::{OPS, Op};
use super::ids::Ids;
use super::template::Template;
use super::words::{Problems, Words, choose, not_one_of};
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paging {
    /// After the record with this id.
    Key,
    /// After so many records.
    Offset,
    /// Pages counted from 1.
    Number,
    /// The list is held as it was; later pages are fetched by its name.
    Held,
}

#[derive(Debug)]
pub(super) struct Page {
    pub(super) kind: Paging,
    pub(super) size: Option<Template>,
    pub(super) default: u64,
    pub(super) max: u64,
    /// A larger size is a fault; it is cut down without this.
    pub(super) strict: bool,
    pub(super) at: Option<Template>,
    /// The row at which the vendor stops.
    pub(super) window: Option<u64>,
    pub(super) token: Option<Ids>,
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
            text: words.get("text").map(|node| {
                let mut words = Words::of(node, problems);
                let value = words.template("value").unwrap_or(Template::List(Vec::new()));
                let text = TextSearch { value, columns: words.texts("columns") };
                words.finish();
                text
            }),
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

fn needed(words: &mut Words, word: &'static str) -> Template {
    words.need(word);
    words.template(word).unwrap_or(Template::List(Vec::new()))
}

impl Select {
    fn read(node: &Node, problems: &Problems) -> Self {
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
    fn read(node: &Node, problems: &Problems) -> Self {
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
    fn read(node: &Node, problems: &Problems) -> Self {
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
    fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let written = Self { text: needed(&mut words, "text"), language: words.need_text("language").to_owned() };
        words.finish();
        written
    }
}

impl Sort {
    fn read(node: &Node, problems: &Problems) -> Self {
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

impl Page {
    fn read(node: Option<&Node>, problems: &Problems) -> Self {
        let mut page = Self {
            kind: Paging::Offset,
            size: None,
            default: 100,
            max: u64::MAX,
            strict: false,
            at: None,
            window: None,
            token: None,
        };
        let Some(node) = node else { return page };
        let mut words = Words::of(node, problems);
        let kinds =
            [("key", Paging::Key), ("offset", Paging::Offset), ("number", Paging::Number), ("held", Paging::Held)];
        page.kind = words.choice("kind", &kinds).unwrap_or(Paging::Offset);
        page.size = words.template("size");
        page.default = words.number("default").unwrap_or(100).max(1);
        page.max = words.number("max").unwrap_or(u64::MAX);
        page.strict = words.flag("strict");
        page.at = words.template("at");
        page.window = words.number("window");
        page.token = words.get("token").map(|node| Ids::read(node, problems));
        if page.kind == Paging::Held && page.token.is_none() {
            problems.add(node, "a held list needs `token`: how its name is written");
        }
        words.finish();
        page
    }
}

impl Include {
    fn read(node: &Node, problems: &Problems) -> Self {
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
