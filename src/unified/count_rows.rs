//! Counts the records that a call hands out, for its connection's egress budget. Above the cache: a record that comes
//! from there leaves the house as well.

use super::{Call, Reply};
use crate::limit::Amount;
use crate::model::Operation;
use crate::stack::{Answer, Around, Stage};
use crate::upstream::Budgets;

impl CountRows {
    pub fn new(budgets: Budgets) -> Self {
        Self { budgets }
    }
}

#[derive(Clone)]
pub struct CountRows {
    budgets: Budgets,
}

impl Around<Call> for CountRows {
    type Below = Call;
    type Response = Reply;

    fn around<S: Stage<Call, Reply>>(&self, below: &mut S, call: Call) -> Answer<Reply> {
        // What an account's fields and types are called is no record.
        let about_records = !matches!(call.operation, Operation::Fields | Operation::Types);
        if !about_records || !self.budgets.counts(&call.connection) {
            return below.call(call);
        }
        let (budgets, connection) = (self.budgets.clone(), call.connection.clone());
        let reply = below.call(call);
        Box::pin(async move {
            let reply = reply.await?;
            match rows(&reply) {
                0 => {}
                rows => budgets.read(&connection, Amount { rows, bytes: 0 }),
            }
            Ok(reply)
        })
    }
}

fn rows(reply: &Reply) -> u64 {
    match reply {
        Reply::List { records, .. } => records.len() as u64,
        Reply::Record { .. } => 1,
        Reply::Deleted => 0,
        Reply::Kept { kept, .. } => kept.count(),
        Reply::Batch { results } => results.iter().filter_map(|result| result.as_ref().ok()).map(rows).sum(),
    }
}
