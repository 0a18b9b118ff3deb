"""Cheap passwords for all tests of this folder."""

from __future__ import annotations

import pytest

from tests.harness.cheap_passwords import make_cheap


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cheap(monkeypatch)
