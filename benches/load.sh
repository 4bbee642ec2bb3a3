#!/usr/bin/env bash
# What the proxy costs: the same pinned vendor record fetched through nginx (the floor: a proxy that understands nothing),
# through passthrough and through the unified API, one after the other on the same cores, several rounds, medians.
#
#   benches/load.sh [--rounds 3] [--seconds 5]        writes benches/RESULTS.md
#
# Needs Debian's nginx and wrk (installed if this is root) and builds the release binary.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
rounds=3 seconds=5
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2 ;;
    --seconds) seconds=$2 ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
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
cargo build --release --locked
throughline=${CARGO_TARGET_DIR:-$root/target}/release/throughline

work=$(mktemp -d)
processes=()
clean_up() {
    for pid in "${processes[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean_up EXIT
read -r vendor floor api admin < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(4)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])')
answers() { # URL: waits until it answers, at most 20 seconds
    local deadline=$((SECONDS + 20))
    until curl -s -o /dev/null "$1"; do
        ((SECONDS < deadline)) || { echo "$1 does not answer" >&2; exit 1; }
        sleep 0.1
    done
}

# --- the vendor: one record, whatever is asked; and nginx as a proxy in front of it ---------------------------------
mkdir -p "$work/www"
cp benches/contact.json "$work/www/"
chmod -R a+rX "$work"
common='daemon off; worker_processes auto; error_log stderr warn; events { worker_connections 1024; }'
cat >"$work/vendor.conf" <<CONF
$common
pid $work/vendor.pid;
http {
    access_log off; keepalive_requests 1000000; default_type application/json; open_file_cache max=10;
    server { listen 127.0.0.1:$vendor; location / { root $work/www; try_files /contact.json =404; } }
}
CONF
cat >"$work/floor.conf" <<CONF
$common
pid $work/floor.pid;
http {
    access_log off; keepalive_requests 1000000;
    upstream vendor { server 127.0.0.1:$vendor; keepalive 64; keepalive_requests 1000000; }
    server {
        listen 127.0.0.1:$floor;
        location / { proxy_pass http://vendor; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
CONF
nginx -p "$work" -c vendor.conf 2>"$work/vendor.log" & processes+=($!)
nginx -p "$work" -c floor.conf 2>"$work/floor.log" & processes+=($!)

# --- the proxy --------------------------------------------------------------------------------------------------------
(cd "$work" && "$throughline" vault init vault.key >/dev/null)
cat >"$work/throughline.yaml" <<CONF
listen: 127.0.0.1:$api
admin_listen: 127.0.0.1:$admin
store: sqlite:$work/throughline.db
vault: { key_file: $work/vault.key }
upstream: { dangerous_allow_private_addresses: true }
providers: { hubspot: { base_url: "http://127.0.0.1:$vendor" } }
log: { level: warn }
CONF
key=$("$throughline" keys create --config "$work/throughline.yaml" --tenant bench --scopes read,passthrough,connect)
"$throughline" serve --config "$work/throughline.yaml" 2>"$work/throughline.log" & server=$!
processes+=("$server")
answers "http://127.0.0.1:$vendor/" && answers "http://127.0.0.1:$floor/" && answers "http://127.0.0.1:$admin/healthz"
curl -sf "http://127.0.0.1:$api/v1/connections" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
    -d '{"provider":"hubspot","customer_id":"bench","credentials":{"type":"token","token":"bench-token"}}' >"$work/connection.json"
connection=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["id"])' "$work/connection.json")
memory() { awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$server/status"; }
idle=$(memory)

path=/crm/objects/2026-03/contacts/501
declare -A url=(
    [nginx]="http://127.0.0.1:$floor$path"
    [passthrough]="http://127.0.0.1:$api/v1/passthrough$path"
    [unified]="http://127.0.0.1:$api/v1/crm/contacts/501"
)
headers=(-H "Authorization: Bearer $key" -H "Throughline-Connection: $connection")

# --- the answers are right before they are fast -------------------------------------------------------------------------
for kind in nginx passthrough; do
    curl -sf "${headers[@]}" "${url[$kind]}" | cmp - benches/contact.json || { echo "$kind changes the body" >&2; exit 1; }
done
curl -sf "${headers[@]}" "${url[unified]}" | python3 -m json.tool --no-ensure-ascii >"$work/unified.json"
diff benches/unified.json "$work/unified.json" || { echo "the unified answer is not the pinned one" >&2; exit 1; }

# --- measuring --------------------------------------------------------------------------------------------------------
measure() { # KIND CONNECTIONS SECONDS
    local out
    out=$(wrk -t1 -c"$2" -d"$3s" --latency "${headers[@]}" "${url[$1]}")
    if grep -qE 'Non-2xx|Socket errors' <<<"$out"; then
        echo "$1: $out" >&2
        exit 1
    fi
    printf '%s\t%s\t%s\n' "$1" "$2" "$(awk '/^ *50%/ { a = $2 } /^ *99%/ { b = $2 } /^Requests\/sec/ { c = $2 } END { print c "\t" a "\t" b }' <<<"$out")" >>"$work/figures"
}
for kind in nginx passthrough unified; do wrk -t1 -c16 -d1s "${headers[@]}" "${url[$kind]}" >/dev/null; done
for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds"
    for kind in nginx passthrough unified; do measure "$kind" 16 "$seconds"; done
    for kind in nginx passthrough unified; do measure "$kind" 1 2; done
done
loaded=$(memory)

export idle loaded rounds seconds
VERSION=$("$throughline" --version) NGINX=$(nginx -v 2>&1 | sed 's/.*: //') RUST=$(rustc --version) \
    python3 - "$work/figures" >benches/RESULTS.md <<'PY'
import collections, os, re, statistics, sys

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}

def ms(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * UNITS[unit]

figures = collections.defaultdict(list)
for line in open(sys.argv[1]):
    kind, connections, rate, p50, p99 = line.split()
    figures[connections, kind].append((float(rate), ms(p50), ms(p99)))

cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "unknown")
env = os.environ
print(f"""# Figures

Written by `benches/load.sh`: a vendor record of {os.path.getsize('benches/contact.json')} bytes through nginx, passthrough and the unified API, side by side on the
same machine with the load generator (wrk, one thread) and the vendor (nginx). Medians of {env['rounds']} interleaved rounds of {env['seconds']} s.
Before measuring, passthrough is compared byte by byte with the vendor's record and the unified answer with `unified.json`.

- {env['VERSION']}, {env['RUST']}
- {env['NGINX']}, {os.cpu_count()} cores, {cpu}
- resident memory of `throughline serve`: {env['idle']} MiB idle, {env['loaded']} MiB after the load
""")
for connections, title in (("16", "16 connections (as much as goes)"), ("1", "1 connection (latency)")):
    print(f"## {title}\n\n| through | requests/s | of nginx | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|")
    floor = statistics.median(rate for rate, _, _ in figures[connections, "nginx"])
    for kind in ("nginx", "passthrough", "unified"):
        rate, p50, p99 = (statistics.median(column) for column in zip(*figures[connections, kind]))
        print(f"| {kind} | {rate:,.0f} | {rate / floor:.2f} | {p50:.3f} | {p99:.3f} |")
    print()
PY
cat benches/RESULTS.md
