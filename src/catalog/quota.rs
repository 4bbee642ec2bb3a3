//! A provider's allowances and how its answers tell of them, compiled: what most answers say stands in plain headers,
//! which are read without the engine.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method};
use indexmap::IndexMap;
use jiff::Timestamp;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::build::{Build, Located, hint};
use super::errors::delay;
use super::facts::seconds;
use super::leaf::Leaf;
use super::spec::{ProviderSpec, QuotaScope, QuotaSpec, RetryUnit, SignalSpec};
use super::variant::answer_scope;
use crate::mapping::Vars;

/// The allowances of one provider, in the order of its file.
#[derive(Debug, Default)]
pub struct Quotas {
    pub rules: Vec<Rule>,
    signals: Vec<Signal>,
}

/// One allowance.
#[derive(Debug)]
pub struct Rule {
    pub name: Arc<str>,
    pub allows: Allows,
    pub scope: QuotaScope,
    paths: Vec<String>,
    methods: Vec<Method>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allows {
    Rate {
        count: u32,
        per: Duration,
    },
    /// At the same time.
    AtOnce(u32),
}

/// What a deployment knows better of one allowance, such as the plan that its customers have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaChange {
    /// Requests in `per`.
    pub count: Option<u64>,
    /// The time that `count` is for, such as `10s`.
    pub per: Option<String>,
    /// Requests at the same time.
    pub concurrency: Option<u64>,
}

#[derive(Debug)]
struct Signal {
    /// Index of the rule; none is left to the request.
    rule: Option<usize>,
    status: Vec<u16>,
    when: Option<When>,
    remaining: Option<Source>,
    limit: Option<Source>,
    reset: Option<(RetryUnit, Source)>,
    retry_after: Option<(RetryUnit, Source)>,
    needs_body: bool,
}

#[derive(Debug)]
enum When {
    HeaderIsThere(HeaderName),
    Holds(Located),
}

#[derive(Debug)]
enum Source {
    Header(HeaderName),
    Leaf(Leaf),
}

/// What one row made of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hint {
    /// Index of the rule it is about.
    pub rule: Option<usize>,
    pub remaining: Option<u32>,
    pub limit: Option<u32>,
    /// Until the span begins anew.
    pub reset: Option<Duration>,
    /// For so long nothing may be sent.
    pub retry_after: Option<Duration>,
}

/// An answer as the rows see it. The value of its headers is made when the first expression asks for it.
pub struct Heard<'a> {
    pub status: u16,
    pub headers: &'a HeaderMap,
    /// Null where it was not read.
    pub body: &'a Value,
    pub now: Timestamp,
    vars: OnceLock<Vars>,
}

impl<'a> Heard<'a> {
    pub fn new(status: u16, headers: &'a HeaderMap, body: &'a Value, now: Timestamp) -> Self {
        Self { status, headers, body, now, vars: OnceLock::new() }
    }

    fn vars(&self) -> &Vars {
        let vars =
            || Vars::none().with("status", Value::from(self.status)).with("headers", header_values(self.headers));
        self.vars.get_or_init(vars)
    }
}

/// Lower-case names; repeated headers joined by ", ".
pub fn header_values(headers: &HeaderMap) -> Value {
    let mut map = Map::new();
    for name in headers.keys() {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        map.insert(name.as_str().to_owned(), Value::String(values.join(", ")));
    }
    Value::Object(map)
}

impl Quotas {
    /// With what the deployment changes; every fault is noted in `build`.
    pub fn compile(build: &mut Build<'_>, spec: &ProviderSpec, changes: &IndexMap<String, QuotaChange>) -> Self {
        check_changes(build, &spec.limits, changes);
        let mut names = HashSet::new();
        let mut rules = Vec::new();
        for (index, quota) in spec.limits.iter().enumerate() {
            let at = format!("/limits/{index}");
            if !names.insert(quota.name.as_str()) {
                build.problem(&format!("{at}/name"), format!("there are two limits of the name `{}`", quota.name));
            }
            let quota = changed(quota, changes.get(&quota.name));
            rules.extend(compile_rule(build, &at, &quota));
        }
        let mut signals = Vec::new();
        for (index, signal) in spec.limit_signals.iter().enumerate() {
            signals.extend(compile_signal(build, &format!("/limit_signals/{index}"), signal, &spec.limits));
        }
        Self { rules, signals }
    }

