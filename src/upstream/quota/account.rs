//! What one connection's requests are counted by: its provider's rules, each with the allowance of whoever shares it.

use std::sync::Arc;

use http::Method;

use super::bucket::Bucket;
use crate::catalog::{Allows, Provider, QuotaScope, Rule};
use crate::connections::Connection;

/// Found once per connection, then only read.
pub struct Account {
    pub connection: Arc<Connection>,
    pub provider: Arc<Provider>,
    /// In the order of the provider's rules.
    pub buckets: Vec<Arc<Bucket>>,
    /// For refusals of requests that no rule counts: it only ever holds.
    pub unruled: Arc<Bucket>,
    /// Rules in the order in which permits are taken.
    order: Vec<usize>,
    /// The path that the API's paths start with, which whole paths have before them.
    prefix: String,
}

/// The name of what holds requests that no rule counts.
pub const UNRULED: &str = "requests";

impl Account {
    pub fn new(
        connection: Arc<Connection>,
        provider: Arc<Provider>,
        app: Option<&str>,
        mut bucket: impl FnMut(&str, &str, Allows) -> Arc<Bucket>,
    ) -> Self {
        let own = connection.id.as_str();
        let account = provider.account(&connection.settings);
        let whose = |scope: QuotaScope| match scope {
            QuotaScope::Connection => own,
            // Where nothing tells the account, or the app, the connection stands for it.
            QuotaScope::Account => account.as_deref().unwrap_or(own),
            QuotaScope::App => app.unwrap_or(own),
        };
        let rules = &provider.quotas.rules;
        let buckets = rules.iter().map(|rule| bucket(&rule.name, whose(rule.scope), rule.allows)).collect();
        let endless = Allows::Rate { count: u32::MAX, per: std::time::Duration::from_secs(1) };
        let unruled = bucket(UNRULED, own, endless);
        let mut order: Vec<usize> = (0..rules.len()).collect();
        // A place among those at once is held while the others are waited for; what a short span counts is taken last, so
        // that it is sent when it was counted.
        order.sort_by_key(|index| {
            std::cmp::Reverse(rules.get(*index).and_then(Rule::per).unwrap_or(std::time::Duration::MAX))
        });
        let prefix = provider.origin(&connection.settings).map_or(String::new(), |origin| origin.prefix().to_owned());
        Self { connection, provider, buckets, unruled, order, prefix }
    }

    /// The rules that count such a request, in the order in which permits are taken.
    pub fn rules(&self, method: &Method, path: &str, root: bool) -> impl Iterator<Item = usize> {
        let path = if root { path.strip_prefix(self.prefix.as_str()).unwrap_or(path) } else { path };
        let counts = move |index: &usize| {
            let rule = self.provider.quotas.rules.get(*index);
            rule.is_some_and(|rule| rule.counts(method, path))
        };
        self.order.iter().copied().filter(counts)
    }

    pub fn rule(&self, index: usize) -> Option<(&Rule, &Arc<Bucket>)> {
        Some((self.provider.quotas.rules.get(index)?, self.buckets.get(index)?))
    }
}
