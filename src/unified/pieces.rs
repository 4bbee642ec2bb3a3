//! Columns cut into pieces: where an account has more of them than the vendor takes in one request, the same request is
//! made several times, and the rows are put together by their ids.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::Call;
use super::exchange::{Rendered, call_vars, is_too_long, render_any};
use super::scope::Scope;
use crate::catalog::{Field, Variant};
use crate::error::{Error, Kind};
use crate::mapping::{Path, merge};

/// More requests for one page are not made.
const MAX_PIECES: usize = 64;

/// The requests that it takes, each with what it was made from.
pub struct Pieces(Vec<(Arc<Value>, Rendered)>);

impl Pieces {
    /// As few requests as the vendor's bounds allow. The columns in `keep` stand in each of them; all of them stand in the
    /// scope.
    pub fn cut(
        call: &Call,
        variant: &Variant,
        scope: &mut Scope,
        columns: Option<Vec<String>>,
        keep: &[String],
    ) -> Result<Self, Error> {
        let render = |scope: &Scope| -> Result<(Arc<Value>, Rendered), Error> {
            let input = Arc::clone(scope.value());
            let rendered = render_any(call, &variant.request, &input, &call_vars(call), None)?;
            Ok((input, rendered))
        };
        let fits = |piece: &(Arc<Value>, Rendered)| !is_too_long(call, &piece.1.path_and_query);
        let most = call.resource.select.as_ref().and_then(|select| select.max).unwrap_or(usize::MAX);
        let count = columns.as_ref().map_or(0, Vec::len);
        if count <= most {
            let whole = render(scope)?;
            if fits(&whole) {
                return Ok(Self(vec![whole]));
            }
        }
        let columns = columns.unwrap_or_default();
        let kept = kept(call, &columns, keep);
        let others: Vec<&String> = columns.iter().filter(|column| !kept.contains(column)).collect();
        let mut size = others.len().min(most.saturating_sub(kept.len()).max(1));
        while size > 0 && others.len().div_ceil(size) <= MAX_PIECES {
            let pieces = others.chunks(size).map(|chunk| {
                scope.set_columns(Some(&kept.iter().chain(chunk.iter().copied()).cloned().collect::<Vec<_>>()));
                render(scope)
            });
            let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
            if pieces.iter().all(fits) {
                return Ok(Self(pieces));
            }
            size /= 2;
        }
        let detail = "The request would be longer than the provider takes: ask for fewer fields or filter values.";
        Err(Error::new(Kind::InvalidRequest, detail))
    }

    pub fn is_one(&self) -> bool {
        self.0.len() == 1
    }
}

/// What every piece asks for: the vendor's own musts, the id to put rows together by, and `keep`.
fn kept(call: &Call, columns: &[String], keep: &[String]) -> Vec<String> {
    let always = call.resource.select.iter().flat_map(|select| &select.always);
    let id = call.resource.field("id").into_iter().flat_map(|id| &id.columns);
    let wanted: Vec<&String> = always.chain(id).chain(keep).collect();
    columns.iter().filter(|column| wanted.contains(column)).cloned().collect()
}

impl IntoIterator for Pieces {
    type Item = (Arc<Value>, Rendered);
    type IntoIter = std::vec::IntoIter<(Arc<Value>, Rendered)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Lays the rows of a further piece over those of the first. A row that is gone meanwhile keeps what it had.
pub fn join(call: &Call, rows: &mut [Value], more: Vec<Value>) -> Result<(), Error> {
    let Some(id) = call.resource.field("id").and_then(Field::path) else {
        let detail = "The record has more columns than fit into one request, and its id is not a path.";
        return Err(Error::new(Kind::MappingFailed, detail));
    };
    let text = |row: &Value, id: &Path| id.get(row).map(ToString::to_string);
    let mut by_id: HashMap<String, Value> = more.into_iter().filter_map(|row| Some((text(&row, id)?, row))).collect();
    for row in rows {
        if let Some(more) = text(row, id).and_then(|id| by_id.remove(&id)) {
            merge(row, more);
        }
    }
    Ok(())
}
