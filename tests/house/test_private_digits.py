"""The example of digits with privacy: its network learns from noised steps, and the picture is drawn."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch  # noqa: F401 - what its owners train with

from fedtrain.neural.examples_files import open_examples
from fedtrain.spec.model_spec import ModelSpec

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "privacy"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    yield importlib.import_module("digits_steps")
    for name in ("digits_steps", "curve", "make_data"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_digits_are_learnt_from_noised_steps(steps: Any, tmp_path: Path) -> None:
    document = json.loads((EXAMPLE / "digits.json").read_text())
    document["training"] |= {"rounds": 12, "learning_rate": 4.0}
    document["privacy"]["epsilon"] = 50.0
    test, *tables = steps.write_digits(tmp_path / "tables")
    (tmp_path / "frozen").mkdir()
    examples = steps.frozen(ModelSpec.model_validate(document), tables, tmp_path / "frozen")
    assert [len(open_examples(one)[0]) for one in examples] == [698, 420, 279]
    # A tenth is what guessing gives. What comes out varies by a few hundredths with sample and noise.
    assert steps.accuracy(document, steps.trained(document, examples), test) > 0.5


def test_a_picture_is_drawn_of_a_table(steps: Any, tmp_path: Path) -> None:
    curve = importlib.import_module("curve")
    lines = [{"epsilon": e, "accuracy": a, "low": a - 0.1, "high": a + 0.01} for e, a in ((1.0, 0.7), (4.0, 0.9))]
    curve.plot_digits(lines, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
