"""run_all.sh's own option, wherever it stands, and what it hands to `fedtrain demo`. The command is one that echoes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout, set up as far as its stamp says, whose `fedtrain` prints its arguments, one a line."""
    folder = tmp_path / "a checkout"
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "setup.sh", folder / "scripts")
    for name in ("run_all.sh", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for example in ("diabetes", "credit", "digits/by_digit"):
        (folder / "examples" / example).mkdir(parents=True)
        (folder / "examples" / example / "make_data.py").touch()
    (binaries / "fedtrain").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (binaries / "python").write_text("#!/bin/sh\n")
    for path in binaries.iterdir():
        path.chmod(0o755)
    stamp = ". scripts/setup.sh; setup_wanted requirements.txt > .venv/installed-requirements.txt"
    subprocess.run(["bash", "-c", stamp], cwd=folder, check=True)
    return folder


def launch(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "run_all.sh"), *words], capture_output=True, text=True, check=False, env=dict(os.environ)
    )


@pytest.mark.parametrize(
    ("words", "example", "rest"),
    [
        ((), "diabetes", []),
        (("--keep",), "diabetes", ["--keep"]),
        (("--example", "credit", "--keep"), "credit", ["--keep"]),
        (("--keep", "--example", "credit"), "credit", ["--keep"]),
        (
            ("--keep", "--example=digits/by_digit", "--spec", "a b.json"),
            "digits/by_digit",
            ["--keep", "--spec", "a b.json"],
        ),
    ],
)
def test_the_example_is_taken_in_any_place(
    checkout: Path, words: tuple[str, ...], example: str, rest: list[str]
) -> None:
    done = launch(checkout, *words)
    assert done.returncode == 0, done.stderr
    demo, folder, option, _, *others = done.stdout.splitlines()
    assert (demo, folder, option) == ("demo", f"{checkout}/examples/{example}", "--state-dir")
    assert others == rest


@pytest.mark.parametrize("words", [("--keep", "--example"), ("--example", "none"), ("--example=",)])
def test_an_example_that_is_none_is_refused_before_anything_starts(checkout: Path, words: tuple[str, ...]) -> None:
    done = launch(checkout, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("run_all.sh: --example")
    assert len(done.stderr.splitlines()) == 1


def test_the_help_lists_it_before_that_of_the_command(checkout: Path) -> None:
    first, *_, last = launch(checkout, "--help").stdout.splitlines()
    assert "--example NAME" in first
    assert last == "--help"
