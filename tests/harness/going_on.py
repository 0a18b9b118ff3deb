"""Jobs of services whose rounds go on: an owner that is away for a round, and a time that is over without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest import mock

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.data_owner.agent.jobs.tasks import OwnerTasks
from fedtrain.facilitator.job import TimePassed
from fedtrain.protocol.messages.rounds import Compute, LogEntry, RoundRequest, from_cbor
from fedtrain.protocol.messages.tasks import TaskHeader
from fedtrain.simulation.federation import POLL_S, Federation


@contextmanager
def away(*names: str, in_round: int) -> Iterator[None]:
    """Let these owners not answer that round at all."""
    computed = OwnerTasks.on_compute

    async def not_there(self: OwnerTasks, header: TaskHeader, body: bytes) -> TaskAnswer | None:
        request = from_cbor(from_cbor(body, Compute).request.body, RoundRequest)
        if self._jobs.name in names and request.round == in_round:
            return None
        return await computed(self, header, body)

    with mock.patch.object(OwnerTasks, "on_compute", not_there):
        yield


async def time_is_over_without(parties: Federation, model_id: str, *names: str, in_round: int) -> None:
    """End the time of that round once these owners' answers alone are awaited, however long the others took."""
    while not (await parties.facilitator.http.get(f"/models/{model_id}")).is_success:
        await asyncio.sleep(POLL_S)  # the manifest is on its way
    while True:
        seen = await parties.facilitator.get(f"/models/{model_id}")
        late = {owner["name"] for owner in seen["waiting_for"]}
        if (seen["phase"], seen["round"], late) == ("WAITING_FOR_DATA_OWNERS", in_round, set(names)):
            break
        assert seen["ended_at"] is None, seen["reason"]
        await asyncio.sleep(POLL_S)
    runner = parties.facilitator.app.state.runner
    await runner.apply(model_id, TimePassed(), at=datetime.now(UTC) + timedelta(hours=1))


async def log_of(parties: Federation, model_id: str) -> list[LogEntry]:
    """Return the entries of sums."""
    log = await parties.facilitator.get(f"/models/{model_id}/log")
    found = range(1, len(log["entries"] if isinstance(log, dict) else log))
    return [from_cbor(await parties.facilitator.get_bytes(f"/models/{model_id}/log/{at}"), LogEntry) for at in found]
