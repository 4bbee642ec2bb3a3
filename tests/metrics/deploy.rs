//! The files that operators start from fit to what the process tells and to each other: rules, dashboard, runbook, the
//! list of metrics, compose.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use throughline::catalog::{Catalog, Files, Options};
use throughline::telemetry::{DECLARED, Declared, Metrics};

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(deploy(path)).unwrap_or_else(|error| panic!("deploy/{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("deploy/{path}: {error}"))
}

fn dashboard() -> Value {
    serde_json::from_str(&text("grafana/dashboards/throughline.json")).expect("JSON")
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("no list `{name}`"))
}

/// All alert rules.
fn alerts() -> Vec<Value> {
    list(&yaml("prometheus/alerts.yaml"), "groups").iter().flat_map(|group| list(group, "rules").to_vec()).collect()
}

/// Expressions of rules and panels with where they stand.
fn expressions() -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("an expression").to_owned();
    let rules = alerts().into_iter().map(|rule| (text(&rule["alert"]), text(&rule["expr"])));
    let dashboard = dashboard();
    let panels = list(&dashboard, "panels").iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(|target| (text(&panel["title"]), text(&target["expr"]))).collect::<Vec<_>>()
    });
    let variables = list(&dashboard["templating"], "list").iter();
    let variables = variables.map(|variable| (text(&variable["name"]), text(&variable["query"]["query"])));
    let notes = list(&dashboard["annotations"], "list").iter().map(|note| (text(&note["name"]), text(&note["expr"])));
    rules.chain(panels).chain(variables).chain(notes).collect()
}

/// Metrics of every deployment, with the labels of the catalog that is shipped.
fn metrics() -> Arc<Metrics> {
    let metrics = Metrics::new().expect("the families");
    let catalog = Catalog::load(&Files::embedded(), &Options::default()).expect("good mappings");
    metrics.catalog_loaded(&catalog.vocabulary());
    metrics
}

/// What of Prometheus itself and of the process may be named besides.
const FOREIGN: [&str; 7] = [
    "up",
    "ALERTS",
    "process_open_fds",
    "process_max_fds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
];
/// Labels that Prometheus adds.
const ADDED: [&str; 3] = ["job", "instance", "le"];

struct Names {
    declared: BTreeMap<&'static str, &'static Declared>,
    metrics: Arc<Metrics>,
    metric: Regex,
    matcher: Regex,
    grouping: Regex,
}

impl Names {
    fn new() -> Self {
        Self {
            declared: DECLARED.iter().map(|family| (family.name, family)).collect(),
            metrics: metrics(),
            metric: Regex::new(r"\b(throughline_\w+|process_\w+|up|ALERTS)\b(?:\{([^}]*)\})?").expect("a pattern"),
            matcher: Regex::new(r#"(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)""#).expect("a pattern"),
            grouping: Regex::new(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)").expect("a pattern"),
        }
    }

    /// The family of a name as it stands in an expression.
    fn family(&self, name: &str) -> Result<Option<&'static Declared>, String> {
        if FOREIGN.contains(&name) {
            return Ok(None);
        }
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let base = self.declared.get(name.strip_suffix(end)?)?;
            (base.kind == "histogram").then_some(*base)
        });
        let plain = self.declared.get(name).copied().filter(|family| family.kind != "histogram");
        of_histogram.or(plain).map(Some).ok_or_else(|| format!("there is no metric {name}"))
    }

    /// What is wrong with an expression.
    fn faults(&self, expression: &str) -> Vec<String> {
        let (mut faults, mut labels) = (Vec::new(), BTreeSet::from(ADDED));
        let mut found = 0;
        for used in self.metric.captures_iter(expression) {
            found += 1;
            let family = match self.family(&used[1]) {
                Ok(Some(family)) => family,
                Ok(None) => continue,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            labels.extend(family.labels);
            let values = self.metrics.label_values(family.name);
            for one in self.matcher.captures_iter(used.get(2).map_or("", |inner| inner.as_str())) {
                let (label, operator, wanted) = (&one[1], &one[2], &one[3]);
                let Some(at) = family.labels.iter().position(|known| *known == label) else {
                    if !ADDED.contains(&label) {
                        faults.push(format!("{} has no label {label}", family.name));
                    }
                    continue;
                };
                let wanted = if operator.contains('~') { wanted } else { &regex::escape(wanted) };
                // Each alternative is there: one that matches nothing is a mistake.
                for alternative in wanted.split('|').filter(|wanted| !wanted.starts_with('$')) {
                    let pattern = Regex::new(&format!("^(?:{alternative})$")).expect("a pattern");
                    if !values[at].iter().any(|value| pattern.is_match(value)) {
                        faults.push(format!("{} is never {alternative} in {}", label, family.name));
                    }
                }
            }
        }
        if found == 0 {
            faults.push("no metric is named".to_owned());
        }
        for group in self.grouping.captures_iter(expression) {
            let named = group[1].split(',').map(str::trim).filter(|label| !label.is_empty());
            faults.extend(
                named.filter(|label| !labels.contains(label)).map(|label| format!("nothing has a label {label}")),
            );
        }
        faults
    }
}

