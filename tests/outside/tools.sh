#!/usr/bin/env bash
# Installs the tools of the outside checks below CACHE, once for each set of versions:
#
#   tests/outside/tools.sh CACHE
#
# Prism and a YAML parser from npm, in CACHE/prism; schemathesis from PyPI, in CACHE/schemathesis.
set -euo pipefail

mkdir -p "$1"
CACHE=$(cd "$1" && pwd)
readonly CACHE
# Later releases of Prism want a newer Node than Debian has.
readonly NPM=(@stoplight/prism-cli@5.14.2 yaml@2.9.1)
# hypothesis makes the requests: with another release of it, the same seed gives others.
readonly PYPI=(schemathesis==4.32.5 hypothesis==6.170.15)

# The stamp is written last and names the versions: an interrupted installation, or one of others, is done again.
complete() { # FOLDER VERSIONS…
    [ "$(cat "$1/.complete" 2>/dev/null)" = "${*:2}" ]
}
if ! complete "$CACHE/prism" "${NPM[@]}"; then
    echo "installing ${NPM[*]} from npm into $CACHE/prism" >&2
    rm -rf "$CACHE/prism" && mkdir "$CACHE/prism"
    npm install --prefix "$CACHE/prism" --no-audit --no-fund --silent "${NPM[@]}" >&2
    echo "${NPM[*]}" >"$CACHE/prism/.complete"
fi
if ! complete "$CACHE/schemathesis" "${PYPI[@]}"; then
    echo "installing ${PYPI[*]} from PyPI into $CACHE/schemathesis" >&2
    rm -rf "$CACHE/schemathesis"
    python3 -m venv "$CACHE/schemathesis"
    "$CACHE/schemathesis/bin/pip" install --quiet --disable-pip-version-check "${PYPI[@]}" >&2
    echo "${PYPI[*]}" >"$CACHE/schemathesis/.complete"
fi
