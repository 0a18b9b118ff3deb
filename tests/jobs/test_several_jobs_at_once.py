"""Several jobs at a time through the services, each with keys of its own; one deployed twice; cancelling anywhere."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fedtrain.simulation.federation import Federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.interrupted import DESCENT, OWNERS, Site, ended_everywhere, reached, spec, verified_entries


@pytest.mark.slow
def test_five_jobs_at_once_come_to_what_one_alone_comes_to_each_under_its_own_key(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def run() -> tuple[list[dict[str, Any]], set[str], list[int]]:
        async with site.running() as parties:
            ids = await asyncio.gather(*(parties.deploy(spec(**DESCENT)) for _ in range(5)))
            states = await asyncio.gather(*(parties.wait(model_id) for model_id in ids))
            for model_id in ids:
                await ended_everywhere(parties, model_id)
            signed = [await parties.facilitator.get(f"/models/{model_id}/manifest") for model_id in ids]
            moduli = {json.loads(one["document"])["modulus"] for one in signed}
            return list(states), moduli, [await verified_entries(parties, model_id) for model_id in ids]

    states, moduli, entries = asyncio.run(run())
    assert [state["status"] for state in states] == ["FINISHED"] * 5
    assert len({str(state["coefficients"]) for state in states}) == 1
    assert len(moduli) == 5
    assert entries == [16] * 5
    for name in OWNERS:
        assert not list((tmp_path / name / "keys").glob("*.x25519"))
    assert not list((tmp_path / "model-owner" / "keys").glob("*.json"))


async def post(parties: Federation, document: dict[str, Any], key: str) -> str:
    answer = await parties.model_owner.http.post("/models", json=document, headers={"Idempotency-Key": key})
    if answer.is_error:
        raise Problem.from_dict(answer.json(), answer.status_code)
    return str(answer.json()["id"])


@pytest.mark.slow
def test_the_same_key_is_the_same_model_and_another_spec_under_it_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def run() -> None:
        async with site.running() as parties:
            ids = await asyncio.gather(*(post(parties, spec(**DESCENT), "first") for _ in range(6)))
            assert len(set(ids)) == 1
            other = await post(parties, spec(**DESCENT), "second")
            assert other != ids[0]
            with pytest.raises(Problem) as caught:
                await post(parties, spec(**{**DESCENT, "rounds": 3}), "first")
            assert caught.value.code is Code.IDEMPOTENCY_CONFLICT
            assert caught.value.code.status == 409
            with pytest.raises(Problem) as caught:
                await post(parties, spec(**DESCENT), "two words")
            assert caught.value.code is Code.INVALID_REQUEST
            assert (await parties.wait(ids[0]))["status"] == "FINISHED"
            assert await post(parties, spec(**DESCENT), "first") == ids[0]  # also once it has ended
            assert len(await parties.model_owner.get("/models")) == 2
            await parties.wait(other)

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["before the key is made", "in the rounds"])
def test_a_job_is_cancelled_at_every_party_and_a_second_time_changes_nothing(phase: str, tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def run() -> None:
        async with site.running() as parties:
            model_id = await parties.deploy(spec(**{**DESCENT, "rounds": 500}))
            if phase == "in the rounds":
                await reached(parties, model_id, lambda state: (state["round"] or 0) >= 2)
            for reason in ("wrong spec", "again"):
                answer = await parties.model_owner.http.delete(f"/models/{model_id}", params={"reason": reason})
                assert answer.status_code == 200
                assert (answer.json()["status"], answer.json()["reason"]) == ("CANCELLED", "wrong spec")
            if phase == "in the rounds":
                await ended_everywhere(parties, model_id)
                for party in (parties.facilitator, *parties.data_owners):
                    seen = await party.get(f"/models/{model_id}")
                    assert (seen["status"], seen["reason"]) == ("CANCELLED", "wrong spec")
            while list((tmp_path / "model-owner" / "keys").glob("*.json")):
                await asyncio.sleep(0.01)

    asyncio.run(run())


def test_a_job_that_has_ended_is_not_cancelled(tmp_path: Path) -> None:
    site = Site(tmp_path)

    async def run() -> None:
        async with site.running() as parties:
            # One owner more than there are: the job ends before it begins.
            model_id = await parties.deploy(spec(**{**DESCENT, "min_data_owners": 4, "max_data_owners": 4}))
            state = await parties.wait(model_id)
            assert (state["status"], state["code"]) == ("FAILED", Code.TOO_FEW_OWNERS.slug)
            answer = await parties.model_owner.http.delete(f"/models/{model_id}")
            assert answer.status_code == 409
            assert Problem.from_dict(answer.json(), 409).code is Code.JOB_OVER

    asyncio.run(run())
