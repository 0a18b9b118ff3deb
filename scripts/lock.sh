#!/usr/bin/env bash
# Writes the lock files afresh from pyproject.toml: every package at one version, with the hashes of all its files,
# and no address in it. Run it after a change of dependencies: scripts/lock.sh [pip-compile options, such as --upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."

export CUSTOM_COMPILE_COMMAND="scripts/lock.sh"
COMPILER="${COMPILER:-.venv/bin/pip-compile}"
if [ ! -x "$COMPILER" ]; then
  echo "lock.sh: there is no $COMPILER: .venv/bin/pip install pip-tools" >&2
  exit 1
fi

lock() { # lock EXTRAS FILE [options]
  extras="$1" file="$2"
  shift 2
  "$COMPILER" --quiet --generate-hashes --allow-unsafe --strip-extras --all-build-deps \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
    --extra "$extras" --output-file "$file" "$@" pyproject.toml
  # The extra `test` names this very package, for its extra `examples`; a local path has no place in a lock.
  awk '/^# WARNING: pip install will require/ { warning = 2 }
       warning > 0 { warning--; next }
       /^federated-trainer @/ { own = 1; next }
       own && /^ / { next }
       { own = 0; print }' "$file" > "$file.new"
  mv "$file.new" "$file"
}

lock examples,oidc,postgres requirements.txt "$@"
# The tests run on the very versions that the services run on.
lock test requirements-test.txt --constraint requirements.txt "$@"
