"""A Model Owner that is killed (SIGKILL) while it keeps a large answer, wherever something of it is on the disk.

`python -m tests.harness.model_owner.killed_outbox FOLDER` leaves FOLDER/POINT, a state folder, for each of `POINTS`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fedtrain.model_owner.job import GiveResult, Outcome
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.store import ModelStore
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.service.store.body_files import BodyFiles
from fedtrain.service.store.database import sqlite_url
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.model_owner.peers import spec_document

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
SPEC = ModelSpec.model_validate(spec_document())
BEFORE = JobState(
    job_id="0a" * 16,
    spec=SPEC,
    plan=plan_spec(SPEC).to_dict(),
    rounds=rounds_of(SPEC),
    created_at=NOW,
    changed_at=NOW,
)
AFTER = BEFORE.model_copy(update={"next_step": 1})
ANSWER = bytes(range(256)) * 10
ABOVE_BYTES = 1000


def opened(folder: Path, name: str = "state.sqlite3") -> ModelStore:
    store = ModelStore(sqlite_url(folder / name))
    assert store.bodies is not None
    store.bodies.above_bytes = ABOVE_BYTES
    return store


def keep(store: ModelStore) -> None:
    store.commit(BEFORE, Outcome(AFTER, (GiveResult(0, ANSWER),)))


def _killed(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _then_killed(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: _killed(call(*arguments))


def _after_the_row(store: ModelStore) -> None:
    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO outbox"):
            _killed()

    sa.event.listen(store.engine, "after_cursor_execute", executed)


def _after_commit(store: ModelStore) -> None:
    sa.event.listen(store.engine, "engine_disposed", _killed)


#: By name: what has a store kill its process there.
POINTS: dict[str, Callable[[ModelStore], None]] = {
    "before its file has its name": lambda _: setattr(BodyFiles, "place", _killed),
    "before its row": lambda _: setattr(BodyFiles, "place", _then_killed(BodyFiles.place)),
    "before the commit": _after_the_row,
    "after the commit": _after_commit,
}


def main(folder: Path) -> None:
    for name, arm in POINTS.items():
        store = opened(folder / name)
        store.open_job(BEFORE)
        store.close()
        child = os.fork()
        if child == 0:
            store = opened(folder / name)
            arm(store)
            keep(store)
            store.close()
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise AssertionError(f"nobody was killed {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