    /// Whether what an answer of this status says can be known only from its body.
    pub fn reads_body(&self, status: u16) -> bool {
        self.signals.iter().any(|signal| signal.needs_body && signal.may_fit(status))
    }

    /// What the rows that fit tell; of a body that was not read, nothing.
    pub fn hints(&self, heard: &Heard<'_>) -> impl Iterator<Item = Hint> {
        self.signals.iter().filter(|signal| signal.fits(heard)).map(|signal| signal.hint(heard))
    }
}

impl Rule {
    /// Whether it counts requests of this method to this path, which is relative to the API's base.
    pub fn counts(&self, method: &Method, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && (self.paths.is_empty() || self.paths.iter().any(|begin| path.starts_with(begin.as_str())))
    }

    /// The time of its span; none for requests at the same time.
    pub fn per(&self) -> Option<Duration> {
        match self.allows {
            Allows::Rate { per, .. } => Some(per),
            Allows::AtOnce(_) => None,
        }
    }
}

/// The rows of `limits` as this deployment has them.
pub fn changed(quota: &QuotaSpec, change: Option<&QuotaChange>) -> QuotaSpec {
    let Some(change) = change else { return quota.clone() };
    QuotaSpec {
        count: change.count.or(quota.count),
        per: change.per.clone().or_else(|| quota.per.clone()),
        concurrency: change.concurrency.or(quota.concurrency),
        ..quota.clone()
    }
}

fn check_changes(build: &mut Build<'_>, quotas: &[QuotaSpec], changes: &IndexMap<String, QuotaChange>) {
    for (name, change) in changes {
        let Some(quota) = quotas.iter().find(|quota| quota.name == *name) else {
            let names: Vec<&str> = quotas.iter().map(|quota| quota.name.as_str()).collect();
            let known =
                if names.is_empty() { "there are none".into() } else { format!("there are {}", names.join(", ")) };
            build.problem("/limits", format!("the deployment's limits name `{name}`, which is not one: {known}"));
            continue;
        };
        let zero = change.count == Some(0) || change.concurrency == Some(0);
        let rate = quota.count.is_some();
        if zero || rate && change.concurrency.is_some() || !rate && (change.count.is_some() || change.per.is_some()) {
            let words = if rate { "`count` (1 or more) and `per`" } else { "`concurrency` (1 or more)" };
            build.problem("/limits", format!("the deployment's limit `{name}` can change {words} and nothing else"));
        }
    }
}

fn compile_rule(build: &mut Build<'_>, at: &str, quota: &QuotaSpec) -> Option<Rule> {
    let before = build.problems.len();
    let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    if quota.count.is_some() == quota.concurrency.is_some() {
        build.problem(at, "a quota is either `count` with `per`, or `concurrency`");
    }
    if quota.count == Some(0) || quota.concurrency == Some(0) {
        build.problem(at, "an allowance of 0 allows nothing: leave out what is not offered");
    }
    let per = match (&quota.count, &quota.per) {
        (Some(_), Some(per)) => {
            let time = seconds(per);
            if time.is_none() {
                build.problem(&format!("{at}/per"), format!("`{per}` is not a time: a number and s, m, h or d"));
            }
            time
        }
        (Some(_), None) => {
            build.problem(at, "a `count` is for a time: `per: 10s`");
            None
        }
        (None, Some(_)) => {
            build.problem(&format!("{at}/per"), "`per` belongs to a `count`");
            None
        }
        (None, None) => None,
    };
    let mut methods = Vec::new();
    for method in &quota.methods {
        match Method::from_bytes(method.as_bytes()) {
            Ok(known) if method.bytes().all(|byte| byte.is_ascii_uppercase()) => methods.push(known),
            _ => build.problem(&format!("{at}/methods"), format!("`{method}` is not a method such as GET or POST")),
        }
    }
    for path in quota.paths.iter().filter(|path| !path.starts_with('/')) {
        build.problem(&format!("{at}/paths"), format!("`{path}` is not the beginning of a path: it starts with `/`"));
    }
    let allows = match (quota.count, per, quota.concurrency) {
        (Some(count), Some(per), None) => Allows::Rate { count: small(count), per: Duration::from_secs(per) },
        (None, _, Some(most)) => Allows::AtOnce(small(most)),
        _ => return None,
    };
    let name = quota.name.as_str().into();
    let rule = Rule { name, allows, scope: quota.scope, paths: quota.paths.clone(), methods };
    (build.problems.len() == before).then_some(rule)
}

