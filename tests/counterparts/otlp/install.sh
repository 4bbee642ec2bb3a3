#!/usr/bin/env bash
# Installs what reads traces in the tests into CACHE, once for each version: OpenTelemetry's own messages for Python.
#
#   tests/counterparts/otlp/install.sh CACHE
set -euo pipefail

readonly PACKAGE=opentelemetry-proto==1.45.2
mkdir -p "$1"
CACHE=$(cd "$1" && pwd)
# The stamp is written last and names the version: an interrupted installation, or one of another, is done again.
if [ "$(cat "$CACHE/.complete" 2>/dev/null)" != "$PACKAGE" ]; then
    echo "installing $PACKAGE from PyPI into $CACHE" >&2
    rm -rf "$CACHE/venv"
    python3 -m venv "$CACHE/venv"
    "$CACHE/venv/bin/pip" install --quiet --disable-pip-version-check "$PACKAGE" >&2
    echo "$PACKAGE" >"$CACHE/.complete"
fi
