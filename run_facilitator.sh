#!/usr/bin/env bash
# Starts the Facilitator on port 8080. Options: --port, --state-dir; --help has all.
set -euo pipefail
. "$(cd "$(dirname "$0")" && pwd)/scripts/setup.sh"
setup requirements.txt
exec "$VENV/bin/fedtrain" facilitator "$@"
