"""scripts/setup.sh where something is missing: one clear line, and nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the launcher, its set-up and the lock files, and no .venv; and an empty folder `bin`."""
    folder = tmp_path / "a checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup.sh", folder / "scripts")
    for name in ("run_facilitator.sh", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "basename", "cksum", "cat", "mkdir", "rm", "sleep"):
        found = shutil.which(tool)
        assert found is not None
        (tools / tool).symlink_to(found)
    return folder


def launch(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout.parent / "bin" / "bash"), str(checkout / "run_facilitator.sh"), "--help"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": str(checkout.parent / "bin"), "HOME": str(checkout.parent)},
    )


def put_python(checkout: Path, script: str, name: str = "python3") -> None:
    path = checkout.parent / "bin" / name
    path.write_text(f"#!{shutil.which('bash')}\n{script}\n")
    path.chmod(0o755)


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("run_facilitator.sh: ")
    for word in words:
        assert word in done.stderr


def test_no_python_at_all(checkout: Path) -> None:
    assert_refused(launch(checkout), "3.11")
    assert not (checkout / ".venv").exists()
    assert not (checkout / ".venv-setup").exists()


def test_a_python_that_is_too_old_is_named_with_its_version(checkout: Path) -> None:
    put_python(checkout, 'case "$1" in --version) echo "Python 3.9.6";; *) exit 1;; esac')
    assert_refused(launch(checkout), "3.11", "Python 3.9.6")


def test_a_python_without_venv_is_told_how_to_get_it(checkout: Path) -> None:
    put_python(checkout, 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac')
    assert_refused(launch(checkout), "ensurepip", "python3-venv")
    assert not (checkout / ".venv").exists()


def test_a_newer_python_is_found_beside_an_old_python3(checkout: Path) -> None:
    put_python(checkout, "exit 1")
    put_python(checkout, 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac', "python3.12")
    assert_refused(launch(checkout), "python3.12 lacks venv")


def test_a_lock_left_by_one_that_was_killed_holds_nobody_up(checkout: Path) -> None:
    (checkout / ".venv-setup").mkdir()
    ended = subprocess.Popen(["true"])
    ended.wait()
    (checkout / ".venv-setup" / "pid").write_text(f"{ended.pid}\n")
    assert_refused(launch(checkout), "3.11")
    assert not (checkout / ".venv-setup").exists()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_a_lock_file_names_hashes_for_everything_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    pinned = re.findall(r"^([a-z0-9._-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
    named = re.findall(r"^[A-Za-z0-9].*$", text, re.MULTILINE)
    assert len(pinned) == len(named) > 40
    assert "://" not in text
    assert "index" not in text.replace("scripts/lock.sh", "")
    assert os.sep + "work" not in text


def test_the_tests_run_on_the_versions_that_the_services_run_on() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.txt") < pins("requirements-test.txt")
