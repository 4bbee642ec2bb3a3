//! What binds the rows of a log together: each row's hash covers the hash before it. Whoever can write to the store and
//! computes all later hashes anew can still lie; an export kept elsewhere holds the hashes that this would change.

use aws_lc_rs::digest::{Context, SHA256};

use super::{Chain, Entry, Recorded};

/// SHA-256 over the hash of the row before (32 zeros before the first), the row's number, and its members in their order,
/// each with its length in eight bytes before it, so that no two rows read alike. What is absent has the length 2^64-1.
pub fn hash(before: &[u8; 32], number: u64, entry: &Entry) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(&number.to_be_bytes());
    let mut member = |text: Option<&str>| {
        context.update(&text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        context.update(text.unwrap_or_default().as_bytes());
    };
    member(Some(entry.tenant.as_str()));
    member(Some(&format!("{:.6}", entry.at)));
    member(entry.since.map(|since| format!("{since:.6}")).as_deref());
    member(Some(&entry.actor));
    member(Some(entry.action.as_str()));
    member(entry.connection.as_deref());
    member(entry.subject.as_deref());
    member(Some(&entry.outcome));
    member(Some(&entry.count.to_string()));
    member(entry.request_id.as_deref());
    member(entry.peer.as_deref());
    member(entry.detail.as_deref());
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Why a log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("row {expected} is missing: {found} follows")]
    Missing { expected: u64, found: u64 },
    #[error("row {0} is not what was written, or the row before it is not")]
    Changed(u64),
    #[error("the last row is {found}, and {head} were written")]
    Cut { found: u64, head: u64 },
}

/// A log that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub rows: u64,
    pub last: u64,
    pub hash: [u8; 32],
}

/// Goes through a log from its oldest row to its newest.
pub struct Verifier {
    rows: u64,
    last: u64,
    hash: [u8; 32],
    head: (u64, [u8; 32]),
}

impl Verifier {
    pub fn new(chain: &Chain) -> Self {
        Self { rows: 0, last: chain.swept, hash: chain.swept_hash, head: (chain.head, chain.head_hash) }
    }

    pub fn next(&mut self, row: &Recorded) -> Result<(), Fault> {
        if row.number != self.last + 1 {
            return Err(Fault::Missing { expected: self.last + 1, found: row.number });
        }
        let hash = hash(&self.hash, row.number, &row.entry);
        if hash != row.hash {
            return Err(Fault::Changed(row.number));
        }
        (self.rows, self.last, self.hash) = (self.rows + 1, row.number, hash);
        Ok(())
    }

    /// After the last row. Rows that were added since the chain was read are fine.
    pub fn finish(self) -> Result<Verified, Fault> {
        let (head, head_hash) = self.head;
        if self.last < head {
            return Err(Fault::Cut { found: self.last, head });
        }
        if self.last == head && self.hash != head_hash {
            return Err(Fault::Changed(head));
        }
        Ok(Verified { rows: self.rows, last: self.last, hash: self.hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Action;
    use crate::auth::TenantId;

    fn log(length: u64) -> (Chain, Vec<Recorded>) {
        let (mut before, mut rows) = ([0; 32], Vec::new());
        for number in 1..=length {
            let entry = Entry::by_operator(TenantId("acme".into()), Action::KeyCreated).about(number.to_string());
            before = hash(&before, number, &entry);
            rows.push(Recorded { number, entry, hash: before });
        }
        (Chain { head: length, head_hash: before, ..Chain::default() }, rows)
    }

    fn verify(chain: &Chain, rows: &[Recorded]) -> Result<Verified, Fault> {
        let mut verifier = Verifier::new(chain);
        rows.iter().try_for_each(|row| verifier.next(row))?;
        verifier.finish()
    }

    #[test]
    fn a_log_is_whole_or_says_where_it_is_not() {
        let (chain, rows) = log(5);
        assert_eq!(verify(&chain, &rows).map(|log| (log.rows, log.last)), Ok((5, 5)));
        let mut missing = rows.clone();
        missing.remove(2);
        assert_eq!(verify(&chain, &missing), Err(Fault::Missing { expected: 3, found: 4 }));
        assert_eq!(verify(&chain, &rows[1..]), Err(Fault::Missing { expected: 1, found: 2 }));
        assert_eq!(verify(&chain, &rows[..4]), Err(Fault::Cut { found: 4, head: 5 }));
        let mut changed = rows.clone();
        changed[3].entry.actor = "somebody".into();
        assert_eq!(verify(&chain, &changed), Err(Fault::Changed(4)));
        // With a hash that fits its content, the next one does not.
        changed[3].hash = hash(&rows[2].hash, 4, &changed[3].entry);
        assert_eq!(verify(&chain, &changed), Err(Fault::Changed(5)));
    }

    #[test]
    fn the_anchor_of_what_was_swept_bears_the_rest() {
        let (chain, rows) = log(5);
        let swept = Chain { swept: 2, swept_hash: rows[1].hash, ..chain };
        assert_eq!(verify(&swept, &rows[2..]).map(|log| log.rows), Ok(3));
        assert!(verify(&swept, &rows[3..]).is_err());
    }

    #[test]
    fn members_do_not_run_into_each_other() {
        let entry = |subject: &str, outcome: &str| {
            let mut entry = Entry::by_operator(TenantId("acme".into()), Action::KeyCreated);
            entry.at = jiff::Timestamp::UNIX_EPOCH;
            entry.about(subject).outcome(outcome)
        };
        assert_ne!(hash(&[0; 32], 1, &entry("ab", "c")), hash(&[0; 32], 1, &entry("a", "bc")));
        let mut absent = entry("", "c");
        let empty = hash(&[0; 32], 1, &absent);
        absent.subject = None;
        assert_ne!(hash(&[0; 32], 1, &absent), empty);
    }
}
