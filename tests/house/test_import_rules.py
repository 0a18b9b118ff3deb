"""No decision asks for the time; and each import rule sees an import that breaks it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTIES = ("data_owner", "facilitator", "model_owner")
CORE = [
    path for floor in ("spec", "planning", "protocol") for path in sorted((ROOT / "fedtrain" / floor).rglob("*.py"))
]
ROUNDS = [ROOT / party / "round.py" for party in PARTIES]
TELLS_THE_TIME = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime"}


def calls_for_the_time(source: str) -> list[str]:
    return [
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TELLS_THE_TIME
    ]


@pytest.mark.parametrize("path", [*CORE, *ROUNDS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_time_is_handed_in(path: Path) -> None:
    """`clock.now()` in fedtrain/protocol/clock.py reads the clock that it is handed."""
    assert calls_for_the_time(path.read_text(encoding="utf-8")) == (["now"] if path.name == "clock.py" else [])


@pytest.mark.parametrize("source", ["datetime.now(UTC)", "x = datetime.datetime.utcnow()", "time.monotonic() - 1"])
def test_a_call_for_the_time_is_seen(source: str) -> None:
    assert calls_for_the_time(source)
