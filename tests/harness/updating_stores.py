"""Read-modify-writes of one job at each party's store, one after the other: `python -m
tests.harness.updating_stores ROLE URL FIRST COUNT` does as many, so that several processes can do them at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime

from fedtrain.data_owner.job import KeepAnswer
from fedtrain.data_owner.job_state import AnswerFacts
from fedtrain.data_owner.store.records import Release
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.facilitator import round as facilitator_round
from fedtrain.facilitator.job import CreateTask
from fedtrain.facilitator.store import Store as FacilitatorStore
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.job_state import JobState as ModelOwnerJob
from fedtrain.model_owner.store import ModelStore
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from fedtrain.protocol.outcome import Outcome
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner import owner_bench
from tests.harness.facilitator.machine_bench import JOB_ID, START, MachineBench
from tests.harness.model_owner.peers import spec_document

NOW = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
OWNER = "a1" * 32


class FacilitatorUpdates:
    """A count in the job's state, and a task numbered by a sequence."""

    def __init__(self, url: str) -> None:
        self.store = FacilitatorStore(url)

    def prepare(self) -> None:
        bench = MachineBench(owners=3)
        with self.store.write() as tx:
            tx.add_job(facilitator_round.open_job(bench.context, START), bench.context.signed_manifest)

    def add_one(self, number: int) -> None:
        with self.store.write() as tx:
            state = tx.job(JOB_ID)
            assert state is not None
            tx.put_job(state.model_copy(update={"rounds_done": state.rounds_done + 1}))
            task = CreateTask(f"k/{number}", TaskKind.JOIN, OWNER, b"request", JSON_TYPE)
            tx.add_task(f"{number:032x}", JOB_ID, "fa" * 32, "now", task)

    def counted(self) -> list[int]:
        with self.store.read() as tx:
            state = tx.job(JOB_ID)
            assert state is not None
            sequences = [header.sequence for header in tx.open_tasks(OWNER, 0, 10_000)]
        assert sequences == list(range(1, len(sequences) + 1))
        return [state.rounds_done, len(sequences)]


class DataOwnerUpdates:
    """Answers of one job, each of which lengthens the chain of releases."""

    def __init__(self, url: str) -> None:
        self.store = OwnerStore(url)

    def prepare(self) -> None:
        self.store.open_job(owner_bench.joined())

    def add_one(self, number: int) -> None:
        state = self.store.job(owner_bench.JOB_ID)
        assert state is not None
        facts = AnswerFacts(
            round=number,
            kind=RoundKind.GRADIENT,
            request_hash=f"{number:064x}",
            log_head="22" * 32,
            answer_hash="33" * 32,
            ciphertexts_hash="44" * 32,
            signature="8e" * 64,
        )
        release = Release(
            job_id=state.job_id,
            round=number,
            kind=RoundKind.GRADIENT,
            numbers=2,
            recipient="ab" * 32,
            dataset="default",
            version="da" * 32,
            released_at="2026-03-02T08:30:00.000Z",
        )
        self.store.commit(state, Outcome(state, (KeepAnswer(facts, b"answer", release),)))

    def counted(self) -> list[int]:
        records = self.store.audit()
        assert [record.index for record in records] == list(range(len(records)))
        assert [later.previous for later in records[1:]] == [record.hash for record in records[:-1]]
        return [len(records), self.store.released()[owner_bench.JOB_ID][0]]


class ModelOwnerUpdates:
    """A count in the job's state: whoever finds that the job went on meanwhile reads it again."""

    def __init__(self, url: str) -> None:
        self.store = ModelStore(url)

    def prepare(self) -> None:
        spec = ModelSpec.model_validate(spec_document())
        state = ModelOwnerJob(
            job_id=JOB_ID,
            spec=spec,
            plan=plan_spec(spec).to_dict(),
            rounds=rounds_of(spec),
            created_at=NOW,
            changed_at=NOW,
        )
        self.store.open_job(state)

    def add_one(self, number: int) -> None:
        while True:
            before = self.store.job(JOB_ID)
            assert before is not None
            try:
                self.store.commit(before, Outcome(before.model_copy(update={"bytes_sent": before.bytes_sent + 1})))
            except Problem as problem:
                assert problem.code is Code.WRONG_STATE
            else:
                return

    def counted(self) -> list[int]:
        state = self.store.job(JOB_ID)
        assert state is not None
        return [state.bytes_sent]


Updates = FacilitatorUpdates | DataOwnerUpdates | ModelOwnerUpdates
PARTIES: dict[str, Callable[[str], Updates]] = {
    "facilitator": FacilitatorUpdates,
    "data-owner": DataOwnerUpdates,
    "model-owner": ModelOwnerUpdates,
}

if __name__ == "__main__":
    role, url, first, count = sys.argv[1:]
    updates = PARTIES[role](url)
    for number in range(int(first), int(first) + int(count)):
        updates.add_one(number)
    updates.store.close()
