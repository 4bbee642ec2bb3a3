//! Whole records in the place of references: all those of a page that refer to one kind come by one more call.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::bulk::{by_ids, everything};
use super::{Call, Reply, Shared, list};
use crate::catalog::Resource;
use crate::error::{Error, Kind, Violation};
use crate::model::{FilterOp, Operation, Query, Warning};

/// Refuses what cannot be expanded, before anything is sent.
pub fn check(call: &Call) -> Result<(), Error> {
    for name in &call.query.expand {
        let target = target(call, name).filter(|target| can_be_found(target));
        if target.is_none() {
            let able = call.resource.model.members.keys().filter(|name| {
                call.resource.table.contains_key(*name) && self::target(call, name).is_some_and(|to| can_be_found(&to))
            });
            return Err(Error::new(
                Kind::InvalidRequest,
                format!("{} cannot expand {name:?} here.", call.resource.name),
            )
            .violation(Violation::parameter("expand", format!("{name:?} cannot be expanded")))
            .supported(able.cloned()));
        }
    }
    Ok(())
}

/// The reply with `record` beside the `id` of the references that were asked for.
pub async fn expand(call: &Call, reply: Reply, shared: &Shared) -> Result<Reply, Error> {
    Ok(match reply {
        Reply::List { mut records, next, mut warnings } => {
            fill(call, &mut records, &mut warnings, shared).await?;
            Reply::List { records, next, warnings }
        }
        Reply::Record { record, created, mut warnings, .. } => {
            let mut records = vec![record];
            fill(call, &mut records, &mut warnings, shared).await?;
            // What is in the answer now has versions of its own.
            Reply::Record { record: records.pop().unwrap_or_default(), created, version: None, warnings }
        }
        other => other,
    })
}

async fn fill(call: &Call, records: &mut [Value], warnings: &mut Vec<Warning>, shared: &Shared) -> Result<(), Error> {
    // Members that refer to the same resource share a call.
    let mut kinds: Vec<(Arc<Resource>, Vec<&str>)> = Vec::new();
    for name in &call.query.expand {
        let Some(target) = target(call, name) else { continue };
        match kinds.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &target)) {
            Some((_, names)) => names.push(name),
            None => kinds.push((target, vec![name])),
        }
    }
    for (target, names) in kinds {
        let mut ids: Vec<String> = Vec::new();
        for record in records.iter_mut() {
            for reference in references(record, &names) {
                if let Some(id) = reference.get("id").and_then(Value::as_str)
                    && !ids.iter().any(|known| known == id)
                {
                    ids.push(id.to_owned());
                }
            }
        }
        if ids.is_empty() {
            continue;
        }
        let found = match found(call, target, &ids, shared).await {
            Ok((found, said)) => {
                // What is lacking is lacking of the records inside.
                warnings.extend(said.into_iter().map(|warning| Warning {
                    pointer: warning.pointer.map(|at| format!("/{}/record{at}", names.join(","))),
                    ..warning
                }));
                found
            }
            Err(error) => {
                for name in &names {
                    let detail = format!("the records could not be read: {}", error.detail());
                    warnings.push(Warning::at("not-expanded", format!("/{name}"), detail));
                }
                continue;
            }
        };
        let missing = ids.iter().filter(|id| !found.contains_key(*id)).count();
        if missing > 0 {
            let detail = format!("{missing} of the records are not there or not to be seen");
            warnings.push(Warning::at("not-expanded", format!("/{}", names.join(",")), detail));
        }
        for record in records.iter_mut() {
            for reference in references(record, &names) {
                let whole = reference.get("id").and_then(Value::as_str).and_then(|id| found.get(id));
                if let (Some(whole), Value::Object(members)) = (whole.cloned(), reference) {
                    members.insert("record".into(), whole);
                }
            }
        }
    }
    Ok(())
}

/// The references of a record under these members.
fn references<'r>(record: &'r mut Value, names: &[&str]) -> Vec<&'r mut Value> {
    let mut found = Vec::new();
    let Value::Object(members) = record else { return found };
    for (_, value) in members.iter_mut().filter(|(name, _)| names.contains(&name.as_str())) {
        match value {
            Value::Array(items) => found.extend(items.iter_mut().filter(|item| item.is_object())),
            one @ Value::Object(_) => found.push(one),
            _ => {}
        }
    }
    found
}

async fn found(
    call: &Call,
    target: Arc<Resource>,
    ids: &[String],
    shared: &Shared,
) -> Result<(HashMap<String, Value>, Vec<Warning>), Error> {
    let query = everything();
    let part =
        shared.accounts.acquaint(Call { query, ..call.part_on(target, Operation::List) }, &shared.vendor).await?;
    let (records, said) = match by_ids(&part, ids, &part.query, shared).await {
        // Users and the like are few: one page holds them.
        Err(error) if error.kind() == Kind::UnsupportedFilter => {
            let most = part.resource.variants(Operation::List).first().and_then(|list| list.limit.as_ref());
            let limit = Some(most.map_or(part.resource.limit.max, |limit| limit.max));
            let all = Call { query: Query { limit, ..part.query.clone() }, ..part };
            match list::list(all, &shared.vendor).await? {
                Reply::List { records, warnings, .. } => (records, warnings),
                _ => (Vec::new(), Vec::new()),
            }
        }
        other => other?,
    };
    let by_id = |record: Value| Some((record.get("id")?.as_str()?.to_owned(), record));
    Ok((records.into_iter().filter_map(by_id).collect(), said))
}

/// The resource that a member refers to.
fn target(call: &Call, name: &str) -> Option<Arc<Resource>> {
    let refers = call.resource.field(name)?.member.refers.as_ref()?;
    call.provider.resource(refers).cloned()
}

fn can_be_found(target: &Resource) -> bool {
    let by_ids = target.filters.get("id").is_some_and(|rule| rule.ops.contains(&FilterOp::In));
    by_ids || target.batch(Operation::Get).is_some() || target.supports(Operation::List)
}
