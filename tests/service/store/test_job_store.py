"""The one contract of every party's jobs, held by each party's own tables on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.facilitator import round as facilitator_round
from fedtrain.facilitator.store import Store
from fedtrain.model_owner.job_state import JobState as ModelOwnerJob
from fedtrain.model_owner.store import ModelStore
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.protocol.outcome import Outcome
from fedtrain.protocol.states import Phase
from fedtrain.service.store.jobs import JobStore
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner import owner_bench
from tests.harness.facilitator.machine_bench import START, MachineBench
from tests.harness.model_owner.peers import spec_document


@dataclass
class Party:
    """A party's store at one URL, and jobs for it. `columns`: what a row has beside the state."""

    open: Callable[[str], JobStore[Any, Any]]
    first: Any
    columns: dict[str, object] = field(default_factory=dict)

    def job(self, number: int, **changes: object) -> Any:
        """Return a job, younger the higher its number."""
        at = START + timedelta(seconds=number)
        return self.first.model_copy(update={"job_id": f"{number:032x}", "created_at": at, **changes})


def facilitator() -> Party:
    context = MachineBench(owners=3).context
    return Party(
        Store, facilitator_round.open_job(context, START), {"manifest": context.signed_manifest.model_dump_json()}
    )


def data_owner() -> Party:
    return Party(OwnerStore, owner_bench.offered())


def model_owner() -> Party:
    spec = ModelSpec.model_validate(spec_document())
    state = ModelOwnerJob(
        job_id="00" * 16,
        spec=spec,
        plan=plan_spec(spec).to_dict(),
        rounds=rounds_of(spec),
        created_at=START,
        changed_at=START,
    )
    return Party(ModelStore, state)


@pytest.fixture(params=[facilitator, data_owner, model_owner], ids=lambda made: made.__name__)
def party(request: pytest.FixtureRequest) -> Party:
    made: Party = request.param()
    return made


@pytest.fixture
def store(party: Party, store_url: str) -> Iterator[JobStore[Any, Any]]:
    opened = party.open(store_url)
    yield opened
    opened.close()


def after(state: Any) -> Any:
    return state.model_copy(update={"phase": Phase.CANCELLED})


def test_a_job_comes_back_as_it_was_kept_also_after_a_restart(party: Party, store_url: str) -> None:
    store = party.open(store_url)
    state = party.job(1)
    assert store.job(state.job_id) is None
    assert store.open_job(state, **party.columns) is state
    store.check()
    store.close()
    again = party.open(store_url)
    assert again.job(state.job_id) == state
    again.close()


def test_an_id_is_taken_once(party: Party, store: JobStore[Any, Any]) -> None:
    state = party.job(1)
    store.open_job(state, **party.columns)
    other = store.open_job(after(state), **party.columns)
    assert other == state and store.job(state.job_id) == state


def test_jobs_are_listed_newest_first_and_counted_by_phase(party: Party, store: JobStore[Any, Any]) -> None:
    for number in (1, 2):
        store.open_job(party.job(number), **party.columns)
    store.open_job(after(party.job(3)), **party.columns)
    assert [int(job.job_id, 16) for job in store.jobs()] == [3, 2, 1]
    assert [int(job.job_id, 16) for job in store.jobs(2)] == [3, 2]
    assert store.phase_counts() == {party.first.phase: 2, Phase.CANCELLED: 1}


def test_a_step_replaces_the_state_that_it_was_given(party: Party, store: JobStore[Any, Any]) -> None:
    state = party.job(1)
    store.open_job(state, **party.columns)
    given = []

    def move(before: Any) -> Outcome[Any, Any]:
        given.append(before)
        return Outcome(after(before))

    assert store.step(state.job_id, move) == Outcome(after(state))
    assert given == [state] and store.job(state.job_id) == after(state)


def test_a_step_that_is_refused_changes_nothing(party: Party, store: JobStore[Any, Any]) -> None:
    state = party.job(1)
    store.open_job(state, **party.columns)

    def move(_before: Any) -> Outcome[Any, Any]:
        raise Problem(Code.WRONG_STATE, "not now")

    with pytest.raises(Problem, match="not now"):
        store.step(state.job_id, move)
    assert store.job(state.job_id) == state


def test_a_step_of_a_job_that_is_not_there_is_refused(party: Party, store: JobStore[Any, Any]) -> None:
    with pytest.raises(Problem) as caught:
        store.step("ff" * 16, lambda state: Outcome(after(state)))
    assert caught.value.code is Code.MODEL_NOT_FOUND
    with pytest.raises(Problem) as caught:
        store.commit(party.job(1), Outcome(after(party.job(1))))
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert list(store.jobs()) == []


def test_a_commit_upon_an_older_state_changes_nothing(party: Party, store: JobStore[Any, Any]) -> None:
    state = party.job(1)
    store.open_job(state, **party.columns)
    store.commit(state, Outcome(after(state)))
    with pytest.raises(Problem) as caught:
        store.commit(state, Outcome(state.model_copy(update={"phase": Phase.FAILED})))
    assert caught.value.code is Code.WRONG_STATE
    assert store.job(state.job_id) == after(state)
