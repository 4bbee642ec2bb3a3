#!/usr/bin/env bash
# Runs all tests: installs what they need where it is missing, starts throwaway servers on free ports, cleans up.
#
#   tests/run.sh            everything
#   tests/run.sh --fast     without the real CRM and authorization servers and what checks the API from outside, with
#                           PostgreSQL only if it is there: no network, no packages
#   tests/run.sh --prepare  only installs Debian packages
#
# What is installed from PyPI and npm stays below target/ and is kept for the next time.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
fast=false prepare=false
for argument; do
    case $argument in
    --fast) fast=true ;;
    --prepare) prepare=true ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
    esac
done

say() { printf '\n=== %s\n' "$*"; }

# --- what is needed -----------------------------------------------------------------------------------------------
packages=()
needs() { command -v "$1" >/dev/null || packages+=("$2"); }
needs cc gcc
needs python3 python3
# Debian's python3 comes without what makes virtual environments.
$fast || python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
$fast || needs node nodejs
$fast || needs npm npm
needs openssl openssl
$fast || needs nginx nginx
$fast || needs faketime faketime
$fast || tests/counterparts/postgres-up.sh --find >/dev/null 2>&1 || packages+=(postgresql)
$fast || needs chromium chromium
$fast || needs redis-server redis-server
$fast || needs promtool prometheus
[ -e /usr/include/stdio.h ] || packages+=(libc6-dev)
if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing ${packages[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
    else
        echo "missing: ${packages[*]}; install them (Debian: apt-get install ${packages[*]}) and run this again" >&2
        exit 1
    fi
fi
command -v cargo >/dev/null || { echo "missing: cargo; install Rust (https://rustup.rs)" >&2; exit 1; }
$prepare && exit 0

# --- servers ------------------------------------------------------------------------------------------------------
began=$SECONDS
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$target"
scratch=$(mktemp -d "$target/test-servers.XXXXXX")
servers=() POSTGRES_PID='' POSTGRES_DIR=''
clean_up() {
    local code=$? pid
    for pid in "${servers[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    if [ -n "$POSTGRES_PID" ]; then
        # This signal ends the server without waiting for those who are connected.
        kill -INT "$POSTGRES_PID" 2>/dev/null || true
        for _ in $(seq 50); do
            kill -0 "$POSTGRES_PID" 2>/dev/null || break
            sleep 0.1
        done
        rm -rf "$POSTGRES_DIR"
    fi
    rm -rf "$scratch"
    if [ "$code" = 0 ]; then
        printf '\nPASSED in %d s: %s\n' "$((SECONDS - began))" "$summary"
    else
        printf '\nFAILED after %d s: %s\n' "$((SECONDS - began))" "$doing"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
summary='' doing='start'

if ! $fast || tests/counterparts/postgres-up.sh --find >/dev/null 2>&1; then
    doing='starting PostgreSQL'
    say "$doing"
    tests/counterparts/postgres-up.sh >"$scratch/postgres.env"
    while IFS='=' read -r name value; do
        export "$name=$value"
    done <"$scratch/postgres.env"
    # Its tests have to run here, rather than say that they skip.
    export THROUGHLINE_REQUIRE_POSTGRES=1
fi

# Tests start a Redis of their own each, to flush and end it; they have to run here, rather than say that they skip.
$fast || export THROUGHLINE_REQUIRE_REDIS=1

if ! $fast; then
    doing='starting Tryton'
    say "$doing"
    tests/counterparts/tryton-up.sh "$target/counterparts/tryton" "$scratch/tryton" >"$scratch/tryton.env"
    while IFS='=' read -r name value; do
        export "$name=$value"
    done <"$scratch/tryton.env"
    servers+=("$TRYTON_PID")
    # Its tests have to run here, rather than say that they skip.
    export THROUGHLINE_REQUIRE_TRYTON=1
fi

if ! $fast; then
    doing='installing the authorization server'
    tests/counterparts/oidc/install.sh "$target/counterparts/oidc"
    export THROUGHLINE_TEST_OIDC=$target/counterparts/oidc
    # Its tests have to run here, rather than say that they skip.
    export THROUGHLINE_REQUIRE_PROCESSES=1
    doing='installing what reads traces'
    tests/counterparts/otlp/install.sh "$target/counterparts/otlp"
    export THROUGHLINE_TEST_OTLP=$target/counterparts/otlp THROUGHLINE_REQUIRE_OTLP=1
else
    # Also where it was installed before: these tests take minutes.
    export THROUGHLINE_TEST_OIDC=$scratch/none
fi

# Upgrades begin with the binary of an earlier commit, which an archive or a shallow clone does not have. Before the
# binary of this one is built, because it takes its place for a moment.
if ! $fast; then
    doing='building an earlier commit'
    say "$doing"
    code=0
    previous=$(tests/counterparts/previous.sh "$target") || code=$?
    case $code in
    0) export THROUGHLINE_TEST_PREVIOUS=$previous ;;
    3) [ "${THROUGHLINE_REQUIRE_PREVIOUS:-}" != 1 ] || exit 1
       echo 'skipped: upgrades from an earlier commit' ;;
    *) exit "$code" ;;
    esac
