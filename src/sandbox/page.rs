//! Pages of a list: how long they are and where they begin.

use super::engine::Asked;
use super::fault::Fault;
use super::ids::Ids;
use super::object::Object;
use super::template::Template;
use super::words::{Problems, Words};
use crate::catalog::Node;

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

impl Page {
    pub(super) fn read(node: Option<&Node>, problems: &Problems) -> Self {
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

impl Asked<'_> {
    /// How many records a page may have, if the request says so.
    pub(super) fn size(&self, page: &Page) -> Result<Option<u64>, Fault> {
        let Some(size) = page.size.as_ref().map(|size| size.render_text(&self.scope)).transpose()?.flatten() else {
            return Ok(None);
        };
        let fault = || Fault::new("bad_limit").with("value", size.clone()).with("max", page.max);
        let size: u64 = size.parse().map_err(|_| fault())?;
        if page.strict && size > page.max {
            return Err(fault());
        }
        Ok(Some(size.clamp(1, page.max)))
    }

    /// The row that the page begins with.
    pub(super) fn start(&self, object: &Object, rows: &[u64], size: u64) -> Result<usize, Fault> {
        let page = &self.route.page;
        let at = page.at.as_ref().map(|at| at.render_text(&self.scope)).transpose()?.flatten();
        let Some(at) = at.filter(|at| !at.is_empty()) else { return Ok(0) };
        let bad = || Fault::new("bad_cursor").with("value", at.clone());
        if page.kind == Paging::Key {
            let number = object.ids.number(&at).ok_or_else(bad)?;
            return Ok(rows.partition_point(|row| *row <= number));
        }
        let mut start: u64 = at.parse().map_err(|_| bad())?;
        if page.kind == Paging::Number {
            start = start.saturating_sub(1).saturating_mul(size);
        }
        if let Some(window) = page.window.filter(|window| start >= *window) {
            return Err(Fault::new("too_deep").with("value", at).with("max", window));
        }
        usize::try_from(start).map_err(|_| bad())
    }
}
