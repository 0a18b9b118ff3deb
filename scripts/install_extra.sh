#!/usr/bin/env bash
# Installs what an extra of pyproject.toml needs into .venv, at the versions that the tests run on:
#   scripts/install_extra.sh dask | export | images | postgres | torch | timestamps | examples | test
# The project itself stays as ./run_all.sh installed it: editable, so that what is changed here is what runs.
# (`pip install '.[export]'` would put a copy of it in that place.)
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/setup.sh"
[ "$#" -eq 1 ] || setup_fail "name one extra: dask, export, images, postgres, torch, timestamps, examples or test"
case "$1" in
  test)
    setup requirements-test.txt
    exit 0
    ;;
  dask | export | images | postgres | torch | timestamps | examples) ;;
  *) setup_fail "there is no extra '$1': dask, export, images, postgres, torch, timestamps, examples and test are those that there are" ;;
esac
setup requirements.txt
# Hashes cannot be given for an editable install, so the lock's versions alone are what pip is held to.
versions="$(mktemp)"
trap 'rm -f "$versions"' EXIT
awk '/^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^]]*\])?==/ { sub(/\[[^]]*\]/, "", $1); print $1 }' \
  "$ROOT/requirements-test.txt" > "$versions"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation \
  --constraint "$versions" --editable "$ROOT[$1]" </dev/null ||
  setup_fail "pip could not install the extra $1: see its message above"
