"""The client: problems come back as problems, everything else that goes wrong as one, and bytes are counted."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Request

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.http import MAX_RESPONSE_BYTES, ServiceClient, joined
from fedtrain.client.retry import LONGEST_ASKED_S, asked_s
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Registration, SignedDocument, sign_document
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskKind
from fedtrain.service.store.body_files import BodyFile, BodyFiles
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.free_ports import free_port

pytestmark = pytest.mark.anyio

IDENTITY = Identity.generate()
PARTY = IDENTITY.party_id
JOB = "0" * 32
TASK = {
    "id": "1" * 32,
    "kind": "compute",
    "sender": PARTY,
    "recipient": PARTY,
    "job_id": JOB,
    "key": "compute/1",
    "created_at": "2026-01-01T00:00:00.000Z",
    "sequence": 3,
}


class MockStream(httpx.AsyncBaseTransport):
    """Answers with a body of no length that is known."""

    def __init__(self, body: httpx.AsyncByteStream) -> None:
        self.body = body

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=self.body)


class Recorder(httpx.AsyncBaseTransport):
    """Answers with what it was given, and keeps the requests."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return self.answer(request)


def client_of(
    answer: Callable[[httpx.Request], httpx.Response], **options: object
) -> tuple[FacilitatorClient, Recorder]:
    transport = Recorder(answer)
    options = {"party_id": PARTY, **options}
    return FacilitatorClient("http://facilitator:8080", transport=transport, **options), transport


def answering(value: object, status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(status, json=value)


async def test_tasks_are_asked_for_with_wait_and_after_in_the_partys_name() -> None:
    client, transport = client_of(answering({"tasks": [TASK]}), token="hunter2")
    listed = await client.tasks(wait_s=20, after=2)
    assert [(task.id, task.kind, task.sequence) for task in listed.tasks] == [("1" * 32, TaskKind.COMPUTE, 3)]
    request = transport.requests[0]
    assert str(request.url) == "http://facilitator:8080/tasks?wait=20&after=2"
    assert request.headers["fedtrain-party"] == PARTY
    assert request.headers["authorization"] == "Bearer hunter2"
    assert request.extensions["timeout"]["read"] == 80
    assert "hunter2" not in repr(client)
    assert request.headers["user-agent"] == f"fedtrain/{version('federated-trainer')}"
    assert "date" not in request.headers


@pytest.mark.parametrize(
    ("date", "apart_s"),
    [
        ("Sun, 01 Mar 2026 12:30:05 GMT", 0.0),
        ("Sun, 01 Mar 2026 12:30:03 GMT", 0.0),  # servers keep one for a second or two
        ("Sun, 01 Mar 2026 12:29:03 GMT", 60.0),
        ("Sun, 01 Mar 2026 12:31:05 GMT", 60.0),
        ("yesterday", None),
        (None, None),
    ],
)
async def test_the_difference_to_the_services_clock_is_known(date: str | None, apart_s: float | None) -> None:
    moment = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    headers = {} if date is None else {"Date": date}
    client, _ = client_of(lambda _: httpx.Response(200, json={"tasks": []}, headers=headers), now=lambda: moment)
    assert client.clocks_apart_s is None
    await client.tasks(wait_s=0, after=0)
    assert client.clocks_apart_s == apart_s


async def test_the_partys_clock_is_told_where_it_is_given() -> None:
    moment = datetime(2026, 3, 1, 14, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    client, transport = client_of(answering({"tasks": []}), now=lambda: moment)
    await client.tasks(wait_s=0, after=0)
    assert transport.requests[0].headers["date"] == "Sun, 01 Mar 2026 12:30:05 GMT"


async def test_without_a_token_none_is_sent() -> None:
    client, transport = client_of(answering({"tasks": []}))
    await client.tasks(wait_s=0.5, after=0)
    assert "authorization" not in transport.requests[0].headers
    assert transport.requests[0].url.params["wait"] == "0.5"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"tasks": 1},
        {"tasks": [{**TASK, "kind": 1}]},
        {"tasks": [{**TASK, "sequence": 0}]},
    ],
)
async def test_a_list_of_tasks_in_another_form_is_malformed(answer: object) -> None:
    client, _ = client_of(answering(answer))
    with pytest.raises(Problem) as caught:
        await client.tasks(wait_s=0, after=0)
    assert caught.value.code is Code.MALFORMED_MESSAGE


