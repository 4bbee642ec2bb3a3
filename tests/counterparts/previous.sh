#!/usr/bin/env bash
# Builds the binary that an upgrade begins with: an earlier commit of this repository, with an older schema of both kinds
# of store.
#
#   tests/counterparts/previous.sh TARGET
#
# prints where it is: TARGET/previous/throughline-COMMIT, kept for the next time. It shares the compiled dependencies in
# TARGET, and leaves a binary there that the next `cargo build` replaces. Exit code 3: there is no such commit here (an
# archive, a shallow clone).
set -euo pipefail

# The last one with schema 1 of PostgreSQL and schema 3 of SQLite. Move it on with each release.
readonly COMMIT=ef6096a692f118ced9bf1e858785cb9468900773

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "$1/previous"
TARGET=$(cd "$1" && pwd)
binary=$TARGET/previous/throughline-${COMMIT:0:12}
if [ ! -x "$binary" ]; then
    if ! git -C "$root" cat-file -e "$COMMIT^{commit}" 2>/dev/null; then
        echo "commit $COMMIT is not in this copy of the repository" >&2
        exit 3
    fi
    source=$TARGET/previous/src
    rm -rf "$source" && mkdir "$source"
    git -C "$root" archive "$COMMIT" | tar -x -C "$source"
    # Beside a workspace of its own: what is compiled for one is not compiled again for the other.
    (cd "$source" && CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=$TARGET cargo build --locked --quiet --bin throughline) >&2
    cp "$TARGET/debug/throughline" "$binary.part" && mv "$binary.part" "$binary"
    rm -rf "$source"
fi
echo "$binary"
