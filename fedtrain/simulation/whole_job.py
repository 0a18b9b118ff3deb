"""A whole job in one process: every party's own code, all encryption, no ports.

Data of one's own need no protection from oneself: a roster of one is allowed, and weights that owners see, if the spec
wants them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import structlog
from pyarrow.parquet import write_table

from fedtrain.client.frames import is_frame, parquet_of
from fedtrain.client.session import JobEnded
from fedtrain.crypto import Engine, LocalEngine
from fedtrain.crypto.engine.native.engine import why_not
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.neural import Trainer
from fedtrain.simulation.federation import ENDED, POLL_S, Federation, federation

#: How often the job is looked at between two looks at the owners.
_LOOKS_AN_OWNER = 10

Show = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Outcome:
    """Result of a job.

    `model` is what GET /models/{id} says at the end, `prediction` what GET /prediction says, None without a test set;
    `files` are the exports that were asked for, by format; `refusals` says of owners, by name, why they stood aside.
    """

    model: dict[str, Any]
    prediction: dict[str, Any] | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)

    @property
    def coefficients(self) -> dict[str, Any]:
        """Coefficients in raw units, by the name of what they belong to, `intercept` included; of several outputs, a
        dictionary each."""
        return dict(self.model["coefficients"])


def simulate(
    spec: Mapping[str, Any] | str | Path,
    tables: Sequence[Any],
    *,
    mappings: Sequence[str | Path | None] = (),
    test: Any = None,
    export: Sequence[str] = (),
) -> Outcome:
    """Train the model of `spec` across `tables`, one a Data Owner, with all parties in this process.

    `spec` is what a model.json holds, or the path of one. A table, as the `test` set too, is the path of a CSV or
    Parquet file, a data frame, or an array of shape (rows, columns) whose columns the spec gives by `col_idx`.
    `mappings`: the owners' mapping files, one a table in their order, None for a table that needs none.
    `export`: formats of files, as GET /models/{id}/export has them. A loop that runs, as in a
    notebook, is not minded. Settings come from FEDTRAIN_* in the environment, as for the services.

    Raises Problem for a spec that is refused; JobEnded, with why owners stood aside, for a job without a model;
    FileNotFoundError, and ValueError for an array of another shape, or another number of mappings than of tables.
    """
    document = json.loads(Path(spec).read_text("utf-8-sig")) if isinstance(spec, str | Path) else dict(spec)
    with tempfile.TemporaryDirectory(prefix="fedtrain-") as folder:
        place = Path(folder)
        files = {f"owner-{at}": _as_file(one, place / f"{at}.parquet") for at, one in enumerate(tables, start=1)}
        test_file = None if test is None else _as_file(test, place / "test.parquet")
        mapped = by_owner(files, mappings)
        return run_whole_job(place, document, files, mappings=mapped, test=test_file, export=export)


def by_owner(owners: Iterable[str], mappings: Sequence[str | Path | None]) -> dict[str, Path]:
    """Return the mapping files by the owners' names, of those that have one.

    Raises ValueError unless there is one for each or none at all, and FileNotFoundError.
    """
    names = list(owners)
    if mappings and len(mappings) != len(names):
        raise ValueError(f"{len(mappings)} mappings for {len(names)} tables: give one for each, in their order")
    found = {name: Path(path) for name, path in zip(names, mappings, strict=False) if path is not None}
    for path in found.values():
        if not path.is_file():
            raise FileNotFoundError(f"{path}: there is no such file")
    return found


def run_whole_job(
    folder: Path,
    spec: Mapping[str, Any],
    tables: Mapping[str, Path],
    *,
    mappings: Mapping[str, Path] | None = None,
    test: Path | None = None,
    export: Sequence[str] = (),
    show: Show = lambda _state: None,
    trainer: Trainer | None = None,
) -> Outcome:
    """Return what came of `whole_job`, whether or not a loop runs here already. Raises JobEnded without a model."""
    # The processes of the engine that does without the kernel start this program's main module again.
    engine = LocalEngine() if why_not() is not None else None
    with _errors_logged_alone():
        job = partial(
            whole_job,
            folder,
            spec,
            tables,
            mappings=mappings,
            test=test,
            export=export,
            show=show,
            engine=engine,
            trainer=trainer,
        )
        outcome = _to_the_end(job)
    if outcome.model["status"] != "FINISHED":
        whys = "; ".join(f"{name}: {why}" for name, why in outcome.refusals.items())
        reason = str(outcome.model.get("reason") or "no reason given")
        raise JobEnded({**outcome.model, "reason": f"{reason} {whys}".rstrip()})
    return outcome


async def whole_job(
    folder: Path,
    spec: Mapping[str, Any],
    tables: Mapping[str, Path],
    *,
    mappings: Mapping[str, Path] | None = None,
    test: Path | None = None,
    policy: OwnerPolicy | None = None,
    export: Sequence[str] = (),
    show: Show = lambda _state: None,
    engine: Engine | None = None,
    trainer: Trainer | None = None,
) -> Outcome:
    """Return what came of the job of `spec`, with all state in `folder`. Raises Problem for a spec that is refused.

    `policy` stands in for every owner's, and `trainer` for the process that each one trains networks in. `show` is
    given what GET /models/{id} says on the way.
    """
    settings = {"least_roster": 1, "share_weights": True} if policy is None else {}
    async with federation(
        folder,
        {name: path.absolute() for name, path in tables.items()},
        mappings=mappings,
        test_data=None if test is None else test.absolute(),
        owner_settings=settings,
        owner_policy=policy,
        engine=engine,
        trainer=trainer,
    ) as parties:
        model_id = await parties.deploy(spec)
        model = await _ended(parties, model_id, show)
        if model["status"] != "FINISHED":
            return Outcome(model, refusals=await _refusals(parties, model_id))
        asked = parties.model_owner
        files = {chosen: await asked.get_bytes(f"/models/{model_id}/export", format=chosen) for chosen in export}
        prediction = None if test is None else await asked.get("/prediction", model_id=model_id)
        return Outcome(model, prediction, files)


def _to_the_end(job: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
    def run() -> Outcome:
        return asyncio.run(job())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1, thread_name_prefix="simulation") as beside:  # a notebook's loop runs on
        return beside.submit(run).result()


def _as_file(table: Any, place: Path) -> Path:
    """Return a table as a file, written to `place` where it is none yet. Raises FileNotFoundError, ValueError."""
    if isinstance(table, str | Path):
        if not Path(table).is_file():
            raise FileNotFoundError(f"{table}: there is no such file")
        return Path(table)
    if is_frame(table):
        place.write_bytes(parquet_of(table))
        return place
    array = np.asarray(table)
    if array.ndim != 2:
        raise ValueError(f"a table has the shape (rows, columns); this array has the shape {array.shape}")
    write_table(pyarrow.table({str(at): column.tolist() for at, column in enumerate(array.T)}), place)
    return place


@contextmanager
def _errors_logged_alone() -> Iterator[None]:
    """Keep the services' log to errors, on stderr, where the program has not arranged for it."""
    if structlog.is_configured():
        yield
        return
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("error"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.reset_defaults()


async def _ended(parties: Federation, model_id: str, show: Show) -> dict[str, Any]:
    """Return the model once it has ended, or once an owner refuses a request or waits for a person.

    Between organisations such a job waits until people have talked. Here are none who could.
    """
    looks = 0
    while True:
        state: dict[str, Any] = await parties.model_owner.get(f"/models/{model_id}")
        show(state)
        if state["status"] in ENDED:
            return state
        looks += 1
        if looks % _LOOKS_AN_OWNER == 0:
            for owner in parties.data_owners:
                if any(job["waits_because"] or job["last_refused_request"] for job in await owner.get("/models")):
                    return {**state, "reason": "an owner's people would have to decide before it can go on"}
        await asyncio.sleep(POLL_S)


async def _refusals(parties: Federation, model_id: str) -> dict[str, str]:
    """Return why owners did not take part, by name: all of them are one's own, so the details may be told."""
    found = {}
    for owner in parties.data_owners:
        for job in await owner.get("/models"):
            refused = job["last_refused_request"]
            reason = (
                job["reason"] if job["phase"] == "DECLINED" else job["waits_because"] or (refused and refused["detail"])
            )
            if job["id"] == model_id and reason:
                found[owner.name] = str(reason)
    return found