async def test_what_a_newer_minor_version_adds_to_a_list_of_tasks_is_passed_over() -> None:
    client, _ = client_of(answering({"tasks": [{**TASK, "kind": "dance"}, {**TASK, "more": 1}], "x": 1}))
    listed = await client.tasks(wait_s=0, after=0)
    assert [header.model_dump(mode="json") for header in listed.tasks] == [TASK]


async def test_a_result_is_sent_as_the_exact_bytes_and_both_ways_are_counted() -> None:
    client, transport = client_of(lambda _request: httpx.Response(200, content=b"12345"))
    await client.put_result("1" * 32, b"\xa0\x00\xff", CBOR_TYPE)
    request = transport.requests[0]
    assert (request.method, request.url.path) == ("PUT", f"/tasks/{'1' * 32}/result")
    assert (request.content, request.headers["content-type"]) == (b"\xa0\x00\xff", CBOR_TYPE)
    assert (client.bytes_sent, client.bytes_received) == (3, 5)
    assert await client.task_request("1" * 32, 5, joined) == b"12345"
    assert (client.bytes_sent, client.bytes_received) == (3, 10)


def in_a_file(folder: Path, size_bytes: int) -> BodyFile:
    bodies = BodyFiles(folder)
    written = bodies.write((os.urandom(size_bytes),))
    bodies.place(written)
    return bodies.at(written.hash, size_bytes)


