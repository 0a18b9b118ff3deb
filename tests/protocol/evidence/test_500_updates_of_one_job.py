"""Of 500 concurrent read-modify-writes of one job none is lost, at any party's store, on any kind of database."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fedtrain.service.store import database
from tests.harness.updating_stores import PARTIES

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgreSql

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.parametrize("role", PARTIES)
def test_500_updates_by_threads_of_two_stores_count_500(
    role: str, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow disk the unluckiest of 16 that SQLite lets through at random waits longer than a service would.
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 3600)
    # Two stores on the same data, as of two processes, so that no lock within one hides a lost update.
    both = [PARTIES[role](store_url) for _ in range(2)]
    both[0].prepare()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: both[number % 2].add_one(number), range(500)))
    assert set(both[0].counted()) == {500}
    for one in both:
        one.store.close()


@pytest.mark.slow
@pytest.mark.parametrize("role", PARTIES)
def test_500_updates_by_two_processes_count_500_on_postgresql(role: str, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    updates = PARTIES[role](url)
    updates.prepare()
    command = [sys.executable, "-m", "tests.harness.updating_stores", role, url]
    processes = [subprocess.Popen([*command, str(first), "250"], cwd=ROOT) for first in (0, 250)]
    assert [process.wait() for process in processes] == [0, 0]
    assert set(updates.counted()) == {500}
    updates.store.close()
