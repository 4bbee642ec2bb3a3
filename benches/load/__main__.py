"""Runs the parts; see benches/load.sh."""

import argparse
import pathlib
import signal
import sys
import tempfile

import parts
import report
import scene

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seconds", type=int, default=5)
parser.add_argument("--connections", type=int, default=100_000)
parser.add_argument("--only", default=",".join(parts.ALL))
parser.add_argument("--into", type=pathlib.Path, default=scene.BENCHES / "RESULTS.md")
for name in ("binary", "client", "mapping"):
    parser.add_argument(f"--{name}", required=True)
options = parser.parse_args()
wanted = options.only.split(",")
if unknown := [name for name in wanted if name not in parts.ALL]:
    sys.exit(f"{', '.join(unknown)}: no part of the test; there are {', '.join(parts.ALL)}")

# What is running is ended when this is.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
how = f"Rounds: {options.rounds} of {options.seconds} s"
# Goals that no part has any more go when all parts run.
whole = set(wanted) == set(parts.ALL)
with tempfile.TemporaryDirectory() as work:
    run = scene.Scene(work, options.binary, options.client)
    run.mapping = options.mapping
    try:
        run.start_nginx()
        for name in wanted:
            print(name, flush=True)
            section = parts.ALL[name](run, options)
            # At once: what comes later may fail.
            report.write(options.into, section, how, options.binary, afresh=whole and name == wanted[0])
    finally:
        run.stop_all()
print(options.into.read_text())
