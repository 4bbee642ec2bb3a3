//! What the sandbox remembers: records, links, held lists, counters.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::limit::Windows;
use super::object::Object;

/// So many lists are held; the oldest goes first.
const HELD: usize = 1000;

#[derive(Debug, Default, Clone)]
pub(super) struct State {
    tables: BTreeMap<String, Table>,
    /// (object, id, other object) to the ids of the other's records; kept in both directions.
    links: BTreeMap<(String, String, String), Vec<String>>,
    /// The types that single links were given, as places in the file's list: (object, id, other object, other id).
    types: BTreeMap<(String, String, String, String), BTreeSet<usize>>,
    held: IndexMap<u64, Held>,
    pub(super) next_held: u64,
    pub(super) requests: u64,
    pub(super) windows: Windows,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Table {
    /// By the number in their ids, which is the order of their creation.
    pub(super) rows: BTreeMap<u64, Record>,
    gone: BTreeSet<u64>,
    next: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: String,
    /// The stored columns: always an object.
    pub(super) values: Value,
}

impl Record {
    pub(super) fn set(&mut self, column: &str, value: Value) {
        if let Value::Object(values) = &mut self.values {
            values.insert(column.to_owned(), value);
        }
    }
}

/// A list as it was when its first page was asked for.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) object: String,
    pub(super) rows: Vec<u64>,
    pub(super) select: Vec<String>,
    pub(super) size: u64,
}

/// Why there is no record with an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    Never,
    Deleted,
}

impl State {
    pub(super) fn table(&self, object: &str) -> Option<&Table> {
        self.tables.get(object)
    }

    /// Puts the records of several objects together, in the order of their creation.
    pub(super) fn gather(&mut self, object: &Object) {
        let tables = object.of.iter().filter_map(|part| self.tables.get(part));
        let mut records: Vec<Record> = tables.flat_map(|table| table.rows.values().cloned()).collect();
        let created = |record: &Record| {
            let stamp = record.values.get(object.created.as_ref()?)?;
            stamp.as_str().map(str::to_owned)
        };
        records.sort_by_cached_key(created);
        let rows = (0..).zip(records).collect();
        self.tables.insert(object.name.clone(), Table { rows, ..Table::default() });
    }

    pub(super) fn record(&self, object: &Object, id: &str) -> Result<(u64, &Record), Absent> {
        if !object.of.is_empty() {
            let rows = self.tables.get(&object.name).into_iter().flat_map(|table| &table.rows);
            let mut rows = rows.map(|(number, record)| (*number, record));
            return rows.find(|(_, record)| record.id.eq_ignore_ascii_case(id)).ok_or(Absent::Never);
        }
        let number = object.ids.number(id).ok_or(Absent::Never)?;
        let table = self.tables.get(&object.name).ok_or(Absent::Never)?;
        let absent = if table.gone.contains(&number) { Absent::Deleted } else { Absent::Never };
        table.rows.get(&number).map(|record| (number, record)).ok_or(absent)
    }

    /// The id that the next record gets.
    pub(super) fn next_id(&self, object: &Object) -> (u64, String) {
        let number = self.tables.get(&object.name).and_then(|table| table.next).unwrap_or(object.ids.from);
        (number, object.ids.write(number))
    }

    pub(super) fn insert(&mut self, object: &Object, number: u64, record: Record) {
        let table = self.tables.entry(object.name.clone()).or_default();
        table.rows.insert(number, record);
        table.next = Some(number.saturating_add(object.ids.step));
    }

    pub(super) fn values_mut(&mut self, object: &str, number: u64) -> Option<&mut Map<String, Value>> {
        self.tables.get_mut(object)?.rows.get_mut(&number)?.values.as_object_mut()
    }

    pub(super) fn remove(&mut self, object: &str, number: u64) {
        let Some(table) = self.tables.get_mut(object) else { return };
        let Some(record) = table.rows.remove(&number) else { return };
        table.gone.insert(number);
        let links: Vec<(String, Vec<String>)> = self
            .links
            .iter()
            .filter(|((from, id, _), _)| from == object && *id == record.id)
            .map(|((_, _, to), ids)| (to.clone(), ids.clone()))
            .collect();
        for (to, ids) in links {
            for id in ids {
                self.unlink(object, &record.id, &to, &id);
            }
        }
    }

    pub(super) fn linked(&self, object: &str, id: &str, other: &str) -> &[String] {
        let key = (object.to_owned(), id.to_owned(), other.to_owned());
        self.links.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Links two records; as the first of its kind, or behind those that are there.
    pub(super) fn link(&mut self, object: &str, id: &str, other: &str, other_id: &str, first: bool) {
        for (from, id, to, other_id, first) in
            [(object, id, other, other_id, first), (other, other_id, object, id, false)]
        {
            let ids = self.links.entry((from.to_owned(), id.to_owned(), to.to_owned())).or_default();
            if first {
                ids.retain(|known| known != other_id);
                ids.insert(0, other_id.to_owned());
            } else if !ids.iter().any(|known| known == other_id) {
                ids.push(other_id.to_owned());
            }
        }
    }

    /// Gives a link a type more, seen from both ends.
    pub(super) fn add_type(&mut self, object: &str, id: &str, other: &str, other_id: &str, place: usize) {
        for (from, id, to, other_id) in [(object, id, other, other_id), (other, other_id, object, id)] {
            let key = (from.to_owned(), id.to_owned(), to.to_owned(), other_id.to_owned());
            self.types.entry(key).or_default().insert(place);
        }
    }

    pub(super) fn has_type(&self, object: &str, id: &str, other: &str, other_id: &str, place: usize) -> bool {
        let key = (object.to_owned(), id.to_owned(), other.to_owned(), other_id.to_owned());
        self.types.get(&key).is_some_and(|places| places.contains(&place))
    }

    pub(super) fn unlink(&mut self, object: &str, id: &str, other: &str, other_id: &str) {
        for (from, id, to, other_id) in [(object, id, other, other_id), (other, other_id, object, id)] {
            self.types.remove(&(from.to_owned(), id.to_owned(), to.to_owned(), other_id.to_owned()));
            let key = (from.to_owned(), id.to_owned(), to.to_owned());
            if let Some(ids) = self.links.get_mut(&key) {
                ids.retain(|known| known != other_id);
                if ids.is_empty() {
                    self.links.remove(&key);
                }
            }
        }
    }

    pub(super) fn hold(&mut self, number: u64, held: Held) {
        if self.held.len() >= HELD {
            self.held.shift_remove_index(0);
        }
        self.held.insert(number, held);
    }

    pub(super) fn held(&self, number: u64) -> Option<&Held> {
        self.held.get(&number)
    }
}
