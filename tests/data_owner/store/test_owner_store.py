"""The contract of a Data Owner's store, run over every store there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from fedtrain.data_owner.job import KeepAnswer, KeepDecision, Outcome
from fedtrain.data_owner.release.audit import verify_records
from fedtrain.data_owner.store.records import Dataset, Decision, DecisionKind, FrozenTable, Release
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.service.store.database_url import read_url
from fedtrain.spec.model_spec import DataProps
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import (
    JOB_ID,
    facts_after,
    joined,
    offered,
    opening_entry,
    request_of,
    spec_of,
)

Opener = Callable[[], OwnerStore]


@pytest.fixture
def opener(store_url: str) -> Iterator[Opener]:
    """Opens the same store again, as after a restart."""
    opened: list[OwnerStore] = []

    def open_store() -> OwnerStore:
        opened.append(OwnerStore(store_url))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


def _dataset(version: str = "da" * 32, schema: DataProps | None = None, path: str = "/data/a.csv") -> Dataset:
    return Dataset.model_validate(
        {
            "name": "default",
            "version": version,
            "path": path,
            "columns": ("age", "dose", "days"),
            "schema": schema,
            "registered_at": "2026-03-02T08:30:00.000Z",
        }
    )


def _release(round_: int = 0) -> Release:
    return Release(
        job_id=JOB_ID,
        round=round_,
        kind=RoundKind.COUNTS,
        numbers=2,
        recipient="ab" * 32,
        dataset="default",
        version="da" * 32,
        released_at="2026-03-02T08:30:00.000Z",
    )


def test_the_latest_version_is_on_offer_and_older_ones_stay(opener: Opener) -> None:
    store = opener()
    assert store.datasets() == [] and store.dataset("default") is None
    store.put_dataset(_dataset())
    store.put_dataset(_dataset("db" * 32))
    store = opener()
    assert [dataset.version for dataset in store.datasets()] == ["db" * 32]
    assert store.dataset("default") == _dataset("db" * 32)
    assert store.dataset_version("default", "da" * 32) == _dataset()
    store.put_dataset(_dataset())
    assert [dataset.version for dataset in store.datasets()] == ["da" * 32]


def test_an_adopted_schema_stays_with_its_version_and_never_changes(opener: Opener) -> None:
    store, schema = opener(), spec_of().data_props
    other = schema.model_copy(update={"features": schema.features[:1]})
    store.put_dataset(_dataset())
    store.adopt_schema("default", "da" * 32, schema, JOB_ID)
    store.adopt_schema("default", "da" * 32, schema, JOB_ID)
    kept = store.put_dataset(_dataset(path="/data/moved.csv"))
    assert (kept.schema_, kept.adopted_from, kept.path) == (schema, JOB_ID, "/data/moved.csv")
    with pytest.raises(Problem) as caught:
        store.adopt_schema("default", "da" * 32, other, JOB_ID)
    assert caught.value.code is Code.ENCODING_DIFFERS
    with pytest.raises(Problem) as caught:
        store.adopt_schema("default", "ff" * 32, schema, JOB_ID)
    assert caught.value.code is Code.DATASET_NOT_FOUND


def test_a_schema_may_be_corrected_until_a_job_has_accepted_under_it(opener: Opener) -> None:
    store, schema = opener(), spec_of().data_props
    other = schema.model_copy(update={"features": schema.features[:1]})
    store.put_dataset(_dataset(schema=schema))
    assert store.put_dataset(_dataset(schema=other)).schema_ == other
    store.open_job(joined())
    with pytest.raises(Problem) as caught:
        store.put_dataset(_dataset(schema=schema))
    assert caught.value.code is Code.ENCODING_DIFFERS
    assert opener().dataset("default") == _dataset(schema=other)


def test_a_frozen_table_is_kept_as_it_was_first(opener: Opener) -> None:
    table = FrozenTable(key="aa" * 32, dataset="default", version="da" * 32, rows=40, frozen_at="now")
    opener().put_frozen_table(table)
    store = opener()
    store.put_frozen_table(table.model_copy(update={"rows": 41}))
    assert store.frozen_table("aa" * 32) == table and store.frozen_table("bb" * 32) is None


def _decision(job_id: str = JOB_ID) -> Decision:
    return Decision(
        job_id=job_id,
        decision=DecisionKind.RISKS_TAKEN,
        decided_at="2026-03-02T08:30:00.000Z",
        token_id="5f0c2a9e41d7",
        about=("1 of 60 rows in the table stands out.", "Job cdcdcdcd… was over 4 owners."),
        dataset="default",
        version="da" * 32,
    )


def test_a_decision_is_kept_with_the_state_that_it_led_to(opener: Opener) -> None:
    store = opener()
    store.open_job(offered())
    store.commit(offered(), Outcome(joined(), (KeepDecision(_decision()),)))
    store.put_decision(_decision("cd" * 16))  # of a job that is not known here
    (first, second) = opener().audit()
    assert store.job(JOB_ID) == joined()
    assert Decision.model_validate(first.model_dump(exclude={"index", "previous", "hash"})) == _decision()
    assert (second.job_id, second.index, second.previous) == ("cd" * 16, 1, first.hash)


def test_a_decision_about_a_state_that_is_not_saved_leaves_nothing(opener: Opener) -> None:
    store = opener()
    with pytest.raises(Problem):
        store.commit(offered(), Outcome(offered(), (KeepDecision(_decision()),)))
    assert store.audit() == []


def test_releases_and_decisions_are_one_chain_in_the_order_in_which_they_came(opener: Opener) -> None:
    store, state = opener(), joined()
    store.open_job(state)
    facts = facts_after(request_of(state, opening_entry(state.manifest_hash, "31" * 32)), 0, RoundKind.COUNTS)
    for round_ in range(2):
        store.commit(state, Outcome(state, (KeepDecision(_decision()),)))
        answered = facts.model_copy(update={"round": round_})
        store.commit(state, Outcome(state, (KeepAnswer(answered, b"answer", _release(round_)),)))
    records = store.audit()
    assert [hasattr(record, "decision") for record in records] == [True, False, True, False]
    assert verify_records(records) == records[-1].hash
    assert store.releases() == [_release(0), _release(1)] and store.released() == {JOB_ID: (2, 4)}


def test_an_answer_its_release_and_the_state_are_kept_together(opener: Opener) -> None:
    store, state = opener(), joined()
    store.open_job(state)
    facts = facts_after(request_of(state, opening_entry(state.manifest_hash, "31" * 32)), 0, RoundKind.COUNTS)
    after = state.model_copy(update={"last": facts, "answers": 1})
    store.commit(state, Outcome(after, (KeepAnswer(facts, b"the exact bytes", _release()),)))
    store = opener()
    assert store.answer(JOB_ID, 0, RoundKind.COUNTS) == facts
    assert store.answer_body(JOB_ID, 0, RoundKind.COUNTS) == b"the exact bytes"
    assert store.answer(JOB_ID, 0, RoundKind.GRADIENT) is None
    assert store.answer_body(JOB_ID, 1, RoundKind.COUNTS) is None
    assert store.job(JOB_ID) == after
    assert store.releases() == store.releases(JOB_ID) == [_release()] and store.releases("00" * 16) == []
    assert store.released() == {JOB_ID: (1, 2)}


def test_a_second_answer_to_a_round_is_refused_and_changes_nothing(opener: Opener) -> None:
    store, state = opener(), joined()
    store.open_job(state)
    facts = facts_after(request_of(state, opening_entry(state.manifest_hash, "31" * 32)), 0, RoundKind.COUNTS)
    store.commit(state, Outcome(state, (KeepAnswer(facts, b"first", _release()),)))
    with pytest.raises(Problem) as caught:
        again = state.model_copy(update={"answers": 7})
        store.commit(state, Outcome(again, (KeepAnswer(facts, b"second", _release()),)))
    assert caught.value.code is Code.REQUEST_DIFFERS
    assert store.answer_body(JOB_ID, 0, RoundKind.COUNTS) == b"first"
    assert store.job(JOB_ID) == state and len(store.releases()) == 1


def test_an_answer_to_a_job_that_is_not_there_leaves_nothing(opener: Opener) -> None:
    store, state = opener(), joined()
    facts = facts_after(request_of(state, opening_entry(state.manifest_hash, "31" * 32)), 0, RoundKind.COUNTS)
    with pytest.raises(Problem) as caught:
        store.commit(state, Outcome(state, (KeepAnswer(facts, b"first", _release()),)))
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert store.answer(JOB_ID, 0, RoundKind.COUNTS) is None and store.releases() == []


def test_migrations_make_the_tables_that_the_code_knows(store_url: str) -> None:
    import sqlalchemy as sa

    from fedtrain.data_owner.store.tables import metadata

    store = OwnerStore(store_url)
    store.check()
    store.close()
    engine = sa.create_engine(read_url(store_url))
    inspector = sa.inspect(engine)
    for name, table in metadata.tables.items():
        made = {column["name"]: column["nullable"] for column in inspector.get_columns(name)}
        assert made == {column.name: bool(column.nullable) for column in table.columns}, name
    engine.dispose()
