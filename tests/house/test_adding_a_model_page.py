"""docs/adding-a-model.md, done as it says on a copy of the code: one new file, one line, and a job that trains."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("crypto", "protocol", "tabular", "facilitator", "data_owner", "model_owner", "cli")
IMPORT = "from fedtrain.spec.model_types.weighted_linear import WeightedLinearRegression\n"


@pytest.fixture
def page() -> list[str]:
    """The code blocks of the page: the file, the line, the training."""
    text = (ROOT / "docs" / "adding-a-model.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 3
    return blocks


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(code: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = code / "program.py"
    path.write_text(program)
    variables = {**os.environ, "PYTHONPATH": str(code), **environment}
    return subprocess.run([sys.executable, str(path)], cwd=code, env=variables, capture_output=True, text=True)


def add(code: Path, page: list[str]) -> None:
    file, line, _ = page
    (code / "protocol" / "model_types" / "weighted_linear.py").write_text(file)
    registry = code / "protocol" / "model_types" / "__init__.py"
    text = registry.read_text()
    last = "    LogisticRegression(),\n"
    assert text.count(last) == 1
    anchor = "\n__all__"
    registry.write_text(text.replace(last, last + line).replace(anchor, IMPORT + anchor, 1))


def test_the_page_trains_what_it_adds(code: Path, page: list[str]) -> None:
    add(code, page)
    done = run(code, page[2])
    assert done.returncode == 0, done.stderr[-3000:]
    assert "federated" in done.stdout


def test_without_the_line_the_type_is_refused(code: Path, page: list[str]) -> None:
    done = run(code, page[2])
    assert done.returncode != 0
    assert "model_type" in done.stderr


def test_a_weight_that_may_be_negative_is_refused(code: Path, page: list[str]) -> None:
    add(code, page)
    done = run(code, page[2].replace('"name": "sales", "range": [0, 5]', '"name": "sales", "range": [-1, 5]'))
    assert done.returncode != 0
    assert "sales: a weight needs a range that begins at 0 or above" in done.stderr
