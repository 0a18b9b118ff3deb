"""The service over a real store and real data: what is durable, what is sent again, what is destroyed."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import structlog

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.effects import JobEffects, Workshop
from fedtrain.data_owner.agent.jobs.deciding import Deciding
from fedtrain.data_owner.agent.jobs.owner_jobs import OwnerJobs
from fedtrain.data_owner.agent.jobs.settling import Settling
from fedtrain.data_owner.agent.jobs.tasks import OwnerTasks
from fedtrain.data_owner.agent.own_answers import OwnAnswers
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.agent.registering import Registering, on_offer
from fedtrain.data_owner.agent.spending import Spendings
from fedtrain.data_owner.data.datasets import register
from fedtrain.data_owner.data.frozen.examples_freezer import ExamplesFreezer
from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.data.frozen.moments_freezer import MomentsFreezer
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.release.audit import DecisionRecord
from fedtrain.data_owner.release.marks import AnswerMarks
from fedtrain.data_owner.release.mask_keys import MaskKeys, SealingKeys
from fedtrain.data_owner.release.noised_release import NoiseKey
from fedtrain.data_owner.release.pools import Pools
from fedtrain.data_owner.release.told_files import RowFiles, ToldSums
from fedtrain.data_owner.store.records import DecisionKind
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    JobEnd,
    JoinAnswer,
    Registration,
    SignedDocument,
    Withdrawal,
    open_document,
    parse_json,
)
from fedtrain.protocol.messages.rounds import Compute, RoundAnswer, from_cbor, to_cbor
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.store.body_files import bytes_of
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault import secret_files
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import (
    ENGINE,
    FACILITATOR,
    JOB_ID,
    MODEL_OWNER,
    NOW,
    OWNERS,
    accept,
    entry_after,
    identity_of,
    manifest_of,
    opening_entry,
    request_of,
    roster_of,
    spec_of,
    weights_message,
)
from tests.harness.networks.small_trainer import DrawnTrainer

T = TypeVar("T")


class FakeFacilitator:
    """Knows a roster, and remembers who registered."""

    def __init__(self) -> None:
        self.registered: list[Registration] = []
        self.given: SignedDocument | None = None
        self.unreachable = 0
        self.asked = False
        self.status = "RUNNING"

    async def identity(self) -> dict[str, object]:
        self.asked = True
        return {"party_id": FACILITATOR.party_id}

    async def register(self, signed: SignedDocument) -> None:
        self.registered.append(open_document(signed, Registration))

    async def roster(self, job_id: str) -> SignedDocument:
        if self.unreachable:
            self.unreachable -= 1
            raise Problem(Code.FACILITATOR_UNREACHABLE, "away")
        assert self.given is not None
        return self.given

    async def model(self, job_id: str) -> dict[str, object]:
        if self.unreachable:
            self.unreachable -= 1
            raise Problem(Code.FACILITATOR_UNREACHABLE, "away")
        return {"id": job_id, "status": self.status}


class Bench:
    """One owner in a folder; `restart` forgets everything that is not on disk."""

    def __init__(self, folder: Path, policy: OwnerPolicy | None = None) -> None:
        self.folder = folder
        self.policy = policy or OwnerPolicy.for_loopback()
        self.facilitator = FakeFacilitator()
        self.executor = ThreadPoolExecutor(2)
        self.restart()

    def restart(self) -> None:
        self.store = OwnerStore(sqlite_url(self.folder / "state.sqlite3"))
        self.pools = Pools(ENGINE)
        self.rows = RowFiles(self.folder, KeyFiles(self.folder), lambda count: b"\7" * count)
        self.memory = Memory(ToldSums(self.folder), self.rows, self.store, lambda: NOW)
        frozen = FrozenFolder(self.folder / "moments", lambda count: b"\7" * count)
        self.effects = JobEffects(
            Workshop(
                identity=identity_of("clinic-a"),
                store=self.store,
                frozen=frozen,
                moments=MomentsFreezer(frozen, self.store, lambda: "now", self.rows),
                examples=ExamplesFreezer(frozen, self.rows),
                inspector=Inspector(frozen.path, self.policy, frozen.split, self.rows.key),
                mask_keys=MaskKeys(self.folder / "keys", KeyFiles(self.folder)),
                sealing_keys=SealingKeys(self.folder / "keys", KeyFiles(self.folder)),
                noise_key=NoiseKey(self.folder, KeyFiles(self.folder), lambda count: b"\7" * count),
                marks=AnswerMarks(self.folder / "keys"),
                memory=self.memory,
                spendings=Spendings(self.store, ToldSums(self.folder), self.rows.get, lambda: NOW),
                pools=self.pools,
                engine=ENGINE,
                now=lambda: NOW,
                trainer=DrawnTrainer(0),
            )
        )
        self.registering = Registering(
            identity=identity_of("clinic-a"),
            name="clinic-a",
            offered=self.offered,
            facilitator=self.facilitator,
            interval_s=3600,
            membership=None,
            facilitator_id=None,
        )
        self.jobs = OwnerJobs(
            identity=identity_of("clinic-a"),
            name="clinic-a",
            policy=self.policy,
            store=self.store,
            effects=self.effects,
            registering=self.registering,
            facilitator=self.facilitator,
            executor=self.executor,
            training=self.executor,
            now=lambda: NOW,
            allow_small_keys=True,
        )
        self.tasks = OwnerTasks(self.jobs, OwnAnswers(self.facilitator, identity_of("clinic-a").party_id))
        self.deciding = Deciding(self.jobs)
        self.settling = Settling(self.jobs, self.facilitator, self.registering)

    async def offered(self) -> tuple[str, ...]:
        return await self.jobs.run(on_offer, self.policy, self.store)

    def register(self, rows: int = 60, ages: str = "") -> None:
        generator = np.random.default_rng(5)
        lines = ["age,dose,days"]
        for _ in range(rows):
            lines.append(f"{generator.uniform(0, 100)},{generator.uniform(-2, 2)},{generator.uniform(0, 50)}")
        path = self.folder / "table.csv"
        path.write_text("\n".join(lines) + "\n" + ages)
        register(self.store, "default", path, None, "now")

    def run(self, do: Callable[[], Awaitable[T]]) -> T:
        """Register, as the agent does before it polls, and then `do`."""

        async def both() -> T:
            await self.registering.register()
            return await do()

        return asyncio.run(both())

    def join(self, spec: ModelSpec | None = None, **changes: object) -> JoinAnswer:
        offer = manifest_of(spec or spec_of(), **changes).model_dump_json().encode()
        answer = self.run(lambda: self.tasks.on_join(header(TaskKind.JOIN), offer))
        assert isinstance(answer, TaskAnswer)
        return JoinAnswer.model_validate_json(answer.body)

    def close_roster(self, answer: JoinAnswer) -> None:
        manifest_hash = manifest_of(spec_of()).hash
        others = [accept(name, manifest_hash) for name in OWNERS[1:]]
        self.facilitator.given = roster_of(manifest_hash, [answer.signed, *others])

    def compute(self, compute: Compute) -> bytes:
        answer = self.run(lambda: self.tasks.on_compute(header(TaskKind.COMPUTE), to_cbor(compute)))
        assert isinstance(answer, TaskAnswer)
        return bytes_of(answer.body)

    def counts_request(self, **changes: object) -> Compute:
        state, roster = self.store.job(JOB_ID), self.facilitator.given
        assert state is not None and roster is not None
        entry = opening_entry(state.manifest_hash, roster.hash)
        return request_of(state, entry, roster_hash=roster.hash, **changes)  # type: ignore[arg-type]


def header(kind: TaskKind) -> TaskHeader:
    return TaskHeader(
        id="0a" * 16,
        kind=kind,
        sender=FACILITATOR.party_id,
        recipient=identity_of("clinic-a").party_id,
        job_id=JOB_ID,
        key="k",
        created_at="now",
        sequence=1,
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def at_work(bench: Bench) -> Bench:
    """An owner that has joined a job whose roster is closed."""
    bench.register()
    bench.close_roster(bench.join())
    return bench


def test_an_offer_is_accepted_and_its_encoding_adopted(bench: Bench) -> None:
    bench.register()
    answer = bench.join()
    acceptance = open_document(answer.signed, Acceptance, signer=identity_of("clinic-a").party_id)
    assert (answer.answer, acceptance.manifest_hash) == ("accept", manifest_of(spec_of()).hash)
    dataset = bench.store.dataset("default")
    assert dataset is not None and (dataset.schema_, dataset.adopted_from) == (spec_of().data_props, JOB_ID)
    assert bench.facilitator.registered[0].datasets == ("default",)
    assert (bench.folder / "keys" / f"{JOB_ID}.x25519").stat().st_mode & 0o777 == 0o600


def test_joining_again_after_a_restart_gives_the_same_bytes(bench: Bench) -> None:
    bench.register()
    first = bench.join()
    key = (bench.folder / "keys" / f"{JOB_ID}.x25519").read_bytes()
    bench.restart()
    assert bench.join() == first
    assert (bench.folder / "keys" / f"{JOB_ID}.x25519").read_bytes() == key


def test_a_crash_before_the_acceptance_was_kept_starts_the_joining_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.register()

    def crash(_document: object) -> JoinAnswer:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.effects, "sign", crash)
    with pytest.raises(KeyboardInterrupt):
        bench.join()
    state = bench.store.job(JOB_ID)
    assert state is not None and state.phase is Phase.OFFERED
    bench.restart()
    assert bench.join().answer == "accept"


def test_bad_data_is_declined_by_a_code_and_nothing_is_adopted(bench: Bench) -> None:
    bench.register(ages="forty,0,3\n")
    answer = bench.join()
    decline = open_document(answer.signed, Decline)
    assert (answer.answer, decline.code) == ("decline", "data-refused")
    assert "forty" not in answer.model_dump_json()
    state = bench.store.job(JOB_ID)
    assert state is not None and state.refusal is not None and "forty" in state.refusal.detail
    dataset = bench.store.dataset("default")
    assert dataset is not None and dataset.schema_ is None
    assert not (bench.folder / "keys" / f"{JOB_ID}.x25519").exists()


def test_a_value_of_the_data_never_reaches_the_log(bench: Bench) -> None:
    bench.register(ages="forty,0,3\n")
    with structlog.testing.capture_logs() as lines:
        bench.join()
    refused = next(line for line in lines if line["event"] == "data refused")
    assert (refused["finding"], refused["column"], refused["records"]) == ("text-in-numeric-column", "age", [61])
    assert "forty" not in str(lines)


def test_the_pool_of_re_randomisers_fills_from_the_joining_on_and_goes_with_the_job(bench: Bench) -> None:
    bench.register()
    bench.pools.start()
    try:
        bench.join()
        while bench.pools.level < 2:
            time.sleep(0.01)
        end = JobEnd(job_id=JOB_ID, status="CANCELLED").model_dump_json().encode()
        bench.run(lambda: bench.tasks.on_end(header(TaskKind.END), end))
        assert bench.pools.level == 0
    finally:
        bench.pools.stop()


def test_a_clipped_tail_of_a_few_rows_is_declined_and_nothing_is_adopted(bench: Bench) -> None:
    bench.register(ages="101,0,3\n")
    assert open_document(bench.join().signed, Decline).code == "data-refused"
    dataset = bench.store.dataset("default")
    assert dataset is not None and dataset.schema_ is None
    assert not (bench.folder / "keys" / f"{JOB_ID}.x25519").exists()


def test_another_manifest_under_a_jobs_id_is_declined_and_the_job_stays(at_work: Bench) -> None:
    before = at_work.store.job(JOB_ID)
    answer = at_work.join(spec_of(rounds=4))
    assert open_document(answer.signed, Decline).code == "job-exists"
    assert at_work.store.job(JOB_ID) == before


def test_the_same_request_twice_gives_identical_bytes_also_after_a_restart(at_work: Bench) -> None:
    request = at_work.counts_request()
    first = at_work.compute(request)
    assert at_work.compute(request) == first
    at_work.restart()
    assert at_work.compute(request) == first
    assert len(at_work.store.releases()) == 1


def test_killed_between_storing_and_sending_the_same_bytes_are_sent(
    at_work: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = at_work.counts_request()
    commit = at_work.store.commit

    def keep_and_die(before: JobState, outcome: j.Outcome) -> None:
        commit(before, outcome)
        if any(isinstance(effect, j.KeepAnswer) for effect in outcome.effects):
            raise KeyboardInterrupt

    monkeypatch.setattr(at_work.store, "commit", keep_and_die)
    with pytest.raises(KeyboardInterrupt):
        at_work.compute(request)
    at_work.restart()
    stored = at_work.store.answer_body(JOB_ID, 0, RoundKind.COUNTS)
    assert stored is not None and at_work.compute(request) == stored


def test_other_weights_for_an_answered_round_are_refused_and_shown_to_this_owners_people(at_work: Bench) -> None:
    at_work.compute(at_work.counts_request())
    state = at_work.store.job(JOB_ID)
    assert state is not None
    entry = entry_after(state, 1)
    budget = plan_spec(spec_of())
    first = request_of(state, entry, 1, RoundKind.GRADIENT, weights_message(budget, [1, 2, 3]))
    answer = from_cbor(at_work.compute(first), RoundAnswer)
    assert (answer.round, answer.kind, answer.request_hash) == (1, RoundKind.GRADIENT, first.request.hash)
    other = request_of(state, entry, 1, RoundKind.GRADIENT, weights_message(budget, [1, 2, 4]))
    with pytest.raises(Problem) as caught:
        at_work.compute(other)
    assert caught.value.code is Code.REQUEST_DIFFERS
    after = at_work.store.job(JOB_ID)
    assert after is not None and after.problem is not None and after.problem.code == "request-differs"
    assert after.last is not None and after.last.request_hash == first.request.hash
    assert len(at_work.store.releases()) == 2


def test_an_answer_survives_in_the_store_with_its_release(at_work: Bench) -> None:
    body = at_work.compute(at_work.counts_request())
    (release,) = at_work.store.releases(JOB_ID)
    assert (release.numbers, release.kind) == (2, RoundKind.COUNTS)
    assert release.recipient == MODEL_OWNER.party_id
    answer = from_cbor(body, RoundAnswer)
    answer.check_signature()
    state = at_work.store.job(JOB_ID)
    assert state is not None and state.last is not None
    assert state.last.ciphertexts_hash == answer.vector.ciphertexts_hash


def test_a_roster_that_cannot_be_fetched_now_is_fetched_later(at_work: Bench) -> None:
    at_work.facilitator.unreachable = 2
    assert at_work.compute(at_work.counts_request())


def test_a_roster_without_this_owner_is_refused_and_nothing_is_released(at_work: Bench) -> None:
    manifest_hash = manifest_of(spec_of()).hash
    others = [accept(name, manifest_hash) for name in ("clinic-b", "clinic-c", "clinic-d")]
    at_work.facilitator.given = roster_of(manifest_hash, others)
    with pytest.raises(Problem) as caught:
        at_work.compute(at_work.counts_request())
    assert caught.value.code is Code.ROSTER_INVALID
    assert at_work.store.releases() == []


def test_an_owner_that_lost_its_mask_key_says_so_and_leaves_the_job(at_work: Bench) -> None:
    (at_work.folder / "keys" / f"{JOB_ID}.x25519").unlink()
    request = at_work.counts_request()
    said = open_document(parse_json(at_work.compute(request), SignedDocument), Withdrawal)
    assert (said.party, said.code) == (identity_of("clinic-a").party_id, "owner-lost-its-key")
    assert at_work.store.releases() == []
    state = at_work.store.job(JOB_ID)
    assert state is not None and state.phase is Phase.CANCELLED and state.refusal is not None
    at_work.restart()
    assert open_document(parse_json(at_work.compute(request), SignedDocument), Withdrawal) == said


@pytest.mark.parametrize("folder", ["keys", "moments"])
def test_a_folder_that_is_not_mounted_costs_nobody_the_job(folder: str, at_work: Bench) -> None:
    request = at_work.counts_request()
    (at_work.folder / folder).rename(at_work.folder / "elsewhere")
    with pytest.raises(Problem, match=rf"The folder of {folder}, .* is not there: mount") as caught:
        at_work.compute(request)
    state = at_work.store.job(JOB_ID)
    assert caught.value.code is Code.STORE_UNAVAILABLE and state is not None and state.phase is Phase.JOINED
    (at_work.folder / "elsewhere").rename(at_work.folder / folder)
    assert from_cbor(at_work.compute(request), RoundAnswer).party == identity_of("clinic-a").party_id


def test_the_end_destroys_the_mask_key_and_closes_the_job(at_work: Bench) -> None:
    request = at_work.counts_request()
    given = at_work.compute(request)
    end = JobEnd(job_id=JOB_ID, status="FINISHED").model_dump_json().encode()
    answer = at_work.run(lambda: at_work.tasks.on_end(header(TaskKind.END), end))
    assert answer.body == b"{}"
    assert not (at_work.folder / "keys" / f"{JOB_ID}.x25519").exists()
    assert at_work.compute(request) == given  # as a Facilitator asks that was restored from a backup
    with pytest.raises(Problem) as caught:
        at_work.compute(at_work.counts_request(log_head="c2" * 32))
    assert caught.value.code is Code.JOB_OVER


def test_an_end_of_an_unknown_job_is_answered(bench: Bench) -> None:
    end = JobEnd(job_id=JOB_ID, status="FAILED").model_dump_json().encode()
    assert bench.run(lambda: bench.tasks.on_end(header(TaskKind.END), end)).body == b"{}"


def test_joining_a_job_whose_end_came_before_ends_it_once_the_join_is_refused(bench: Bench) -> None:
    bench.register()
    end = JobEnd(job_id=JOB_ID, status="FAILED").model_dump_json().encode()
    bench.run(lambda: bench.tasks.on_end(header(TaskKind.END), end))
    assert bench.join().answer == "accept"
    bench.facilitator.status = "FAILED"
    bench.run(lambda: bench.settling.on_dropped(header(TaskKind.JOIN)))
    state = bench.store.job(JOB_ID)
    assert state is not None and state.phase is Phase.FAILED
    assert not (bench.folder / "keys" / f"{JOB_ID}.x25519").exists()


def test_keys_that_a_crash_left_of_a_job_that_is_over_go_at_the_next_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_context: object, _state: object) -> None:
        raise KeyboardInterrupt

    bench.register()
    bench.join()
    key = bench.folder / "keys" / f"{JOB_ID}.x25519"
    bench.facilitator.status = "CANCELLED"
    with monkeypatch.context() as dying:
        dying.setattr(bench.effects, "forget", crash)
        with pytest.raises(KeyboardInterrupt):
            bench.run(lambda: bench.settling.resume(JOB_ID))
    state = bench.store.job(JOB_ID)
    assert state is not None and state.phase is Phase.CANCELLED and key.exists()
    bench.restart()
    bench.run(bench.settling.connected)
    assert not key.exists()


def test_the_keys_of_a_job_that_goes_on_stay_at_a_start(at_work: Bench) -> None:
    at_work.restart()
    at_work.run(at_work.settling.connected)
    assert (at_work.folder / "keys" / f"{JOB_ID}.x25519").exists()
    at_work.compute(at_work.counts_request())


def test_joining_too_late_a_job_that_goes_on_changes_nothing_until_its_end(bench: Bench) -> None:
    bench.register()
    bench.join()
    bench.run(lambda: bench.settling.on_dropped(header(TaskKind.JOIN)))
    state = bench.store.job(JOB_ID)
    assert state is not None and state.phase is Phase.JOINED


@pytest.mark.parametrize("code", [Code.FACILITATOR_UNREACHABLE, Code.RATE_LIMITED, Code.STORE_UNAVAILABLE])
def test_a_facilitator_that_cannot_say_now_whether_a_job_has_ended_is_asked_again(
    bench: Bench, code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.register()
    bench.join()

    async def refused(_job_id: str) -> dict[str, object]:
        raise Problem(code, "not now")

    with monkeypatch.context() as patched:
        patched.setattr(bench.facilitator, "model", refused)
        with pytest.raises(Problem, match="not now"):
            bench.run(bench.settling.connected)
    bench.facilitator.status = "CANCELLED"
    bench.run(bench.settling.connected)
    state = bench.store.job(JOB_ID)
    assert state is not None and state.phase is Phase.CANCELLED


def test_a_job_that_the_facilitator_has_lost_keeps_nobody_from_working(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.register()
    bench.join()

    async def lost(_job_id: str) -> dict[str, object]:
        raise Problem(Code.MODEL_NOT_FOUND, "no such job")

    monkeypatch.setattr(bench.facilitator, "model", lost)
    bench.run(bench.settling.connected)
    state = bench.store.job(JOB_ID)
    assert state is not None and state.phase is Phase.JOINED


def test_a_join_that_is_over_before_its_offer_was_read_is_of_no_job_here(bench: Bench) -> None:
    bench.run(lambda: bench.settling.on_dropped(header(TaskKind.JOIN)))
    assert bench.store.job(JOB_ID) is None


@pytest.mark.slow
def test_a_job_waits_for_a_person_and_joins_once_approved(tmp_path: Path) -> None:
    bench = Bench(tmp_path, OwnerPolicy.for_loopback().model_copy(update={"approval": "by_hand"}))
    bench.register()
    offer = manifest_of(spec_of()).model_dump_json().encode()
    assert bench.run(lambda: bench.tasks.on_join(header(TaskKind.JOIN), offer)) is None
    retried: list[str] = []
    bench.jobs.retry = retried.append
    bench.run(lambda: bench.deciding.approve(JOB_ID, "5f0c2a9e41d7"))
    assert retried == [JOB_ID]
    assert bench.join().answer == "accept"
    with pytest.raises(Problem, match="nothing to decide"):
        bench.run(lambda: bench.deciding.approve(JOB_ID))
    (record,) = bench.store.audit()  # joining was no person's decision, and the second approval was none
    assert isinstance(record, DecisionRecord) and record.decision is DecisionKind.APPROVED
    assert (record.job_id, record.token_id, record.decided_at) == (JOB_ID, "5f0c2a9e41d7", "2026-03-02T08:30:00.000Z")
    dataset = bench.store.dataset("default")
    assert dataset is not None and (record.dataset, record.version) == ("default", dataset.version)
    assert "approved by hand" in record.about[0]


def test_a_denied_job_is_declined_with_the_code_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, OwnerPolicy.for_loopback().model_copy(update={"approval": "by_hand"}))
    bench.register()
    offer = manifest_of(spec_of()).model_dump_json().encode()
    assert bench.run(lambda: bench.tasks.on_join(header(TaskKind.JOIN), offer)) is None
    bench.run(lambda: bench.deciding.deny(JOB_ID, "not this quarter"))
    answer = bench.join()
    assert open_document(answer.signed, Decline).code == "denied" and "quarter" not in answer.model_dump_json()
    (record,) = bench.store.audit()
    assert isinstance(record, DecisionRecord) and record.decision is DecisionKind.DENIED
    assert record.reason == "not this quarter" and record.token_id is None


def test_a_job_that_was_never_offered_cannot_be_approved(bench: Bench) -> None:
    with pytest.raises(Problem) as caught:
        bench.run(lambda: bench.deciding.approve(JOB_ID))
    assert caught.value.code is Code.MODEL_NOT_FOUND


def test_only_datasets_on_offer_are_registered_at_the_facilitator(tmp_path: Path) -> None:
    bench = Bench(tmp_path, OwnerPolicy.for_loopback().model_copy(update={"datasets": ()}))
    bench.register()
    bench.run(lambda: asyncio.sleep(0))
    assert bench.facilitator.registered[-1].datasets == ()


def test_a_changed_dataset_is_registered_again_at_once(bench: Bench) -> None:
    async def change() -> None:
        stop = asyncio.Event()
        keeping = asyncio.create_task(bench.registering.keep(stop))
        bench.register()
        bench.registering.datasets_changed()
        while len(bench.facilitator.registered) < 2:
            await asyncio.sleep(0.01)
        stop.set()
        await keeping

    bench.run(change)
    assert [registration.datasets for registration in bench.facilitator.registered] == [(), ("default",)]


def test_a_registration_that_breaks_is_not_the_last_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = 0

    async def breaking(_signed: SignedDocument) -> None:
        nonlocal broken
        broken += 1
        raise LookupError("something that nobody foresaw")

    async def change() -> None:
        stop = asyncio.Event()
        keeping = asyncio.create_task(bench.registering.keep(stop))
        assert len(bench.facilitator.registered) == 1
        with monkeypatch.context() as patched:
            patched.setattr(bench.facilitator, "register", breaking)
            bench.registering.datasets_changed()
            while not broken:
                await asyncio.sleep(0.01)
        bench.registering.datasets_changed()
        while len(bench.facilitator.registered) < 2 and not keeping.done():
            await asyncio.sleep(0.01)
        stop.set()
        await keeping

    bench.run(change)
    assert len(bench.facilitator.registered) >= 2


def test_a_dataset_that_changes_while_the_first_registration_is_under_way_is_not_missed(bench: Bench) -> None:
    async def change() -> None:
        stop = asyncio.Event()
        keeping = asyncio.create_task(bench.registering.keep(stop))
        registering = asyncio.create_task(bench.registering.register())
        while not bench.facilitator.asked:
            await asyncio.sleep(0)
        # The registration has read the list of datasets by now, or will: either way this one must be told.
        bench.register()
        bench.registering.datasets_changed()
        await registering
        while bench.facilitator.registered[-1].datasets != ("default",):
            await asyncio.sleep(0.01)
        stop.set()
        await keeping

    asyncio.run(change())


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_the_request_unanswered_until_there_is_room(
    at_work: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = at_work.counts_request()
    # A disk with a few bytes left takes a part of a mark, and says so by the number alone.
    for fault in (_no_room, lambda _descriptor, data, _at: len(data) - 1):
        with monkeypatch.context() as disk:
            disk.setattr(secret_files.os, "pwrite", fault)
            with pytest.raises(Problem) as caught:
                at_work.compute(request)
        assert caught.value.code is Code.STORE_UNAVAILABLE and "full" in caught.value.detail
        state = at_work.store.job(JOB_ID)
        assert state is not None and state.phase is Phase.JOINED and state.last is None and state.problem is None
        assert at_work.store.releases() == []
    at_work.restart()
    answer = from_cbor(at_work.compute(request), RoundAnswer)
    assert answer.request_hash == request.request.hash


def test_a_full_disk_is_no_reason_to_decline(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.register()
    with monkeypatch.context() as disk:
        disk.setattr("fedtrain.service.vault.secret_files.os.fsync", _no_room)
        with pytest.raises(Problem) as caught:
            bench.join()
    assert caught.value.code is Code.STORE_UNAVAILABLE
    state = bench.store.job(JOB_ID)
    assert state is not None and state.join_answer is None
    assert list((bench.folder / "moments").glob(".*")) == [], "nothing half written is left"
    assert bench.join().answer == "accept"