fn compile_signal(build: &mut Build<'_>, at: &str, signal: &SignalSpec, quotas: &[QuotaSpec]) -> Option<Signal> {
    let before = build.problems.len();
    let names = || quotas.iter().map(|quota| quota.name.as_str());
    let rule = signal.quota.as_deref().and_then(|quota| names().position(|name| name == quota));
    if let Some(quota) = signal.quota.as_deref().filter(|_| rule.is_none()) {
        let hint = hint(quota, names());
        build.problem(&format!("{at}/quota"), format!("`{quota}` is not under `limits`{hint}"));
    }
    let when = match &signal.when {
        None => None,
        Some(when) => Some(match asks_for_header(when) {
            Some(header) => When::HeaderIsThere(header),
            None => When::Holds(build.expression(&format!("{at}/when"), when, &answer_scope())?),
        }),
    };
    let mut source = |word: &str, spec: &Option<Value>| {
        spec.as_ref().and_then(|spec| compile_source(build, &format!("{at}/{word}"), spec))
    };
    let remaining = source("remaining", &signal.remaining);
    let limit = source("limit", &signal.limit);
    let mut timed = |word: &str, spec: &Option<IndexMap<RetryUnit, Value>>| {
        let spec = spec.as_ref()?;
        if spec.len() != 1 {
            build.problem(&format!("{at}/{word}"), "one unit over one leaf, such as {s: '$headers.`retry-after`'}");
        }
        let (unit, leaf) = spec.iter().next()?;
        Some((*unit, compile_source(build, &format!("{at}/{word}"), leaf)?))
    };
    let reset = timed("reset", &signal.reset);
    let retry_after = timed("retry_after", &signal.retry_after);
    let sources = [&remaining, &limit].into_iter().flatten().chain(reset.iter().chain(&retry_after).map(|(_, s)| s));
    let needs_body = sources.into_iter().any(Source::needs_body)
        || matches!(&when, Some(When::Holds(when)) if reads_body(&Leaf::Expression(when.clone())));
    let status = signal.status.as_ref().map(super::spec::OneOrMany::to_vec).unwrap_or_default();
    let compiled = Signal { rule, status, when, remaining, limit, reset, retry_after, needs_body };
    (build.problems.len() == before).then_some(compiled)
}

fn compile_source(build: &mut Build<'_>, at: &str, spec: &Value) -> Option<Source> {
    match spec.as_str().and_then(plain_header) {
        Some(header) => Some(Source::Header(header)),
        None => Leaf::compile(build, at, spec, &answer_scope()).map(Source::Leaf),
    }
}

