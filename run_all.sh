#!/usr/bin/env bash
# Trains a model on an example's data across its Data Owners, encrypted, all on this machine, and shows the result.
# ./run_all.sh --keep leaves the services up; ./run_all.sh --example NAME takes another example than diabetes.
# All options: ./run_all.sh --help
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/scripts/setup.sh"
setup requirements.txt
example=diabetes
if [ "${1:-}" = "--example" ]; then
  [ $# -ge 2 ] || setup_fail "--example needs a name: one of the folders in examples/"
  example="$2"
  shift 2
fi
exec "$VENV/bin/fedtrain" demo "$ROOT/examples/$example" --state-dir "$ROOT/.fedtrain/demo" "$@"
