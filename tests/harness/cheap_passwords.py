"""Passwords at a thousandth of their cost, so that a test can sign people in by the dozen."""

from __future__ import annotations

import argon2
import pytest


def make_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords from here on with the least memory and time; what is kept says so itself."""
    monkeypatch.setattr(
        "fedtrain.service.people.passwords._hasher",
        lambda: argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
    )
