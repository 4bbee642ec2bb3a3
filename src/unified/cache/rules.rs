//! Which rule holds for a call: of those that fit it, the most specific one.

use std::sync::Arc;
use std::time::Duration;

use super::config::RuleConfig;
use crate::connections::Connection;
use crate::model::Operation;
use crate::unified::Call;

/// The most specific first.
pub struct Rules(Vec<Arc<Rule>>);

pub struct Rule {
    names: RuleConfig,
    operation: Option<Operation>,
    pub terms: Terms,
    /// Where its answers are kept, among the pools.
    pub pool: usize,
}

/// How long an answer is good, and how long after that it is good for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub ttl: Duration,
    pub while_revalidated: Duration,
    pub if_error: Duration,
}

/// That there is no such record is believed for so long at most.
const ABSENT: Duration = Duration::from_secs(10);

impl Terms {
    /// Of an answer that says that there is nothing.
    pub fn absent(self) -> Self {
        Self { ttl: self.ttl.min(ABSENT), while_revalidated: Duration::ZERO, if_error: Duration::ZERO }
    }

    /// How long anybody may want it.
    pub fn lifetime(&self) -> Duration {
        self.ttl + self.while_revalidated.max(self.if_error)
    }
}

impl Rules {
    /// Each rule with the pool that `pool` gives it.
    pub fn new(config: &[RuleConfig], mut pool: impl FnMut(&RuleConfig) -> usize) -> Self {
        let rule = |names: &RuleConfig| Rule {
            operation: names.operation.as_deref().and_then(Operation::parse),
            terms: Terms {
                ttl: names.ttl.get(),
                while_revalidated: names.stale_while_revalidate.get(),
                if_error: names.stale_if_error.get(),
            },
            pool: pool(names),
            names: names.clone(),
        };
        let mut rules: Vec<Arc<Rule>> = config.iter().map(rule).map(Arc::new).collect();
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.names.rank()));
        Self(rules)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule by which the call's answer is kept.
    pub fn of(&self, call: &Call) -> Option<Arc<Rule>> {
        let fits = |rule: &&Arc<Rule>| {
            rule.fits_connection(&call.connection)
                && rule.operation.is_none_or(|operation| operation == call.operation)
                && rule.names.resource.as_ref().is_none_or(|resource| **resource == *call.resource.name)
        };
        self.0.iter().find(fits).filter(|rule| rule.keeps()).cloned()
    }

    /// Whether anything that is read through the connection may be kept.
    pub fn cover(&self, connection: &Connection) -> bool {
        self.0.iter().any(|rule| rule.keeps() && rule.fits_connection(connection))
    }
}

impl Rule {
    fn keeps(&self) -> bool {
        !self.terms.ttl.is_zero()
    }

    fn fits_connection(&self, connection: &Connection) -> bool {
        let fits = |name: &Option<String>, own: &str| name.as_ref().is_none_or(|name| name == own);
        fits(&self.names.connection, connection.id.as_str())
            && fits(&self.names.tenant, connection.tenant.as_str())
            && fits(&self.names.provider, &connection.provider)
    }
}
