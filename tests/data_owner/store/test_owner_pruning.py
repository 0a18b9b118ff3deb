"""All that an ended job leaves on the owner's disk is deleted by age, however the job and the pruning went."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.pruning import prune
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.signed import JobEnd
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.spec.problems import Code, Problem
from tests.data_owner.test_owner_service import Bench, header
from tests.harness.data_owner.owner_bench import JOB_ID, NOW, spec_of

LATER = NOW + timedelta(days=1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An owner that has joined a job."""
    made = Bench(tmp_path)
    made.register()
    made.close_roster(made.join(spec_of()))
    yield made
    made.executor.shutdown()


def frozen(bench: Bench) -> FrozenFolder:
    return FrozenFolder(bench.folder / "moments", lambda count: b"\7" * count)


def end(bench: Bench) -> None:
    body = JobEnd(job_id=JOB_ID, status="CANCELLED").model_dump_json().encode()
    asyncio.run(bench.tasks.on_end(header(TaskKind.END), body))


def files_of_the_job(bench: Bench) -> list[Path]:
    return list((bench.folder / "moments").glob(f"{JOB_ID}*"))


def test_the_moments_of_a_job_that_was_never_answered_are_deleted(bench: Bench) -> None:
    end(bench)
    assert len(files_of_the_job(bench)) == 2  # the block and its salt
    assert prune(bench.store, frozen(bench), NOW) == 0
    assert len(files_of_the_job(bench)) == 2
    assert prune(bench.store, frozen(bench), LATER) == 1
    assert files_of_the_job(bench) == []
    assert list((bench.folder / "moments").glob("*.table")), "the dataset's own moments are for further jobs"
    assert prune(bench.store, frozen(bench), LATER) == 0


def test_a_running_job_keeps_what_it_is_answered_from(bench: Bench) -> None:
    bench.compute(bench.counts_request())
    assert prune(bench.store, frozen(bench), LATER) == 0
    assert len(files_of_the_job(bench)) == 2
    assert bench.store.answer_body(JOB_ID, 0, RoundKind.COUNTS)


def test_a_pass_that_is_interrupted_is_finished_by_the_next(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.compute(bench.counts_request())
    end(bench)

    def away(_store: OwnerStore, _job_id: str) -> bool:
        raise Problem(Code.STORE_UNAVAILABLE, "The store cannot be used now: a test says so.")

    with monkeypatch.context() as store:
        store.setattr(OwnerStore, "empty_answers", away)
        with pytest.raises(Problem):
            prune(bench.store, frozen(bench), LATER)
    assert files_of_the_job(bench) == [], "the moments go first: nothing else says that they are still to go"
    assert bench.store.answer_body(JOB_ID, 0, RoundKind.COUNTS)
    assert prune(bench.store, frozen(bench), LATER) == 1
    assert bench.store.answer_body(JOB_ID, 0, RoundKind.COUNTS) == b""
    assert len(bench.store.releases(JOB_ID)) == 1


def test_moments_whose_answers_an_earlier_pass_emptied_already_are_deleted(bench: Bench) -> None:
    bench.compute(bench.counts_request())
    end(bench)
    assert bench.store.empty_answers(JOB_ID)
    assert not bench.store.empty_answers(JOB_ID)
    assert prune(bench.store, frozen(bench), LATER) == 1
    assert files_of_the_job(bench) == []
