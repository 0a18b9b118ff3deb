"""The disk under a Data Owner's store is full for a while: nothing half written, no answer twice, and it goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from structlog.testing import capture_logs

from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.pruning import prune
from fedtrain.data_owner.release import answer as compute
from fedtrain.data_owner.release.audit import verify_records
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import JobEnd, SignedDocument, Withdrawal, open_document, parse_json
from fedtrain.protocol.messages.rounds import Compute, to_cbor
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.data_owner.test_owner_service import Bench, header
from tests.harness.data_owner.owner_bench import (
    JOB_ID,
    NOW,
    entry_after,
    manifest_of,
    private_key,
    request_of,
    spec_of,
    weights_message,
)
from tests.harness.data_owner.owners_disk import FULL, OwnersDisk, at_once, nth, refused_for_want_of_room

T = TypeVar("T")

# Every write of a job, by an owner on the bench

#: The statements by which an owner writes on its way through a job of two rounds, in order.
WRITES = (
    "what was on offer",
    "the dataset",
    "the offer",
    "what the offer asks for",
    "the frozen table",
    "what was frozen",
    "the adopted encoding",
    "the acceptance",
    "the roster",
    "the state after the counts",
    "the counts",
    "their release",
    "the rows of all owners",
    "the state after the gradient",
    "the gradient",
    "its release",
    "the end",
)

Masks = dict[tuple[int, ...], set[tuple[int, ...]]]


@contextmanager
def noting_masks() -> Iterator[Masks]:
    """By the masks that were put on: the plaintexts under them."""
    found: Masks = {}
    blind = compute.blind

    def noted(ciphertexts: Any, masks: Any, modulus: int) -> Any:
        plaintexts = tuple(private_key().raw_decrypt(int(one)) for one in ciphertexts)
        found.setdefault(tuple(int(mask) for mask in masks), set()).add(plaintexts)
        return blind(ciphertexts, masks, modulus)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(compute, "blind", noted)
        yield found


def gradient_request(bench: Bench, weights: list[int]) -> Compute:
    state = bench.store.job(JOB_ID)
    assert state is not None
    message = weights_message(plan_spec(spec_of()), weights)
    return request_of(state, entry_after(state, 1), 1, RoundKind.GRADIENT, message)


def end_of(bench: Bench, status: str = "FINISHED") -> Callable[[], object]:
    body = JobEnd.model_validate({"job_id": JOB_ID, "status": status}).model_dump_json().encode()
    return lambda: bench.run(lambda: bench.tasks.on_end(header(TaskKind.END), body))


def play(bench: Bench, take: Callable[[Callable[[], Any]], Any]) -> list[tuple[Compute, bytes]]:
    """A whole job of two rounds, each task by way of `take`: its requests and their answers."""
    take(bench.register)
    bench.close_roster(take(bench.join))
    requests, given = (bench.counts_request, lambda: gradient_request(bench, [1, 2, 3])), []
    for make in requests:
        request = make()
        given.append((request, take(lambda request=request: bench.compute(request))))
    take(end_of(bench))
    return given


@pytest.fixture(scope="module")
def plaintexts(tmp_path_factory: pytest.TempPathFactory) -> list[set[tuple[int, ...]]]:
    """Return what stands under the masks of each answer when there is always room."""
    with noting_masks() as masked:
        bench = Bench(tmp_path_factory.mktemp("undisturbed"))
        play(bench, lambda do: do())
        bench.executor.shutdown()
    assert len(masked) == 2
    return list(masked.values())


def nth_writing(number: int) -> Callable[[str, Any], bool]:
    inserts_or_updates = nth(number, "")
    return lambda statement, values: (
        statement.startswith(("INSERT", "UPDATE")) and inserts_or_updates(statement, values)
    )


@pytest.mark.parametrize(
    "how",
    ["for one write", *(pytest.param(how, marks=pytest.mark.slow) for how in ("for two tries", "over a restart"))],
)
@pytest.mark.parametrize("number", range(1, len(WRITES) + 2), ids=[*WRITES, "no write"])
def test_a_write_that_finds_no_room_is_made_again_and_the_job_goes_on(
    number: int, how: str, tmp_path: Path, plaintexts: list[set[tuple[int, ...]]]
) -> None:
    bench = Bench(tmp_path)
    path, one = tmp_path / "state.sqlite3", how == "for one write"
    disk = OwnersDisk(path, nth_writing(number), bench.store, for_one_write=one)

    def take(do: Callable[[], T]) -> T:
        try:
            return do()
        except Problem as problem:
            assert (problem.code, problem.detail) == (Code.STORE_UNAVAILABLE, FULL)
        assert disk.rows() == disk.rows_when_full, "a write that failed left something"
        if how == "over a restart":
            bench.restart()
            disk.under(bench.store)
        if not one:
            refused_for_want_of_room(disk, do)
            disk.make_room()
        return do()

    with noting_masks() as masked:
        given = play(bench, take)
    assert (disk.rows_when_full is not None) == (number <= len(WRITES))
    # One answer a round, kept as it was sent, and sent again as it is.
    kept = [bench.store.answer_body(JOB_ID, n, kind) for n, kind in ((0, RoundKind.COUNTS), (1, RoundKind.GRADIENT))]
    assert kept == [body for _, body in given] == [bench.compute(request) for request, _ in given]
    assert [(release.round, release.numbers) for release in bench.store.releases()] == [(0, 2), (1, 3)]
    verify_records(bench.store.audit())
    # What was computed twice was the same numbers, under the same masks.
    assert list(masked.values()) == plaintexts
    state = bench.store.job(JOB_ID)
    assert state is not None and state.phase is Phase.FINISHED and state.problem is None
    assert list((tmp_path / "keys").iterdir()) == []
    assert list((tmp_path / "moments").glob(".*")) == []
    bench.executor.shutdown()


# What else is asked of an owner whose store is full


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An owner that has joined a job whose roster is closed, and answered its counts."""
    made = Bench(tmp_path)
    made.register()
    made.close_roster(made.join())
    made.compute(made.counts_request())
    yield made
    made.executor.shutdown()


