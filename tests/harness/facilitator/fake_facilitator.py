"""A Facilitator for tests of the Model Owner's service: its routes as a transport, its owners played by `Peers`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx

from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import JobEnd, Manifest, SignedDocument, open_document, parse_json
from fedtrain.protocol.messages.rounds import StepResult, from_cbor, to_cbor
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem
from tests.harness.model_owner.peers import Peers


@dataclass
class _Task:
    header: TaskHeader
    request: bytes
    result: bytes | None = None


@dataclass
class _Job:
    manifest: SignedDocument
    peers: Peers
    status: str = "IN_PROGRESS"
    results: list[bytes] = field(default_factory=list)


class FakeFacilitator(httpx.AsyncBaseTransport):
    """`down`: answers nobody. `hold_after`: creates no further step after so many. `cancelled`: jobs by reason."""

    def __init__(self, sizes: tuple[int, ...] = (30, 5, 12)) -> None:
        self.identity = Identity.generate()
        self.sizes = sizes
        self.role = "facilitator"
        self.down = False
        self.hold_after: int | None = None
        self.refuse_manifest: Problem | None = None
        self.jobs: dict[str, _Job] = {}
        self.tasks: list[_Task] = []
        self.cancelled: dict[str, str] = {}
        self.bodies: list[bytes] = []
        self._changed = asyncio.Event()

    # Routes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        if self.down:
            raise httpx.ConnectError("nobody listens", request=request)
        try:
            return await self._route(request, request.content)
        except Problem as problem:
            content = json.dumps(problem.to_dict()).encode()
            return httpx.Response(problem.code.status, content=content, headers={"Content-Type": PROBLEM_JSON})

    async def _route(self, request: httpx.Request, body: bytes) -> httpx.Response:
        self.bodies.append(body)
        match [request.method, *request.url.path.strip("/").split("/")]:
            case ["GET", "identity"]:
                return httpx.Response(200, json={"party_id": self.identity.party_id, "role": self.role})
            case ["PUT", "models", job_id]:
                return self._deploy(job_id, parse_json(body, SignedDocument))
            case ["GET", "models", job_id]:
                waiting = [{"party": "c4" * 32, "name": "owner-1", "since": "2026-01-12T09:28:41Z"}]
                return httpx.Response(
                    200,
                    json={
                        "id": job_id,
                        "waiting_for": waiting,
                        "seconds_left": 12.5,
                        "pace": [{"name": "owner-1", "last_answer_after_s": 31.0}],
                    },
                )
            case ["GET", "models", job_id, "manifest"] if job_id in self.jobs:
                return httpx.Response(200, content=self.jobs[job_id].manifest.model_dump_json())
            case ["DELETE", "models", job_id]:
                self.cancelled[job_id] = request.url.params["reason"]
                return httpx.Response(200, json={})
            case ["GET", "tasks"]:
                return await self._poll(parse_qs(request.url.query.decode()))
            case ["GET", "tasks", task_id, "request"]:
                return httpx.Response(200, content=self._task(task_id).request)
            case ["PUT", "tasks", task_id, "result"]:
                return await self._result(self._task(task_id), body)
        raise Problem(Code.NOT_FOUND, request.url.path)

    def _deploy(self, job_id: str, signed: SignedDocument) -> httpx.Response:
        if self.refuse_manifest is not None:
            raise self.refuse_manifest
        if job_id not in self.jobs:
            spec = open_document(signed, Manifest).spec
            peers = Peers(spec, self.sizes, self.identity)
            self.jobs[job_id] = _Job(signed, peers)
            self._add(TaskKind.STEP, job_id, to_cbor(peers.open_job(signed)))
        elif self.jobs[job_id].manifest != signed:
            raise Problem(Code.JOB_EXISTS, "Another manifest was posted.")
        return httpx.Response(201, json={})

    async def _poll(self, query: dict[str, list[str]]) -> httpx.Response:
        after, wait_s = int(query["after"][0]), float(query["wait"][0])
        while True:
            listed = [task.header for task in self.tasks if task.result is None and task.header.sequence > after]
            if listed or wait_s <= 0:
                return httpx.Response(200, json={"tasks": [header.model_dump(mode="json") for header in listed]})
            self._changed.clear()
            try:
                # Not wait_for, which in Python 3.11 loses a cancellation that comes with the event: who polls here
                # would never stop.
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                wait_s = 0

    async def _result(self, task: _Task, body: bytes) -> httpx.Response:
        if task.result is not None:
            if task.result != body:
                raise Problem(Code.ANSWER_CONFLICT, "Another answer was given.")
            return httpx.Response(204)
        task.result = body
        if task.header.kind is TaskKind.STEP:
            job = self.jobs[str(task.header.job_id)]
            job.results.append(body)
            result = from_cbor(body, StepResult)
            if result.finished is not None:
                job.status = result.finished
            elif self.hold_after is None or len(job.results) <= self.hold_after:
                step = await asyncio.to_thread(job.peers.next_step, result)
                self._add(TaskKind.STEP, result.job_id, to_cbor(step))
        return httpx.Response(204)

    # What a test does

    async def until_ended(self, job_id: str) -> str:
        """The job's status here, once the Model Owner has said how it ended."""
        while self.jobs[job_id].status == "IN_PROGRESS":
            await asyncio.sleep(0.01)
        return self.jobs[job_id].status

    def go_on(self, job_id: str) -> None:
        """Create the step that was held."""
        self.hold_after = None
        job = self.jobs[job_id]
        self._add(TaskKind.STEP, job_id, to_cbor(job.peers.next_step(from_cbor(job.results[-1], StepResult))))

    def ask_again(self, job_id: str) -> None:
        """Forget the last result, as a Facilitator does that was restored from a backup."""
        self.jobs[job_id].results.pop()
        [task for task in self.tasks if task.header.job_id == job_id][-1].result = None
        self._changed.set()

    def end(self, end: JobEnd) -> None:
        self._add(TaskKind.END, end.job_id, end.model_dump_json().encode())

    def _add(self, kind: TaskKind, job_id: str, request: bytes) -> None:
        number = len(self.tasks) + 1
        header = TaskHeader(
            id=sha256_hex(f"{id(self)} {number}".encode())[:32],
            kind=kind,
            sender=self.identity.party_id,
            recipient=self.identity.party_id,
            job_id=job_id,
            key=f"{kind}/{job_id}/{number}",
            created_at="2026-01-12T09:28:41Z",
            sequence=number,
        )
        self.tasks.append(_Task(header, request))
        self._changed.set()

    def _task(self, task_id: str) -> _Task:
        return next(task for task in self.tasks if task.header.id == task_id)
