"""Are the files in deploy/ what the programs that read them take?

    CACHE/deploy/bin/python tests/outside/deploy.py CACHE THROUGHLINE

tests/outside/tools.sh CACHE installs what this needs.

Kubernetes' manifests against its schemas, compose's file against its own, the Dockerfile by hadolint, the unit by
systemd-analyze, nginx's configuration by nginx, and the configurations in them by `throughline` itself. Whoever stops the
process has to wait as long as it may take to end in order. What is not on this machine is named and left out.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

CACHE, THROUGHLINE = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
DEPLOY = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy"
TOOLS = CACHE / "deploy" / "bin"
# Of 10, by systemd's own count; today it is 1.2.
MOST_EXPOSED = 1.5
# serve/mod.rs: how long renewals that have begun may take when the server stops.
LAST_RENEWALS = 20
faults, left_out, checked = [], [], []


def run(what, *command, **options):
    """Runs a check; its words are a fault if it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    checked.append(what)
    if done.returncode != 0:
        faults.append(f"{what}: {(done.stdout + done.stderr).strip()}")
    return done.stdout


def here(program, what):
    if shutil.which(program):
        return True
    left_out.append(f"{what} ({program} is not installed)")
    return False


def expect(what, holds, words):
    checked.append(what)
    if not holds:
        faults.append(f"{what}: {words}")


def kubernetes(scratch):
    manifests = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in manifests:
        if manifest.name != "kustomization.yaml":
            run(manifest.name, TOOLS / "kubernetes-validate", "--strict", manifest)
    kustomization = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
    aside = {"kustomization.yaml", "secret.example.yaml"}
    named = set(kustomization["resources"])
    expect("kustomization", named == {manifest.name for manifest in manifests} - aside, f"it names {named}")
    if here("kubectl", "the kustomization as a whole"):
        whole = scratch / "whole.yaml"
        whole.write_text(run("kubectl kustomize", "kubectl", "kustomize", DEPLOY / "kubernetes"))
        run("the kustomization as a whole", TOOLS / "kubernetes-validate", "--strict", whole)


def compose():
    file = DEPLOY / "compose/compose.yaml"
    run("compose.yaml", TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)
    for name, service in yaml.safe_load(file.read_text())["services"].items():
        sources = [volume.split(":")[0] for volume in service.get("volumes", [])]
        for source in (source for source in sources if source.startswith(".")):
            expect(f"{source} of {name}", (file.parent / source).exists(), "there is no such file")


def configurations(scratch):
    """What `serve` would read, read by a command that needs no more than the configuration and a store."""
    config_map = yaml.safe_load((DEPLOY / "kubernetes/configmap.yaml").read_text())
    texts = {
        "compose/throughline.yaml": (DEPLOY / "compose/throughline.yaml").read_text(),
        "kubernetes/configmap.yaml": config_map["data"]["throughline.yaml"],
        "config.default.yaml": (DEPLOY / "config.default.yaml").read_text(),
    }
    for number, (name, text) in enumerate(texts.items()):
        file = scratch / f"{number}.yaml"
        file.write_text(text)
        environment = {"THROUGHLINE_STORE": f"sqlite:{scratch}/{number}.db"}
        run(name, THROUGHLINE, "store", "migrate", "--config", file, env=environment)


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def patience():
    edge = yaml.safe_load((DEPLOY / "config.default.yaml").read_text())["edge"]
    # Requests that have begun, then writes as long again.
    needed = seconds(edge["drain_delay"]) + 2 * seconds(edge["drain"]) + LAST_RENEWALS
    unit = (DEPLOY / "systemd/throughline.service").read_text()
    deployment = yaml.safe_load((DEPLOY / "kubernetes/deployment.yaml").read_text())
    compose = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    given = {
        "TimeoutStopSec": float(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]),
        "terminationGracePeriodSeconds": deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"],
        "stop_grace_period": seconds(compose["services"]["throughline"]["stop_grace_period"]),
    }
    for name, time in given.items():
        expect(name, time >= needed, f"it is {time} s, and an orderly end may take {needed} s")


def unit(scratch):
    if not here("systemd-analyze", "the unit"):
        return
    # It looks whether the program is there.
    text = (DEPLOY / "systemd/throughline.service").read_text().replace("/usr/local/bin/throughline", str(THROUGHLINE))
    file = scratch / "throughline.service"
    file.write_text(text)
    run("systemd-analyze verify", "systemd-analyze", "verify", "--man=no", file)
    threshold = f"--threshold={int(MOST_EXPOSED * 10)}"
    run("systemd-analyze security", "systemd-analyze", "security", "--offline=true", "--no-pager", threshold, file)


def nginx(scratch):
    if not here("nginx", "nginx.conf") or not here("openssl", "nginx.conf"):
        return
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=crm.example.com"]
    pair = ["-keyout", scratch / "crm.key", "-out", scratch / "crm.pem"]
    run("a certificate", "openssl", "req", "-x509", "-days", "2", *key, *pair)
    file = scratch / "nginx.conf"
    file.write_text((DEPLOY / "nginx.conf").read_text().replace("/etc/nginx/", f"{scratch}/"))
    aside = f"pid {scratch}/pid; error_log {scratch}/log;"
    run("nginx.conf", "nginx", "-t", "-p", scratch, "-c", file, "-g", aside)


with tempfile.TemporaryDirectory() as folder:
    scratch = pathlib.Path(folder)
    kubernetes(scratch)
    compose()
    run("Dockerfile", TOOLS / "hadolint", "--no-color", DEPLOY / "Dockerfile")
    configurations(scratch)
    patience()
    unit(scratch)
    nginx(scratch)

for fault in faults:
    print(fault)
for thing in left_out:
    print(f"left out: {thing}")
print(f"deploy: {len(checked)} checks, {len(faults)} failed, {len(left_out)} left out")
sys.exit(bool(faults))