def full(bench: Bench) -> OwnersDisk:
    return OwnersDisk(bench.folder / "state.sqlite3", at_once, bench.store)


def phase(bench: Bench) -> Phase:
    state = bench.store.job(JOB_ID)
    assert state is not None
    return state.phase


def test_a_request_that_is_refused_is_refused_by_its_own_name_when_that_can_be_kept(bench: Bench) -> None:
    bench.compute(gradient_request(bench, [1, 2, 3]))
    state = bench.store.job(JOB_ID)
    assert state is not None
    message = weights_message(plan_spec(spec_of()), [1, 2, 4])
    entry = entry_after(state.model_copy(update={"last": bench.store.answer(JOB_ID, 0, RoundKind.COUNTS)}), 1)
    other = request_of(state, entry, 1, RoundKind.GRADIENT, message)
    disk = full(bench)
    refused_for_want_of_room(disk, lambda: bench.compute(other))
    disk.make_room()
    with pytest.raises(Problem) as caught:
        bench.compute(other)
    assert caught.value.code is Code.REQUEST_DIFFERS
    state = bench.store.job(JOB_ID)
    assert state is not None and state.problem is not None and state.problem.code == "request-differs"


def test_a_round_that_found_no_room_is_answered_for_no_other_request_afterwards(bench: Bench) -> None:
    first, other = (gradient_request(bench, [1, 2, last]) for last in (3, 4))
    disk = OwnersDisk(bench.folder / "state.sqlite3", nth(1, "INTO answers"), bench.store)
    with noting_masks() as masked:
        refused_for_want_of_room(disk, lambda: bench.compute(first))
        disk.make_room()
        with pytest.raises(Problem, match="no room") as caught:
            bench.compute(other)
        assert caught.value.code is Code.REQUEST_DIFFERS
        assert bench.store.answer_body(JOB_ID, 1, RoundKind.GRADIENT) is None
        body = bench.compute(first)
    assert bench.store.answer_body(JOB_ID, 1, RoundKind.GRADIENT) == body
    assert [len(plaintexts) for plaintexts in masked.values()] == [1]


def test_an_owner_that_lost_its_key_leaves_the_job_once_that_can_be_kept(bench: Bench) -> None:
    request = gradient_request(bench, [1, 2, 3])
    (bench.folder / "keys" / f"{JOB_ID}.x25519").unlink()
    bench.restart()
    disk = full(bench)
    refused_for_want_of_room(disk, lambda: bench.compute(request))
    assert phase(bench) is Phase.JOINED
    disk.make_room()
    said = open_document(parse_json(bench.compute(request), SignedDocument), Withdrawal)
    assert (said.code, phase(bench)) == ("owner-lost-its-key", Phase.CANCELLED)