#[test]
fn rules_and_panels_name_metrics_labels_and_values_that_there_are() {
    let names = Names::new();
    let all = expressions();
    assert!(all.len() > 70, "{}", all.len());
    for (place, expression) in all {
        let faults = names.faults(&expression);
        assert!(faults.is_empty(), "{place}: {faults:?} in {expression}");
    }
}

#[test]
fn mistakes_in_expressions_are_found() {
    let names = Names::new();
    for (expression, expected) in [
        ("rate(throughline_requests[5m])", "there is no metric throughline_requests"),
        ("rate(throughline_request_seconds[5m])", "there is no metric throughline_request_seconds"),
        (r#"throughline_shed_total{why="in-flight"}"#, "throughline_shed_total has no label why"),
        (r#"throughline_shed_total{reason="in_flight"}"#, "reason is never in_flight in throughline_shed_total"),
        (r#"throughline_attempts_total{outcome=~"5xx|6xx"}"#, "outcome is never 6xx in throughline_attempts_total"),
        ("sum by (resource) (throughline_tokens)", "nothing has a label resource"),
        ("1 + 1", "no metric is named"),
    ] {
        assert_eq!(names.faults(expression), [expected], "{expression}");
    }
}

#[test]
fn every_alert_leads_to_its_section_of_the_runbook() {
    let runbook = text("runbook.md");
    let sections: Vec<(&str, &str)> = runbook
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').expect("a heading with something below"))
        .collect();
    let mut left: BTreeSet<&str> = sections.iter().map(|(heading, _)| *heading).collect();
    for rule in alerts() {
        let name = rule["alert"].as_str().expect("a name");
        let link = format!("deploy/runbook.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook"], link, "{name}");
        assert!(rule["annotations"]["summary"].as_str().is_some_and(|summary| summary.len() > 15), "{name}");
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap_or_default()), "{name}");
        let (_, section) = sections.iter().find(|(heading, _)| *heading == name).unwrap_or_else(|| panic!("{name}"));
        for part in ["**Means**", "**Look at**", "**Do**"] {
            assert!(section.contains(part), "{name}: {part}");
        }
        left.remove(name);
    }
    assert!(left.is_empty(), "sections without an alert: {left:?}");
}

#[test]
fn the_list_of_metrics_holds_every_family_as_it_is() {
    let listed = text("prometheus/metrics.md");
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let named = |row: &Vec<&str>| row[0].trim_matches('`').to_owned();
    let known: Vec<String> = rows.iter().map(named).collect();
    let declared: Vec<&str> = DECLARED.iter().map(|family| family.name).collect();
    assert_eq!(known, declared, "the rows of deploy/prometheus/metrics.md");
    for (row, family) in rows.iter().zip(DECLARED) {
        assert_eq!(row[1], family.kind, "{}", family.name);
        let labels: Vec<&str> = row[2].split(", ").filter(|label| !label.is_empty()).collect();
        assert_eq!(labels, family.labels, "{}", family.name);
    }
}

