"""A whole job through the services: an owner that is away misses a round, and takes part in the next."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.data_owner.agent.service import OwnerService
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.protocol.evidence.sum_set import SumSet, check_fully_signed
from fedtrain.protocol.messages.rounds import Compute, LogEntry, RoundRequest, from_cbor
from fedtrain.protocol.messages.tasks import TaskHeader
from fedtrain.simulation.federation import federation
from tests.harness.data_owner.owner_bench import spec_of
from tests.harness.round_sums import registered

OWNERS = ("clinic-a", "clinic-b", "clinic-c", "clinic-d")


def table(folder: Path, number: int) -> Path:
    path = folder / f"{number}.csv"
    rows = [f"{20 + at},{(at % 5) - 2},{at % 50}" for at in range(number, number + 20 + number)]
    path.write_text("\n".join(["age,dose,days", *rows]) + "\n")
    return path


@pytest.mark.slow
def test_a_job_goes_on_without_an_owner_and_with_it_when_it_is_back(tmp_path: Path) -> None:
    """`clinic-b` does not answer round 1 at all."""
    spec = spec_of(on_dropout="continue", rounds=3, round_timeout_s=2.0, max_data_owners=4, min_data_owners=4)
    computed = OwnerService.on_compute

    async def away(self: OwnerService, header: TaskHeader, body: bytes) -> TaskAnswer | None:
        request = from_cbor(from_cbor(body, Compute).request.body, RoundRequest)
        if self._name == "clinic-b" and request.round == 1:
            return None
        return await computed(self, header, body)

    async def job() -> tuple[dict[str, Any], dict[str, Any], list[LogEntry], dict[str, Any]]:
        tables = {name: table(tmp_path, at) for at, name in enumerate(OWNERS)}
        policy = OwnerPolicy.for_loopback()
        async with federation(tmp_path, tables, allow_small_keys=True, owner_policy=policy) as parties:
            model_id = await parties.deploy(spec.model_dump(mode="json"))
            model = await parties.wait(model_id)
            seen = await parties.facilitator.get(f"/models/{model_id}")
            log = await parties.facilitator.get(f"/models/{model_id}/log")
            length = len(log["entries"] if isinstance(log, dict) else log)
            entries = [
                from_cbor(await parties.facilitator.get_bytes(f"/models/{model_id}/log/{at}"), LogEntry)
                for at in range(1, length)
            ]
            owner = (await parties.data_owners[1].get("/models"))[0]
            return model, seen, entries, owner

    with registered(), mock.patch.object(OwnerService, "on_compute", away):
        model, seen, entries, owner = asyncio.run(job())
    assert model["status"] == "FINISHED", model
    by_name = {one["name"]: one["party"] for one in seen["owners"]}
    assert by_name["clinic-b"] not in {record.party for record in entries[0].answers}
    assert any(by_name["clinic-b"] in {record.party for record in entry.answers} for entry in entries[1:])
    for entry in entries:
        assert entry.set_signatures is not None
        check_fully_signed(SumSet.of_entry(entry), entry.set_signatures)
    pace = {one["name"]: one for one in seen["pace"]}
    assert pace["clinic-b"]["rounds_missed"] >= 1
    assert owner["last_refused_request"] is None
    assert len(model["sums"]) == len(entries) >= 2
