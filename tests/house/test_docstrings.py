"""Docstrings open with a verb or the thing itself, not with a question."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("crypto", "facilitator", "data_owner", "model_owner", "fedtrain", "benchmarks", "examples", "scripts", "tests")
QUESTION = re.compile(r"(What|Which|How|Whether|Who|Why)\b")


def questions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None and QUESTION.match(text):
                yield text.splitlines()[0]


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_no_docstring_opens_with_a_question(room: str) -> None:
    files = [path for path in (ROOT / room).rglob("*.py") if "node_modules" not in path.parts]
    found = {str(path.relative_to(ROOT)): list(questions(path.read_text(encoding="utf-8"))) for path in files}
    assert files
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_question_is_found() -> None:
    assert list(questions('def f():\n    """Whether it is so."""\n')) == ["Whether it is so."]
