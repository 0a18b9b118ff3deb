"""The worked example in docs/arithmetic.md is what its command prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import budget_example

DOCUMENT = Path(__file__).parents[3] / "docs" / "arithmetic.md"


def test_the_worked_example_is_what_the_command_prints(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["budget_example"])
    budget_example.main()
    printed = "".join(f"    {line}\n" for line in capsys.readouterr().out.splitlines())
    assert "    $ python -m benchmarks.budget_example\n" + printed in DOCUMENT.read_text(encoding="utf-8")


def test_the_same_numbers_are_there_as_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["budget_example", "--json"])
    budget_example.main()
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(budget_example.measure()))
