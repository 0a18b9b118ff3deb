"""One consortium for all tests of this folder; each spoils copies of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.clinic import Clinic, open_clinic


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    with open_clinic(tmp_path_factory.mktemp("clinic")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("FEDTRAIN_")]:
        monkeypatch.delenv(name)