#[test]
fn the_dashboard_is_whole() {
    let dashboard = dashboard();
    let sources = yaml("grafana/provisioning/datasources/prometheus.yaml");
    let source = &list(&sources, "datasources")[0]["uid"];
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "panels") {
        let title = panel["title"].as_str().filter(|title| !title.is_empty()).expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}: its id is another's");
        let place = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
        assert!(place("w") > 0 && place("h") > 0 && place("x") + place("w") <= 24, "{title}: {}", panel["gridPos"]);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{title} lies over another panel");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(["stat", "timeseries"].contains(&panel["type"].as_str().expect("a type")), "{title}");
        assert_eq!(&panel["datasource"]["uid"], source, "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        let targets = list(panel, "targets");
        let refs: BTreeSet<&str> = targets.iter().filter_map(|target| target["refId"].as_str()).collect();
        assert!(!targets.is_empty() && refs.len() == targets.len(), "{title}: {refs:?}");
        assert!(targets.iter().all(|target| &target["datasource"]["uid"] == source), "{title}");
    }
    let rows: Vec<&str> = list(&dashboard, "panels")
        .iter()
        .filter(|panel| panel["type"] == "row")
        .filter_map(|panel| panel["title"].as_str())
        .collect();
    assert_eq!(rows.len(), 8, "{rows:?}");
    let variables: BTreeSet<&str> =
        list(&dashboard["templating"], "list").iter().filter_map(|variable| variable["name"].as_str()).collect();
    let used = Regex::new(r"\$(\w+)").expect("a pattern");
    for (place, expression) in expressions() {
        for name in used.captures_iter(&expression).map(|found| found[1].to_owned()) {
            assert!(name == "__rate_interval" || variables.contains(name.as_str()), "{place}: ${name}");
        }
    }
}

#[test]
fn compose_mounts_what_there_is_and_prometheus_finds_it() {
    let compose = yaml("compose/compose.yaml");
    for service in ["throughline", "prometheus", "grafana"] {
        for mount in list(&compose["services"][service], "volumes") {
            let source = mount.as_str().expect("a mount").split(':').next().expect("a source");
            assert!(!source.starts_with('.') || deploy("compose").join(source).exists(), "{service}: {source}");
        }
    }
    let mounted = |service: &str, target: &str| {
        list(&compose["services"][service], "volumes")
            .iter()
            .any(|mount| mount.as_str().is_some_and(|mount| mount.split(':').nth(1).is_some_and(|at| at == target)))
    };
    let prometheus = yaml("prometheus/prometheus.yaml");
    for file in list(&prometheus, "rule_files") {
        assert!(mounted("prometheus", &format!("/etc/prometheus/{}", file.as_str().expect("a name"))), "{file}");
    }
    let provisioned = yaml("grafana/provisioning/dashboards/throughline.yaml");
    let folder = &list(&provisioned, "providers")[0]["options"]["path"];
    assert!(mounted("grafana", folder.as_str().expect("a folder")), "{folder}");

    // Both read the same secret, and the job is the one that the alerts name.
    let job = &list(&prometheus, "scrape_configs")[0];
    assert_eq!(job["job_name"], "throughline");
    let token = job["authorization"]["credentials_file"].as_str().expect("a file");
    assert_eq!(yaml("compose/throughline.yaml")["admin_token_file"], token);
    for service in ["throughline", "prometheus"] {
        let secrets = list(&compose["services"][service], "secrets");
        let secret = token.strip_prefix("/run/secrets/").expect("a secret of compose");
        assert!(secrets.iter().any(|name| name == secret), "{service}");
    }
}
