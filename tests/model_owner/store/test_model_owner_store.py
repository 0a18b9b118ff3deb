"""The contract of the Model Owner's store: every implementation is held to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fedtrain.model_owner.job import GiveResult, KeepHistory, KeepLearning, KeepModel, Outcome
from fedtrain.model_owner.job_state import Asked, Ending, JobState
from fedtrain.model_owner.methods.learning import HistoryRow, Learning
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.model_owner.store import Dataset, ModelStore, Prediction
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.model_owner.peers import spec_document

NOW = datetime(2026, 1, 12, 9, 30, 0, 123456, tzinfo=UTC)
SPEC = ModelSpec.model_validate(spec_document())


@pytest.fixture
def make(store_url: str) -> Callable[[], ModelStore]:
    return lambda: ModelStore(store_url)


@pytest.fixture
def store(make) -> Iterator[ModelStore]:
    opened = make()
    yield opened
    opened.close()


def job(number: int, **changes: object) -> JobState:
    state = JobState(
        job_id=f"{number:032x}",
        spec=SPEC,
        plan=plan_spec(SPEC).to_dict(),
        rounds=rounds_of(SPEC),
        created_at=NOW,
        changed_at=NOW,
    )
    return state.model_copy(update=changes)


def finished(number: int, at: datetime) -> JobState:
    return job(number, phase=Phase.FINISHED, ending=Ending(at=at))


def model() -> TrainedModel:
    weights = ((0.1).hex(), (-1e-310).hex())
    return TrainedModel(weights=(weights,), coefficients=((0.1, 2.0),), names=("x0",), output_names=("y", "z"))


def dataset(number: int, **changes: object) -> Dataset:
    made = Dataset(
        id=f"{number:032x}", name="default", path="a.csv", version=f"{number:064x}", size_bytes=5, registered_at=NOW
    )
    return made.model_copy(update=changes)


def test_a_commit_keeps_everything_together(make) -> None:
    store = make()
    before = job(1)
    store.open_job(before)
    asked = Asked(round=1, kind="gradient", request_hash="11" * 32, log_head="22" * 32)
    after = before.model_copy(update={"phase": Phase.TRAINING, "asked": asked, "next_step": 2})
    learning = Learning(targets_squared=(1 << 90,), optimiser={"updates": 3, "b": {"shape": [1], "hex": "-ff"}})
    row = HistoryRow(round=1, loss=0.1, gradient=1e-300, at=NOW)
    kept = (KeepLearning(learning), KeepHistory(row), KeepModel(model()), GiveResult(1, b"\x00body"))
    store.commit(before, Outcome(after, kept))
    store.close()
    again = make()
    assert again.job(before.job_id) == after
    assert again.learning(before.job_id) == learning
    assert again.history(before.job_id) == [row]
    assert again.history(before.job_id, after_round=1) == []
    assert again.result(before.job_id, 1) == b"\x00body"
    assert again.result(before.job_id, 0) is None
    assert again.model(before.job_id) == model()
    again.close()


def test_a_commit_that_fails_half_way_changes_nothing(store: ModelStore) -> None:
    before = job(1)
    store.open_job(before)
    row = HistoryRow(round=1, loss=0.1, gradient=0.2, at=NOW)
    first = before.model_copy(update={"bytes_sent": 5})
    store.commit(before, Outcome(first, (KeepHistory(row),)))
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        store.commit(first, Outcome(first.model_copy(update={"bytes_sent": 6}), (KeepHistory(row),)))
    assert store.job(before.job_id) == first


def test_every_answer_to_a_step_is_kept_until_its_ended_job_is_pruned(store: ModelStore) -> None:
    later = NOW + timedelta(hours=1)
    over, late, running = finished(1, NOW), finished(2, later), job(3, phase=Phase.TRAINING)
    for state in (over, late, running):
        store.open_job(state)
        for step in range(3):
            store.commit(state, Outcome(state, (GiveResult(step, bytes([step])),)))
        assert [store.result(state.job_id, step) for step in range(4)] == [b"\x00", b"\x01", b"\x02", None]
    assert store.prune(NOW) == 0
    assert store.prune(later) == 1
    assert store.prune(later) == 0
    assert [store.result(state.job_id, 1) for state in (over, late, running)] == [None, b"\x01", b"\x01"]
    assert store.job(over.job_id) == over


def test_jobs_come_newest_first_and_unsettled_ones_oldest_first(store: ModelStore) -> None:
    ended = Ending(at=NOW)
    for state in (
        job(1),
        finished(2, NOW),
        job(3, phase=Phase.CANCELLED, ending=ended, cancel_told=False),
        job(4, phase=Phase.FAILED, ending=ended),
        job(5, phase=Phase.TRAINING),
    ):
        store.open_job(state)
    assert [int(state.job_id, 16) for state in store.jobs(3)] == [5, 4, 3]
    assert [int(state.job_id, 16) for state in store.unsettled()] == [1, 3, 5]


def test_the_latest_finished_is_the_one_that_ended_last(store: ModelStore) -> None:
    assert store.latest_finished() is None
    store.open_job(finished(1, NOW + timedelta(seconds=2)))
    store.open_job(finished(2, NOW))
    store.open_job(job(3, phase=Phase.FAILED, ending=Ending(at=NOW + timedelta(days=1))))
    assert store.latest_finished() == f"{1:032x}"


def test_the_test_set_registered_last_is_current(store: ModelStore) -> None:
    assert store.current_dataset() is None
    first, second = dataset(1), dataset(2)
    store.put_dataset(first)
    store.put_dataset(second)
    assert store.current_dataset() == second
    assert store.put_dataset(first.model_copy(update={"id": "ee" * 16})) == first
    assert store.current_dataset() == first
    assert list(store.datasets()) == [first, second]


def test_a_model_has_one_prediction_on_a_test_set(store: ModelStore) -> None:
    store.open_job(finished(1, NOW))
    store.put_dataset(dataset(1))
    first = Prediction(
        id="aa" * 16, model_id=f"{1:032x}", dataset_id=f"{1:032x}", created_at=NOW, document={"cost": 0.1}
    )
    assert store.put_prediction(first) == first
    assert store.put_prediction(first.model_copy(update={"id": "bb" * 16})) == first
    assert store.prediction("aa" * 16) == first
    assert store.prediction("bb" * 16) is None
    assert store.prediction_on(f"{1:032x}", f"{1:032x}") == first
    assert store.prediction_on(f"{1:032x}", f"{2:032x}") is None
    assert list(store.predictions(5)) == [first]
    store.check()
