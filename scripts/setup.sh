# Sourced, not run. Makes .venv beside the project and installs what the lock file names, once.
#   setup requirements.txt        what the services need
#   setup requirements-test.txt   what run_tests.sh needs (everything above, and more)
# A second call finds its stamp and does nothing. Works in bash 3.2, which macOS has.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="$ROOT/.venv"

setup_fail() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# Prints the first Python of at least 3.11 on PATH.
setup_find_python() {
  for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# The stamp holds the checksums of all that decides what is installed, the kernel's sources and its compiler among it.
setup_wanted() {
  (
    cd "$ROOT" && cksum "$1" pyproject.toml setup.py crypto/engine/native/*.[ch] && echo "$ROOT"
    cc --version 2>/dev/null || echo "no C compiler"
  )
}

setup_is_done() {
  [ -x "$VENV/bin/python" ] && [ -f "$VENV/installed-$1" ] &&
    [ "$(cat "$VENV/installed-$1")" = "$(setup_wanted "$1")" ]
}

setup_make_venv() {
  if [ -x "$VENV/bin/python" ] && "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    return 0
  fi
  python="$(setup_find_python)" || {
    found="$(python3 --version 2>/dev/null || true)"
    setup_fail "Python 3.11 or newer is needed, PATH has ${found:-no python3}: install one, for example python3.12"
  }
  "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
    setup_fail "$python lacks venv or ensurepip: install them (Debian and Ubuntu: apt-get install python3-venv)"
  echo "Making .venv with $("$python" --version 2>&1) (once)" >&2
  rm -rf "$VENV"
  "$python" -m venv "$VENV" || setup_fail "$python could not make $VENV"
}

setup_install() {
  echo "Installing from $1 (once; a minute or two)" >&2
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$ROOT/$1" </dev/null ||
    setup_fail "pip could not install $1: see its message above"
  # The build backend is in the lock, so nothing is fetched here.
  PYTHONWARNINGS=ignore "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --no-build-isolation -e "$ROOT" \
    </dev/null || setup_fail "pip could not install the project: see its message above"
  setup_wanted "$1" > "$VENV/installed-$1"
  if [ "$1" = requirements-test.txt ]; then
    setup_wanted requirements.txt > "$VENV/installed-requirements.txt"
  fi
}

# Launchers may be started side by side: one installs, the others wait for it.
setup() {
  setup_is_done "$1" && return 0
  lock="$ROOT/.venv-setup"
  while ! mkdir "$lock" 2>/dev/null; do
    holder="$(cat "$lock/pid" 2>/dev/null || true)"
    if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
      rm -rf "$lock" # left behind by one that was killed
      continue
    fi
    sleep 1
  done
  echo $$ > "$lock/pid"
  trap 'rm -rf "$ROOT/.venv-setup"' EXIT
  if ! setup_is_done "$1"; then
    setup_make_venv
    setup_install "$1"
  fi
  rm -rf "$lock"
  trap - EXIT
}

# PyTorch, at the version that the extra names: in no lock, so that it is installed by a call of its own. Says no where it
# cannot be had.
setup_torch() {
  "$VENV/bin/python" - 2>/dev/null <<'PYTHON' || "$ROOT/scripts/install_extra.sh" torch
from importlib.metadata import requires, version
wanted = [one.partition(";")[0].strip() for one in requires("federated-trainer") if one.startswith("torch")]
raise SystemExit(wanted != ["torch==" + version("torch").partition("+")[0]])
PYTHON
}
