//! News between processes, as the text of a notification: a JSON list of who says it, what kind of thing changed, and
//! which one. Sent in the transaction of the change, so that nobody hears of what was not written.

use deadpool_postgres::Transaction;

use super::Postgres;
use super::failure::Failure;
use super::work::execute;
use crate::connections::{ConnectionId, TenantId};
use crate::store::changed::Changed;

/// Databases may hold several stores, each in a schema of its own.
pub(super) const CHANNEL: &str = "'throughline_' || md5(current_schema())";
/// The server takes less than 8000 bytes.
const LONGEST: usize = 7_900;

impl Postgres {
    pub(super) fn origin(&self) -> String {
        self.0.origin.clone()
    }
}

pub(super) async fn notify(at: &Transaction<'_>, origin: &str, changed: &Changed) -> Result<(), Failure> {
    let sql = format!("SELECT pg_notify({CHANNEL}, $1)");
    execute(at, &sql, &[&written(origin, changed)]).await?;
    Ok(())
}

fn written(origin: &str, changed: &Changed) -> String {
    let words = |words: &[&str]| serde_json::json!(words).to_string();
    let text = match changed {
        Changed::All => words(&[origin, "all"]),
        Changed::Connection(tenant, id) => words(&[origin, "connection", tenant.as_str(), id.as_str()]),
        Changed::Customer(tenant, customer) => words(&[origin, "customer", tenant.as_str(), customer]),
        Changed::Records(tenant, id) => words(&[origin, "records", tenant.as_str(), id.as_str()]),
        Changed::Key(id) => words(&[origin, "key", id]),
        Changed::Mappings(tenant, None) => words(&[origin, "mappings", tenant.as_str()]),
        Changed::Mappings(tenant, Some(id)) => words(&[origin, "mappings", tenant.as_str(), id.as_str()]),
    };
    if text.len() > LONGEST { words(&[origin, "all"]) } else { text }
}

/// What was said; `None` if it was said by `own`. What a newer release says in words that are not known here may be
/// about anything.
pub(super) fn heard(own: &str, text: &str) -> Option<Changed> {
    let words: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let tenant = |name: &str| TenantId(name.into());
    let id = |id: &str| ConnectionId(id.into());
    match *words.as_slice() {
        [origin, ..] if origin == own => None,
        [_, "connection", of, which] => Some(Changed::Connection(tenant(of), id(which))),
        [_, "customer", of, which] => Some(Changed::Customer(tenant(of), which.into())),
        [_, "records", of, which] => Some(Changed::Records(tenant(of), id(which))),
        [_, "key", which] => Some(Changed::Key(which.into())),
        [_, "mappings", of] => Some(Changed::Mappings(tenant(of), None)),
        [_, "mappings", of, which] => Some(Changed::Mappings(tenant(of), Some(id(which)))),
        _ => Some(Changed::All),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard_by_others_only() {
        let (tenant, id) = (TenantId("acme".into()), ConnectionId("conn_1".into()));
        for changed in [
            Changed::All,
            Changed::Connection(tenant.clone(), id.clone()),
            Changed::Customer(tenant.clone(), "a \"b\"\\\u{7}ü".into()),
            Changed::Records(tenant.clone(), id.clone()),
            Changed::Key("k1".into()),
            Changed::Mappings(tenant.clone(), None),
            Changed::Mappings(tenant.clone(), Some(id)),
        ] {
            let text = written("me", &changed);
            assert_eq!(heard("me", &text), None);
            assert_eq!(heard("you", &text), Some(changed));
        }
    }

    #[test]
    fn what_is_too_long_or_not_understood_may_be_anything() {
        let long = Changed::Customer(TenantId("acme".into()), "x".repeat(9_000).into());
        assert_eq!(heard("you", &written("me", &long)), Some(Changed::All));
        for text in ["", "nonsense", "[]", "[1]", r#"["me","moon"]"#, r#"{"a":1}"#] {
            assert_eq!(heard("you", text), Some(Changed::All), "{text}");
        }
    }
}
