"""Whole jobs through the services: an owner that misses a round, and one that loses its key, whose rounds go on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.data_owner.agent.jobs.tasks import OwnerTasks
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.protocol.evidence.sum_set import SumSet, check_fully_signed
from fedtrain.protocol.messages.rounds import LogEntry
from fedtrain.protocol.messages.tasks import TaskHeader
from fedtrain.simulation.federation import federation
from tests.harness.data_owner.owner_bench import spec_of
from tests.harness.going_on import away, log_of, time_is_over_without
from tests.harness.round_sums import registered

OWNERS = ("clinic-a", "clinic-b", "clinic-c", "clinic-d")


def table(folder: Path, number: int) -> Path:
    path = folder / f"{number}.csv"
    rows = [f"{20 + at},{(at % 5) - 2},{at % 50}" for at in range(number, number + 20 + number)]
    path.write_text("\n".join(["age,dose,days", *rows]) + "\n")
    return path


async def job(folder: Path, rounds: int, late: str | None = None) -> tuple[dict[str, Any], ...]:
    """Return the model, the job at the Facilitator and at `clinic-b`, and the log's entries."""
    spec = spec_of(on_dropout="continue", rounds=rounds, max_data_owners=4, min_data_owners=4)
    tables = {name: table(folder, at) for at, name in enumerate(OWNERS)}
    async with federation(folder, tables, allow_small_keys=True, owner_policy=OwnerPolicy.for_loopback()) as parties:
        model_id = await parties.deploy(spec.model_dump(mode="json"))
        if late is not None:
            await asyncio.wait_for(time_is_over_without(parties, model_id, late, in_round=1), 300)
        model = await asyncio.wait_for(parties.wait(model_id), 300)
        seen = await parties.facilitator.get(f"/models/{model_id}")
        owner = (await parties.data_owners[1].get("/models"))[0]
        return model, seen, owner, {"entries": await log_of(parties, model_id)}


def members(seen: dict[str, Any], entries: list[LogEntry]) -> dict[int, set[str]]:
    """By round, the names of the owners whose answers were summed."""
    names = {one["party"]: one["name"] for one in seen["owners"]}
    return {entry.round: {names[record.party] for record in entry.answers} for entry in entries}


@pytest.mark.slow
def test_a_job_goes_on_without_an_owner_and_with_it_when_it_is_back(tmp_path: Path) -> None:
    """`clinic-b` does not answer round 1 at all."""
    with registered(), away("clinic-b", in_round=1):
        model, seen, owner, log = asyncio.run(job(tmp_path, 3, late="clinic-b"))
    assert model["status"] == "FINISHED", model
    assert members(seen, log["entries"]) == {1: {*OWNERS} - {"clinic-b"}, 2: {*OWNERS}, 3: {*OWNERS}}
    for entry in log["entries"]:
        assert entry.set_signatures is not None
        check_fully_signed(SumSet.of_entry(entry), entry.set_signatures)
    pace = {one["name"]: one for one in seen["pace"]}
    assert pace["clinic-b"]["rounds_missed"] == 1
    assert owner["last_refused_request"] is None
    assert [number for number, _, _ in model["sums"]] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["on_set", "on_unmask"])
def test_an_owner_that_loses_its_key_once_it_has_answered_leaves_and_the_others_go_on(
    tmp_path: Path, asked: str
) -> None:
    handled = getattr(OwnerTasks, asked)

    async def lost(self: OwnerTasks, header: TaskHeader, body: bytes) -> TaskAnswer | None:
        if self._jobs.name == "clinic-b":
            assert header.job_id is not None
            (tmp_path / "clinic-b" / "keys" / f"{header.job_id}.x25519").unlink()
            self._jobs.effects._answering.clear()
        answer: TaskAnswer | None = await handled(self, header, body)
        return answer

    with registered(), mock.patch.object(OwnerTasks, asked, lost):
        model, seen, owner, log = asyncio.run(job(tmp_path, 2))
    assert model["status"] == "FINISHED", model
    assert model["reason"].endswith("1 of them had a sum")
    assert members(seen, log["entries"]) == {2: {*OWNERS} - {"clinic-b"}}
    assert [one["name"] for one in seen["pace"] if one["left"]] == ["clinic-b"]
    assert (owner["status"], owner["code"]) == ("CANCELLED", "owner-lost-its-key")
