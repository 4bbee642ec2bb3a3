//! A page of a list: filters and sorts to the vendor, its rows to records, and where the list goes on.

use serde_json::Value;

use super::conditions::{Conditions, after, encode};
use super::exchange::{Meaning, Rendered, call_vars, judge, render, send};
use super::plan::choose_list;
use super::read::{Wanted, columns};
use super::recheck::passes;
use super::records::read_all;
use super::scope::{Scope, SortColumn};
use super::steps::prepare;
use super::{Call, Continuation, Position, Reply};
use crate::catalog::{Count, Field, Leaf, Resource, Variant};
use crate::error::{Error, Kind};
use crate::mapping::{Path, Vars};
use crate::model::{FieldSet, Filter, Warning};
use crate::upstream;

pub async fn list(call: Call, upstream: &upstream::Service) -> Result<Reply, Error> {
    let mut warnings = Vec::new();
    let resource = &call.resource;
    let encoded = encode(resource, &call.query.filters)?;
    let mut scope = Scope::of(&call);
    scope.set_filters(&encoded, &encoded.conditions);
    let (index, variant) = match &call.from {
        Some(from) => match resource.variants(call.operation).get(from.variant) {
            Some(variant) => (from.variant, variant),
            None => return Err(Error::new(Kind::InvalidCursor, "The mapping has changed since this list began.")),
        },
        None => choose_list(resource, &call.query, encoded.conditions.most(), &scope.to_value(), &call_vars(&call))?,
    };
    if encoded.nothing {
        return Ok(Reply::List { records: Vec::new(), next: None, warnings });
    }
    let limit = page_size(&call, variant, &mut warnings);
    let position = call.from.as_ref().map(|from| &from.position);
    let sort = sort_columns(&call, variant);
    let conditions = match seek(resource, variant, &sort, position) {
        Some(seek) => encoded.conditions.clone().and(seek)?,
        None => encoded.conditions.clone(),
    };
    let sort_names: Vec<String> = sort.iter().map(|sort| sort.on.clone()).collect();
    let mut extra: Vec<String> = if variant.keyset.is_some() { sort_names } else { Vec::new() };
    extra.extend(resource.only.keys().cloned());
    let checked: Vec<String> = coarse(&call, variant).map(|filter| member_of(resource, filter).to_owned()).collect();
    extra.extend(checked.iter().filter_map(|name| resource.field(name)).flat_map(|field| field.columns.clone()));
    scope.set_filters(&encoded, &conditions);
    scope.set_sort(&sort);
    scope.set("limit", limit);
    scope.set_columns(columns(resource, &call.query.fields, &extra));
    scope.set_some("cursor", start(variant, position));
    if !prepare(&call, upstream, variant, &mut scope).await? {
        return Ok(Reply::List { records: Vec::new(), next: None, warnings });
    }
    let input = scope.to_value();
    let mut rendered = render(&call, &variant.request, &input, &call_vars(&call), None)?;
    if let Some(Position::Link(link)) = position {
        rendered = Rendered { path_and_query: link.clone(), root: true, body: None, ..rendered };
    }
    let answered = send(&call, upstream, &variant.request, rendered).await?;
    let vars = answered.vars(&call, &input);
    let rows = match judge(&call, &variant.answer, &answered, &vars)? {
        Meaning::Success => rows(variant.answer.records.as_ref(), &answered.body, &vars)?,
        Meaning::Empty => Vec::new(),
    };
    let paging = Paging { call: &call, variant, sort: &sort, limit, position };
    let next = paging.next(&rows, &answered.body, &vars, &mut warnings)?;
    let next = next.map(|position| Continuation { variant: index, position });
    for name in variant.lacks.iter().filter(|name| call.query.fields.wants(name)) {
        let detail = format!("{} does not give `{name}` on a list like this one", call.provider.title);
        warnings.push(Warning::at("field-not-available", format!("/{name}"), detail));
    }
    let rows = recheck(&call, variant, rows, &vars).await?;
    let wanted = Wanted { fields: &call.query.fields, raw: call.query.include_raw, lacks: &variant.lacks };
    let records = read_all(&call, rows, &wanted, &vars, &mut warnings).await?;
    Ok(Reply::List { records, next, warnings })
}

/// The filters that the vendor answers too widely here.
fn coarse<'c>(call: &'c Call, variant: &'c Variant) -> impl Iterator<Item = &'c Filter> {
    call.query.filters.iter().filter(|filter| variant.coarse.contains(&filter.field))
}

/// The top-level member that a filter looks at.
fn member_of<'c>(resource: &'c Resource, filter: &'c Filter) -> &'c str {
    let path = resource.model.filter_target(&filter.field);
    path.split_once('.').map_or(path, |(member, _)| member)
}

