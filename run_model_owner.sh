#!/usr/bin/env bash
# Starts the Model Owner on port 9090. Options: --port, --test-data, --facilitator, --state-dir; --help has all.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/scripts/setup.sh"
setup requirements.txt
exec "$VENV/bin/fedtrain" model-owner "$@"
