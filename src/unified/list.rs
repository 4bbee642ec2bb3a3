//! A page of a list: filters and sorts to the vendor, its rows to records, and where the list goes on.

use serde_json::Value;

use super::conditions::{Conditions, after, encode};
use super::exchange::call_vars;
use super::page::{Page, fetch};
use super::paging::Paging;
use super::plan::{check_query, choose_list, variants};
use super::read::{Wanted, columns};
use super::recheck::passes;
use super::records::read_all;
use super::scope::{Scope, SortColumn};
use super::{Call, Continuation, Position, Reply, Vendor};
use crate::catalog::{Resource, Variant, matches_by};
use crate::error::{Error, Kind};
use crate::mapping::Vars;
use crate::model::{FieldSet, Filter, Operation, Sort, Warning};

pub async fn list(call: Call, vendor: &Vendor) -> Result<Reply, Error> {
    let mut warnings = call.warnings.clone();
    let resource = &call.resource;
    let encoded = encode(resource, &call.query.filters)?;
    let mut scope = Scope::of(&call);
    scope.set_filters(&encoded, &encoded.conditions);
    scope.set_sort(&asked_sort(&call));
    let (index, variant) = match &call.from {
        Some(from) => match resource.variants(call.operation).get(from.variant) {
            Some(variant) => (from.variant, variant),
            None => return Err(Error::new(Kind::InvalidCursor, "The mapping has changed since this list began.")),
        },
        None => choose_list(resource, &call.query, encoded.conditions.most(), scope.value(), &call_vars(&call))?,
    };
    if encoded.nothing {
        return Ok(Reply::List { records: Vec::new(), next: None, warnings });
    }
    let limit = page_size(&call, variant, &mut warnings);
    let position = call.from.as_ref().map(|from| &from.position);
    let sort = sort_columns(&call, variant);
    has_room(&call, variant, &encoded.conditions, position)?;
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
    let columns = columns(resource, &call.query.fields, &extra);
    let paging = Paging { call: &call, variant, sort: &sort, limit, position };
    let Some(page) = fetch(&paging, vendor, scope, columns, &mut warnings).await? else {
        return Ok(Reply::List { records: Vec::new(), next: None, warnings });
    };
    let Page { rows, next, vars } = page;
    let next = next.map(|position| Continuation { variant: index, position });
    for name in variant.lacks.iter().filter(|name| call.query.fields.wants(name)) {
        let detail = format!("{} does not give `{name}` on a list like this one", call.provider.title);
        warnings.push(Warning::at("field-not-available", format!("/{name}"), detail));
    }
    // Where the vendor cannot be asked for the slice alone, what comes of other kinds is none of this resource.
    let rows = rows.into_iter().filter(|row| is_of(resource, row)).collect();
    let rows = recheck(&call, variant, rows, &vars).await?;
    let wanted = Wanted { fields: &call.query.fields, raw: call.query.include_raw, lacks: &variant.lacks };
    let records = read_all(&call, rows, &wanted, &vars, &mut warnings).await?;
    Ok(Reply::List { records, next, warnings })
}

/// The variant that would begin the list; `None` where none covers it.
pub fn list_variant(call: &Call) -> Option<usize> {
    chosen(call).ok()
}

fn chosen(call: &Call) -> Result<usize, Error> {
    let encoded = encode(&call.resource, &call.query.filters)?;
    let mut scope = Scope::of(call);
    scope.set_filters(&encoded, &encoded.conditions);
    scope.set_sort(&asked_sort(call));
    let most = encoded.conditions.most();
    let chosen = choose_list(&call.resource, &call.query, most, scope.value(), &call_vars(call));
    chosen.map(|(index, _)| index)
}

/// Refuses a list for what is wrong with it whatever custom fields the account has.
pub fn check(call: &Call) -> Result<(), Error> {
    if call.operation != Operation::List || call.from.is_some() {
        return Ok(());
    }
    let mut query = call.query.clone();
    query.filters.retain(|filter| !filter.field.starts_with("custom_fields."));
    variants(&call.resource, call.operation)?;
    check_query(&call.resource, &query)?;
    // Where nothing hangs on the account (a `when` may ask for the type of an object), the combination as a whole is looked at as well.
    if call.object.is_none() && call.resource.metadata.is_some() && query.filters.len() == call.query.filters.len() {
        chosen(call)?;
    }
    Ok(())
}

/// Whether a row is of the slice that the resource is. A column that is not there says nothing.
pub fn is_of(resource: &Resource, row: &Value) -> bool {
    resource.only.iter().all(|(column, value)| row.get(column).is_none_or(|found| found == value))
}

/// The filters that the vendor answers too widely here.
fn coarse<'c>(call: &'c Call, variant: &'c Variant) -> impl Iterator<Item = &'c Filter> {
    call.query.filters.iter().filter(|filter| matches_by(&variant.coarse, &filter.field))
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

/// The caller's sorts as columns.
fn asked_sort(call: &Call) -> Vec<SortColumn> {
    let column = |sort: &Sort| {
        let on = call.resource.sorts.get(&sort.field)?.clone();
        Some(SortColumn { on, descending: sort.descending, field: sort.field.clone() })
    };
    call.query.sort.iter().filter_map(column).collect()
}

/// The caller's sorts as columns; for keyset lists the key makes the order total.
fn sort_columns(call: &Call, variant: &Variant) -> Vec<SortColumn> {
    let sorts = &call.resource.sorts;
    let mut columns = asked_sort(call);
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

/// Refuses to go on behind the row where the vendor stops with one condition more than the vendor takes.
fn has_room(call: &Call, variant: &Variant, conditions: &Conditions, position: Option<&Position>) -> Result<(), Error> {
    let most = variant.accepts.conditions.unwrap_or(usize::MAX);
    let (Some((stops, _)), Some(Position::Window { .. })) = (&variant.window, position) else { return Ok(()) };
    if conditions.most() < most {
        return Ok(());
    }
    let title = &call.provider.title;
    let detail = format!(
        "{title} ends a list at {stops} records and takes {most} conditions, of which going on needs one: begin the list anew with a filter less."
    );
    Err(Error::new(Kind::UnsupportedFilter, detail))
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