fi

# --- tests --------------------------------------------------------------------------------------------------------
doing='building'
say "$doing"
cargo build --locked --quiet
cargo test --locked --no-run --quiet

# So many seeds of the simulation (tests/simulation); one alone is played with THROUGHLINE_SEED.
$fast || export THROUGHLINE_SEEDS=${THROUGHLINE_SEEDS:-1000}

doing='cargo test'
say "$doing"
cargo test --locked --no-fail-fast -- --quiet 2>&1 | tee "$scratch/tests.log"
count() { awk -v which="$1" '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ which) sum += $(i - 1) } END { print sum + 0 }' "$scratch/tests.log"; }
summary="$(count '^passed') tests"

throughline=$target/debug/throughline
doing='throughline check --strict'
say "$doing"
"$throughline" check --strict | tee "$scratch/check.log"

doing='throughline test'
say "$doing"
"$throughline" test | tee "$scratch/examples.log"
summary="$summary; mappings checked; $(tail -1 "$scratch/examples.log")"
if command -v promtool >/dev/null; then
    doing='alert rules and the dashboard'
    say "$doing"
    tests/outside/prometheus.py | tee "$scratch/prometheus.log"
    summary="$summary; $(tail -1 "$scratch/prometheus.log")"
fi
if $fast; then
    summary="$summary; without Tryton and the checks from outside (--fast)"
else
    outside=$target/outside
    doing='installing what checks from outside'
    tests/outside/tools.sh "$outside"

    doing="the vendors' own documents"
    say "$doing"
    tests/outside/prism.mjs "$outside" | tee "$scratch/prism.log"

    doing='the API against its own document'
    say "$doing"
    tests/outside/fuzz.py "$outside" "$throughline" | tee "$scratch/fuzz.log"

    doing='connect links in a browser'
    say "$doing"
    tests/outside/connect.mjs "$outside" "$throughline" | tee "$scratch/connect.log"

    doing='the documentation in a browser'
    say "$doing"
    tests/outside/docs.mjs "$outside" "$throughline" | tee "$scratch/docs.log"

    # Go is tried where it is installed: Debian's takes half a gigabyte.
    doing="the documentation's clients"
    say "$doing"
    tests/outside/clients.mjs "$outside" "$throughline" | tee "$scratch/clients.log"

    doing="the vendors' own clients"
    say "$doing"
    tests/outside/sdks.mjs "$outside" "$throughline" | tee "$scratch/sdks.log"
    doing='the files of a deployment'
    say "$doing"
    "$outside/deploy/bin/python" tests/outside/deploy.py "$outside" "$throughline" | tee "$scratch/deploy.log"
    summary="$summary; with a real Tryton"
    for log in prism fuzz connect docs clients sdks deploy; do
        summary="$summary; $(tail -1 "$scratch/$log.log")"
    done
fi
doing='end'
