"""Every route of every service, with a body at its limit and one beyond: bytes declared, bytes that come, values."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fedtrain.protocol.messages.items import MOST_ITEMS
from fedtrain.service.limits import body_limits
from fedtrain.service.limits.body_limits import LINGER_BYTES, BodyLimit, BodyLimits
from fedtrain.service.store.body_files import IN_FILES_ABOVE_BYTES
from fedtrain.spec.json_text import MAX_JSON_DEPTH
from fedtrain.spec.model_spec import MOST_SPEC_ITEMS
from fedtrain.spec.problems import Code, Problem
from tests.harness.three_services import NAMES, Route, ServedParty, three_services

pytestmark = pytest.mark.anyio

#: Small enough to be sent in a test; the defaults are held below.
SMALL = {"upload_limit_bytes": 200_000, "body_limit_bytes": 1 << 20}
WHO = {"facilitator": ("data-owner", "model-owner"), "model-owner": ("admin",), "data-owner": ("admin",)}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, ServedParty]]:
    small = {"result_limit_bytes": 100_000, "manifest_limit_bytes": 100_000}
    folder = tmp_path_factory.mktemp("three")
    async with three_services(folder, facilitator=small, owner=SMALL, model_owner=SMALL) as running:
        yield running


def limits_of(party: ServedParty) -> BodyLimits:
    limits = party.app.state.body_limits
    assert isinstance(limits, BodyLimits)
    return limits


def limit_of(party: ServedParty, route: Route) -> BodyLimit:
    return limits_of(party).limit_for(route.method, route.url)


async def refused(party: ServedParty, route: Route, headers: dict[str, str], body: object) -> Problem | None:
    """The problem that says that a body is too large, None where it is anything else."""
    who = WHO[party.name][route.template.startswith("/models") and party.name == "facilitator"]
    answer = await party.ask(route, who, headers=headers, content=body)
    assert answer.status_code not in (401, 500), (route, answer.text)
    if answer.status_code != 413:
        return None
    problem = Problem.from_dict(answer.json(), 413)
    assert problem.code is Code.BODY_TOO_LARGE
    assert route.url in problem.detail
    assert answer.headers["connection"] == "close"
    return problem


class Chunks:
    """A body in pieces of 10 kB at most, with a count of those that somebody asked for."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < self._size:
            piece = min(10_000, self._size - self.taken)
            self.taken += piece
            yield b" " * piece


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["application/json", "application/cbor", "text/csv"])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize("name", NAMES)
async def test_the_limit_of_every_route_is_taken_and_a_byte_more_refused(
    services: dict[str, ServedParty], name: str, chunked: bool, kind: str
) -> None:
    party = services[name]
    routes = list(party.routes())
    assert len(routes) > 15
    for route in routes:
        most = limit_of(party, route).bytes_of(is_json=kind == "application/json")
        for size in (most, most + 1):
            body = Chunks(size if size == most else 10 * most) if chunked else b" " * size
            problem = await refused(party, route, {"Content-Type": kind}, body)
            if size > most and isinstance(body, Chunks):  # a route that reads none answers before it has come
                assert problem is not None or body.taken == 0, route
                assert problem is None or most < body.taken <= most + 20_000 + LINGER_BYTES, route
            elif size > most:
                assert problem is not None, route
            elif problem is not None:  # the task's own, by its plan, is lower yet
                assert "/tasks" in route.url, route
                assert problem.extra["limit_bytes"] < most


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_as_many_values_as_a_route_takes_are_read_and_one_more_is_refused(
    services: dict[str, ServedParty], name: str
) -> None:
    party = services[name]
    for route in party.routes():
        if route.method in ("GET", "DELETE"):
            continue
        limit = limit_of(party, route)
        for more in (0, 1):
            body = b"[" + b"1," * (limit.json_items - 2 + more) + b"1]"
            assert len(body) <= limit.bytes_of(is_json=True), route
            for headers in (JSON, {}):
                problem = await refused(party, route, headers, body)
                assert (problem is not None) == bool(more), (route, headers)
                assert problem is None or f"{limit.json_items:,} values" in problem.detail


@pytest.mark.parametrize("name", NAMES)
async def test_json_of_the_greatest_depth_is_read_and_one_deeper_is_refused(
    services: dict[str, ServedParty], name: str
) -> None:
    party = services[name]
    for route in party.routes():
        if route.method in ("GET", "DELETE"):
            continue
        who = WHO[party.name][route.template.startswith("/models") and party.name == "facilitator"]
        for depth in (MAX_JSON_DEPTH, MAX_JSON_DEPTH + 1):
            body = b"[" * depth + b"]" * depth
            answer = await party.ask(route, who, headers=JSON, content=body)
            refused = "nests deeper than 32" in answer.text
            assert refused == (depth > MAX_JSON_DEPTH), (route, answer.text)
            assert not refused or Problem.from_dict(answer.json(), 400).code is Code.MALFORMED_JSON
            assert answer.status_code < 500


