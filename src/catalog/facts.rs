//! What a provider file says of quotas and of the authorization server, held against the rest of the file.

use super::build::{Build, Scope, hint};
use super::leaf::Leaf;
use super::spec::{GrantSpec, ProviderSpec, QuotaSpec, SignalSpec};
use super::template::Template;
use super::variant::{CALL_VARIABLES, answer_scope};
use crate::net::Origin;

/// Checks `limits`, `limit_signals`, `verify` and `auth.oauth2.grant`; every fault is noted in `build`.
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
    for (kind, auth) in &spec.auth {
        let at = format!("/auth/{kind}/grant");
        match &auth.grant {
            Some(_) if kind != "oauth2" => build.problem(&at, "only `oauth2` has a grant"),
            Some(grant) => check_grant(build, &at, grant, spec),
            None => {}
        }
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

fn check_grant(build: &mut Build<'_>, at: &str, grant: &GrantSpec, spec: &ProviderSpec) {
    let names: Vec<&str> = spec.settings.keys().chain(spec.params.keys()).map(String::as_str).collect();
    let setting_scope = Scope { title: "the provider", names: Some(names), variables: CALL_VARIABLES };
    let urls =
        [("authorize", grant.authorize.as_ref()), ("token", Some(&grant.token)), ("revoke", grant.revoke.as_ref())];
    for (word, url) in urls.into_iter().filter_map(|(word, url)| Some((word, url?))) {
        let here = format!("{at}/{word}");
        Template::compile(build, &here, url, &setting_scope);
        // Customers' browsers go to the consent page; secrets go to the others, and only where `hosts.auth` allows.
        if word != "authorize" && !url.contains('{') && !is_allowed(url, &spec.hosts.auth) {
            build.problem(&here, format!("`{url}` is not at one of `hosts.auth`"));
        }
    }
    for (name, leaf) in &grant.keep {
        let here = format!("{at}/keep/{name}");
        if !spec.settings.contains_key(name) {
            let hint = hint(name, spec.settings.keys().map(String::as_str));
            build.problem(&here, format!("`{name}` is not a setting{hint}"));
        }
        Leaf::compile(build, &here, leaf, &answer_scope());
    }
    for (index, refused) in grant.refused.iter().enumerate() {
        if let Some(when) = &refused.when {
            build.expression(&format!("{at}/refused/{index}/when"), when, &answer_scope());
        }
    }
}

fn is_allowed(url: &str, hosts: &[String]) -> bool {
    let Ok(origin) = Origin::parse(url) else { return false };
    hosts.iter().any(|host| match host.strip_prefix("https://*") {
        Some(suffix) => origin.is_https() && origin.host().ends_with(suffix),
        None => Origin::parse(host).is_ok_and(|host| host.root() == origin.root()),
    })
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
