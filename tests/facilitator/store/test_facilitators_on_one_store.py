"""Two Facilitators on one PostgreSQL: what one commits the other hears, and a sum is computed once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest

from fedtrain.facilitator.job import CreateTask
from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.facilitator.store import Claim, Store
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from fedtrain.service.store.database import DatabaseError
from tests.harness.facilitator.fake_parties import Facilitator, FakeClock, decrypted, running
from tests.harness.facilitator.scenes import Scene, counting, counts_request, joined
from tests.harness.requests import signed_request
from tests.harness.updating_stores import JOB_ID, FacilitatorUpdates

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgreSql

pytestmark = pytest.mark.slow
ALICE = "a1" * 32


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A one for each sum that any Facilitator of this test computes."""
    computed: list[int] = []

    def counted(*arguments: Any) -> Any:
        computed.append(1)
        return add_answers(*arguments)

    monkeypatch.setattr("fedtrain.facilitator.runner.add_answers", counted)
    return computed


def add_task(store: Store, number: int, *, fails: bool = False) -> None:
    with store.write() as tx:
        tx.add_task(f"{number:032x}", JOB_ID, "fa" * 32, "now", CreateTask(f"k/{number}", TaskKind.JOIN, ALICE, b"do"))
        if fails:
            raise LookupError


def test_a_store_hears_what_another_process_has_committed_and_nothing_else(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    FacilitatorUpdates(url).prepare()
    here, there = Store(url), Store(url)
    heard: SimpleQueue[str] = SimpleQueue()
    with here.listen(heard.put, lambda: heard.put("missed")):
        assert heard.get() == "missed"
        with pytest.raises(LookupError):
            add_task(there, 1, fails=True)
        add_task(there, 2)
        assert heard.get() == ALICE
        with there.write() as tx:
            tx.answer_task(f"{2:032x}", b"done", JSON_TYPE)
        assert heard.get() == f"{2:032x}"
        postgresql.stop()
        postgresql.start()
        assert heard.get() == "missed"
        add_task(there, 3)
        assert heard.get() == ALICE
        assert heard.empty()


def test_a_poll_at_one_facilitator_wakes_when_a_task_comes_through_the_other(
    tmp_path: Path, postgresql: PostgreSql
) -> None:
    async def play(one: Facilitator, other: Facilitator) -> None:
        owner, model_owner = other.owner("clinic-a"), one.model_owner()
        await owner.register()
        poll = asyncio.create_task(owner.client.tasks(wait_s=3600, after=0))
        await asyncio.sleep(0.2)
        assert not poll.done()
        job_id = await model_owner.deploy(model_owner.manifest())
        assert [header.job_id for header in (await poll).tasks] == [job_id]

    asyncio.run(_two(tmp_path, postgresql, play))


def test_a_request_at_one_facilitator_is_news_at_the_other(tmp_path: Path, postgresql: PostgreSql) -> None:
    async def play(one: Facilitator, other: Facilitator) -> None:
        acme, ana = one.model_owner("acme"), other.owner("ana")
        news = asyncio.create_task(ana.client.requests_edition("0.0", 3600))
        await asyncio.sleep(0.2)
        assert not news.done()
        await acme.client.post_request(signed_request(acme.identity, (ana.identity,)))
        assert await news == "1.0"

    asyncio.run(_two(tmp_path, postgresql, play))


def test_both_answer_for_a_job_and_each_sum_is_computed_once(
    tmp_path: Path, postgresql: PostgreSql, sums: list[int]
) -> None:
    async def play(one: Facilitator, other: Facilitator) -> None:
        scene = await joined(one)
        for owner in scene.owners[1:]:
            owner.reconnect(other.app)
        await _count(scene, one, other)

    asyncio.run(_two(tmp_path, postgresql, play))
    assert len(sums) == 1


async def _count(scene: Scene, one: Facilitator, other: Facilitator) -> None:
    header, _ = scene.first_step
    await scene.model_owner.give(header, counts_request(scene))
    for number, owner in enumerate(scene.owners):
        await owner.compute(scene.budget, [[number, 10]])
        await asyncio.gather(one.tick(0), other.tick(0))
    scene.model_owner.reconnect(other.app)
    _, step = await scene.model_owner.step()
    assert step.sum is not None and decrypted(step.sum) == [[3, 30]]


def test_a_facilitator_of_another_identity_is_refused(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()

    async def play() -> None:
        for _ in range(2):
            async with running(tmp_path / "one", database_url=url):
                pass
        with pytest.raises(DatabaseError, match="Processes that share a store have one identity"):
            async with running(tmp_path / "another", database_url=url):
                pass

    asyncio.run(play())


def test_the_sum_of_a_process_that_died_is_computed_by_the_other(
    tmp_path: Path, postgresql: PostgreSql, sums: list[int]
) -> None:
    async def play(one: Facilitator, other: Facilitator) -> None:
        scene = await counting(one)
        store = Store(url)
        with store.write() as tx:  # and nobody renews it
            tx.put_claim(f"sum/{scene.job_id}", Claim("de" * 16, clock.now() + timedelta(seconds=10)))
        store.close()
        for owner in scene.owners:
            await owner.compute(scene.budget, [[1, 2]])
        for _ in range(3):
            await asyncio.gather(one.tick(3), other.tick(0))
        assert sums == []
        await other.tick(2)
        _, step = await scene.model_owner.step()
        assert step.sum is not None and decrypted(step.sum) == [[3, 6]]

    clock, url = FakeClock(), postgresql.new_database()
    asyncio.run(_two(tmp_path, postgresql, play, clock, url))
    assert len(sums) == 1


async def _two(
    folder: Path,
    postgresql: PostgreSql,
    play: Callable[[Facilitator, Facilitator], Any],
    clock: FakeClock | None = None,
    url: str | None = None,
) -> None:
    """Two Facilitators with one identity and one store."""
    clock, url = clock or FakeClock(), url or postgresql.new_database()
    async with running(folder, clock, database_url=url) as one, running(folder, clock, database_url=url) as other:
        await play(one, other)
