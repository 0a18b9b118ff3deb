"""The length of a Facilitator's request to a party follows from the plan they agreed on; no byte more is read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from fedtrain.crypto import LocalEngine
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.task_sizes import (
    INVITATION_BYTES,
    STATEMENT_BYTES,
    EvidenceLimits,
    most_request_bytes,
    most_unplanned_bytes,
)
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.simulation.federation import federation
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.attackers.job_material import props, rows, write_table
from tests.harness.facilitator.memory_facilitator import JOB_A, Setting, answer_at_once, running

SPEC = ModelSpec.model_validate(
    {
        "model_type": "LINEAR_REGRESSION",
        "data_props": props(),
        "training": {"key_bits": 1024, "max_rows": 1000, "min_data_owners": 3, "max_data_owners": 3},
    }
)
BUDGET = plan_spec(SPEC)
CHUNK = 10_000


class Oversized(httpx.AsyncByteStream):
    """A body of a size, with a count of the bytes that somebody read of it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.read < self._size:
            self.read += (more := min(CHUNK, self._size - self.read))
            yield bytes(more)


class HostileLine:
    """Every line to the Facilitator: whatever a task of one kind asks becomes a body of `size` bytes."""

    def __init__(self, kind: TaskKind, size: int, declared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self._kinds: dict[str, str] = {}
        self._kind, self._size, self._declared = kind, size, declared
        self.bodies: list[Oversized] = []
        self._honest = httpx.ASGITransport.handle_async_request
        line = self

        async def handle(transport: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
            return await line.answer(transport, request)

        monkeypatch.setattr(httpx.ASGITransport, "handle_async_request", handle)

    async def answer(self, transport: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
        response = await self._honest(transport, request)
        if request.url.path == "/tasks" and request.method == "GET" and response.is_success:
            body = await response.aread()
            self._kinds |= dict(re.findall(r'"id":"([0-9a-f]{32})","kind":"(\w+)"', body.decode()))
            return httpx.Response(response.status_code, headers=response.headers, content=body)
        asked = re.fullmatch(r"/tasks/([0-9a-f]{32})/request", request.url.path)
        if asked is None or self._kinds.get(asked[1]) != self._kind:
            return response
        self.bodies.append(Oversized(self._size))
        headers = {"Content-Length": str(self._size)} if self._declared else {}
        return httpx.Response(200, headers=headers, stream=self.bodies[-1])


@pytest.mark.slow
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
@pytest.mark.parametrize("kind", [TaskKind.JOIN, TaskKind.COMPUTE, TaskKind.STEP])
def test_a_hostile_facilitators_request_above_the_plan_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: TaskKind, declared: bool
) -> None:
    most = most_request_bytes(kind, SPEC, BUDGET)
    tables = {f"owner-{n}": write_table(tmp_path / f"{n}.csv", rows(60, n)) for n in range(3)}
    line = HostileLine(kind, most + 1, declared, monkeypatch)

    async def play() -> list[str]:
        with capture_logs() as lines:
            async with federation(tmp_path, tables, allow_small_keys=True, engine=LocalEngine()) as parties:
                await parties.deploy(SPEC.model_dump(mode="json", exclude_none=True))
                while not (found := [one for one in lines if one["event"] == "task failed"]):
                    await asyncio.sleep(0.01)
        assert found[0]["kind"] == kind
        return [str(one["why"]) for one in found]

    for why in asyncio.run(play()):
        assert f"more than {most:,}" in why
    assert line.bodies
    assert all(body.read <= (0 if declared else most + CHUNK) for body in line.bodies)


async def limit_asked_for(kind: TaskKind, planned: bool) -> int:
    setting = Setting()
    if planned:
        setting.plans[JOB_A] = (SPEC, BUDGET)
    async with running(answer_at_once, setting) as it:
        it.facilitator.add(JOB_A, kind=kind)
        await it.until(lambda: bool(it.facilitator.results))
    return it.facilitator.most_bytes


@pytest.mark.parametrize("planned", [True, False], ids=["planned", "unplanned"])
@pytest.mark.parametrize("kind", [TaskKind.JOIN, TaskKind.COMPUTE, TaskKind.END])
def test_an_agent_takes_what_the_plan_says_and_of_an_unknown_job_what_an_invitation_has(
    kind: TaskKind, planned: bool
) -> None:
    expected = {TaskKind.JOIN: INVITATION_BYTES, TaskKind.END: STATEMENT_BYTES}.get(kind)
    if expected is None:
        expected = most_request_bytes(kind, SPEC, BUDGET) if planned else INVITATION_BYTES
    assert asyncio.run(limit_asked_for(kind, planned)) == expected
    assert planned or most_unplanned_bytes(kind) == expected


def test_evidence_has_room_for_what_its_tasks_carry() -> None:
    limits = EvidenceLimits.of(SPEC, BUDGET)
    step = most_request_bytes(TaskKind.STEP, SPEC, BUDGET)
    assert limits.entry_bytes < limits.blob_bytes < step < 1 << 20
