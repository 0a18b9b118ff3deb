"""scripts/setup.sh where something is missing: one clear line, and nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the launcher, its set-up and the lock files, and no .venv; and an empty folder `bin`."""
    folder = tmp_path / "a checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "setup.sh", folder / "scripts")
    for name in ("run_facilitator.sh", "requirements.txt", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "crypto" / "engine" / "native", folder / "crypto" / "engine" / "native")
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


def install_extra(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/install_extra.sh in a checkout whose set-up is done; its Python writes down what it is asked."""
    for name in ("scripts/install_extra.sh", "requirements-test.txt"):
        shutil.copy(ROOT / name, checkout / name)
    for tool in ("awk", "mktemp"):
        found = shutil.which(tool)
        assert found is not None
        (checkout.parent / "bin" / tool).symlink_to(found)
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    asked = checkout.parent / "asked"
    noted = (
        'for word in "$@"; do echo "$word"; [ "$last" != --constraint ] || cat "$word"; last="$word"; done >> "$ASKED"'
    )
    python.write_text(f"#!{shutil.which('bash')}\n{noted}\n")
    python.chmod(0o755)
    environment = {"PATH": str(checkout.parent / "bin"), "HOME": str(checkout.parent), "ASKED": str(asked)}
    stamp = '. scripts/setup.sh; setup_wanted requirements.txt > "$VENV/installed-requirements.txt"'
    bash = str(checkout.parent / "bin" / "bash")
    subprocess.run([bash, "-c", stamp], cwd=checkout, env=environment, check=True)
    return subprocess.run(
        [bash, str(checkout / "scripts" / "install_extra.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_an_extra_leaves_the_project_editable_and_comes_in_the_locked_versions(checkout: Path) -> None:
    done = install_extra(checkout, "export")
    assert done.returncode == 0, done.stderr
    asked = (checkout.parent / "asked").read_text().splitlines()
    assert asked[asked.index("--editable") + 1] == f"{checkout}[export]"
    versions = set(re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / "requirements-test.txt").read_text(), re.MULTILINE))
    assert {line for line in asked if "==" in line} == versions


@pytest.mark.parametrize("arguments", [(), ("exports",), ("export", "postgres")])
def test_an_extra_that_there_is_not_is_refused_with_those_that_there_are(
    checkout: Path, arguments: tuple[str, ...]
) -> None:
    done = install_extra(checkout, *arguments)
    assert done.returncode == 1
    assert re.fullmatch(r"install_extra\.sh: .*export, images, postgres, torch.*\n", done.stderr)
    assert not (checkout.parent / "asked").exists()


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
