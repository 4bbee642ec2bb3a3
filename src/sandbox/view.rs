//! Records as the vendor shows them: computed columns, related records, and the template around it all.

use serde_json::{Map, Value, json};

use super::column::{Kind, Source};
use super::fault::Fault;
use super::object::Object;
use super::plan::Plan;
use super::state::{Record, State};
use super::template::as_text;

#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) plan: &'a Plan,
    pub(super) state: &'a State,
}

impl<'a> View<'a> {
    /// The column of this name in the vendor's own spelling; `A.B` is the column B of the related record A.
    pub(super) fn resolve(&self, object: &Object, name: &str) -> Option<String> {
        if let Some((known, _)) = object.column(name, self.plan.fold) {
            return Some(known.clone());
        }
        let (relation, rest) = name.split_once('.')?;
        let (relation, to) = self.relation(object, relation)?;
        Some(format!("{relation}.{}", to.iter().find_map(|to| self.resolve(to, rest))?))
    }

    fn relation(&self, object: &Object, name: &str) -> Option<(&'a str, Vec<&'a Object>)> {
        let object = self.plan.objects.get(&object.name)?;
        let same = |known: &str| known == name || self.plan.fold && known.eq_ignore_ascii_case(name);
        let column = object.columns.values().find(|column| column.relation.as_deref().is_some_and(same))?;
        Some((column.relation.as_deref()?, self.objects(&column.to)))
    }

