#!/usr/bin/env bash
# Lint, types, import rules and tests. --all includes what is marked slow; other arguments go to pytest.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/scripts/setup.sh"
setup requirements-test.txt
# Without PyTorch the tests that need it are left out, and said to be; never where all must pass.
setup_torch || [ "${CI:-false}" = false ] || setup_fail "PyTorch could not be installed, which tests need: see above"
cd "$ROOT"

marks="not slow"
if [ "${1:-}" = "--all" ]; then
  marks=""
  shift
fi

if ! command -v chromium >/dev/null || ! command -v npm >/dev/null; then
  echo "run_tests.sh: without Chromium and Node the pages' tests are left out (with CI=true they fail)" >&2
fi

PATH="$VENV/bin:$PATH"
# Without its cache: whether an import is our own depends on other files than the one it remembers.
ruff check --no-cache .
ruff format --check .
mypy
lint-imports
exec pytest -n 2 --dist worksteal -m "$marks" "$@" </dev/null
