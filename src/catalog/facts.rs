//! What a provider file says of quotas and of its probe, held against the rest of the file.

use super::build::{Build, hint};
use super::leaf::Leaf;
use super::spec::{ProviderSpec, QuotaSpec, SignalSpec};
use super::variant::answer_scope;

/// Checks `limits`, `limit_signals` and `verify`; every fault is noted in `build`.
pub fn check_facts(build: &mut Build<'_>, spec: &ProviderSpec) {
    for (index, quota) in spec.limits.iter().enumerate() {
        check_quota(build, &format!("/limits/{index}"), quota);
    }
    for (index, signal) in spec.limit_signals.iter().enumerate() {
        check_signal(build, &format!("/limit_signals/{index}"), signal, &spec.limits);
    }
    if let Some(verify) = &spec.verify
        && !verify.strip_prefix("GET ").is_some_and(|path| path.starts_with('/'))
    {
        build
            .problem("/verify", format!("`{verify}` is not of the form `GET /path`: a probe must not change anything"));
    }
}

/// Seconds in `10s`, `1m`, `1h`, `1d`.
pub fn seconds(per: &str) -> Option<u64> {
    let unit = per.chars().last()?;
    let count: u64 = per.strip_suffix(unit)?.parse().ok().filter(|count| *count > 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    count.checked_mul(seconds)
}

fn check_quota(build: &mut Build<'_>, at: &str, quota: &QuotaSpec) {
    if quota.count.is_some() == quota.concurrency.is_some() {
        build.problem(at, "a quota is either `count` with `per`, or `concurrency`");
    }
    match (&quota.count, &quota.per) {
        (Some(_), Some(per)) if seconds(per).is_none() => {
            build.problem(&format!("{at}/per"), format!("`{per}` is not a time: a number and s, m, h or d"));
        }
        (Some(_), None) => build.problem(at, "a `count` is for a time: `per: 10s`"),
        (None, Some(_)) => build.problem(&format!("{at}/per"), "`per` belongs to a `count`"),
        _ => {}
    }
}

fn check_signal(build: &mut Build<'_>, at: &str, signal: &SignalSpec, quotas: &[QuotaSpec]) {
    let scope = answer_scope();
    let names = || quotas.iter().map(|quota| quota.name.as_str());
    if let Some(quota) = signal.quota.as_deref()
        && !names().any(|name| name == quota)
    {
        build.problem(&format!("{at}/quota"), format!("`{quota}` is not under `limits`{}", hint(quota, names())));
    }
    if let Some(when) = &signal.when {
        build.expression(&format!("{at}/when"), when, &scope);
    }
    for (word, leaf) in [("remaining", &signal.remaining), ("limit", &signal.limit)] {
        if let Some(leaf) = leaf {
            Leaf::compile(build, &format!("{at}/{word}"), leaf, &scope);
        }
    }
    for (word, hint) in [("reset", &signal.reset), ("retry_after", &signal.retry_after)] {
        for leaf in hint.iter().flat_map(|hint| hint.values()) {
            Leaf::compile(build, &format!("{at}/{word}"), leaf, &scope);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times() {
        assert_eq!([seconds("10s"), seconds("2m"), seconds("1d")], [Some(10), Some(120), Some(86_400)]);
        assert_eq!([seconds("s"), seconds("0s"), seconds("10"), seconds("1w")], [None; 4]);
    }
}