@pytest.mark.parametrize("name", NAMES)
async def test_every_limit_is_that_of_a_route_there_is(services: dict[str, ServedParty], name: str) -> None:
    party = services[name]
    there = {(route.method, route.template) for route in party.routes()}
    assert set(limits_of(party).by_route) <= there


WITH_A_SPEC = {("PUT", "/models/{job_id}"), ("PUT", "/requests/{request_id}")}


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_no_table_and_no_ciphertext_has_a_megabyte_at_most(tmp_path: Path, name: str) -> None:
    """By the settings' own defaults; a manifest or a request, with a spec as text within text, has four."""
    async with three_services(tmp_path) as running:
        party = running[name]
        for route in party.routes():
            limit = limit_of(party, route)
            manifest = name == "facilitator" and (route.method, route.template) in WITH_A_SPEC
            assert limit.bytes_of(is_json=True) <= (4 if manifest else 1) << 20, route
            assert limit.json_items <= MOST_ITEMS
            table = (route.method, route.template) == ("POST", "/datasets")
            answer = (route.method, route.template) == ("PUT", "/tasks/{task_id}/result")
            assert limit.held_bytes == (0 if table else IN_FILES_ABOVE_BYTES if answer else None), route
            if not table and not route.template.startswith("/tasks"):
                assert limit.most_bytes <= (4 if manifest else 1) << 20, route
        assert MOST_SPEC_ITEMS <= MOST_ITEMS


async def test_a_client_that_goes_away_in_the_middle_of_its_json_is_no_error(
    services: dict[str, ServedParty],
) -> None:
    sent: list[object] = []
    messages = [{"type": "http.request", "body": b'{"rows":[', "more_body": True}, {"type": "http.disconnect"}]
    party = services["model-owner"]
    scope = {
        "type": "http", "method": "POST", "path": "/prediction", "raw_path": b"/prediction", "query_string": b"",
        "headers": [
            (b"content-type", b"application/json"), (b"transfer-encoding", b"chunked"), (b"host", b"127.0.0.1"),
            (b"authorization", f"Bearer {party.tokens['admin']}".encode()),
        ],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 9090), "scheme": "http", "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, object]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    await party.app(scope, receive, send)  # type: ignore[arg-type]
    assert sent == []


async def test_bodies_wait_for_each_other_rather_than_fill_the_memory(
    services: dict[str, ServedParty], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room is for one such body: they come to be read one after another, and none is lost."""
    monkeypatch.setattr(body_limits, "BUILT_BYTES", 1)
    party = services["model-owner"]
    body = b'{"rows":[' + b"[]," * 20_000 + b"[]]}"
    route = Route("POST", "/prediction")
    answers = await asyncio.gather(*(party.ask(route, "admin", headers=JSON, content=body) for _ in range(5)))
    assert {answer.json()["type"] for answer in answers} == {"/problems/no-finished-model"}


async def test_large_json_is_counted_one_body_at_a_time(
    services: dict[str, ServedParty], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that count at once keep the event loop from the interpreter's lock."""
    counting, most_at_once = 0, 0

    def check(_body: bytes, _most: int) -> None:
        nonlocal counting, most_at_once
        counting += 1
        most_at_once = max(most_at_once, counting)
        time.sleep(0.05)  # where nothing holds the others back they begin meanwhile
        counting -= 1

    monkeypatch.setattr(body_limits, "check_json", check)
    party, route = services["model-owner"], Route("POST", "/prediction")
    body = b'{"rows":[' + b"[]," * 30_000 + b"[]]}"
    answers = await asyncio.gather(*(party.ask(route, "admin", headers=JSON, content=body) for _ in range(5)))
    assert {answer.json()["type"] for answer in answers} == {"/problems/no-finished-model"}
    assert most_at_once == 1


async def test_bodies_that_leave_no_room_are_asked_to_come_again(
    services: dict[str, ServedParty], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limits, "BODIES_BYTES", 100_000)
    party = services["model-owner"]
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b" " * 90_000
        arrived.set()
        await go_on.wait()
        yield b" "

    route = Route("POST", "/prediction")
    first = asyncio.create_task(party.ask(route, "admin", headers=JSON, content=slow()))
    await arrived.wait()
    refused = await party.ask(route, "admin", headers=JSON, content=b" " * 20_000)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    small = await party.ask(route, "admin", headers=JSON, content=b" " * 5_000)
    go_on.set()
    assert (small.status_code, (await first).status_code) == (400, 400)
    again = await party.ask(route, "admin", headers=JSON, content=b" " * 20_000)
    assert again.status_code == 400
