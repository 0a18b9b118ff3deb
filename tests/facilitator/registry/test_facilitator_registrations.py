"""Owners register again and again; what is known already writes nothing and invites nobody twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fedtrain.facilitator.store import Store, StoredParty
from fedtrain.protocol.documents.signed import Registration, sign_document
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Role
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.tokens import Scope
from fedtrain.service.web.caller import Caller
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_parties import Facilitator, running
from tests.harness.facilitator.machine_bench import small_spec


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


def test_an_owner_that_has_left_is_not_asked_by_new_jobs_until_it_registers_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            leaver, stayer, model_owner = (facilitator.owner("a"), facilitator.owner("b"), facilitator.model_owner())
            await leaver.register("default")
            await stayer.register("default")
            async with facilitator.client as http:
                assert (await http.delete(f"/data-owners/{leaver.party_id}")).status_code == 204
                again = await http.delete(f"/data-owners/{leaver.party_id}")
            assert Problem.from_dict(again.json(), again.status_code).code is Code.NOT_FOUND
            job_id = await model_owner.deploy(model_owner.manifest(small_spec(min_data_owners=1)))
            status = await stayer.client.model(job_id)
            assert [one["name"] for one in status["waiting_for"]] == ["b"]
            assert (await leaver.client.tasks(wait_s=0, after=0)).tasks == ()
            await leaver.register("default")
            assert len((await leaver.client.tasks(wait_s=0, after=0)).tasks) == 1

    asyncio.run(play())


def test_only_an_owner_itself_and_the_facilitators_own_people_take_it_off_the_list(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner, other = facilitator.owner("a"), facilitator.owner("b")
            service = facilitator.app.state.service
            strangers = [
                Caller(other.party_id, Role.DATA_OWNER, authenticated=True, scope=Scope.PARTY),
                Caller(None, None, authenticated=True, scope=Scope.READ),
            ]
            await owner.register("default")
            for stranger in strangers:
                with pytest.raises(Problem) as caught:
                    await service.forget(owner.party_id, stranger)
                assert caught.value.code is Code.FORBIDDEN
            assert len(await listed(facilitator)) == 1
            for who in (
                Caller(None, None, authenticated=True, scope=Scope.ADMIN),
                Caller(owner.party_id, Role.DATA_OWNER, authenticated=True, scope=Scope.PARTY),
            ):
                await service.forget(owner.party_id, who)
                assert await listed(facilitator) == []
                await owner.register("default")

    asyncio.run(play())


def test_an_invitation_that_was_lost_after_the_registration_is_made_up_for(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owner, model_owner = facilitator.owner("clinic-a"), facilitator.model_owner()
            await model_owner.deploy(model_owner.manifest())
            # As where the process ended between the registration's commit and the invitations.
            document = Registration(party=owner.party_id, name=owner.name, datasets=("default",))
            store = Store(sqlite_url(tmp_path / "state.sqlite3"))
            with store.write() as tx:
                signed = sign_document(document, owner.identity)
                tx.put_party(StoredParty(owner.party_id, owner.name, ("default",), "2026-01-12T08:59:00.000Z", signed))
            store.close()
            await owner.register("default")
            tasks = (await owner.client.tasks(wait_s=0, after=0)).tasks
            assert [task.kind for task in tasks] == [TaskKind.JOIN]

    asyncio.run(play())
