"""Property tests take the same examples in every run, whatever a worker has loaded when it comes to them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def drawn() -> list[tuple[int, str]]:
    seen: list[tuple[int, str]] = []

    @given(st.integers(), st.text())
    def draw(number: int, text: str) -> None:
        seen.append((number, text))

    draw()
    return seen


@pytest.mark.skipif(not settings.default.derandomize, reason="another profile looks for other examples")
def test_the_examples_do_not_follow_from_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = drawn()
    path = tmp_path / "constants_of_its_own.py"
    path.write_text(
        "".join(f"A{number} = {4_000_000 + number}\nB{number} = 'text {number}'\n" for number in range(500))
    )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, loaded)
    spec.loader.exec_module(loaded)
    assert drawn() == before
