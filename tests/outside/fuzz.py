#!/usr/bin/env python3
"""Does the API do what its own OpenAPI document says?

    tests/outside/fuzz.py CACHE THROUGHLINE        (tests/outside/tools.sh CACHE installs what this needs)

schemathesis reads the document off `throughline demo`, makes requests of it, valid and invalid ones, and holds what comes
back against it. The resources are dealt out among providers that have a stand-in, so that each is asked of one of them; the
routes around records are a third part. Each part has a demo of its own, and all run at once.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

PROVIDERS = ["hubspot", "salesforce"]
# Tried with systematic boundary values, too, which takes as long as all the random ones. The others have the same code.
THOROUGH = ["contacts"]
# They take away what the other requests need, so they come last.
DESTRUCTIVE = ["revokeKey", "deleteConnection"]
# Not among them: that valid requests are accepted, since providers differ in what they can do and refuse the rest.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
]
SEED, EXAMPLES = 20260, 50
# Far more than it takes.
PATIENCE = 900

cache, throughline = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
environment = {name: value for name, value in os.environ.items() if not name.startswith("THROUGHLINE_")}


class Demo:
    """`throughline demo` on free ports, while it is needed."""

    def __enter__(self):
        command = [throughline, "demo", "--port", "0", "--admin-port", "0"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if line.startswith("ready "):
                ready = json.loads(line.removeprefix("ready "))
                self.api, self.key, self.connections = ready["api"], ready["key"], ready["connections"]
                return self
        raise SystemExit("fuzz: the demo ended before it was ready")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def document(self):
        with urllib.request.urlopen(f"{self.api}/openapi.json") as answer:
            return json.load(answer)


def run(demo, provider, phases, *which):
    """One run of schemathesis: how many requests it made, and what it said if it found something."""
    command = [cache / "schemathesis/bin/schemathesis", "run", f"{demo.api}/openapi.json", "--no-color"]
    command += ["--header", f"Authorization: Bearer {demo.key}"]
    command += ["--header", f"Throughline-Connection: {demo.connections[provider]}"]
    command += ["--checks", ",".join(CHECKS), "--phases", phases, "--continue-on-failure", "--warnings", "off"]
    command += ["--seed", str(SEED), "--max-examples", str(EXAMPLES), "--generation-database", "none", *which]
    # It leaves files where it runs.
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        done = subprocess.run(
            command, cwd=folder, env=environment, timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    made = re.search(r"^\s*(\d+) generated", done.stdout, re.M)
    # A run that made nothing proves nothing.
    good = done.returncode == 0 and made
    return int(made[1]) if made else 0, "" if good else done.stdout


def records(provider, resources):
    """The routes of records, with one provider."""
    thorough = [name for name in resources if name in THOROUGH]
    others = [name for name in resources if name not in THOROUGH]
    with Demo() as demo:
        for names, phases in [(thorough, "examples,coverage,fuzzing"), (others, "examples,fuzzing")]:
            if names:
                yield run(demo, provider, phases, "--include-path-regex", f"^/v1/crm/({'|'.join(names)})(/|$)")


def others():
    """All other routes."""
    destructive = [word for name in DESTRUCTIVE for word in ("--exclude-operation-id", name)]
    only = [word for name in DESTRUCTIVE for word in ("--include-operation-id", name)]
    with Demo() as demo:
        phases = "examples,coverage,fuzzing"
        yield run(demo, PROVIDERS[0], phases, "--exclude-path-regex", "^/v1/crm/|/passthrough/", *destructive)
        # Passthrough takes methods that no document can name.
        raw = ["--include-path-regex", "/passthrough/", "--exclude-checks", "unsupported_method"]
        yield run(demo, PROVIDERS[0], phases, *raw)
        yield run(demo, PROVIDERS[0], phases, *only)


began = time.monotonic()
with Demo() as demo:
    paths = demo.document()["paths"]
resources = sorted({path.split("/")[3] for path in paths if path.startswith("/v1/crm/")})
parts = {"other routes": others}
for at, provider in enumerate(PROVIDERS):
    mine = resources[at :: len(PROVIDERS)]
    parts[provider] = lambda provider=provider, mine=mine: records(provider, mine)

failed, total = False, 0
with concurrent.futures.ThreadPoolExecutor() as pool:
    results = {name: pool.submit(lambda part=part: list(part())) for name, part in parts.items()}
    for name, result in results.items():
        runs = result.result()
        for _, said in runs:
            if said:
                failed = True
                print(said)
        made = sum(made for made, _ in runs)
        total += made
        print(f"fuzz: {name}: {made} requests{', and failures above' if any(said for _, said in runs) else ''}", flush=True)
print(f"fuzz: {total} requests in {time.monotonic() - began:.0f} s, with seed {SEED}")
sys.exit(failed)
