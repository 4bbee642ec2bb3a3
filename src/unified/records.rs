//! Many vendor records to unified ones, on the right threads.

use std::time::Instant;

use serde_json::Value;

use super::Call;
use super::aside::aside;
use super::read::{Wanted, read_record};
use crate::error::{Error, Kind};
use crate::mapping::Vars;
use crate::model::Warning;

/// More records than this at once are read away from the request threads.
const MANY: usize = 500;

/// All records of an answer. One without an id makes the whole answer unusable: it could not be told apart.
pub async fn read_all(
    call: &Call,
    rows: Vec<Value>,
    wanted: &Wanted<'_>,
    vars: &Vars,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Value>, Error> {
    let started = Instant::now();
    let (records, found) = if rows.len() > MANY {
        let (resource, vars) = (call.resource.clone(), vars.clone());
        let (fields, raw, lacks) = (wanted.fields.clone(), wanted.raw, wanted.lacks.to_vec());
        aside(async move {
            let wanted = Wanted { fields: &fields, raw, lacks: &lacks };
            read_rows(&resource, &rows, &wanted, &vars)
        })
        .await??
    } else {
        read_rows(&call.resource, &rows, wanted, vars)?
    };
    warnings.extend(found);
    call.timings.add_mapping(started.elapsed());
    Ok(records)
}

fn read_rows(
    resource: &crate::catalog::Resource,
    rows: &[Value],
    wanted: &Wanted<'_>,
    vars: &Vars,
) -> Result<(Vec<Value>, Vec<Warning>), Error> {
    let mut warnings = Vec::new();
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let record = read_record(resource, row, wanted, vars, &mut warnings)?;
        if record.get("id").is_none_or(Value::is_null) {
            return Err(Error::new(Kind::InvalidProviderResponse, "The provider sent a record without an id."));
        }
        records.push(record);
    }
    // The same fault in every row of a page is one fault.
    let mut seen = std::collections::HashSet::new();
    warnings.retain(|warning: &Warning| seen.insert((warning.code, warning.pointer.clone())));
    Ok((records, warnings))
}
