#!/usr/bin/env python3
"""Does Prometheus understand what it is given, and does each alert fire when it should, and only then?

    tests/outside/prometheus.py        (needs promtool, of Debian's package prometheus)

1. promtool check config, with a token where the configuration expects one.
2. promtool check rules; every expression of the dashboard is a rule for that, too.
3. promtool test rules: for each alert a story in which it fires and one, much like it, in which it does not. Every alert
   has both. A quiet service makes none fire.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
MINUTES = 60

# Values in promtool's notation, one a minute: `0+60x60` grows by sixty a minute for an hour.
UP = {'up{job="throughline",instance="a"}': f"1x{MINUTES}"}


def grows(by):
    return f"0+{by}x{MINUTES}"


def stays(value):
    return f"{value}x{MINUTES}"


def jumps(value):
    """Nothing for half an hour, then that much at once."""
    return f"0x29 {value}x30"


def seconds(family, labels, below, above, limit):
    """A histogram that gets so many a minute below the limit and above it."""
    labels = f"{labels}," if labels else ""
    return {
        f'{family}_bucket{{{labels}instance="a",le="{limit}"}}': grows(below),
        f'{family}_bucket{{{labels}instance="a",le="120"}}': grows(below + above),
        f'{family}_bucket{{{labels}instance="a",le="+Inf"}}': grows(below + above),
    }


def http(**outcomes):
    return {
        f'throughline_http_requests_total{{route="crm",status="x",outcome="{outcome}",instance="a"}}': grows(count)
        for outcome, count in outcomes.items()
    }


def attempts(**outcomes):
    return {
        f'throughline_attempts_total{{provider="acme",operation="list",outcome="{outcome}",instance="a"}}': grows(count)
        for outcome, count in outcomes.items()
    }


def refreshes(**results):
    return {
        f'throughline_token_refreshes_total{{provider="acme",result="{result}",instance="a"}}': grows(count)
        for result, count in results.items()
    }


def one(name, labels, values):
    return {f'throughline_{name}{{{labels}{"," if labels else ""}instance="a"}}': values}


def process(open_fds):
    labels = '{job="throughline",instance="a"}'
    return {f"process_open_fds{labels}": stays(open_fds), f"process_max_fds{labels}": stays(1000)}


# Alert: series of the story in which it fires (and the minute), series of the one in which it does not. The quiet one is
# close to the threshold where there is one.
STORIES = {
    "ThroughlineDown": ({'up{job="throughline",instance="b"}': stays(0)}, {'up{job="throughline",instance="b"}': stays(1)}),
    "ThroughlineGone": ({'up{job="throughline",instance="a"}': "_x60"}, {}),
    "ThroughlineOwnFailures": (http(ok=600, internal=10), http(ok=600, internal=5)),
    "ThroughlineShedding": (
        one("shed_total", 'reason="in-flight"', grows(12)),
        one("shed_total", 'reason="key-rate"', grows(1200)),
    ),
    "ThroughlineSlow": (
        seconds("throughline_overhead_seconds", 'provider="acme",operation="list"', 980, 20, "0.05"),
        seconds("throughline_overhead_seconds", 'provider="acme",operation="list"', 995, 5, "0.05"),
    ),
    "ThroughlineBusy": (one("runtime_queue", "", stays(150)), one("runtime_queue", "", stays(90))),
    "ThroughlineFewFileDescriptors": (process(850), process(750)),
    "ThroughlineReloadRefused": (
        one("catalog_reloads_total", 'result="refused"', jumps(1)),
        one("catalog_reloads_total", 'result="ok"', jumps(1)),
    ),
    "ThroughlineRevisionsDiffer": (
        {f'throughline_catalog_info{{revision="r{at}",instance="{at}"}}': stays(1) for at in "12"},
        {f'throughline_catalog_info{{revision="r1",instance="{at}"}}': stays(1) for at in "12"},
    ),
    "ThroughlineProviderFailing": (
        attempts(**{"2xx": 60, "5xx": 20, "head-timeout": 10}),
        attempts(**{"2xx": 60, "4xx": 200, "429": 100, "5xx": 10}),
    ),
    "ThroughlineBreakerOpen": (
        one("breaker_hosts", 'provider="acme",state="open"', stays(1)),
        one("breaker_hosts", 'provider="acme",state="closed"', stays(1)),
    ),
    "ThroughlineProviderSlow": (
        seconds("throughline_upstream_seconds", 'provider="acme",operation="list"', 90, 10, "10"),
        seconds("throughline_upstream_seconds", 'provider="acme",operation="list"', 97, 3, "10"),
    ),
    "ThroughlineQuotaExhausted": (
        one("quota_refused_total", 'provider="acme",reason="quota-exhausted"', grows(1)),
        one("quota_refused_total", 'provider="acme",reason="rate-limited"', grows(100)),
    ),
    "ThroughlineThrottled": (
        one("quota_throttled_total", 'provider="acme",kind="rate-limited"', grows(10)) | attempts(**{"2xx": 100}),
        one("quota_throttled_total", 'provider="acme",kind="rate-limited"', grows(4)) | attempts(**{"2xx": 100}),
    ),
    "ThroughlineRedisAway": (one("quota_pool_up", "", "1x20 0x40"), one("quota_pool_up", "", stays(0))),
    "ThroughlineRotationLost": (
        one("token_rotations_lost_total", 'provider="acme"', jumps(1)),
        one("token_rotations_lost_total", 'provider="acme"', stays(3)),
    ),
    "ThroughlineEscrow": (one("token_escrow_entries", "", stays(1)), one("token_escrow_entries", "", stays(0))),
    "ThroughlineRefreshesFailing": (refreshes(renewed=60, failed=20), refreshes(renewed=60, failed=10)),
    "ThroughlineConnectionsLost": (
        one("token_refreshes_total", 'provider="acme",result="lost"', jumps(8)),
        one("token_refreshes_total", 'provider="acme",result="lost"', jumps(4)),
    ),
    "ThroughlineTokensLate": (
        one("tokens", 'stage="good"', stays(90)) | one("tokens", 'stage="ended"', stays(10)),
        one("tokens", 'stage="good"', stays(90)) | one("tokens", 'stage="due"', stays(40)),
    ),
    "ThroughlineRevocationsGivenUp": (
        one("revocations_total", 'provider="acme",result="given-up"', jumps(1)),
        one("revocations_total", 'provider="acme",result="failed"', jumps(10)),
    ),
    "ThroughlineStoreFailing": (
        one("store_failures_total", 'kind="busy"', grows(6)),
        one("store_failures_total", 'kind="busy"', grows(1)),
    ),
    "ThroughlineStoreSlow": (
        seconds("throughline_store_seconds", 'purpose="request"', 90, 10, "0.5"),
        seconds("throughline_store_seconds", 'purpose="clock"', 50, 50, "0.5"),
    ),
    "ThroughlineAuditLost": (
        one("audit_entries_total", 'result="failed"', jumps(1)),
        one("audit_entries_total", 'result="ok"', jumps(100)),
    ),
    "ThroughlineBudgetExceeded": (
        one("egress_budgets_exceeded_total", 'provider="acme",what="rows",window="day"', jumps(1)),
        one("egress_budgets_exceeded_total", 'provider="acme",what="rows",window="day"', stays(1)),
    ),
    "ThroughlineWrongKeys": (
        one("shed_total", 'reason="failed-authentications"', grows(120)),
        one("shed_total", 'reason="failed-authentications"', grows(30)),
    ),
    "ThroughlineAdminRefused": (
        one("admin_refused_total", "", jumps(20)),
        one("admin_refused_total", "", jumps(5)),
    ),
}
# Stories that are told five minutes after the jump: what has happened once does not fire for ever.
AT = "35m"


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"promtool {' '.join(map(str, arguments))}:\n{done.stdout}{done.stderr}")


def check_config(scratch):
    """promtool wants the token's file to be there."""
    token = scratch / "token"
    token.write_text("a-token-for-this-check\n")
    (scratch / "alerts.yaml").write_text(ALERTS.read_text())
    text = (DEPLOY / "prometheus" / "prometheus.yaml").read_text()
    assert "/run/secrets/admin_token" in text
    config = scratch / "prometheus.yaml"
    config.write_text(text.replace("/run/secrets/admin_token", str(token)))
    promtool("check", "config", config)


