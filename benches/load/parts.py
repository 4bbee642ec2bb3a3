"""The parts of the load test. Each compares answers before it measures, and gives one section of the report.

The numbers of the goals are ours: what a proxy that reads and writes JSON twice can reach beside one that only copies.
"""

import json
import pathlib
import random
import subprocess
import sys
import time
import urllib.request

from report import Goal, Section, table
from scene import BENCHES, LIST, ONE, Proxy, medians, new_connection, wrk

RECORD = "/v1/crm/contacts/501"
PAGE = "/v1/crm/contacts?limit=100"
WAYS = ("nginx", "passthrough", "unified")


def get(url, headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return answer.read(), answer.headers


def compare(what, found, name):
    """With a pinned file: vendor's answers byte by byte, unified ones as JSON, where lists have new cursors each time."""
    expected = (BENCHES / name).read_bytes()
    if not name.startswith("unified"):
        good = found == expected
    else:
        found = json.loads(found)
        good = (found["data"] if "contacts" in name else found) == json.loads(expected)
    if not good:
        sys.exit(f"{what}: the answer is not the pinned one, benches/{name}")


def ways(scene, proxy, cached=False):
    """The three ways to the record and to the list, after a look at what they answer."""
    nginx = f"http://127.0.0.1:{scene.ports['nginx_cache' if cached else 'nginx']}"
    api = proxy.api
    urls = {
        "record": {"nginx": nginx + ONE, "passthrough": f"{api}/v1/passthrough{ONE}", "unified": api + RECORD},
        "list": {"nginx": nginx + LIST, "passthrough": f"{api}/v1/passthrough{LIST}", "unified": api + PAGE},
    }
    for payload, vendors, ours in (
        ("record", "contact.json", "unified.json"),
        ("list", "contacts.json", "unified-contacts.json"),
    ):
        for way, url in urls[payload].items():
            compare(url, get(url, proxy.headers())[0], ours if way == "unified" else vendors)
    return urls


def in_turns(rounds, measures):
    """Each measure once a round; of each the medians of its columns."""
    found = {name: [] for name in measures}
    for number in range(rounds):
        print(f"  round {number + 1} of {rounds}", flush=True)
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: medians(rows) for name, rows in found.items()}


def beside_nginx(figures, rows, nginx):
    """A table of request rates and latencies, in groups of which each has a row of nginx's."""
    lines = []
    for name in rows:
        _, rate, p50, p99 = figures[name]
        share = rate / figures[nginx(name)][1]
        lines.append([*name, f"{rate:,.0f}", f"{share:.2f}", f"{p50:.3f}", f"{p99:.3f}"])
    return lines


def throughput(scene, options):
    proxy = Proxy(scene, "throughput").start()
    urls = ways(scene, proxy)
    measures = {
        (way, payload, connections): (
            lambda url=urls[payload][way], connections=connections: wrk(url, proxy.headers(), connections, options.seconds)
        )
        for payload in urls
        for connections in (16, 1)
        for way in WAYS
    }
    for payload in urls:
        for way in WAYS:
            wrk(urls[payload][way], proxy.headers(), 16, 1)
    figures = in_turns(options.rounds, measures)
    proxy.stop()
    nginx = lambda name: ("nginx", *name[1:])
    share = lambda *name: figures[name][1] / figures[nginx(name)][1]
    goals = [
        Goal("passthrough of a record, 16 connections, of nginx's rate", share("passthrough", "record", 16), least=0.8),
        Goal("passthrough of a 100 KB list, 16 connections, of nginx's rate", share("passthrough", "list", 16), least=0.8),
        Goal("passthrough of a record, 1 connection, of nginx's rate", share("passthrough", "record", 1), least=0.8),
        Goal("unified record, 16 connections, of nginx's rate", share("unified", "record", 16), least=0.5),
        Goal("unified record, 1 connection, of nginx's rate", share("unified", "record", 1), least=0.5),
    ]
    head = ["through", "payload", "connections", "requests/s", "of nginx", "p50 ms", "p99 ms"]
    text = table(head, beside_nginx(figures, measures, nginx))
    return Section("As much as goes", text, goals)


