//! Use of connections, counted in memory: a warm request makes no store call, so that sums are written later.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::{Action, Entry};
use crate::auth::TenantId;
use crate::model::in_microseconds;

/// Sums that are held until the next flush, about 250 bytes each. Past that, uses are counted without the key and what was
/// asked for, so that nothing goes uncounted.
const MOST: usize = 50_000;

/// Who used which connection for what, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Use {
    pub tenant: TenantId,
    pub key: Arc<str>,
    pub connection: Arc<str>,
    pub resource: Arc<str>,
    pub operation: &'static str,
    pub used: Used,
}

/// The class of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Used {
    Ok,
    Refused,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<Use, Sum>>);

impl Used {
    pub fn of_status(status: u16) -> Self {
        match status {
            ..=399 => Used::Ok,
            400..=499 => Used::Refused,
            _ => Used::Failed,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Used::Ok => "ok",
            Used::Refused => "refused",
            Used::Failed => "failed",
        }
    }
}

impl Uses {
    pub(super) fn count(&self, mut of: Use, at: Timestamp) {
        let mut sums = self.0.lock();
        if sums.len() >= MOST && !sums.contains_key(&of) {
            (of.key, of.resource, of.operation) = ("several".into(), "several".into(), "operations");
        }
        let sum = sums.entry(of).or_insert(Sum { count: 0, first: at, last: at });
        sum.count += 1;
        sum.first = sum.first.min(at);
        sum.last = sum.last.max(at);
    }

    /// What was counted so far, as entries; counting begins anew.
    pub(super) fn take(&self) -> Vec<Entry> {
        let sums = std::mem::take(&mut *self.0.lock());
        let mut entries: Vec<Entry> = sums
            .into_iter()
            .map(|(of, sum)| Entry {
                at: in_microseconds(sum.last),
                since: Some(in_microseconds(sum.first)),
                actor: of.key,
                count: sum.count,
                ..Entry::by_itself(of.tenant, Action::ConnectionUsed)
                    .on(&of.connection)
                    .about(format!("{} {}", of.resource, of.operation))
                    .outcome(of.used.as_str())
            })
            .collect();
        // One order for all processes that lock the logs of several tenants.
        entries.sort_by(|one, other| (&one.tenant, one.at).cmp(&(&other.tenant, other.at)));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(connection: &str, operation: &'static str, used: Used) -> Use {
        Use {
            tenant: TenantId("acme".into()),
            key: "key".into(),
            connection: connection.into(),
            resource: "contacts".into(),
            operation,
            used,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn equal_uses_are_one_sum_with_its_first_and_last_time() {
        let uses = Uses::default();
        for second in [5, 3, 9] {
            uses.count(used("conn_1", "list", Used::Ok), at(second));
        }
        uses.count(used("conn_1", "list", Used::of_status(404)), at(20));
        let entries = uses.take();
        let shown: Vec<_> = entries.iter().map(|entry| (entry.count, &*entry.outcome, entry.since, entry.at)).collect();
        assert_eq!(shown, [(3, "ok", Some(at(3)), at(9)), (1, "refused", Some(at(20)), at(20))]);
        assert_eq!(entries[0].subject.as_deref(), Some("contacts list"));
        assert!(uses.take().is_empty(), "counting began anew");
    }

    #[test]
    fn past_the_bound_uses_are_counted_together() {
        let uses = Uses::default();
        for number in 0..MOST {
            uses.count(used(&number.to_string(), "list", Used::Ok), at(1));
        }
        uses.count(used("new", "list", Used::Ok), at(1));
        uses.count(used("new", "get", Used::Ok), at(1));
        uses.count(used("0", "list", Used::Ok), at(1));
        let entries = uses.take();
        assert_eq!(entries.iter().map(|entry| entry.count).sum::<u64>(), MOST as u64 + 3);
        let together = entries.iter().find(|entry| entry.connection.as_deref() == Some("new")).expect("counted");
        assert_eq!((together.count, &*together.actor), (2, "several"));
    }
}
