//! Many operations at once: by the vendor's own request for many where it has one, else one by one, a few at a time.
//! Every operation has its own result; none is lost, whatever becomes of the others.

use std::collections::HashSet;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};

use super::bulk::{Sent, bulk};
use super::single::{check_id, not_executed, ready};
use super::translate::translate;
use super::upsert::Key;
use super::{Call, Item, Reply, Shared};
use crate::catalog::matches_by;
use crate::error::{Error, Kind, Outcome, Violation};
use crate::model::Operation;

/// Operations that go one by one at the same time.
const AT_ONCE: usize = 4;

type Result<T = Reply> = std::result::Result<T, Error>;

pub async fn batch(call: Call, shared: &Shared) -> Result {
    let mut results: Vec<Option<Result>> = Vec::new();
    results.resize_with(call.items.len(), || None);
    let mut seen = HashSet::new();
    let mut pending: Vec<(usize, Call)> = Vec::new();
    for (index, (item, result)) in call.items.iter().zip(&mut results).enumerate() {
        match single(&call, item, &mut seen) {
            Ok(single) => pending.push((index, single)),
            Err(error) => *result = Some(Err(not_executed(error))),
        }
    }
    let mut alone = Vec::new();
    for operation in [Operation::Get, Operation::Create, Operation::Update, Operation::Upsert, Operation::Delete] {
        let (group, rest): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(_, call)| call.operation == operation);
        pending = rest;
        for group in by_field(group) {
            let Some(batch) = call.resource.batch(operation).filter(|batch| suits(&batch.matches, &group)) else {
                alone.extend(group);
                continue;
            };
            let mut group = group.into_iter().peekable();
            while group.peek().is_some() {
                let chunk: Vec<(usize, Call)> = group.by_ref().take(batch.max).collect();
                let (indexes, calls): (Vec<usize>, Vec<Call>) = chunk.into_iter().unzip();
                match bulk(&call, batch, calls, shared).await {
                    Sent::Results(done) => {
                        for (index, done) in indexes.into_iter().zip(done) {
                            if let Some(result) = results.get_mut(index) {
                                *result = Some(done);
                            }
                        }
                    }
                    Sent::Refused(calls) => alone.extend(indexes.into_iter().zip(calls)),
                }
            }
        }
    }
    let singles = alone.into_iter().map(|(index, single)| {
        let done = translate(single, shared.clone());
        async move { (index, done.await) }
    });
    let mut singles = stream::iter(singles).buffer_unordered(AT_ONCE);
    while let Some((index, done)) = singles.next().await {
        if let Some(result) = results.get_mut(index) {
            *result = Some(done);
        }
    }
    let lost = || Err(Error::internal("an operation of a batch without a result").outcome(Outcome::Unknown));
    Ok(Reply::Batch { results: results.into_iter().map(|result| result.unwrap_or_else(lost)).collect() })
}

/// One operation as a call of its own. Nothing is sent.
fn single(call: &Call, item: &Item, seen: &mut HashSet<Value>) -> Result<Call> {
    let single = Call {
        id: item.id.clone(),
        by: item.by.clone(),
        body: item.body.clone(),
        query: call.query.clone(),
        warnings: call.warnings.clone(),
        ..call.part(item.operation)
    };
    check_id(&single)?;
    if !call.resource.supports(item.operation) {
        let detail = format!("{} cannot {} {}.", call.provider.title, item.operation.as_str(), call.resource.name);
        return Err(Error::new(Kind::UnsupportedOperation, detail));
    }
    // Checked here too, so that requests for many are not made of records that cannot be sent.
    if matches!(item.operation, Operation::Create | Operation::Update) {
        ready(&single, &mut Vec::new())?;
    }
    let target = match (item.operation, &item.id) {
        (Operation::Upsert, _) => Some(Key::of(&single)?.to_value()),
        (Operation::Update | Operation::Delete, Some(id)) => Some(json!(id)),
        _ => None,
    };
    if target.is_some_and(|target| !seen.insert(target)) {
        let detail =
            "An earlier operation of this batch writes the same record; in a batch nothing tells which comes first.";
        return Err(Error::new(Kind::Conflict, detail).violation(Violation::at("", "send it in a request of its own")));
    }
    Ok(single)
}

/// Upserts of one request match by one field.
fn by_field(calls: Vec<(usize, Call)>) -> Vec<Vec<(usize, Call)>> {
    let mut groups: Vec<Vec<(usize, Call)>> = Vec::new();
    for call in calls {
        let group = groups.iter_mut().find(|group| group.first().is_some_and(|(_, first)| first.by == call.1.by));
        match group {
            Some(group) => group.push(call),
            None => groups.push(vec![call]),
        }
    }
    groups
}

/// A request for many is worth it from two on, and must match by the field.
fn suits(matches: &[String], group: &[(usize, Call)]) -> bool {
    let by = group.first().and_then(|(_, call)| call.by.as_ref());
    group.len() > 1 && by.is_none_or(|by| matches_by(matches, by))
}
