"""The kernel under sanitizers and under valgrind: it stays within its memory, and no secret decides where it goes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from fedtrain.crypto.engine.native.engine import why_not

ROOT = Path(__file__).parents[3]
NATIVE = ROOT / "crypto" / "engine" / "native"
HERE = Path(__file__).parent / "native"
CC = shutil.which("cc")
HEADERS = Path(sysconfig.get_path("include")) / "Python.h"

pytestmark = pytest.mark.skipif(CC is None, reason="there is no C compiler here")


def compiled(target: Path, sources: list[Path], *flags: str) -> Path:
    assert CC is not None
    command = [CC, "-std=c11", "-g", "-Wall", "-Wextra", "-Werror", f"-I{NATIVE}", *flags, "-o", target, *sources]
    subprocess.run(list(map(str, command)), check=True)
    return target


@pytest.mark.slow
@pytest.mark.parametrize("lanes", ["vector", "stand-in"])
def test_every_operation_stays_within_its_memory(tmp_path: Path, lanes: str) -> None:
    if not HEADERS.exists():
        pytest.skip("Python's headers are not here")
    if lanes == "vector" and why_not() is not None:
        pytest.skip(f"the kernel can't be used here: {why_not()}")
    sanitized = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fvisibility=hidden"]
    stand_in = ["-DFEDTRAIN_STAND_IN"] if lanes == "stand-in" else []
    include = f"-I{HEADERS.parent}"
    kernel = compiled(
        tmp_path / "_kernel.abi3.so", sorted(NATIVE.glob("*.c")), *sanitized, *stand_in, include, "-shared", "-fPIC"
    )
    libraries = [
        subprocess.run([str(CC), f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    ran = subprocess.run(
        [sys.executable, HERE / "every_operation.py", kernel],
        env=os.environ | {"LD_PRELOAD": " ".join(libraries), "ASAN_OPTIONS": "detect_leaks=0", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["compared", "160"]


@pytest.fixture(scope="module", params=["-O1", "-O3"])
def secrets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that marks exponents as undefined, over the kernel's sources and the stand-in for its vectors."""
    if shutil.which("valgrind") is None or not Path("/usr/include/valgrind/memcheck.h").exists():
        pytest.skip("valgrind is not here")
    sources = [NATIVE / f"{name}.c" for name in ("montgomery", "residues", "conversion", "powers", "across")]
    folder = tmp_path_factory.mktemp("secrets")
    return compiled(folder / "secrets", [HERE / "secrets.c", *sources], request.param, "-DFEDTRAIN_STAND_IN")


def undefined_values_decide(program: Path, *arguments: str) -> bool:
    ran = subprocess.run(["valgrind", "-q", "--error-exitcode=9", program, *arguments], capture_output=True, text=True)
    assert ran.returncode in (0, 9), ran.stderr
    return ran.returncode == 9


def test_no_branch_and_no_address_depends_on_a_secret_exponent(secrets: Path) -> None:
    assert not undefined_values_decide(secrets)


def test_a_public_exponent_decides_where_tables_are_read(secrets: Path) -> None:
    assert undefined_values_decide(secrets, "public")
