"""The files in the package are what `ui/` builds, byte for byte; and the services answer what its pages read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages.conftest import ROOT

pytestmark = pytest.mark.slow
BUILT = Path("fedtrain", "service", "pages", "built")
TYPES = Path("src", "lib", "api")


def run(folder: Path, *command: object) -> None:
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_files_are_those_that_the_sources_build(installed: Path) -> None:
    run(installed, "npm", "run", "-s", "build")
    made, kept = files_in(installed.parent / BUILT), files_in(ROOT / BUILT)
    assert sorted(made) == sorted(kept), "run `npm ci && npm run build` in ui/, and commit what it writes"
    assert [name for name, content in made.items() if kept[name] != content] == []


def test_the_pages_fit_what_the_services_answer(installed: Path, tmp_path: Path) -> None:
    run(ROOT, sys.executable, ROOT / "ui" / "scripts" / "openapi.py", tmp_path)
    run(installed, "node", "scripts/types.mjs", tmp_path)
    written = {path.name: path.read_text() for path in (installed / TYPES).glob("*.d.ts")}
    kept = {path.name: path.read_text() for path in (ROOT / "ui" / TYPES).glob("*.d.ts")}
    assert kept == written, "write the types again, as docs/pages.md says, and commit them"
    run(installed, "npm", "run", "-s", "check")