def list_of_100(scene, options):
    """The processor time of the server for a list, beside that of parsing and writing its JSON."""
    proxy = Proxy(scene, "list").start()
    urls = ways(scene, proxy)["list"]

    def serving(way):
        before = proxy.cpu()
        requests = wrk(urls[way], proxy.headers(), 1, options.seconds)[0]
        return [(proxy.cpu() - before) / requests * 1e6]

    def translating():
        out = subprocess.run([scene.mapping, "--bench", "ratio"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return [float(word) for word in out.splitlines()[-1].split()[1:]]

    serving("unified")
    measures = {way: (lambda way=way: serving(way)) for way in ("unified", "passthrough")}
    figures = in_turns(options.rounds, {**measures, "translation": translating})
    proxy.stop()
    ours, serde, ratio = figures["translation"]
    served = figures["unified"][0]
    rows = [
        ["serde_json, parsing and writing the vendor's answer", f"{serde:.0f}", "1.00"],
        ["translation alone (`cargo bench --bench mapping`)", f"{ours:.0f}", f"{ratio:.2f}"],
        ["the server, unified", f"{served:.0f}", f"{served / serde:.2f}"],
        ["the server, passthrough", f"{figures['passthrough'][0]:.0f}", f"{figures['passthrough'][0] / serde:.2f}"],
    ]
    goals = [
        Goal("list of 100, translation, in times of parsing and writing", ratio, most=2.0),
        Goal("list of 100, the whole server, in times of parsing and writing", served / serde, most=2.0),
    ]
    return Section("A list of 100 contacts", table(["what", "CPU µs", "of serde_json"], rows), goals)


def cache(scene, options):
    rules = [{"resource": "contacts", "operation": name, "ttl": "1h"} for name in ("get", "list")]
    proxy = Proxy(scene, "cache", cache=rules).start()
    urls = {payload: (ways["nginx"], ways["unified"]) for payload, ways in ways(scene, proxy, cached=True).items()}
    for pair in urls.values():
        for url in pair:
            status = get(url, proxy.headers())[1]["Cache-Status"]
            if "hit" not in status.lower():
                sys.exit(f"{url} is not answered from the cache: {status}")
    measures = {
        (way, payload, connections): (
            lambda url=url, connections=connections: wrk(url, proxy.headers(), connections, options.seconds)
        )
        for payload, pair in urls.items()
        for connections in (16, 1)
        for way, url in zip(("nginx cache", "unified, kept"), pair)
    }
    figures = in_turns(options.rounds, measures)
    proxy.stop()
    nginx = lambda name: ("nginx cache", *name[1:])
    share = lambda *name: figures[name][1] / figures[nginx(name)][1]
    goals = [
        Goal(f"kept {payload}, 16 connections, of nginx's rate", share("unified, kept", payload, 16), least=0.8)
        for payload in urls
    ]
    head = ["through", "payload", "connections", "requests/s", "of nginx", "p50 ms", "p99 ms"]
    return Section("Kept answers", table(head, beside_nginx(figures, measures, nginx)), goals)


def latency(scene, options):
    """At 1,000 requests a second, sent at their times whatever the answers take."""
    proxy = Proxy(scene, "latency").start()
    ways(scene, proxy)
    nginx = f"127.0.0.1:{scene.ports['nginx']}"
    paths = {
        "nginx": (nginx, ONE),
        "passthrough": (proxy.address, f"/v1/passthrough{ONE}"),
        "unified": (proxy.address, RECORD),
    }

    def measure(way):
        address, path = paths[way]
        request = proxy.request("GET", path)
        command = [scene.client, "rate", address, request, "1000", str(options.seconds)]
        out = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        told = out["overhead"] or {"p50": 0, "p99": 0}
        return [out["latency"]["p50"], out["latency"]["p99"], told["p50"], told["p99"]]

    for way in paths:
        measure(way)
    figures = in_turns(options.rounds, {way: (lambda way=way: measure(way)) for way in paths})
    proxy.stop()
    rows, goals = [], []
    for way, (p50, p99, told50, told99) in figures.items():
        more50, more99 = p50 - figures["nginx"][0], p99 - figures["nginx"][1]
        ours = [f"{more50:.0f}", f"{more99:.0f}", f"{told50:.0f}", f"{told99:.0f}"] if way != "nginx" else [""] * 4
        rows.append([way, f"{p50:.0f}", f"{p99:.0f}", *ours])
        if way != "nginx":
            goals.append(Goal(f"{way} at 1,000 requests/s, p50 more than nginx", more50, most=500, unit=" µs"))
            goals.append(Goal(f"{way} at 1,000 requests/s, p99 more than nginx", more99, most=3000, unit=" µs"))
    head = ["through", "p50 µs", "p99 µs", "p50 more than nginx", "p99 more than nginx"]
    head += ["p50 of Server-Timing's overhead", "p99 of Server-Timing's overhead"]
    return Section("Latency at 1,000 requests/s", table(head, rows), goals)


# Requests of one measurement, through so many connections.
REQUESTS, HOT = 20_000, 10


def growth(scene, options):
    """What a request costs, however many connections and providers there are: servers side by side, asked in turns."""
    sizes, providers = (10, 1_000, options.connections), (1, 10, 50)
    servers = {}
    for size in sizes:
        proxy = Proxy(scene, f"connections-{size}").start()
        idle = proxy.memory()
        known = more_connections(proxy, size)
        once(proxy, known)
        scene.memory = (idle, proxy.memory(), size)
        servers[f"{size:,} connections"] = (proxy, known[:HOT])
    for number in providers:
        proxy = Proxy(scene, f"providers-{number}", mappings=str(generated(scene, number))).start()
        servers[f"{number} more providers"] = (proxy, more_connections(proxy, HOT))
    for proxy, _ in servers.values():
        ways(scene, proxy)
    figures = in_turns(options.rounds, {name: (lambda one=one: cost(*one)) for name, one in servers.items()})
    for proxy, _ in servers.values():
        proxy.stop()
    lines = [[name, f"{passthrough:.0f}", f"{unified:.0f}"] for name, (passthrough, unified) in figures.items()]
    goals = []
    for few, many in (("10 connections", f"{sizes[-1]:,} connections"), ("1 more providers", "50 more providers")):
        for at, way in enumerate(("passthrough", "unified")):
            grown = figures[many][at] / figures[few][at]
            goals.append(Goal(f"{way} CPU with {many}, in times of {few.split()[0]}", grown, most=1.1))
    head = ["known", "passthrough, CPU µs a request", "unified, CPU µs a request"]
    return Section("Growth", table(head, lines), goals)


def more_connections(proxy, number):
    """The ids of so many new ones."""
    # All requests are as long as the first.
    first = f"customer-{0:09}"
    request = proxy.request("POST", "/v1/connections", json.dumps(new_connection(first)))
    text = pathlib.Path(request).read_bytes().replace(first.encode(), b"{}")
    pathlib.Path(request).write_bytes(text)
    return proxy.each(request, [f"customer-{at:09}" for at in range(number)])


def once(proxy, ids):
    """A request through each: what is kept of a connection that is in use is there."""
    proxy.each(proxy.request("GET", f"/v1/passthrough{ONE}", connection="{}"), ids)


def cost(proxy, ids):
    """Processor time of a passthrough and of a unified request. µs."""
    found = []
    for path in (f"/v1/passthrough{ONE}", RECORD):
        request = proxy.request("GET", path, connection="{}")
        words = [random.choice(ids) for _ in range(REQUESTS)]
        proxy.each(request, words[: REQUESTS // 20])
        before = proxy.cpu()
        proxy.each(request, words)
        found.append((proxy.cpu() - before) / REQUESTS * 1e6)
    return found


def generated(scene, number):
    """A folder with so many providers, all of them like the one that is measured."""
    folder = scene.work / f"generated-{number}"
    source = BENCHES.parent / "mappings/hubspot"
    for at in range(number):
        target = folder / f"generated{at:02}"
        target.mkdir(parents=True)
        for file in source.glob("*.yaml"):
            if file.name != "sandbox.yaml":
                (target / file.name).write_text(file.read_text())
    return folder


def memory(scene, options):
    """Idle, and with many connections that were all used."""
    if not hasattr(scene, "memory"):
        proxy = Proxy(scene, "memory").start()
        idle = proxy.memory()
        once(proxy, more_connections(proxy, options.connections))
        scene.memory = (idle, proxy.memory(), options.connections)
        proxy.stop()
    idle, full, connections = scene.memory
    each = (full[1] - idle[1]) * 1024 / connections
    rows = [
        ["idle", *(f"{size:.1f}" for size in idle), ""],
        [f"{connections:,} connections, each used once", *(f"{size:.1f}" for size in full), f"{each:.2f}"],
    ]
    goals = [
        Goal("memory, idle", idle[0], most=40, unit=" MiB"),
        Goal(f"memory with {connections:,} connections, all used", full[0], most=250, unit=" MiB"),
    ]
    head = ["server", "MiB", "of it not the program's file", "KiB a connection"]
    return Section("Memory", table(head, rows), goals)


def start(scene, options):
    """From the start of the process to its first answer, and to the first `/readyz` that is well."""
    proxy = Proxy(scene, "start").start()
    compare("a first answer", proxy.ask(RECORD), "unified.json")

    def until(url):
        proxy.stop()
        began = time.monotonic()
        proxy.spawn()
        while True:
            try:
                get(url, proxy.headers())
                return [(time.monotonic() - began) * 1e3]
            except OSError:
                time.sleep(0.001)

    measures = {"first unified answer": lambda: until(proxy.api + RECORD), "/readyz": lambda: until(f"{proxy.admin}/readyz")}
    figures = in_turns(max(options.rounds, 5), measures)
    proxy.stop()
    rows = [[name, f"{found[0]:.0f}"] for name, found in figures.items()]
    goals = [Goal("start to the first unified answer", figures["first unified answer"][0], most=300, unit=" ms")]
    return Section("Start, with all shipped mappings", table(["until", "ms"], rows), goals)


ALL = {
    "throughput": throughput,
    "list": list_of_100,
    "cache": cache,
    "latency": latency,
    "growth": growth,
    "memory": memory,
    "start": start,
}