def check_dashboard(scratch):
    """Each expression as a recording rule; Grafana's variables with values that they could have."""
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "throughline.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    targets += [note["expr"] for note in dashboard["annotations"]["list"]]
    rules = []
    for at, expression in enumerate(targets):
        filled = expression.replace("$__rate_interval", "1m").replace("$provider", ".*").replace("$instance", ".*")
        assert "$" not in filled, expression
        rules.append({"record": f"panel:{at}", "expr": filled})
    file = scratch / "dashboard.yaml"
    # JSON is YAML.
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)
    return len(rules)


def story(alert, series, fires):
    fired = "count by (alertname) (ALERTS{alertstate=\"firing\"})"
    # One story is about one alert, and must not make others fire.
    samples = [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if fires else []
    everything = (UP if "up{job=\"throughline\",instance=\"a\"}" not in series else {}) | series
    return {
        "name": f"{alert} {'fires' if fires else 'stays quiet'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in everything.items()],
        "promql_expr_test": [{"expr": fired, "eval_time": AT, "exp_samples": samples}],
    }


def check_alerts(scratch):
    declared = re.findall(r"^ *- alert: (\w+)$", ALERTS.read_text(), re.M)
    missing, surplus = sorted(set(declared) - set(STORIES)), sorted(set(STORIES) - set(declared))
    if missing or surplus:
        sys.exit(f"alerts without a story: {missing}; stories without an alert: {surplus}")
    tests = [
        story(alert, series, fires)
        for alert, (loud, quiet) in STORIES.items()
        for series, fires in ((loud, True), (quiet, False))
    ]
    file = scratch / "alerts.test.yaml"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", file)
    return len(declared)


with tempfile.TemporaryDirectory() as folder:
    scratch = pathlib.Path(folder)
    check_config(scratch)
    promtool("check", "rules", ALERTS)
    expressions = check_dashboard(scratch)
    alerts = check_alerts(scratch)
print(f"prometheus: {alerts} alerts fire and stay quiet, {expressions} expressions of the dashboard parse")
