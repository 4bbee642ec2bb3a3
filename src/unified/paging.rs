//! Where a list goes on.

use serde_json::Value;

use super::scope::SortColumn;
use super::{Call, Position};
use crate::catalog::{Count, Field, Variant};
use crate::error::{Error, Kind};
use crate::mapping::{Path, Vars};
use crate::model::Warning;

/// Where a list goes on, from what came back.
pub struct Paging<'a> {
    pub call: &'a Call,
    pub variant: &'a Variant,
    pub sort: &'a [SortColumn],
    pub limit: u32,
    pub position: Option<&'a Position>,
}

impl Paging<'_> {
    pub fn next(
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
