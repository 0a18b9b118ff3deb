"""A Facilitator that shows whoever verifies a job another one: all of it is signed, and none of it is the job."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from fedtrain.cli.jobs.verify import _verify
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.protocol.documents.identity import Identity
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.service.vault.trust_file import Pin, write_pins
from fedtrain.simulation.federation import FACILITATOR, Federation, federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.attackers.job_material import props, rows, write_table

AUDITOR = Identity.from_private_bytes(b"\5" * 32).party_id
#: Of the true job, and of the one that is made up.
ID = "ab" * 16


class InThePlaceOf(httpx.AsyncBaseTransport):
    """A way to a Facilitator on which one job's id becomes another's."""

    def __init__(self, app: Any, asked: str, shown: str) -> None:
        self._there, self._asked, self._shown = httpx.ASGITransport(app), asked, shown

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(path=request.url.path.replace(self._asked, self._shown))
        return await self._there.handle_async_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream)
        )


async def party_of(one: Any) -> str:
    return str((await one.get("/identity"))["party_id"])


async def verified(app: Any, model_id: str, party: str, state_dir: Path, shown: str | None = None) -> dict[str, object]:
    transport = InThePlaceOf(app, model_id, shown or model_id)
    return await _verify(
        FacilitatorClient(FACILITATOR, party_id=party, transport=transport), model_id, party, state_dir
    )


async def finished(parties: Federation, *auditors: str) -> str:
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": props(),
        "auditors": list(auditors),
        "training": {"optimizer": "newton", "key_bits": 512, "max_rows": 1000, "max_data_owners": 3},
    }
    model_id = await parties.deploy(spec)
    model = await parties.wait(model_id)
    assert model["status"] == "FINISHED", model["reason"]
    return model_id


def tables(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    return {name: write_table(folder / f"{name}.csv", rows(40, seed)) for seed, name in enumerate("abc")}


@pytest.mark.slow
def test_another_job_of_the_same_parties_is_not_the_one_that_was_asked_for(tmp_path: Path) -> None:
    async def run() -> None:
        async with federation(tmp_path, tables(tmp_path / "data"), allow_small_keys=True) as parties:
            app, asked, other = parties.facilitator.app, await finished(parties), await finished(parties)
            for one in (parties.model_owner, parties.data_owners[0]):
                party = await party_of(one)
                assert (await verified(app, asked, party, one.state_dir))["model_id"] == asked
                with pytest.raises(Problem, match=f"shows job {other} in the place of {asked}") as caught:
                    await verified(app, asked, party, one.state_dir, shown=other)
                assert caught.value.code is Code.LOG_INCONSISTENT

    asyncio.run(run())


@pytest.mark.slow
def test_a_job_that_was_made_up_to_the_last_signature_is_none_of_a_partys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedtrain.model_owner.service.uuid4", lambda: UUID(ID))
    auditor = tmp_path / "auditor"

    async def run() -> None:
        async with (
            federation(tmp_path / "true", tables(tmp_path / "a"), allow_small_keys=True) as true,
            federation(tmp_path / "false", tables(tmp_path / "b"), allow_small_keys=True) as false,
        ):
            model_owner, owner = true.model_owner, true.data_owners[0]
            told = [await party_of(one) for one in (model_owner, owner)]
            assert await finished(true, AUDITOR) == await finished(false, AUDITOR, *told) == ID
            forger, app = await party_of(false.model_owner), false.facilitator.app
            write_pins(auditor, [Pin(key=told[0], role="model-owner", name="true")])
            assert (await verified(true.facilitator.app, ID, AUDITOR, auditor))["owners"] == 3
            folders = ((told[0], model_owner.state_dir), (told[1], owner.state_dir), (AUDITOR, auditor))
            for party, folder in folders:
                with pytest.raises(Problem, match="which is not pinned") as caught:
                    await verified(app, ID, party, folder)
                assert caught.value.code is Code.UNTRUSTED_MODEL_OWNER
            with pytest.raises(Problem, match="neither signed by this party"):
                await verified(app, ID, "cd" * 32, auditor)
            # A Model Owner that the party knows made it up: what the true ones signed of the end speaks against it.
            await ends_kept(owner.state_dir)
            write_pins(owner.state_dir, [Pin(key=forger, role="model-owner", name="forger")])
            with pytest.raises(Problem, match="The job was exchanged") as caught:
                await verified(app, ID, told[1], owner.state_dir)
            assert caught.value.code is Code.LOG_INCONSISTENT

    asyncio.run(run())


async def ends_kept(folder: Path) -> None:
    async with asyncio.timeout(300):
        while not HeadFiles(folder).of(ID):
            await asyncio.sleep(0.05)
