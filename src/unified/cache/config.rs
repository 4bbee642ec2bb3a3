//! What is kept, as the configuration says it: `cache`, a list of rules.

use std::collections::HashSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::TenantId;
use crate::catalog::{Catalog, nearest};
use crate::connections::ConnectionId;
use crate::limit::Time;
use crate::model::Operation;

/// The operations whose answers can be kept.
pub const READS: [Operation; 5] =
    [Operation::List, Operation::Get, Operation::Fields, Operation::Associations, Operation::Types];

/// A page's cursor is the vendor's, which ends some day.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Which answers are kept, and for how long. A member that is absent stands for any.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// list, get, fields, associations or types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The id of a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// How long an answer is good. 0s keeps none, which takes a part out of a wider rule.
    pub ttl: Time,
    /// How long after that it is still answered, while a newer one is fetched.
    #[serde(default = "never")]
    pub stale_while_revalidate: Time,
    /// How long after that it is answered where the provider fails.
    #[serde(default = "never")]
    pub stale_if_error: Time,
    /// Bytes that this rule's answers may take, out of the process's; without it they share what no rule has for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

fn never() -> Time {
    Time::from_secs(0)
}

impl RuleConfig {
    fn names(&self) -> [(&'static str, Option<&String>); 5] {
        [
            ("connection", self.connection.as_ref()),
            ("tenant", self.tenant.as_ref()),
            ("resource", self.resource.as_ref()),
            ("operation", self.operation.as_ref()),
            ("provider", self.provider.as_ref()),
        ]
    }

    /// A rule that names what stands further left in `names` goes before one that does not. Two rules that fit one call and
    /// name the same things are the same rule, so there are no ties.
    pub fn rank(&self) -> [bool; 5] {
        self.names().map(|(_, name)| name.is_some())
    }
}

/// What is wrong with the rules by themselves, one line each.
pub fn faults(rules: &[RuleConfig], most: u64) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let mut fault = |member: &str, text: String| faults.push(format!("cache[{index}]{member}: {text}"));
        if let Some(name) = &rule.operation
            && !READS.iter().any(|read| read.as_str() == name)
        {
            let known = READS.map(Operation::as_str);
            fault(".operation", format!("`{name}` is no read: {}{}", known.join(", "), meant(name, known)));
        }
        if let Some(tenant) = rule.tenant.as_ref().filter(|tenant| TenantId::parse(tenant).is_none()) {
            fault(".tenant", format!("`{tenant}` cannot be a tenant's name"));
        }
        if let Some(id) = rule.connection.as_ref().filter(|id| ConnectionId::parse(id).is_none()) {
            fault(".connection", format!("`{id}` is not the id of a connection, such as conn_2DAE0vbLajIZQpupX0Cs"));
        }
        let stale = [("stale_while_revalidate", rule.stale_while_revalidate), ("stale_if_error", rule.stale_if_error)];
        for (name, time) in [("ttl", rule.ttl)].into_iter().chain(stale) {
            if time.get() > LONGEST {
                fault(&format!(".{name}"), format!("{time} is too long: 24h at most"));
            }
        }
        for (name, time) in stale {
            if rule.ttl.get().is_zero() && !time.get().is_zero() {
                fault(&format!(".{name}"), "with a ttl of 0s nothing is kept that could grow stale".into());
            }
        }
        if rule.max_bytes == Some(0) {
            fault(".max_bytes", "nothing fits into 0 bytes; a ttl of 0s keeps nothing".into());
        }
        if !seen.insert(rule.names()) {
            fault("", "an earlier rule names the same".into());
        }
    }
    let own: u64 = rules.iter().filter_map(|rule| rule.max_bytes).fold(0, u64::saturating_add);
    if own > most {
        faults.push(format!("cache: the rules' max_bytes are {own} together, and cache_max_bytes is {most}"));
    } else if rules.iter().any(|rule| rule.max_bytes.is_none()) && own == most {
        faults.push(format!("cache_max_bytes: of {most} bytes nothing is left for the rules without max_bytes"));
    }
    faults
}

/// What of the rules the mappings do not know.
pub fn unknown(rules: &[RuleConfig], catalog: &Catalog) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let provider = rule.provider.as_deref().map(|name| (name, catalog.provider(name)));
        if let Some((name, None)) = provider {
            let known: Vec<&str> = catalog.provider_names().collect();
            let hint = meant(name, known.iter().copied());
            faults.push(format!("cache[{index}].provider: there is no `{name}`: {}{hint}", known.join(", ")));
        }
        let provider = provider.and_then(|(_, provider)| provider);
        let Some(name) = &rule.resource else { continue };
        let known: Vec<&str> = match provider {
            Some(provider) => provider.resources.keys().map(String::as_str).collect(),
            None => catalog.models.keys().map(String::as_str).collect(),
        };
        if !known.contains(&name.as_str()) {
            let whose = provider.map(|provider| format!(" of {}", provider.title)).unwrap_or_default();
            let hint = meant(name, known.iter().copied());
            faults.push(format!(
                "cache[{index}].resource: there is no resource `{name}`{whose}: {}{hint}",
                known.join(", ")
            ));
            continue;
        }
        let operation = rule.operation.as_deref().and_then(Operation::parse);
        if let (Some(provider), Some(operation)) = (provider, operation)
            && !provider.resource(name).is_some_and(|resource| resource.supports(operation))
        {
            let (title, operation) = (&provider.title, operation.as_str());
            faults.push(format!("cache[{index}].operation: {title} has no `{operation}` of {name}"));
        }
    }
    faults
}

fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(rules: serde_json::Value) -> Vec<RuleConfig> {
        serde_json::from_value(rules).expect("rules")
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let wrong = rules(json!([
            {"operation": "lst", "ttl": "1m"},
            {"connection": "acme", "tenant": "a b", "ttl": "25h"},
            {"ttl": "0s", "stale_if_error": "1m"},
            {"ttl": "1m", "max_bytes": 0},
        ]));
        let faults = faults(&wrong, 1_000);
        let expected = [
            "cache[0].operation: `lst` is no read: list, get, fields, associations, types (did you mean `list`?)",
            "cache[1].tenant: `a b` cannot be a tenant's name",
            "cache[1].connection: `acme` is not the id of a connection, such as conn_2DAE0vbLajIZQpupX0Cs",
            "cache[1].ttl: 25h is too long: 24h at most",
            "cache[2].stale_if_error: with a ttl of 0s nothing is kept that could grow stale",
            "cache[3].max_bytes: nothing fits into 0 bytes; a ttl of 0s keeps nothing",
            "cache[3]: an earlier rule names the same",
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn rules_cannot_have_more_than_the_process_has() {
        let own = rules(json!([{"resource": "users", "ttl": "1m", "max_bytes": 600}, {"ttl": "1m", "max_bytes": 600}]));
        assert_eq!(faults(&own, 1_000), ["cache: the rules' max_bytes are 1200 together, and cache_max_bytes is 1000"]);
        let rest = rules(json!([{"resource": "users", "ttl": "1m", "max_bytes": 1000}, {"ttl": "1m"}]));
        assert_eq!(
            faults(&rest, 1_000),
            ["cache_max_bytes: of 1000 bytes nothing is left for the rules without max_bytes"]
        );
        assert_eq!(faults(&rest, 2_000), [""; 0]);
    }
}