@pytest.mark.parametrize("asks", ["connected", "resume"])
def test_a_job_that_has_ended_elsewhere_keeps_its_key_until_its_end_is_kept(asks: str, bench: Bench) -> None:
    bench.facilitator.status = "CANCELLED"
    disk, key = full(bench), bench.folder / "keys" / f"{JOB_ID}.x25519"

    def ask() -> object:
        return bench.run(bench.settling.connected if asks == "connected" else lambda: bench.settling.resume(JOB_ID))

    refused_for_want_of_room(disk, ask)
    assert (phase(bench), key.exists()) == (Phase.JOINED, True)
    disk.make_room()
    ask()
    assert (phase(bench), key.exists()) == (Phase.CANCELLED, False)


@pytest.mark.parametrize(("decision", "answer"), [("approve", "accept"), ("deny", "decline")])
def test_a_decision_that_finds_no_room_is_no_decision_yet(decision: str, answer: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, OwnerPolicy.for_loopback().model_copy(update={"approval": "by_hand"}))
    bench.register()
    offer = manifest_of(spec_of()).model_dump_json().encode()
    assert bench.run(lambda: bench.tasks.on_join(header(TaskKind.JOIN), offer)) is None
    disk, retried = full(bench), list[str]()
    bench.jobs.retry = retried.append

    def decide() -> object:
        deciding = bench.deciding
        return bench.run(lambda: deciding.approve(JOB_ID) if decision == "approve" else deciding.deny(JOB_ID, "no"))

    refused_for_want_of_room(disk, decide)
    assert (phase(bench), retried) == (Phase.AWAITING_APPROVAL, [])
    assert bench.store.audit() == []
    disk.make_room()
    decide()
    assert retried == [JOB_ID]
    assert len(bench.store.audit()) == 1
    assert bench.join().answer == answer
    bench.executor.shutdown()


def test_answers_that_cannot_be_emptied_now_are_emptied_by_the_next_pass(bench: Bench) -> None:
    end_of(bench)()
    frozen = FrozenFolder(bench.folder / "moments", bytes)
    disk = full(bench)
    refused_for_want_of_room(disk, lambda: prune(bench.store, frozen, NOW + timedelta(days=1)))
    assert bench.store.answer_body(JOB_ID, 0, RoundKind.COUNTS)
    disk.make_room()
    assert prune(bench.store, frozen, NOW + timedelta(days=1)) == 1
    assert bench.store.answer_body(JOB_ID, 0, RoundKind.COUNTS) == b""


def test_an_answer_that_finds_no_room_to_be_taken_back_is_taken_back_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    bench.register()
    bench.close_roster(bench.join())
    store = tmp_path / "state.sqlite3"
    with closing(sqlite3.connect(store)) as now, closing(sqlite3.connect(tmp_path / "backup")) as backup:
        now.backup(backup)
    counts = bench.counts_request()
    given = bench.compute(counts)
    asked = gradient_request(bench, [1, 2, 3])
    blobs = {counts.request.hash: to_cbor(counts.request), sha256_hex(given): given}
    entries = (counts.previous_entry, asked.previous_entry)

    async def log_entry(_job_id: str, index: int, _limits: EvidenceLimits) -> bytes:
        return entries[index]

    async def log(_job_id: str, *, start: int) -> list[dict[str, object]]:
        return [{"signed_request_hash": counts.request.hash}]

    async def blob(_job_id: str, named: str, _limits: EvidenceLimits) -> bytes:
        return blobs[named]

    for name, call in (("log_entry", log_entry), ("log", log), ("blob", blob)):
        monkeypatch.setattr(bench.facilitator, name, call, raising=False)
    bench.store.close()
    with closing(sqlite3.connect(store)) as now, closing(sqlite3.connect(tmp_path / "backup")) as backup:
        backup.backup(now)
    bench.restart()
    disk = OwnersDisk(store, nth(1, "INTO answers"), bench.store)
    with capture_logs() as lines:
        refused_for_want_of_room(disk, lambda: bench.compute(asked))
    assert "request refused" not in {line["event"] for line in lines}, "it is only put off"
    assert bench.store.answer_body(JOB_ID, 0, RoundKind.COUNTS) is None
    disk.make_room()
    bench.compute(asked)
    assert bench.store.answer_body(JOB_ID, 0, RoundKind.COUNTS) == given
    assert len(bench.store.releases()) == 2
    state = bench.store.job(JOB_ID)
    assert state is not None and state.problem is None
    bench.executor.shutdown()
