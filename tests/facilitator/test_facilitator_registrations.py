"""Owners register again and again; what is known already writes nothing and invites nobody twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from facilitator.store import SqlStore, StoredParty
from protocol.documents import Registration, sign_document
from protocol.server.database import sqlite_url
from protocol.tasks import TaskKind
from tests.facilitator.fake_parties import Facilitator, running
from tests.facilitator.machine_bench import small_spec


async def listed(facilitator: Facilitator) -> list[tuple[object, object]]:
    owners = await facilitator.owner("anyone").client.data_owners()
    return [(owner["datasets"], owner["registered_at"]) for owner in owners]


def test_the_same_registration_again_changes_nothing_and_another_one_does(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner = facilitator.owner("clinic-a")
            await owner.register("default")
            facilitator.clock.pass_time(60)
            await owner.register("default")
            assert await listed(facilitator) == [(["default"], "2026-01-12T09:00:00.000Z")]
            await owner.register("default", "stroke")
            assert await listed(facilitator) == [(["default", "stroke"], "2026-01-12T09:01:00.000Z")]

    asyncio.run(play())


def test_an_owner_is_invited_once_and_by_the_registration_that_offers_the_dataset(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner, model_owner = facilitator.owner("clinic-a"), facilitator.model_owner()
            await owner.register("default")
            await model_owner.deploy(model_owner.manifest(small_spec(dataset="stroke")))
            await owner.register("default")
            assert (await owner.client.tasks(wait_s=0, after=0)).tasks == ()
            for _ in range(2):
                await owner.register("default", "stroke")
                tasks = (await owner.client.tasks(wait_s=0, after=0)).tasks
                assert [task.kind for task in tasks] == [TaskKind.JOIN]

    asyncio.run(play())


def test_an_invitation_that_was_lost_after_the_registration_is_made_up_for(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner, model_owner = facilitator.owner("clinic-a"), facilitator.model_owner()
            await model_owner.deploy(model_owner.manifest())
            # As where the process ended between the registration's commit and the invitations.
            document = Registration(party=owner.party_id, name=owner.name, datasets=("default",))
            store = SqlStore(sqlite_url(tmp_path / "state.sqlite3"))
            with store.write() as tx:
                signed = sign_document(document, owner.identity)
                tx.put_party(StoredParty(owner.party_id, owner.name, ("default",), "2026-01-12T08:59:00.000Z", signed))
            store.close()
            await owner.register("default")
            tasks = (await owner.client.tasks(wait_s=0, after=0)).tasks
            assert [task.kind for task in tasks] == [TaskKind.JOIN]

    asyncio.run(play())
