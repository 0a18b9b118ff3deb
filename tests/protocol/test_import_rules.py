"""The import rules cover every file they are meant for, and no decision asks for the time."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "what is agreed and what is decided knows no web, database or clock"
PARTIES = ("data_owner", "facilitator", "model_owner")
ADAPTERS = {"client", "server"}
CORE = [
    path
    for path in sorted((ROOT / "protocol").rglob("*.py"))
    if path.relative_to(ROOT).parts[1] not in {*ADAPTERS, "__init__.py"}
]
ROUNDS = [ROOT / party / "round.py" for party in PARTIES]
TELLS_THE_TIME = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime"}


def calls_for_the_time(source: str) -> list[str]:
    return [
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TELLS_THE_TIME
    ]


def test_the_rule_lists_every_module_of_the_core_and_every_round() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(contract for contract in settings["contracts"] if contract["name"] == CONTRACT)
    # A package stands for all its modules.
    core = {f"protocol.{path.relative_to(ROOT).parts[1].removesuffix('.py')}" for path in CORE}
    assert sorted(contract["source_modules"]) == sorted([*core, *(f"{party}.round" for party in PARTIES)])
    assert settings["include_external_packages"] is True


@pytest.mark.parametrize("path", [*CORE, *ROUNDS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_time_is_handed_in(path: Path) -> None:
    """`clock.now()` in fedtrain/protocol/clock.py reads the clock that it is handed."""
    assert calls_for_the_time(path.read_text(encoding="utf-8")) == (["now"] if path.name == "clock.py" else [])


@pytest.mark.parametrize("source", ["datetime.now(UTC)", "x = datetime.datetime.utcnow()", "time.monotonic() - 1"])
def test_a_call_for_the_time_is_seen(source: str) -> None:
    assert calls_for_the_time(source)
