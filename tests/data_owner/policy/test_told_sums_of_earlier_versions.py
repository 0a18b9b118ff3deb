"""A store of a version that kept no record of what was told: its jobs go on, and what they told is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.data.frozen.moments_freezer import MomentsFreezer
from fedtrain.data_owner.job import Outcome
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.policy.differencing import table_risks, touched
from fedtrain.data_owner.policy.row_groups import compare
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.told_files import ToldSums
from tests.data_owner.test_owner_service import Bench
from tests.harness.data_owner.owner_bench import NOW, OWNERS, identity_of, spec_of


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An owner that has answered a job, as an earlier version left it."""
    made = Bench(tmp_path)
    made.register()
    made.close_roster(made.join())
    made.compute(made.counts_request())
    (state,) = made.store.jobs()
    assert state.summed is not None
    fields = state.model_dump(mode="json", exclude={"summed", "consent"})
    fields |= {"rows": state.summed.rows, "encoding": state.summed.encoding}
    made.store.commit(state, Outcome(JobState.model_validate(fields)))
    for path in (tmp_path / "told").iterdir():
        path.unlink()
    return made


def memory_of(bench: Bench) -> tuple[Memory, ToldSums]:
    told = ToldSums(bench.folder)
    return Memory(told, bench.rows, bench.store, lambda: NOW), told


def frozen(bench: Bench, job_id: str) -> SummedTable:
    """Return what a further job's sums would be taken over."""
    dataset = bench.store.dataset("default")
    assert dataset is not None
    frozen = FrozenFolder(bench.folder / "moments", lambda count: b"\7" * count)
    freezer = MomentsFreezer(frozen, bench.store, lambda: "now", bench.rows)
    return freezer.freeze_job(job_id, dataset, spec_of()).table


def test_its_jobs_are_taken_over_once_with_their_rosters(bench: Bench) -> None:
    memory, told = memory_of(bench)
    for _ in range(2):
        memory.take_over()
        (one,) = told.sums()
    assert one.roster == tuple(sorted(identity_of(name).party_id for name in OWNERS))
    assert (one.table.rows, one.table.whole, one.table.columns) == (60, None, ("age", "days", "dose"))


def test_the_same_version_is_the_same_rows_and_another_one_is_asked_about(bench: Bench) -> None:
    memory, told = memory_of(bench)
    memory.take_over()
    found = compare(frozen(bench, "cd" * 16), told.sums(), bench.rows.get)
    assert table_risks(found, 10) == () and len(touched(found)) == 1
    bench.register(61)
    (said,) = table_risks(compare(frozen(bench, "ce" * 16), told.sums(), bench.rows.get), 10)
    assert "it is not known of which rows" in said


def test_its_job_goes_on_and_is_held_against_nothing_again(bench: Bench) -> None:
    """Its first answer was given: whatever is asked for now about other jobs, this one's rows are told."""
    request = bench.counts_request()
    before = bench.compute(request)
    bench.restart()
    assert bench.compute(request) == before
    (state,) = bench.store.jobs()
    assert state.table is not None and state.table.whole is None and state.waits_because is None