async def test_a_result_in_a_file_is_sent_as_the_same_request_however_often(tmp_path: Path) -> None:
    filed = in_a_file(tmp_path, 1 << 20)
    client, transport = client_of(lambda _request: httpx.Response(204))
    for _ in range(2):
        await client.put_result("1" * 32, filed, CBOR_TYPE)
    await client.put_result("1" * 32, filed.read(), CBOR_TYPE)
    streamed, again, whole = transport.requests
    assert streamed.content == again.content == whole.content == filed.read()
    assert dict(streamed.headers) == dict(again.headers) == dict(whole.headers), "its length is said, and no chunks"
    assert client.bytes_sent == 3 << 20


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(bytes(1 << 20))])
async def test_of_a_result_whose_file_is_damaged_nothing_is_sent(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    filed = in_a_file(tmp_path, 1 << 20)
    client, transport = client_of(lambda _request: httpx.Response(204))
    damage(filed.path)
    with pytest.raises(Problem, match=filed.hash[:16]) as caught:
        await client.put_result("1" * 32, filed, CBOR_TYPE)
    assert (caught.value.code, transport.requests, client.bytes_sent) == (Code.BODY_DAMAGED, [], 0)


class Endless(httpx.AsyncByteStream):
    """A body that does not end, of which `given` bytes were taken."""

    def __init__(self) -> None:
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.given += 1000
            yield bytes(1000)


async def test_a_request_that_is_longer_than_planned_is_cut_off_before_it_fills_the_disk(tmp_path: Path) -> None:
    bodies, endless = BodyFiles(tmp_path, above_bytes=5000), Endless()
    client, written = FacilitatorClient("http://f", transport=MockStream(endless), party_id=PARTY), []

    async def receive(chunks: AsyncIterator[bytes]) -> Encoded:
        async def noted() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                written.append(len(chunk))
                yield chunk

        return await bodies.receive_mapped(noted())

    with pytest.raises(Problem, match="more than 50,000 bytes") as caught:
        await client.task_request("1" * 32, 50_000, receive)
    assert caught.value.code is Code.MALFORMED_MESSAGE
    assert (sum(written), endless.given, [*tmp_path.iterdir()]) == (50_000, 51_000, [])
    client, _ = client_of(lambda _request: httpx.Response(200, content=bytes(50_001)))
    written.clear()
    with pytest.raises(Problem, match="50,001 bytes, more than 50,000"):
        await client.task_request("1" * 32, 50_000, receive)
    assert written == [], "one that says its length is not begun"


async def test_a_request_that_is_as_long_as_planned_is_mapped(tmp_path: Path) -> None:
    content = os.urandom(50_000)
    client, _ = client_of(lambda _request: httpx.Response(200, content=content))
    bodies = BodyFiles(tmp_path, above_bytes=5000)
    assert (await client.task_request("1" * 32, 50_000, bodies.receive_mapped))[:] == content


async def test_registering_puts_the_signed_document_under_the_partys_id() -> None:
    signed = sign_document(Registration(party=PARTY, name="bank-one", datasets=("default",)), IDENTITY)
    client, transport = client_of(answering({}))
    await client.register(signed)
    assert transport.requests[0].url.path == f"/data-owners/{PARTY}"
    assert SignedDocument.model_validate_json(transport.requests[0].content) == signed


async def test_the_jobs_routes() -> None:
    signed = sign_document(Registration(party=PARTY, name="bank-one", datasets=()), IDENTITY)
    answers = {
        f"/models/{JOB}": {"id": JOB},
        "/models": [{"id": JOB}],
        f"/models/{JOB}/log": [{"index": 0}],
        f"/models/{JOB}/roster": signed.model_dump(),
        "/data-owners": [],
        "/identity": {"party_id": PARTY, "role": "facilitator"},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path in answers:
            return httpx.Response(200, json=answers[request.url.path])
        return httpx.Response(200, content=request.url.path.encode())

    client, transport = client_of(answer)
    assert await client.model(JOB) == {"id": JOB}
    assert await client.models() == [{"id": JOB}]
    assert await client.log(JOB) == [{"index": 0}]
    assert await client.roster(JOB) == signed
    assert await client.data_owners() == []
    assert await client.identity() == {"party_id": PARTY, "role": "facilitator"}
    assert await client.log_entry(JOB, 2, ROOMY) == f"/models/{JOB}/log/2".encode()
    assert await client.blob(JOB, "ab" * 32, ROOMY) == f"/models/{JOB}/blobs/{'ab' * 32}".encode()
    await client.cancel(JOB, "no more money")
    assert transport.requests[-1].method == "DELETE"
    assert transport.requests[-1].url.params["reason"] == "no more money"
    await client.post_manifest(JOB, signed)
    assert (transport.requests[-1].method, transport.requests[-1].url.path) == ("PUT", f"/models/{JOB}")


@pytest.mark.parametrize(
    ("who", "found"),
    [
        ({"party_id": PARTY, "role": "model-owner"}, "not a Facilitator but a model-owner: correct"),
        ({"party_id": "x", "role": "facilitator"}, "not a Facilitator: correct"),
        ({"role": "facilitator"}, "not a Facilitator: correct"),
        ({"party_id": PARTY, "role": ["facilitator"]}, "not a Facilitator: correct"),
        ({}, "not a Facilitator: correct"),
    ],
)
async def test_what_is_no_facilitator_is_refused_by_its_address(who: dict[str, object], found: str) -> None:
    client, _ = client_of(answering(who))
    with pytest.raises(Problem, match=found) as caught:
        await client.identity()
    assert caught.value.code is Code.FORBIDDEN


async def test_an_id_that_a_peer_made_up_cannot_lead_to_another_route() -> None:
    client, transport = client_of(answering({}))
    await client.model("../data-owners?x=1")
    assert transport.requests[0].url.raw_path == b"/models/..%2Fdata-owners%3Fx%3D1"


@pytest.mark.slow
@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.slug)
async def test_every_problem_comes_back_as_itself(code: Code) -> None:
    sent = Problem(code, "This happened.", errors=[{"field": "x"}])
    client, _ = client_of(
        lambda _request: httpx.Response(
            code.status, json=sent.to_dict(), headers={"content-type": PROBLEM_JSON + "; charset=utf-8"}
        )
    )
    with pytest.raises(Problem) as caught:
        await client.model(JOB)
    assert (caught.value.code, caught.value.detail, caught.value.extra) == (code, sent.detail, sent.extra)


@pytest.mark.parametrize(
    ("status", "content_type", "body", "code"),
    [
        (404, "text/html", b"<h1>Not found</h1>", Code.INVALID_REQUEST),
        (404, PROBLEM_JSON, b"{", Code.INVALID_REQUEST),
        (400, PROBLEM_JSON, b"[]", Code.INVALID_REQUEST),
        (409, PROBLEM_JSON, b'{"type": "https://x/unknown"}', Code.INVALID_REQUEST),
        (500, PROBLEM_JSON, b'{"type": 7}', Code.INTERNAL),
        (500, "text/plain", b"", Code.INTERNAL),
        (302, "text/plain", b"", Code.INTERNAL),
        (502, "text/html", b"bad gateway", Code.FACILITATOR_UNREACHABLE),
        (503, "text/html", b"", Code.FACILITATOR_UNREACHABLE),
        (504, "text/html", b"", Code.FACILITATOR_UNREACHABLE),
        (408, "text/html", b"", Code.FACILITATOR_UNREACHABLE),
        (429, "text/html", b"slow down", Code.RATE_LIMITED),
    ],
)
async def test_an_error_without_a_known_problem_is_one_by_its_status(
    status: int, content_type: str, body: bytes, code: Code
) -> None:
    client, _ = client_of(lambda _r: httpx.Response(status, content=body, headers={"content-type": content_type}))
    with pytest.raises(Problem) as caught:
        await client.model(JOB)
    assert caught.value.code is code
    assert str(status) in caught.value.detail or code is Code.INVALID_REQUEST


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "99999999999"}, LONGEST_ASKED_S),
        ({"retry-after": "Mon, 12 Jan 2026 09:30:20 GMT", "date": "Mon, 12 Jan 2026 09:30:05 GMT"}, 15.0),
        ({"retry-after": "Mon, 12 Jan 2026 09:30:00 GMT", "date": "Mon, 12 Jan 2026 09:30:05 GMT"}, 0.0),
        ({"retry-after": "Mon, 12 Jan 2026 09:30:20 GMT"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
async def test_the_pause_that_a_peer_asks_for_is_known(headers: dict[str, str], pause_s: float) -> None:
    client, _ = client_of(lambda _r: httpx.Response(503, headers=headers))
    with pytest.raises(Problem) as caught:
        await client.tasks(wait_s=0, after=0)
    assert asked_s(caught.value) == pause_s


@pytest.mark.parametrize("said", [True, "7", None, -1, float("nan")])
def test_only_a_number_of_seconds_is_a_pause(said: object) -> None:
    assert asked_s(Problem(Code.RATE_LIMITED, "no", retry_after_s=said)) == 0


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ReadTimeout(""), httpx.RemoteProtocolError("broke off"), OSError("no net")],
)
async def test_trouble_with_the_connection_is_the_facilitator_unreachable(error: Exception) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise error

    client, _ = client_of(fail)
    with pytest.raises(Problem) as caught:
        await client.tasks(wait_s=0, after=0)
    assert caught.value.code is Code.FACILITATOR_UNREACHABLE
    assert "http://facilitator:8080" in caught.value.detail


