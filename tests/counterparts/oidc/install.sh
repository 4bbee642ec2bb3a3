#!/usr/bin/env bash
# Installs the authorization server of the tests into CACHE, once for each version:
#
#   tests/counterparts/oidc/install.sh CACHE
set -euo pipefail

readonly PACKAGE=oidc-provider@9.13.3
mkdir -p "$1"
CACHE=$(cd "$1" && pwd)
# The stamp is written last and names the version: an interrupted installation, or one of another, is done again.
if [ "$(cat "$CACHE/.complete" 2>/dev/null)" != "$PACKAGE" ]; then
    echo "installing $PACKAGE from npm into $CACHE" >&2
    rm -rf "$CACHE/node_modules"
    npm install --prefix "$CACHE" --no-audit --no-fund --silent "$PACKAGE" >&2
    echo "$PACKAGE" >"$CACHE/.complete"
fi
