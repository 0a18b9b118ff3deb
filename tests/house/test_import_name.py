"""One import name: what a wheel has at its top, where it can be built from, and a user's modules of the same names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINKED = ("crypto", "data_owner", "facilitator", "model_owner")
BUILT_FROM = ("fedtrain", *LINKED, "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
#: Without a compiler the kernel is left out, and a build takes seconds.
NO_COMPILER = {**os.environ, "CC": "false"}
USERS = ("protocol", "crypto", "cli", "tabular", "facilitator", "data_owner", "model_owner", "spec")

TRAIN = """
import numpy as np
import protocol, crypto, cli
from Crypto.Cipher import AES
import fedtrain

assert AES == protocol.OWN == crypto.OWN == cli.OWN == "the user's"
rng = np.random.default_rng(3)
tables = [np.column_stack([X, X @ [3.0, -2.0] + 5.0]) for X in rng.uniform(0, 10, (3, 15, 2))]
features = [{"col_idx": at, "type": "continuous", "range": [0, 10]} for at in range(2)]
props = {"features": features, "target": {"col_idx": 2, "range": [-20, 40]}}
training = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 3, "tolerance": 1e-12}
spec = {"model_type": "LINEAR_REGRESSION", "data_props": props, "training": training}
print(fedtrain.__file__)
print([round(value, 6) for value in fedtrain.simulate(spec, tables).coefficients.values()])
"""


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in (env or os.environ).items() if key != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def build(folder: Path, hook: str) -> subprocess.CompletedProcess[str]:
    """Run a hook of the build backend (PEP 517) in a tree, as pip does. What it makes is in the tree's `dist`."""
    code = f"import setuptools.build_meta as backend; backend.{hook}('dist')"
    return run(sys.executable, "-c", code, cwd=folder, env=NO_COMPILER)


def built(folder: Path, hook: str) -> Path:
    done = build(folder, hook)
    assert done.returncode == 0, done.stderr
    (made,) = (folder / "dist").iterdir()
    return made


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a build reads of this checkout, links as links."""
    folder = tmp_path_factory.mktemp("checkout") / "federated-trainer"
    folder.mkdir()
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=left_out)
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel") / "tree"
    shutil.copytree(checkout, folder, symlinks=True)
    return built(folder, "build_wheel")


def files_of(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.mark.slow
def test_a_wheel_has_every_module_below_one_name(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"fedtrain"}
    modules = {
        f"fedtrain/{path.relative_to(ROOT / top) if top == 'fedtrain' else path.relative_to(ROOT)}"
        for top in ("fedtrain", *LINKED)
        for path in (ROOT / top).rglob("*.py")
        if not any(part in LINKED for part in path.relative_to(ROOT).parts[1:2])
    }
    assert len(modules) > 300
    assert {name for name in files_of(wheel) if name.endswith(".py")} == modules


@pytest.mark.slow
def test_a_wheel_from_the_sdist_and_from_a_tar_archive_has_the_same_files(
    checkout: Path, wheel: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(checkout, source, symlinks=True)
    sdist = built(source, "build_sdist")
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
        archive.add(checkout, "federated-trainer")
    for place, packed in (("from-sdist", sdist), ("from-tar", tmp_path / "archive.tar.gz")):
        (tmp_path / place).mkdir()
        subprocess.run(["tar", "-xzf", packed, "-C", tmp_path / place], check=True)
        (tree,) = (tmp_path / place).iterdir()
        assert files_of(built(tree, "build_wheel")) == files_of(wheel), place


@pytest.mark.parametrize("linked", LINKED)
def test_a_build_where_a_link_became_a_text_file_stops_and_says_so(checkout: Path, tmp_path: Path, linked: str) -> None:
    """As an archive of links by zip, unpacked, leaves them."""
    folder = tmp_path / "unzipped"
    shutil.copytree(checkout, folder, symlinks=True)
    (folder / "fedtrain" / linked).unlink()
    (folder / "fedtrain" / linked).write_text(f"../{linked}")
    done = build(folder, "build_wheel")
    assert done.returncode != 0
    assert f"fedtrain/{linked} is no folder" in done.stderr and "git clone" in done.stderr
    assert not list(folder.glob("dist/*.whl"))


@pytest.mark.parametrize("name", LINKED)
def test_a_folder_of_the_checkout_by_its_bare_name_is_refused_with_the_right_one(name: str) -> None:
    done = run(sys.executable, "-c", f"import {name}", cwd=ROOT)
    assert done.returncode != 0
    assert f"ImportError: its import name is fedtrain.{name}" in done.stderr


@pytest.mark.slow
def test_the_installed_wheel_trains_beside_a_users_modules_of_the_same_names(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    installed = run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path
    )
    assert installed.returncode == 0, installed.stderr
    (packages,) = place.glob("lib/python*/site-packages")
    # What it depends on, from here: lines of a .pth are paths alone, so that this checkout is not among them.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    work = tmp_path / "work"
    (work / "Crypto").mkdir(parents=True)
    (work / "Crypto" / "__init__.py").write_text("")
    (work / "Crypto" / "Cipher.py").write_text('AES = "the user\'s"\n')
    for name in USERS:
        (work / f"{name}.py").write_text('OWN = "the user\'s"\n')
    (work / "train.py").write_text(TRAIN)
    done = run(python, "train.py", cwd=work, env={**os.environ, "FEDTRAIN_ALLOW_SMALL_KEYS": "1"})
    assert done.returncode == 0, done.stderr
    where, coefficients = done.stdout.splitlines()
    assert Path(where).is_relative_to(packages)
    assert coefficients == "[3.0, -2.0, 5.0]"
