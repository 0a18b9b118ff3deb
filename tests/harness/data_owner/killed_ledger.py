"""An owner's ledger in processes of its own, each killed at another of its writes.

`python -m tests.harness.data_owner.killed_ledger FOLDER` leaves FOLDER/1, FOLDER/2, …: state folders of an owner that
was killed at the first, second, … point at which something of one job has reached the disk, or half of it. The last is
one that was not killed. Numbers that would be sent are in `sent`, a line a time.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import sqlalchemy as sa

from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.agent.spending import Spendings
from fedtrain.data_owner.job_state import AnswerFacts
from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release import ledger as ledger_module
from fedtrain.data_owner.release.decisions import released
from fedtrain.data_owner.release.ledger import Ledger
from fedtrain.data_owner.release.marks import AnswerMarks
from fedtrain.data_owner.release.noised_release import NoisedRelease
from fedtrain.data_owner.release.told_files import RowFiles, ToldSums
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.noised_moments import NoiseTerms, noise_terms
from fedtrain.planning.plans import plan_spec
from fedtrain.privacy.accounting import epsilon_of
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import append_line
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.data_owner.owner_bench import offered, spec_of

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
DATABASE = "state.sqlite3"
#: Copies of the store, in FOLDER: before anything was set apart, and once it was.
BEFORE, RESERVED = "before.sqlite3", "reserved.sqlite3"
TABLE = SummedTable(dataset="default", version="a1" * 32, rows=40, encoding="b2" * 32, whole="c3" * 32)
SHARE, RELEASE = "d4" * 32, "e5" * 32


def _private() -> ModelSpec:
    claim = {"epsilon": 0.5, "delta": 1e-6, "row_bound": 2.0}
    document = {**spec_of().model_dump(mode="json"), "training": {"optimizer": "newton"}, "privacy": claim}
    return ModelSpec.model_validate(document)


def _terms(spec: ModelSpec) -> NoiseTerms:
    found = noise_terms(plan_spec(spec))
    assert found is not None
    return found


SPEC = _private()
TERMS = _terms(SPEC)
#: Of one release, and no more.
BUDGET = PrivacyPolicy(epsilon=epsilon_of(TERMS.rho, 1e-6), delta=1e-6)
JOB = offered().model_copy(
    update={
        "summed": TABLE,
        "roster": offered().offer,
        "dataset": TABLE.dataset,
        "dataset_version": TABLE.version,
        "model_owner": offered().offer.signer,
    }
)


class Owner:
    """An owner's ledger on a state folder, opened as after a start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = OwnerStore(sqlite_url(folder / DATABASE))
        told = ToldSums(folder)
        self.spendings = Spendings(self.store, told, lambda _: None, lambda: NOW)
        rows = RowFiles(folder, KeyFiles(folder), lambda length: b"\7" * length)
        memory = Memory(told, rows, self.store, lambda: NOW)
        pools = cast(Any, SimpleNamespace(resting=None))
        self.ledger = Ledger(self.store, memory, AnswerMarks(folder / "marks"), pools, self.spendings)

    def reserve(self, job_id: str = JOB.job_id, share: str = SHARE) -> None:
        self.spendings.reserve(job_id, TABLE, share, TERMS, BUDGET, ())

    def join_and_answer(self) -> None:
        """Set apart, book, tell, mark, keep and send: what of it was done is done no second time."""
        self.reserve()
        self.answer()

    def answer(self) -> None:
        state = self.store.open_job(JOB)
        facts = ANSWERED.facts
        if self.store.answer(state.job_id, facts.round, facts.kind) is None:
            answered = self.ledger.answer(CONTEXT, state, ANSWERING, ASKED)
            after = state.model_copy(update={"last": answered.facts})
            kept = j.KeepAnswer(answered.facts, answered.body, released(state, answered, NOW))
            self.store.commit(state, j.Outcome(after, (kept,)))
        append_line(self.folder / "sent", self.ledger.stored(state.job_id, facts.round, facts.kind).body)


ANSWERED = j.Answered(
    AnswerFacts(
        round=0,
        kind="counts",
        request_hash="f6" * 32,
        log_head="0" * 64,
        answer_hash="a7" * 32,
        ciphertexts_hash="b8" * 32,
        signature="c9" * 64,
    ),
    RELEASE.encode(),  # in the place of its noised numbers, which are not what is looked at
    1,
)
CONTEXT = cast(
    Any,
    SimpleNamespace(
        policy=OwnerPolicy(privacy=BUDGET),
        roster=lambda *_: SimpleNamespace(acceptances=[SimpleNamespace(party=JOB.offer.signer, name="clinic-a")]),
        manifest=lambda _: SimpleNamespace(spec=SPEC),
    ),
)
RELEASED = NoisedRelease(RELEASE, SHARE, TERMS, b"s" * 32)
ANSWERING = cast(Any, SimpleNamespace(release=RELEASED, self_masked=False))
ASKED = cast(
    Any, SimpleNamespace(request=SimpleNamespace(round=0, kind="counts"), request_hash=ANSWERED.facts.request_hash)
)


class _Killer:
    """Kills this process at the `at`th point at which something was written."""

    def __init__(self, at: int) -> None:
        self._left = at

    def point(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, engine: sa.Engine) -> None:
        pwrite, fsync = os.pwrite, os.fsync

        def in_halves(descriptor: int, content: bytes, offset: int) -> int:
            half = len(content) // 2
            written = pwrite(descriptor, content[:half], offset)
            self.point()
            written += pwrite(descriptor, content[half:], offset + half)
            self.point()
            return written

        def durable(descriptor: int) -> None:
            fsync(descriptor)
            self.point()

        os.pwrite, os.fsync = in_halves, durable

        def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith(("INSERT", "UPDATE")):
                self.point()

        sa.event.listen(engine, "after_cursor_execute", executed)
        sa.event.listen(engine, "commit", lambda _connection: self.point())


def _die(state: Path, at: int) -> NoReturn:
    """Work in this process, a fork, until it is killed; it ends with 0 where it is not."""
    try:
        owner = Owner(state)
        _Killer(at).watch(owner.store.engine)
        owner.join_and_answer()
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


def main(folder: Path) -> None:
    """Fill the folder."""
    ledger_module.compute_answer = lambda *_: ANSWERED
    template = folder / "template"
    template.mkdir()
    owner = Owner(template)
    owner.store.close()
    shutil.copy(template / DATABASE, folder / BEFORE)
    owner = Owner(template)
    owner.reserve()
    owner.store.close()
    shutil.copy(template / DATABASE, folder / RESERVED)
    for at in count(1):
        state = folder / str(at)
        state.mkdir()
        shutil.copy(folder / BEFORE, state / DATABASE)
        child = os.fork()
        if child == 0:
            _die(state, at)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended != -signal.SIGKILL:
            sys.exit(ended)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
