//! The vendor's limits: so many requests in each window of so many seconds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::words::{Problems, Words};
use crate::catalog::Node;

#[derive(Debug)]
pub(super) struct Limit {
    pub(super) name: String,
    /// Paths that it counts; all of them where none is named. `*` stands for any characters.
    paths: Vec<Regex>,
    /// Paths whose answers do not tell of it.
    untold: Vec<Regex>,
    pub(super) count: u64,
    per: i64,
    pub(super) fault: String,
}

/// Window number and requests in it, by limit.
pub(super) type Windows = BTreeMap<String, (i64, u64)>;

impl Limit {
    pub(super) fn read(node: &Node, problems: &Problems) -> Self {
        let mut words = Words::of(node, problems);
        let pattern = |glob: &String| Regex::new(&format!("^{}$", regex::escape(glob).replace("\\*", ".*"))).ok();
        let limit = Self {
            name: words.need_text("name").to_owned(),
            paths: words.texts("paths").iter().filter_map(pattern).collect(),
            untold: words.texts("untold").iter().filter_map(pattern).collect(),
            count: words.number("count").unwrap_or(u64::MAX),
            per: words.number("per").unwrap_or(1).clamp(1, 100_000_000) as i64,
            fault: words.text("error").unwrap_or("too_many").to_owned(),
        };
        words.finish();
        limit
    }

    fn counts(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.is_match(path))
    }

    fn tells(&self, path: &str) -> bool {
        !self.untold.iter().any(|pattern| pattern.is_match(path))
    }

    fn window(&self, now: Timestamp) -> i64 {
        now.as_second().div_euclid(self.per)
    }
}

/// Counts one request; gives the first limit that refuses it.
pub(super) fn take<'a>(limits: &'a [Limit], windows: &mut Windows, path: &str, now: Timestamp) -> Option<&'a Limit> {
    let mut refused = None;
    for limit in limits.iter().filter(|limit| limit.counts(path)) {
        let window = limit.window(now);
        let slot = windows.entry(limit.name.clone()).or_insert((window, 0));
        if slot.0 != window {
            *slot = (window, 0);
        }
        if slot.1 >= limit.count {
            refused = refused.or(Some(limit));
        } else {
            slot.1 += 1;
        }
    }
    refused
}

/// The state of the limits that count this path, for headers and bodies: `max`, `used`, `remaining`, `window`
/// (milliseconds) and `reset` (seconds).
pub(super) fn describe(limits: &[Limit], windows: &Windows, path: &str, now: Timestamp) -> Value {
    let mut map = Map::new();
    for limit in limits.iter().filter(|limit| limit.counts(path) && limit.tells(path)) {
        let window = limit.window(now);
        let used = windows.get(&limit.name).filter(|slot| slot.0 == window).map_or(0, |slot| slot.1);
        let state = json!({
            "max": limit.count,
            "used": used,
            "remaining": limit.count.saturating_sub(used),
            "window": limit.per * 1000,
            "reset": (window + 1) * limit.per - now.as_second(),
        });
        map.insert(limit.name.clone(), state);
    }
    Value::Object(map)
}