/// Rows that really pass. They are read for this with the members that the filters look at, whatever the caller wants.
async fn recheck(call: &Call, variant: &Variant, rows: Vec<Value>, vars: &Vars) -> Result<Vec<Value>, Error> {
    let filters: Vec<&Filter> = coarse(call, variant).collect();
    if filters.is_empty() {
        return Ok(rows);
    }
    let resource = &call.resource;
    let fields = FieldSet::of(filters.iter().map(|filter| member_of(resource, filter).to_owned()).collect());
    let wanted = Wanted { fields: &fields, raw: false, lacks: &[] };
    let records = read_all(call, rows.clone(), &wanted, vars, &mut Vec::new()).await?;
    let passing = |record: &Value| {
        filters.iter().all(|filter| passes(record, filter, resource.model.filter_target(&filter.field)))
    };
    Ok(rows.into_iter().zip(&records).filter(|(_, record)| passing(record)).map(|(row, _)| row).collect())
}

/// The caller's limit within what the vendor gives.
fn page_size(call: &Call, variant: &Variant, warnings: &mut Vec<Warning>) -> u32 {
    let bounds = variant.limit.as_ref().unwrap_or(&call.resource.limit);
    let wanted = call.query.limit.unwrap_or(bounds.default);
    if wanted > bounds.max {
        let detail = format!("{} gives at most {} records a page", call.provider.title, bounds.max);
        warnings.push(Warning::new("limit-reduced", detail));
    }
    wanted.min(bounds.max).max(1)
}

/// The caller's sorts as columns; for keyset lists the key makes the order total.
fn sort_columns(call: &Call, variant: &Variant) -> Vec<SortColumn> {
    let sorts = &call.resource.sorts;
    let mut columns: Vec<SortColumn> = call
        .query
        .sort
        .iter()
        .filter_map(|sort| {
            let on = sorts.get(&sort.field)?.clone();
            Some(SortColumn { on, descending: sort.descending, field: sort.field.clone() })
        })
        .collect();
    // A window can only be gone on from where the list is in the key's order, so an unsorted list gets that order.
    let key = variant.keyset.as_ref().or(variant.window.as_ref().map(|(_, key)| key).filter(|_| columns.is_empty()));
    if let Some(key) = key
        && !columns.iter().any(|column| column.field == *key)
        && let Some(on) = sorts.get(key)
    {
        columns.push(SortColumn { on: on.clone(), descending: false, field: key.clone() });
    }
    columns
}

/// The conditions that begin after the last row of the page before.
fn seek(
    resource: &Resource,
    variant: &Variant,
    sort: &[SortColumn],
    position: Option<&Position>,
) -> Option<Conditions> {
    let typed = |column: &SortColumn| {
        let literal = resource.model.member(&column.field).map_or("string", |member| member.kind.literal());
        (column.on.clone(), column.descending, literal.to_owned())
    };
    match position? {
        Position::Keys(values) => Some(after(&sort.iter().map(typed).collect::<Vec<_>>(), values)),
        Position::Window { after: last, .. } => {
            let (_, key) = variant.window.as_ref()?;
            let column = sort.iter().find(|column| column.field == *key)?;
            Some(after(&[typed(column)], std::slice::from_ref(last)))
        }
        _ => None,
    }
}

/// What the variant's request sees as `cursor`.
fn start(variant: &Variant, position: Option<&Position>) -> Option<Value> {
    match (position, variant.next.count) {
        (Some(Position::Cursor(cursor) | Position::Window { cursor: Some(cursor), .. }), _) => Some(cursor.clone()),
        (Some(Position::Offset(rows)), _) => Some(Value::from(*rows)),
        (Some(Position::Page(page)), _) => Some(Value::from(*page)),
        (None, Some(Count::Rows(start) | Count::Pages(start))) => Some(Value::from(start)),
        _ => None,
    }
}

fn rows(records: Option<&Leaf>, body: &Value, vars: &Vars) -> Result<Vec<Value>, Error> {
    let found = match records {
        Some(leaf) => leaf.evaluate(body, vars)?,
        None => None,
    };
    match found {
        // A path that leads nowhere in an answer that has content: it is not the answer that the mapping describes.
        None if !body.is_null()
            && (matches!(records, Some(Leaf::Path(_))) || !body.is_object() && !body.is_array()) =>
        {
            Err(Error::new(Kind::InvalidProviderResponse, "The provider's answer holds no list of records."))
        }
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(rows)) => Ok(rows),
        Some(row @ Value::Object(_)) => Ok(vec![row]),
        Some(_) => Err(Error::new(Kind::InvalidProviderResponse, "The provider's answer holds no list of records.")),
    }
}

