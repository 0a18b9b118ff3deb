"""The Facilitator behind a bad network: cut, stalled and half-open connections, and a proxy that drops idle polls."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn

from fedtrain.client.agent.tasks import AgentEvent, TaskAgent, TaskAnswer
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.protocol.documents.signed import SignedDocument, parse_json
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskHeader, TaskKind
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.bad_network import Proxy, proxy_to
from tests.harness.facilitator.fake_parties import Facilitator, FakeModelOwner, FakeOwner, running
from tests.harness.facilitator.machine_bench import small_spec
from tests.harness.facilitator.roomy import unplanned


@dataclass
class Line:
    """An owner's agent that reaches the Facilitator over a proxy, and joins whatever it is asked to."""

    facilitator: Facilitator
    proxy: Proxy
    owner: FakeOwner
    model_owner: FakeModelOwner
    client: FacilitatorClient
    events: list[AgentEvent] = field(default_factory=list)
    handled: int = 0

    async def join(self, header: TaskHeader, body: bytes) -> TaskAnswer:
        self.handled += 1
        return TaskAnswer(self.owner.acceptance(parse_json(body, SignedDocument)), JSON_TYPE)

    async def deploy(self) -> str:
        return await self.model_owner.deploy(self.model_owner.manifest(small_spec(min_data_owners=1)))

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            await asyncio.sleep(0.01)

    async def until_joined(self, job_id: str) -> None:
        while (await self.owner.client.model(job_id))["phase"] == "JOINING":
            await asyncio.sleep(0.01)
        assert (await self.owner.client.model(job_id))["phase"] == "WAITING_FOR_MODEL_OWNER"


@asynccontextmanager
async def listening(facilitator: Facilitator) -> AsyncIterator[int]:
    """The Facilitator on a port of loopback, in this event loop."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(facilitator.app, log_config=None, lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server._serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        facilitator.app.state.stop.set()
        server.should_exit = True
        await serving


@asynccontextmanager
async def a_line(folder: Path, *, request_timeout_s: float, wait_s: float) -> AsyncIterator[Line]:
    # Its clock stands still, so nothing would refill what asking again and again takes from a caller's rate.
    without_rate = running(folder, rate_limit_burst=1_000_000)
    async with without_rate as facilitator, listening(facilitator) as port, proxy_to(port) as proxy:
        owner = facilitator.owner("clinic-a")
        address = f"http://127.0.0.1:{proxy.port}"
        client = FacilitatorClient(address, party_id=owner.party_id, request_timeout_s=request_timeout_s)
        line = Line(facilitator, proxy, owner, facilitator.model_owner(), client)
        await owner.register()
        agent = TaskAgent(
            client,
            {TaskKind.JOIN: line.join},
            plan_of=unplanned,
            wait_s=wait_s,
            on_event=lambda event, _header: line.events.append(event),
            sleep=lambda seconds: asyncio.sleep(min(seconds, 0.05)),
        )
        stop = asyncio.Event()
        run = asyncio.create_task(agent.run(stop))
        try:
            await line.until(lambda: AgentEvent.CONNECTED in line.events)
            yield line
        finally:
            stop.set()
            await run
            await client.aclose()


def play(
    folder: Path, scene: Callable[[Line], Awaitable[None]], request_timeout_s: float = 30, wait_s: float = 20
) -> None:
    async def run() -> None:
        async with a_line(folder, request_timeout_s=request_timeout_s, wait_s=wait_s) as line:
            await scene(line)

    asyncio.run(run())


def test_a_proxy_that_drops_idle_polls_loses_no_task(tmp_path: Path) -> None:
    async def scene(line: Line) -> None:
        line.proxy.drops_idle_after_s = 0.2
        await line.until(lambda: line.events.count(AgentEvent.DISCONNECTED) >= 2)
        await line.until_joined(await line.deploy())
        assert line.events.count(AgentEvent.CONNECTED) >= 2
        assert line.handled == 1

    play(tmp_path, scene)


def test_a_cut_in_the_middle_of_a_poll_is_noticed_and_mended(tmp_path: Path) -> None:
    async def scene(line: Line) -> None:
        line.proxy.cut()
        await line.until(lambda: AgentEvent.DISCONNECTED in line.events)
        await line.until_joined(await line.deploy())

    play(tmp_path, scene)


def test_a_half_open_connection_is_given_up_when_its_time_is_over(tmp_path: Path) -> None:
    """Neither side is told that the line is dead, as when a router loses its tables."""

    async def scene(line: Line) -> None:
        line.proxy.go_silent()
        job_id = await line.deploy()
        await line.until(lambda: AgentEvent.DISCONNECTED in line.events)
        await line.until_joined(job_id)

    play(tmp_path, scene, request_timeout_s=0.5, wait_s=0.5)


def test_an_answer_that_arrived_and_was_not_confirmed_is_sent_again_and_counts_once(tmp_path: Path) -> None:
    async def scene(line: Line) -> None:
        line.proxy.answers_to_cut = 2
        await line.until_joined(await line.deploy())
        await line.until(lambda: line.proxy.answers_to_cut == 0 and AgentEvent.ANSWERED in line.events)
        assert line.handled == 1
        assert AgentEvent.FAILED not in line.events and AgentEvent.DROPPED not in line.events

    play(tmp_path, scene)


def test_a_facilitator_that_takes_connections_and_never_answers_is_named_unreachable(tmp_path: Path) -> None:
    async def scene(line: Line) -> None:
        line.proxy.stalls = True
        line.proxy.cut()
        await line.until(lambda: AgentEvent.DISCONNECTED in line.events)
        with pytest.raises(Problem) as caught:
            await line.client.identity()
        assert caught.value.code is Code.FACILITATOR_UNREACHABLE
        assert str(line.proxy.port) in caught.value.detail
        job_id = await line.deploy()
        assert [owner["name"] for owner in (await line.owner.client.model(job_id))["waiting_for"]] == ["clinic-a"]  # type: ignore[attr-defined]
        line.proxy.stalls = False
        line.proxy.cut()
        await line.until_joined(job_id)

    play(tmp_path, scene, request_timeout_s=0.3, wait_s=0.5)
