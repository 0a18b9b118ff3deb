#!/usr/bin/env bash
# Trains a model on the diabetes data across three Data Owners, encrypted, all on this machine, and shows the result.
# ./run_all.sh --keep leaves the services up. All options: ./run_all.sh --help
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/scripts/setup.sh"
setup requirements.txt
exec "$VENV/bin/fedtrain" demo "$ROOT/examples/diabetes" --state-dir "$ROOT/.fedtrain/demo" "$@"
