#!/usr/bin/env bash
# Starts a Data Owner on port 5000. Options: --name, --port, --data, --schema, --facilitator, --state-dir; --help has all.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/scripts/setup.sh"
setup requirements.txt
exec "$VENV/bin/fedtrain" data-owner "$@"