    fn objects(&self, names: &[String]) -> Vec<&'a Object> {
        names.iter().filter_map(|name| self.plan.objects.get(name)).collect()
    }

    /// The record that a relation leads to.
    fn related(&self, object: &Object, record: &Record, relation: &str) -> Option<(&'a Object, &'a Record)> {
        let (_, to) = self.relation(object, relation)?;
        let (name, _) = object.columns.iter().find(|(_, column)| column.relation.as_deref() == Some(relation))?;
        let id = self.cell(object, record, name).ok().and_then(|id| as_text(&id))?;
        to.into_iter().find_map(|to| Some((to, self.state.record(to, &id).ok()?.1)))
    }

    /// The kind of a resolved column.
    pub(super) fn kind(&self, object: &Object, name: &str) -> Kind {
        if let Some(column) = object.columns.get(name) {
            return column.kind;
        }
        let deeper = name.split_once('.').and_then(|(relation, rest)| Some((self.relation(object, relation)?.1, rest)));
        let there = |(to, rest): (Vec<&'a Object>, &str)| {
            to.into_iter().find(|to| self.resolve(to, rest).is_some()).map(|to| self.kind(to, rest))
        };
        deeper.and_then(there).unwrap_or(Kind::Text)
    }

    /// All values of a resolved column: one, or the ids of linked records.
    pub(super) fn cells(&self, object: &Object, record: &Record, name: &str) -> Result<Vec<Value>, Fault> {
        match object.columns.get(name).map(|column| &column.source) {
            Some(Source::Link(other)) => {
                let ids = self.state.linked(&object.name, &record.id, other);
                Ok(ids.iter().cloned().map(Value::String).collect())
            }
            _ => Ok(match self.cell(object, record, name)? {
                Value::Array(list) => list,
                value => vec![value],
            }),
        }
    }

    /// What a cell's value is called: the label of an option, the title of the record that it refers to.
    fn name(&self, object: &Object, column: &str, value: &Value) -> Result<Option<Value>, Fault> {
        let (Some(column), Some(text)) = (object.columns.get(column), as_text(value)) else { return Ok(None) };
        if let Some((_, label)) = column.options.iter().find(|(known, _)| *known == text) {
            return Ok(Some(Value::String(label.clone())));
        }
        for to in self.objects(&column.to) {
            if let (Some(title), Ok((_, record))) = (&to.title, self.state.record(to, &text)) {
                return self.cell(to, record, title).map(Some);
            }
        }
        Ok(None)
    }

    pub(super) fn cell(&self, object: &Object, record: &Record, name: &str) -> Result<Value, Fault> {
        let Some(column) = object.columns.get(name) else {
            let related = name.split_once('.').and_then(|(relation, rest)| {
                let (to, record) = self.related(object, record, relation)?;
                Some((to, record, rest))
            });
            return related.map_or(Ok(Value::Null), |(to, record, rest)| self.cell(to, record, rest));
        };
        let stored = |name: &str| record.values.get(name).cloned().unwrap_or(Value::Null);
        let written = column.writable.then(|| stored(name)).filter(|value| !value.is_null());
        let value = match &column.source {
            Source::Stored => return Ok(stored(name)),
            _ if written.is_some() => written.unwrap_or(Value::Null),
            Source::Table { column, values, otherwise } => {
                as_text(&stored(column)).and_then(|text| values.get(&text)).unwrap_or(otherwise).clone()
            }
            Source::Template(template) => template.render(&record.values)?.unwrap_or(Value::Null),
            Source::Count(other) => Value::from(self.state.linked(&object.name, &record.id, other).len()),
            Source::Related(path) => self.cell(object, record, path)?,
            Source::Rows { object, column } => self.rows_of(object, column, &record.id)?,
            Source::Link(other) => {
                self.state.linked(&object.name, &record.id, other).first().cloned().map_or(Value::Null, Value::String)
            }
        };
        let empty = value.as_object().is_some_and(|members| members.values().all(Value::is_null));
        Ok(match value {
            _ if empty => Value::Null,
            Value::Bool(_) | Value::Number(_) if object.text_only => Value::String(value.to_string()),
            value => value,
        })
    }

    /// The records of an object whose column holds this id.
    fn rows_of(&self, object: &str, column: &str, id: &str) -> Result<Value, Fault> {
        let (Some(object), Some(table)) = (self.plan.objects.get(object), self.state.table(object)) else {
            return Ok(Value::Array(Vec::new()));
        };
        let mine =
            table.rows.values().filter(|record| record.values.get(column).and_then(as_text).as_deref() == Some(id));
        let select = self.selection(object, None);
        mine.map(|record| self.show(object, record, &select, None)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    /// The columns that are shown if these are asked for.
    pub(super) fn selection(&self, object: &Object, names: Option<Vec<String>>) -> Vec<String> {
        let mut select = object.always.clone();
        match names {
            Some(names) => select.extend(names),
            None if !object.shown.is_empty() => select.extend(object.shown.iter().cloned()),
            None => {
                let open = object.columns.iter().filter(|(_, column)| !column.hidden);
                select.extend(open.map(|(name, _)| name.clone()));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        select.retain(|name| seen.insert(name.clone()));
        select
    }

    /// A record in its template.
    pub(super) fn show(
        &self,
        object: &Object,
        record: &Record,
        select: &[String],
        linked: Option<Value>,
    ) -> Result<Value, Fault> {
        let mut columns = Map::with_capacity(select.len());
        let mut names = Map::new();
        for name in select {
            if object.columns.contains_key(name) {
                let value = self.cell(object, record, name)?;
                names.extend(self.name(object, name, &value)?.map(|called| (name.clone(), called)));
                columns.insert(name.clone(), value);
                continue;
            }
            let Some((relation, _)) = name.split_once('.') else { continue };
            if columns.contains_key(relation) {
                continue;
            }
            let part = |name: &String| {
                name.split_once('.').filter(|(first, _)| *first == relation).map(|(_, rest)| rest.to_owned())
            };
            let inner: Vec<String> = select.iter().filter_map(part).collect();
            let value = match self.related(object, record, relation) {
                Some((to, record)) => self.show(to, record, &inner, None)?,
                None => Value::Null,
            };
            columns.insert(relation.to_owned(), value);
        }
        let mut scope =
            json!({ "id": record.id, "object": object.name, "columns": columns, "all": record.values, "names": names });
        if let (Some(members), Some(linked)) = (scope.as_object_mut(), linked) {
            members.insert("linked".to_owned(), linked);
        }
        Ok(object.record.render(&scope)?.unwrap_or(Value::Null))
    }
}
