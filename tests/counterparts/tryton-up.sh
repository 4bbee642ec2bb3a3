#!/usr/bin/env bash
# Starts a real Tryton (parties and sale opportunities) on a free loopback port, with its own REST API.
#
#   tests/counterparts/tryton-up.sh CACHE DIR
#
# CACHE keeps what is slow to make: a virtual environment with the packages from PyPI, and a freshly set up database.
# DIR gets this run's copy of the database, the log and the process id. Standard output is lines for `export`:
#   THROUGHLINE_TRYTON_URL  THROUGHLINE_TRYTON_KEY  THROUGHLINE_TRYTON_COMPANY  and TRYTON_PID, which the caller ends.
set -euo pipefail

mkdir -p "$1" "$2/db"
CACHE=$(cd "$1" && pwd) DIR=$(cd "$2" && pwd)
readonly CACHE DIR
readonly RELEASE='8.2.*'
readonly DATABASE=crm
readonly MODULES=(party company currency country sale_opportunity)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'tryton: %s\n' "$*" >&2; }

# --- packages -----------------------------------------------------------------------------------------------------
# The stamp is written last: an interrupted installation is done again.
if [ ! -e "$CACHE/venv/.complete" ]; then
    say "installing trytond $RELEASE from PyPI into $CACHE/venv"
    rm -rf "$CACHE/venv"
    python3 -m venv "$CACHE/venv"
    "$CACHE/venv/bin/pip" install --quiet --disable-pip-version-check \
        "trytond==$RELEASE" "trytond_party==$RELEASE" "trytond_sale_opportunity==$RELEASE" >&2
    touch "$CACHE/venv/.complete"
fi
readonly BIN=$CACHE/venv/bin

# --- database -----------------------------------------------------------------------------------------------------
printf '%s\n' admin-password >"$CACHE/password"
export TRYTONPASSFILE=$CACHE/password
configuration() { # FOLDER PORT
    printf '[database]\nuri = sqlite://\npath = %s\n[web]\nlisten = 127.0.0.1:%s\n' "$1" "$2"
}
if [ ! -e "$CACHE/template.sqlite" ]; then
    say "setting up a database (once, about a minute)"
    rm -rf "$CACHE/new" && mkdir -p "$CACHE/new"
    configuration "$CACHE/new" 1 >"$CACHE/new.conf"
    : >"$CACHE/new/$DATABASE.sqlite"
    admin() { "$BIN/trytond-admin" -c "$CACHE/new.conf" -d "$DATABASE" "$@" >"$CACHE/admin.log" 2>&1 ||
        { tail -20 "$CACHE/admin.log" >&2; say "the database could not be set up"; exit 1; }; }
    admin --all --email admin@example.test
    admin -u "${MODULES[@]}" --activate-dependencies
    mv "$CACHE/new/$DATABASE.sqlite" "$CACHE/template.sqlite"
fi
cp "$CACHE/template.sqlite" "$DIR/db/$DATABASE.sqlite"

# --- server -------------------------------------------------------------------------------------------------------
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
answers() { # PID PORT: waits until the server accepts connections; gives up when it has ended or after a minute
    local deadline=$((SECONDS + 60))
    while ((SECONDS < deadline)) && kill -0 "$1" 2>/dev/null; do
        (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return 0
        sleep 0.2
    done
    return 1
}
for attempt in 1 2 3; do
    port=$(free_port)
    configuration "$DIR/db" "$port" >"$DIR/conf"
    "$BIN/trytond" -c "$DIR/conf" -d "$DATABASE" >"$DIR/log" 2>&1 &
    pid=$!
    if answers "$pid" "$port"; then break; fi
    kill "$pid" 2>/dev/null || true
    say "did not start on port $port (attempt $attempt)"
    tail -5 "$DIR/log" >&2
    pid=
done
[ -n "$pid" ] || exit 1
echo "$pid" >"$DIR/pid"
trap 'code=$?; [ "$code" = 0 ] || { kill "$pid" 2>/dev/null; tail -20 "$DIR/log" >&2; }' EXIT

# --- a key, and a company with somebody who sells -----------------------------------------------------------------
python3 "$here/tryton-seed.py" "http://127.0.0.1:$port" "$DATABASE" admin-password
printf 'TRYTON_PID=%s\n' "$pid"
disown "$pid"
say "serving on port $port"