/// The header of an expression that is nothing but one header, or the number in it.
fn plain_header(source: &str) -> Option<HeaderName> {
    static PLAIN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^\$headers\.(?:`([^`]+)`|([A-Za-z_][A-Za-z0-9_]*))$").ok());
    let source = source.trim();
    let inner = source.strip_prefix("$number(").and_then(|inner| inner.strip_suffix(')')).unwrap_or(source);
    let found = PLAIN.as_ref()?.captures(inner.trim())?;
    let name = found.get(1).or_else(|| found.get(2))?.as_str();
    // Expressions see lower-case names.
    HeaderName::from_lowercase(name.as_bytes()).ok()
}

fn asks_for_header(source: &str) -> Option<HeaderName> {
    let inner = source.trim().strip_prefix("$exists(")?.strip_suffix(')')?;
    if inner.contains("$number") { None } else { plain_header(inner) }
}

fn reads_body(leaf: &Leaf) -> bool {
    let mut found = Vec::new();
    leaf.reads(&mut found);
    !found.is_empty()
}

impl Source {
    fn needs_body(&self) -> bool {
        match self {
            Source::Header(_) => false,
            Source::Leaf(leaf) => reads_body(leaf),
        }
    }

    fn number(&self, heard: &Heard<'_>) -> Option<u32> {
        let number: f64 = match self {
            Source::Header(name) => heard.headers.get(name)?.to_str().ok()?.trim().parse().ok()?,
            Source::Leaf(leaf) => leaf.text(heard.body, heard.vars()).ok()??.trim().parse().ok()?,
        };
        // Casting saturates: less than nothing is left is nothing.
        number.is_finite().then_some(number as u32)
    }

    fn delay(&self, unit: RetryUnit, heard: &Heard<'_>) -> Option<Duration> {
        let value = match self {
            Source::Header(name) => Value::String(heard.headers.get(name)?.to_str().ok()?.to_owned()),
            Source::Leaf(leaf) => leaf.evaluate(heard.body, heard.vars()).ok()??,
        };
        delay(unit, &value, heard.now)
    }
}

impl Signal {
    /// Without a body: a row that names no status may be about any answer.
    fn may_fit(&self, status: u16) -> bool {
        self.status.is_empty() || self.status.contains(&status)
    }

    fn fits(&self, heard: &Heard<'_>) -> bool {
        self.may_fit(heard.status)
            && match &self.when {
                None => true,
                Some(When::HeaderIsThere(name)) => heard.headers.contains_key(name),
                Some(When::Holds(when)) => when.holds(heard.body, heard.vars()).unwrap_or(false),
            }
    }

    /// What cannot be read is not there.
    fn hint(&self, heard: &Heard<'_>) -> Hint {
        let number = |source: &Option<Source>| source.as_ref().and_then(|source| source.number(heard));
        let time = |source: &Option<(RetryUnit, Source)>| {
            source.as_ref().and_then(|(unit, source)| source.delay(*unit, heard))
        };
        Hint {
            rule: self.rule,
            remaining: number(&self.remaining),
            limit: number(&self.limit).filter(|limit| *limit > 0),
            reset: time(&self.reset),
            retry_after: time(&self.retry_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::source::Node;
    use super::*;
    use crate::mapping::Engine;

    fn compile(text: &str, changes: &IndexMap<String, QuotaChange>) -> Result<Quotas, Vec<String>> {
        let text =
            format!("title: A\nbase_url: https://a.test\nhosts: {{ api: [https://a.test] }}\nauth: {{}}\n{text}");
        let node = Node::parse("a/provider.yaml", &text).expect("YAML");
        let spec: ProviderSpec = super::super::structure::read(&node).expect("a provider");
        let mut build = Build::new(&node, Engine::Core);
        let quotas = Quotas::compile(&mut build, &spec, changes);
        let problems: Vec<String> = build.problems.iter().map(ToString::to_string).collect();
        if problems.is_empty() { Ok(quotas) } else { Err(problems) }
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect()
    }

    const FILE: &str = r#"
limits:
  - { name: search, count: 5, per: 1s, paths: [/search] }
  - { name: burst, count: 100, per: 10s }
  - { name: writes, concurrency: 3, scope: app, methods: [POST] }
limit_signals:
  - { quota: burst, when: '$exists($headers.`x-left`)', remaining: '$number($headers.`x-left`)', limit: '$headers.`x-max`', reset: { s: '$headers.`x-reset`' } }
  - { quota: search, status: 429, when: 'policy = "SEARCH"', remaining: 0, retry_after: { s: 1 } }
  - { quota: burst, when: '$exists($headers.usage)', remaining: '$number($regex($headers.usage, "([0-9]+)$"))' }
"#;

    #[test]
    fn plain_headers_are_read_without_the_engine() {
        let quotas = compile(FILE, &IndexMap::new()).expect("a good file");
        let first = quotas.signals.first().expect("three rows");
        assert!(
            matches!(first.when, Some(When::HeaderIsThere(_))) && matches!(first.remaining, Some(Source::Header(_)))
        );
        assert!(!quotas.reads_body(200) && quotas.reads_body(429));
        let hints = |status, lines: &[(&'static str, &'static str)], body: Value| {
            let headers = headers(lines);
            quotas.hints(&Heard::new(status, &headers, &body, Timestamp::UNIX_EPOCH)).collect::<Vec<_>>()
        };
        let told = hints(200, &[("x-left", "37"), ("x-max", "190"), ("x-reset", "2.5")], Value::Null);
        let reset = Some(Duration::from_millis(2500));
        let hint = Hint { rule: Some(1), remaining: Some(37), limit: Some(190), reset, ..Hint::default() };
        assert_eq!(told, [hint]);
        let unreadable = hints(200, &[("x-left", "many"), ("x-max", "0"), ("x-reset", "soon")], Value::Null);
        assert_eq!(unreadable, [Hint { rule: Some(1), ..Hint::default() }]);
        let refused = hints(429, &[], serde_json::json!({"policy": "SEARCH"}));
        let second = Some(Duration::from_secs(1));
        assert_eq!(refused, [Hint { rule: Some(0), remaining: Some(0), retry_after: second, ..Hint::default() }]);
        assert_eq!(
            hints(200, &[("usage", "18/42")], Value::Null),
            [Hint { rule: Some(1), remaining: Some(42), ..Hint::default() }]
        );
    }

    /// What `told` says in every place and unit, read as it is and by the engine.
    const UNITS: &str = r#"
limits:
  - { name: burst, count: 100, per: 10s }
limit_signals:
  - { quota: burst, when: '$exists($headers.told)', remaining: '$headers.told', limit: '$headers.told', reset: { s: '$headers.told' } }
  - { remaining: '$number($headers.told)', limit: '$number($headers.told) * 2', reset: { ms: '$headers.told' } }
  - { reset: { epoch-s: '$headers.told' }, retry_after: { epoch-ms: '$headers.told' } }
  - { reset: { http-date: '$headers.told' }, retry_after: { s: '-$number($headers.told)' } }
"#;

    proptest! {
        #[test]
        fn whatever_a_header_says_the_wait_is_bounded(
            told in prop_oneof![any::<Vec<u8>>(), r"-?[0-9]{0,25}(\.[0-9]{0,20})?(e-?[0-9]{1,4})?".prop_map(String::into_bytes)],
        ) {
            static QUOTAS: LazyLock<Quotas> = LazyLock::new(|| compile(UNITS, &IndexMap::new()).expect("a good file"));
            let Ok(value) = http::HeaderValue::from_bytes(&told) else { return Ok(()) };
            let headers = HeaderMap::from_iter([(HeaderName::from_static("told"), value)]);
            let heard = Heard::new(429, &headers, &Value::Null, Timestamp::now());
            for hint in QUOTAS.hints(&heard) {
                for delay in [hint.reset, hint.retry_after].into_iter().flatten() {
                    prop_assert!(delay <= Duration::from_secs(7 * 86_400), "{delay:?}");
                }
                prop_assert!(hint.limit != Some(0), "an allowance of nothing");
            }
        }
    }

    #[test]
    fn a_rule_is_about_its_paths_and_methods() {
        let quotas = compile(FILE, &IndexMap::new()).expect("a good file");
        let fit = |method: Method, path: &str| {
            let counted = quotas.rules.iter().filter(|rule| rule.counts(&method, path));
            counted.map(|rule| rule.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(fit(Method::GET, "/search/contacts?q=1"), ["search", "burst"]);
        assert_eq!(fit(Method::POST, "/contacts"), ["burst", "writes"]);
    }

    #[test]
    fn a_deployment_changes_numbers_of_limits_that_there_are() {
        let change = |name: &str, change: QuotaChange| IndexMap::from([(name.to_owned(), change)]);
        let more = compile(FILE, &change("burst", QuotaChange { count: Some(190), ..QuotaChange::default() }));
        let allows = more.expect("a good change").rules.get(1).map(|rule| rule.allows);
        assert_eq!(allows, Some(Allows::Rate { count: 190, per: Duration::from_secs(10) }));
        let unknown = compile(FILE, &change("brust", QuotaChange::default())).expect_err("no such limit");
        assert!(unknown.join("").contains("`brust`, which is not one: there are search, burst, writes"), "{unknown:?}");
        let wrong = compile(FILE, &change("writes", QuotaChange { count: Some(1), ..QuotaChange::default() }));
        assert!(wrong.expect_err("no count there").join("").contains("can change `concurrency`"));
    }

    #[test]
    fn faults_are_told_with_file_and_line() {
        let text = "limits:\n  - { name: a }\n  - { name: b, count: 1, per: 1w }\n  - { name: b, concurrency: 0 }\n  - { name: c, concurrency: 1, methods: [get], paths: [x] }\nlimit_signals:\n  - { quota: d, remaining: 0 }\n  - { reset: {} }\n";
        let problems = compile(text, &IndexMap::new()).expect_err("faults").join("\n");
        for part in [
            "a/provider.yaml:6: a quota is either",
            "a/provider.yaml:7: `1w` is not a time",
            "a/provider.yaml:8: there are two limits",
            "an allowance of 0",
            "`get` is not a method",
            "`x` is not the beginning of a path",
            "a/provider.yaml:11: `d` is not under `limits`",
            "a/provider.yaml:12: one unit over one leaf",
        ] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
    }
}