async def test_a_port_where_nobody_listens_is_the_facilitator_unreachable() -> None:
    client = FacilitatorClient(f"http://127.0.0.1:{free_port()}", party_id=PARTY)
    with pytest.raises(Problem) as caught:
        await client.identity()
    await client.aclose()
    assert caught.value.code is Code.FACILITATOR_UNREACHABLE


@pytest.mark.parametrize("url", ["", "facilitator:8080", "ftp://facilitator", "http://"])
async def test_an_address_that_cannot_be_used_is_named(url: str) -> None:
    client = FacilitatorClient(url, party_id=PARTY)
    with pytest.raises(Problem) as caught:
        await client.identity()
    assert caught.value.code is Code.FACILITATOR_UNREACHABLE
    assert url in caught.value.detail


async def assert_read_no_further(
    status: int, call: Callable[[FacilitatorClient], Awaitable[object]], fits: int
) -> None:
    sent, chunk = 0, b" " * 50_000

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += len(chunk)
            yield chunk

    client, _ = client_of(lambda _r: httpx.Response(status, content=endless()))
    with pytest.raises(Problem, match=f"more than {fits:,} bytes") as caught:
        await call(client)
    assert caught.value.code is Code.MALFORMED_MESSAGE
    assert sent <= fits + len(chunk)