/// Where a list goes on, from what came back.
struct Paging<'a> {
    call: &'a Call,
    variant: &'a Variant,
    sort: &'a [SortColumn],
    limit: u32,
    position: Option<&'a Position>,
}

impl Paging<'_> {
    fn next(
        &self,
        rows: &[Value],
        body: &Value,
        vars: &Vars,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Position>, Error> {
        let next = &self.variant.next;
        let full = rows.len() as u64 >= u64::from(self.limit);
        if let Some(link) = &next.link
            && let Some(link) = link.text(body, vars)?
        {
            return self.link(&link).map(Some);
        }
        if self.variant.keyset.is_some() {
            let more = match &next.more {
                Some(more) => more.holds(body, vars)?,
                None => full,
            };
            let keys = more.then(|| self.keys(rows)).flatten();
            if more && keys.is_none() {
                let detail = "the list goes on, but its last record has no value in a field it is sorted by";
                warnings.push(Warning::new("list-truncated", detail));
            }
            return Ok(keys.map(Position::Keys));
        }
        if let Some(cursor) = &next.cursor {
            let cursor = cursor.evaluate(body, vars)?.filter(|cursor| !is_end(cursor));
            return Ok(cursor.and_then(|cursor| self.within_window(cursor, rows, warnings)));
        }
        let Some(count) = next.count else { return Ok(None) };
        let more = match (&next.more, next.until_empty) {
            (Some(more), _) => more.holds(body, vars)?,
            (None, true) => !rows.is_empty(),
            (None, false) => full,
        };
        Ok(more.then(|| match (count, self.position) {
            (Count::Rows(_), Some(Position::Offset(before))) => Position::Offset(before + rows.len() as u64),
            (Count::Rows(start), _) => Position::Offset(start + rows.len() as u64),
            (Count::Pages(_), Some(Position::Page(page))) => Position::Page(page + 1),
            (Count::Pages(start), _) => Position::Page(start + 1),
        }))
    }

    /// A vendor's link is followed only on the connection's own origin.
    fn link(&self, link: &str) -> Result<Position, Error> {
        let origin = self.call.provider.origin(&self.call.connection.settings)?;
        origin.local_path(link).map(Position::Link).ok_or_else(|| {
            Error::new(Kind::InvalidProviderResponse, "The provider's link to the next page leads to another host.")
        })
    }

    fn keys(&self, rows: &[Value]) -> Option<Vec<Value>> {
        let last = rows.last()?;
        self.sort.iter().map(|column| self.value(last, column)).collect()
    }

    /// A sort column's value in a row: where the unified field reads it, else under the column's own name.
    fn value(&self, row: &Value, column: &SortColumn) -> Option<Value> {
        let field = self.call.resource.field(&column.field);
        let own = field.and_then(Field::path).and_then(|path| path.get(row));
        let under = self.call.resource.select.as_ref().and_then(|select| select.under.as_ref());
        let path = Path::of(column.on.split('.'));
        let by_name = || path.get(under.map_or(Some(row), |under| under.get(row))?);
        own.or_else(by_name).filter(|value| !value.is_null()).cloned()
    }

    /// Short of the row where the vendor stops, its own cursor; there, the key of the last row.
    fn within_window(&self, cursor: Value, rows: &[Value], warnings: &mut Vec<Warning>) -> Option<Position> {
        let Some((at, key)) = &self.variant.window else { return Some(Position::Cursor(cursor)) };
        let offset = cursor.as_str().map_or_else(|| cursor.as_u64(), |text| text.parse().ok());
        if offset.is_none_or(|offset| offset + u64::from(self.limit) <= *at) {
            return Some(match self.position {
                Some(Position::Window { after, .. }) => Position::Window { after: after.clone(), cursor: Some(cursor) },
                _ => Position::Cursor(cursor),
            });
        }
        match self.sort {
            [column] if column.field == *key && !column.descending => {
                let after = rows.last().and_then(|row| self.value(row, column))?;
                Some(Position::Window { after, cursor: None })
            }
            _ => {
                let detail = format!(
                    "the list goes on, but {} stops at row {at} in this order: narrow the filter or sort by {key}",
                    self.call.provider.title
                );
                warnings.push(Warning::new("list-truncated", detail));
                None
            }
        }
    }
}

/// What vendors say instead of leaving the cursor out.
fn is_end(cursor: &Value) -> bool {
    matches!(cursor, Value::Null | Value::Bool(false)) || cursor == ""
}
