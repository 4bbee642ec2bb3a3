//! Counts the records that a call hands out, for its connection's egress budget. Above the cache: a record that comes
//! from there leaves the house as well.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::{Call, Reply};
use crate::error::Error;
use crate::limit::Amount;
use crate::model::Operation;
use crate::upstream::Budgets;

#[derive(Clone)]
pub struct CountRowsLayer {
    budgets: Budgets,
}

impl CountRowsLayer {
    pub fn new(budgets: Budgets) -> Self {
        Self { budgets }
    }
}

impl<S> Layer<S> for CountRowsLayer {
    type Service = CountRows<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountRows { inner, budgets: self.budgets.clone() }
    }
}

#[derive(Clone)]
pub struct CountRows<S> {
    inner: S,
    budgets: Budgets,
}

impl<S> Service<Call> for CountRows<S>
where
    S: Service<Call, Response = Reply, Error = Error, Future = BoxFuture<'static, Result<Reply, Error>>>,
{
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        // What an account's fields and types are called is no record.
        let about_records = !matches!(call.operation, Operation::Fields | Operation::Types);
        if !about_records || !self.budgets.counts(&call.connection) {
            return self.inner.call(call);
        }
        let (budgets, connection) = (self.budgets.clone(), call.connection.clone());
        let reply = self.inner.call(call);
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
