"""The wheel: one for every Python from 3.11 on, with the kernel in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
PROGRAM = "from fedtrain.crypto.engine.native import _kernel; _kernel.can_run(); print(_kernel.__file__)"

if not any(map(shutil.which, ("cc", "gcc", "clang"))):
    pytest.skip("there is no C compiler, without which a wheel has no kernel", allow_module_level=True)


@pytest.mark.slow
def test_a_wheel_is_for_every_python_and_has_a_kernel_that_loads(tmp_path: Path) -> None:
    source, out, unpacked = (tmp_path / name for name in ("source", "wheels", "unpacked"))
    source.mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    # Without what is built in place: the wheel's own is what is looked at.
    shutil.copytree(ROOT / "fedtrain", source / "fedtrain", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    made = subprocess.run([*command, "--wheel-dir", out, source], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (wheel,) = out.iterdir()
    assert wheel.name.split("-")[2:4] == ["cp311", "abi3"]
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    pages = Path("fedtrain", "service", "pages", "built")
    kept = {path.relative_to(ROOT / pages) for path in (ROOT / pages).rglob("*") if path.is_file()}
    assert Path("index.html") in kept and all((unpacked / pages / path).is_file() for path in kept)
    (kernel,) = (path for path in unpacked.rglob("_kernel*") if path.suffix != ".pyi")
    assert kernel.name.startswith("_kernel.abi3.")
    loaded = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(unpacked)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.strip() == str(kernel), loaded.stderr


def test_wheels_are_made_on_every_platform_and_each_is_tried() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cibuildwheel"]
    assert settings["build"] == "cp311-*"
    assert (settings["linux"]["archs"], settings["macos"]["archs"]) == (["x86_64", "aarch64"], ["x86_64", "arm64"])
    program = settings["test-command"].removeprefix('python -c "').removesuffix('"')
    tried = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert tried.returncode == 0, tried.stderr
