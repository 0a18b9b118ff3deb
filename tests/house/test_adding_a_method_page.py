"""docs/adding-a-method.md, done as it says on a copy of the code: new files, their lines, and jobs that train."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("crypto", "facilitator", "data_owner", "model_owner", "fedtrain")
WEIGHTED, HISTOGRAM = "weighted_linear", "histogram"


@dataclass(frozen=True)
class Block:
    """A block of Python. `path`: the last file that the text before it names; `container`: the registry it names."""

    text: str
    path: str
    container: str | None

    @property
    def is_program(self) -> bool:
        return "__main__" in self.text


def blocks() -> Iterator[Block]:
    page = (ROOT / "docs" / "adding-a-method.md").read_text()
    before = ""
    for part in re.split(r"^```", page, flags=re.MULTILINE):
        if part.startswith("python\n"):
            paths, containers = re.findall(r"`([\w/]+\.py)`", before), re.findall(r"line (?:in)?to `(_\w+)`", before)
            path, container = paths[-1] if paths else "", containers[-1] if containers else None
            yield Block(part.removeprefix("python\n"), path, container)
        before = part


PAGE = list(blocks())
PROGRAMS = [block.text for block in PAGE if block.is_program]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=ignored)
    return tmp_path


def run(code: Path, program: str) -> subprocess.CompletedProcess[str]:
    path = code / "program.py"
    path.write_text(program)
    variables = {**os.environ, "PYTHONPATH": str(code)}
    return subprocess.run([sys.executable, str(path)], cwd=code, env=variables, capture_output=True, text=True)


def add(code: Path, leaving_out: str | None = None) -> None:
    """Put every file where the page says, and every line into its registry, but those of one file."""
    module, name = "", ""
    for block in PAGE:
        path = code / block.path
        if block.is_program:
            continue
        if block.container is None:
            path.write_text(block.text)
            module = re.sub(r"/", ".", block.path.removesuffix(".py"))
            module = module if module.startswith("fedtrain.") else f"fedtrain.{module}"
            name = re.findall(r"^class (\w+)", block.text, flags=re.MULTILINE)[-1]
        elif block.path != leaving_out:
            assert name in block.text
            text, anchor = path.read_text(), re.compile(rf"^({block.container}: .* = [({{])([)}}]?)$", re.MULTILINE)
            assert len(anchor.findall(text)) == 1
            text = anchor.sub(lambda found, line=block.text: f"{found[1]}\n{line}{found[2]}", text)
            imported = "from __future__ import annotations\n"
            path.write_text(text.replace(imported, f"{imported}\nfrom {module} import {name}\n", 1))


def test_the_page_has_what_it_adds() -> None:
    assert len(PROGRAMS) == 2
    assert [block.container for block in PAGE if block.container] == ["_ALL", "_ALL", "_OWN", "_OWN", "_OWN"]
    assert sum(block.container is None and not block.is_program for block in PAGE) == 5


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=[WEIGHTED, HISTOGRAM])
def test_the_page_trains_what_it_adds(code: Path, program: str) -> None:
    add(code)
    done = run(code, program)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "federated" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=[WEIGHTED, HISTOGRAM])
def test_without_the_lines_the_type_is_refused(code: Path, program: str) -> None:
    done = run(code, program)
    assert done.returncode != 0
    assert "model_type" in done.stderr


@pytest.mark.slow
def test_a_weight_that_may_be_negative_is_refused(code: Path) -> None:
    add(code)
    said = '"description": "sales", "range": [0, 5]'
    assert said in PROGRAMS[0]
    done = run(code, PROGRAMS[0].replace(said, '"description": "sales", "range": [-1, 5]'))
    assert done.returncode != 0
    assert "column 3: a weight needs a range that begins at 0 or above" in done.stderr


@pytest.mark.slow
def test_counts_beyond_the_worst_case_that_is_declared_leave_no_owner(code: Path) -> None:
    add(code)
    half = code / "data_owner" / "methods" / "histogram.py"
    counted = "np.histogram(column, BINS, range=(-1, 1))[0].tolist()"
    assert counted in half.read_text()
    half.write_text(half.read_text().replace(counted, f"[10**30 + one for one in {counted}]"))
    done = run(code, PROGRAMS[1])
    assert done.returncode != 0
    assert "does not fit the job's plan" in done.stderr


@pytest.mark.slow
def test_a_histogram_that_asks_for_what_it_does_not_take_is_refused(code: Path) -> None:
    add(code)
    done = run(code, PROGRAMS[1].replace('"training": {', '"training": {"l2": 2.0, "optimizer": "newton", '))
    assert done.returncode != 0
    assert "training.optimizer" in done.stderr
    assert "training.l2" in done.stderr