async def test_an_answer_is_read_no_further_than_its_limit() -> None:
    await assert_read_no_further(200, lambda client: client.log_entry(JOB, 0, EvidenceLimits(1 << 25, 1)), 1 << 25)
    await assert_read_no_further(200, lambda client: client.tasks(wait_s=0, after=0), MAX_RESPONSE_BYTES)
    await assert_read_no_further(200, lambda client: client.model(JOB), MAX_RESPONSE_BYTES)
    await assert_read_no_further(404, lambda client: client.log_entry(JOB, 0, ROOMY), 1 << 20)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000], ids=["empty", "list", "open", "utf8", "deep"]
)
async def test_a_state_that_is_no_object_is_malformed_or_empty(body: bytes) -> None:
    client, _ = client_of(lambda _r: httpx.Response(200, content=body))
    if not body:
        assert await client.model(JOB) == {}
        return
    with pytest.raises(Problem) as caught:
        await client.model(JOB)
    assert caught.value.code is Code.MALFORMED_MESSAGE


@pytest.mark.parametrize("value", [{}, [1], [{}, None]])
async def test_a_log_that_is_no_list_of_objects_is_malformed(value: object) -> None:
    client, _ = client_of(answering(value))
    with pytest.raises(Problem) as caught:
        await client.log(JOB)
    assert caught.value.code is Code.MALFORMED_MESSAGE


async def test_redirects_are_not_followed() -> None:
    client, transport = client_of(
        lambda _r: httpx.Response(307, headers={"location": "http://elsewhere/"}), token="hunter2"
    )
    with pytest.raises(Problem):
        await client.model(JOB)
    assert len(transport.requests) == 1


async def test_compressed_answers_are_not_asked_for() -> None:
    client, transport = client_of(answering({}))
    await client.model(JOB)
    assert transport.requests[0].headers["accept-encoding"] == "identity"


async def test_another_services_client_has_its_own_name_for_unreachable() -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    client = ServiceClient("http://127.0.0.1:9090", transport=Recorder(fail))
    with pytest.raises(Problem) as caught:
        await client.request_json("POST", "/models", document={"a": 1})
    assert caught.value.code is Code.SERVICE_UNREACHABLE


async def test_it_talks_to_a_service_over_a_socket(make_service, served, tmp_path: Path) -> None:
    filed = in_a_file(tmp_path, 60_000)
    router, seen = APIRouter(), []

    @router.put("/tasks/{task_id}/result")
    async def result(task_id: str, request: Request) -> dict[str, str]:
        body = await request.body()
        assert request.headers["content-length"] == str(len(body))
        seen.append((task_id, body, request.headers["fedtrain-party"]))
        return {}

    @router.get("/models/{job_id}")
    async def model(job_id: str) -> dict[str, str]:
        raise Problem(Code.MODEL_NOT_FOUND, f"There is no model {job_id}.")

    with served(make_service(router)) as port:
        client = FacilitatorClient(f"http://127.0.0.1:{port}/", party_id=PARTY)
        assert (await client.identity())["name"] == "tested"
        await client.put_result("1" * 32, b"bytes", CBOR_TYPE)
        await client.put_result("2" * 32, filed, CBOR_TYPE)
        with pytest.raises(Problem) as caught:
            await client.model(JOB)
        await client.aclose()
    assert seen == [("1" * 32, b"bytes", PARTY), ("2" * 32, filed.read(), PARTY)]
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert json.dumps(caught.value.to_dict())


@pytest.mark.parametrize("call", ["model", "models", "tasks", "log"])
async def test_an_answer_of_more_values_than_it_can_have_is_refused_before_it_is_built(call: str) -> None:
    bomb = b"[" + b"{}," * 2_000_001 + b"{}]"
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=bomb))
    client = FacilitatorClient("http://facilitator.invalid", transport=transport)
    calls = {
        "model": lambda: client.model(JOB), "models": client.models, "log": lambda: client.log(JOB),
        "tasks": lambda: client.tasks(wait_s=0, after=0),
    }  # fmt: skip
    with pytest.raises(Problem, match="values") as caught:
        await calls[call]()
    assert caught.value.code is Code.MALFORMED_MESSAGE
    await client.aclose()
