#!/usr/bin/env bash
# Starts a throwaway PostgreSQL server on a free loopback port, with passwords (SCRAM) and TLS.
#
#   tests/counterparts/postgres-up.sh
#
# The server runs as a user of its own where this one is root, so its files are in a new folder below /tmp. Standard
# output is lines for `export`:
#   THROUGHLINE_TEST_POSTGRES  THROUGHLINE_TEST_POSTGRES_CA
# and POSTGRES_PID and POSTGRES_DIR, which the caller ends (SIGINT) and removes.
#
#   tests/counterparts/postgres-up.sh --find     only says where the server's programs are; fails if there are none
set -euo pipefail

say() { printf 'postgres: %s\n' "$*" >&2; }

# Debian keeps them outside the path, a folder for each version.
find_programs() {
    local newest
    newest=$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -V | tail -1)
    newest=${newest:-$(command -v initdb || true)}
    [ -n "$newest" ] && dirname "$newest"
}
BIN=$(find_programs) || { say 'not installed (Debian: apt-get install postgresql)'; exit 1; }
readonly BIN
if [ "${1:-}" = --find ]; then
    echo "$BIN"
    exit
fi

DIR=$(mktemp -d -t throughline-postgres.XXXXXX)
readonly DIR
trap 'code=$?; [ "$code" = 0 ] || { tail -20 "$DIR/log" >&2 2>/dev/null || true; rm -rf "$DIR"; }' EXIT

# --- who it runs as -------------------------------------------------------------------------------------------------
as=()
if [ "$(id -u)" = 0 ]; then
    # The server refuses to run as root.
    id postgres >/dev/null 2>&1 || useradd --system --no-create-home --shell /usr/sbin/nologin postgres
    as=(runuser -u postgres --)
fi

# --- an authority, and a certificate for localhost ------------------------------------------------------------------
cat >"$DIR/openssl.conf" <<'END'
[req]
distinguished_name = name
prompt = no
[name]
CN = throwaway
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost
END
openssl_quietly() { openssl "$@" 2>"$DIR/log" || { say 'no certificate could be made'; exit 1; }; }
key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config "$DIR/openssl.conf")
openssl_quietly req -x509 -days 2 "${key[@]}" -extensions authority -keyout "$DIR/ca.key" -out "$DIR/ca.pem"
openssl_quietly req "${key[@]}" -keyout "$DIR/server.key" -out "$DIR/server.csr"
openssl_quietly x509 -req -days 2 -in "$DIR/server.csr" -CA "$DIR/ca.pem" -CAkey "$DIR/ca.key" -CAcreateserial \
    -extfile "$DIR/openssl.conf" -extensions server -out "$DIR/server.crt"

# --- a cluster ------------------------------------------------------------------------------------------------------
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
printf '%s\n' "$password" >"$DIR/password"
chmod 600 "$DIR/password" "$DIR/server.key"
[ ${#as[@]} = 0 ] || chown -R postgres "$DIR"
# Locale C makes nothing easier for the tests: whatever order the store needs it has to ask for.
locale=$(locale -a 2>/dev/null | grep -ixE 'en_US\.utf-?8|C\.utf-?8' | sort -r | head -1)
"${as[@]}" "$BIN/initdb" --pgdata "$DIR/data" --username tl --pwfile "$DIR/password" --auth scram-sha-256 \
    --encoding UTF8 --locale "${locale:-C}" --no-sync >"$DIR/log" 2>&1

# --- server ---------------------------------------------------------------------------------------------------------
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
started=false
for attempt in 1 2 3; do
    port=$(free_port)
    # What is on the disk does not matter here: the machine that loses its power loses the tests as well.
    cat >"$DIR/data/postgresql.auto.conf" <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$DIR'
max_connections = 300
fsync = off
full_page_writes = off
ssl = on
ssl_cert_file = '$DIR/server.crt'
ssl_key_file = '$DIR/server.key'
END
    if "${as[@]}" "$BIN/pg_ctl" start --pgdata "$DIR/data" --log "$DIR/log" --wait --silent >/dev/null 2>&1 </dev/null; then
        started=true
        break
    fi
    say "did not start on port $port (attempt $attempt)"
done
$started
pid=$(head -1 "$DIR/data/postmaster.pid")
PGPASSWORD=$password "$BIN/createdb" --host 127.0.0.1 --port "$port" --username tl tl
# One round instead of 4096: a client without optimisation takes so long over them that tests would measure little else.
verifier=$(python3 - "$password" <<'END'
import base64, hashlib, hmac, os, sys
salt = os.urandom(16)
salted = hashlib.pbkdf2_hmac("sha256", sys.argv[1].encode(), salt, 1)
key = lambda name: hmac.digest(salted, name, "sha256")
text = lambda raw: base64.b64encode(raw).decode()
stored = hashlib.sha256(key(b"Client Key")).digest()
print(f"SCRAM-SHA-256$1:{text(salt)}${text(stored)}:{text(key(b'Server Key'))}")
END
)
PGPASSWORD=$password "$BIN/psql" --quiet --host 127.0.0.1 --port "$port" --username tl --command "ALTER ROLE tl PASSWORD '$verifier'" tl
printf 'THROUGHLINE_TEST_POSTGRES=%s\n' "postgres://tl:$password@127.0.0.1:$port/tl"
printf 'THROUGHLINE_TEST_POSTGRES_CA=%s\nPOSTGRES_PID=%s\nPOSTGRES_DIR=%s\n' "$DIR/ca.pem" "$pid" "$DIR"
say "serving on port $port"
