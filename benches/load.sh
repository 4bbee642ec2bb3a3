#!/usr/bin/env bash
# What the proxy costs, beside nginx and beside nothing: everything that benches/RESULTS.md says, written anew.
#
#   benches/load.sh                             all parts, about half an hour on a machine that does nothing else
#     --only throughput,list,cache,latency,growth,memory,start
#                                               some of them; the rest of RESULTS.md stays as it is
#     --rounds 3 --seconds 5                    rounds of each part, and how long one measurement takes
#     --connections 100000                      the most connections of `growth` and `memory`
#     --into FILE                               instead of benches/RESULTS.md
#     --binary FILE                             this `throughline` instead of building one
#
# Needs Python 3, and Debian's nginx and wrk (installed if this is root); builds the release binary and the benches.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
arguments=() binary=''
while [ $# -gt 0 ]; do
    case $1 in
    --binary) binary=$2 ;;
    --only | --rounds | --seconds | --connections | --into) arguments+=("$1" "$2") ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
    esac
    shift 2
done

missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
command -v wrk >/dev/null || missing+=(wrk)
if [ ${#missing[@]} -gt 0 ]; then
    [ "$(id -u)" = 0 ] || { echo "missing: ${missing[*]}" >&2; exit 1; }
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The path of a bench's executable, built.
bench() {
    cargo bench --no-run --locked --quiet --bench "$1" --message-format json | python3 -c '
import json, sys
lines = map(json.loads, sys.stdin)
print([line["executable"] for line in lines if line.get("executable") and line["target"]["kind"] == ["bench"]][-1])'
}
client=$(bench load_client)
mapping=$(bench mapping)
# Last: building benches also leaves a binary there, with what only tests need.
if [ -z "$binary" ]; then
    cargo build --release --locked
    binary=${CARGO_TARGET_DIR:-$root/target}/release/throughline
fi
exec python3 benches/load --binary "$(realpath "$binary")" --client "$client" --mapping "$mapping" "${arguments[@]}"
