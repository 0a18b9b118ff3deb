#!/usr/bin/env bash
# Trains a model on an example's data across its Data Owners, encrypted, all on this machine, and shows the result.
# ./run_all.sh --keep leaves the services up; ./run_all.sh --example NAME takes another example than diabetes.
# All options: ./run_all.sh --help; they may come in any order.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/scripts/setup.sh"
example=diabetes
# --example is this script's own; every other word is put back at the end, for the command.
left=$#
while [ "$left" -gt 0 ]; do
  word="$1"
  shift
  left=$((left - 1))
  case "$word" in
    --example)
      [ "$left" -gt 0 ] || setup_fail "--example needs a name: one of the folders in examples/"
      example="$1"
      shift
      left=$((left - 1))
      ;;
    --example=*) example="${word#--example=}" ;;
    --help)
      echo "./run_all.sh [--example NAME] [OPTIONS]: NAME is a folder in examples/, diabetes by default."
      echo "OPTIONS are those of fedtrain demo, whose EXAMPLE this script gives:"
      set -- "$@" "$word"
      ;;
    *) set -- "$@" "$word" ;;
  esac
done
[ -n "$example" ] && [ -f "$ROOT/examples/$example/make_data.py" ] ||
  setup_fail "--example '$example' is none: name a folder in examples/ that has a make_data.py, such as diabetes"
setup requirements.txt
if grep -q '"NEURAL_NETWORK"' "$ROOT/examples/$example/model.json"; then
  setup_torch || setup_fail "example $example trains a network, which needs PyTorch: see its message above"
fi
exec "$VENV/bin/fedtrain" demo "$ROOT/examples/$example" --state-dir "$ROOT/.fedtrain/demo" "$@"
