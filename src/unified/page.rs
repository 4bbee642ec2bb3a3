//! One page of a vendor's rows: the requests it takes, and where the list goes on.

use serde_json::Value;

use super::exchange::{Answered, Meaning, Rendered, judge, send};
use super::paging::Paging;
use super::pieces::{Pieces, join};
use super::scope::Scope;
use super::steps::{Prepared, prepare};
use super::{Call, Position, Vendor};
use crate::catalog::{Count, Leaf, Variant};
use crate::error::{Error, Kind};
use crate::mapping::Vars;
use crate::model::Warning;

pub struct Page {
    pub rows: Vec<Value>,
    pub next: Option<Position>,
    /// What readers of the rows see besides them.
    pub vars: Vars,
}

/// A whole list is followed for no longer than this. Pages.
const MAX_PAGES: usize = 100;
/// The page size asked for where a whole list is wanted.
const WHOLE: u32 = 100;

/// `None`: a step found that there is nothing to ask for.
pub async fn fetch(
    paging: &Paging<'_>,
    vendor: &Vendor,
    mut scope: Scope,
    columns: Option<Vec<String>>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Page>, Error> {
    let Paging { call, variant, limit, position, .. } = *paging;
    scope.set("limit", limit);
    scope.set_some("cursor", start(variant, position));
    // Steps see all of them.
    scope.set_columns(columns.as_deref());
    scope.set_wanted(call, variant);
    if prepare(call, vendor, variant, &mut scope).await? == Prepared::Nothing {
        return Ok(None);
    }
    let keep: Vec<String> = paging.sort.iter().map(|sort| sort.on.clone()).collect();
    let pieces = Pieces::cut(call, variant, &mut scope, columns, &keep)?;
    let whole = pieces.is_one();
    let mut page: Option<Page> = None;
    for (input, mut rendered) in pieces {
        if let Some(Position::Link(link)) = position {
            rendered = Rendered { path_and_query: link.clone(), root: true, body: None, ..rendered };
        }
        let answered = send(call, vendor, &variant.request, rendered).await?;
        let vars = answered.vars(call, &input);
        let rows = rows_of(call, variant, &answered, &vars)?;
        match &mut page {
            None => {
                let next = paging.next(&rows, &answered.body, &vars, warnings)?;
                if !whole && matches!(next, Some(Position::Link(_))) {
                    return Err(Error::new(
                        Kind::InvalidRequest,
                        format!(
                            "{} cannot go on with a list of so many columns: name fewer under `fields`.",
                            call.provider.title
                        ),
                    ));
                }
                page = Some(Page { rows, next, vars });
            }
            Some(page) => join(call, &mut page.rows, rows)?,
        }
    }
    Ok(page)
}

fn rows_of(call: &Call, variant: &Variant, answered: &Answered, vars: &Vars) -> Result<Vec<Value>, Error> {
    match judge(call, &variant.answer, answered, vars)? {
        Meaning::Success => rows(variant.answer.records.as_ref(), &answered.body, vars),
        Meaning::Empty => Ok(Vec::new()),
    }
}

/// All rows of a list that is not the caller's: fields or types of an account. Followed to its end.
pub async fn fetch_all(call: &Call, vendor: &Vendor, variant: &Variant) -> Result<(Vec<Value>, Vars), Error> {
    let mut rows = Vec::new();
    let mut position = None;
    let mut vars = Vars::none();
    let limit = variant.limit.as_ref().map_or(WHOLE, |limit| limit.max);
    for _ in 0..MAX_PAGES {
        let paging = Paging { call, variant, sort: &[], limit, position: position.as_ref() };
        let Some(page) = fetch(&paging, vendor, Scope::of(call), None, &mut Vec::new()).await? else { break };
        rows.extend(page.rows);
        vars = page.vars;
        position = page.next;
        if position.is_none() {
            return Ok((rows, vars));
        }
    }
    Ok((rows, vars))
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
