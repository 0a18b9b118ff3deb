"""A Facilitator and a Model Owner that work together against real Data Owners, which they reach as services.

They hold both identities and the private key, hand out whatever manifest, roster, log and request they like, and read
the owners' answers. The owners are the shipped services, in this process.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fedtrain.crypto import prove_key, sum_vectors
from fedtrain.data_owner.app import create_app
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import JoinAnswer, Manifest, Roster, SignedDocument, sign_document
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.evidence.addition import record_of
from fedtrain.protocol.messages.rounds import (
    NO_ENTRY,
    REQUEST_TAG,
    Compute,
    LogEntry,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    VectorMessage,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind, TaskList
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.attackers.job_material import (
    ENGINE,
    HEADER,
    Job,
    encrypted,
    make_spec,
    modulus,
    private_key,
    write_table,
)
from tests.harness.own_people import own_people

URL = "http://coalition.invalid"


@dataclass
class Owner:
    """A Data Owner's service, its own people's client, and its state folder, which a traitor hands over."""

    name: str
    identity: Identity
    http: httpx.AsyncClient
    folder: Path
    stack: AsyncExitStack = field(repr=False)

    @property
    def party(self) -> str:
        return self.identity.party_id

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return what its own people see."""
        answer = await self.http.get(f"/models/{job_id}")
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()
        return view

    async def released(self) -> list[dict[str, Any]]:
        """The answers that left, as its audit has them."""
        return [record for record in await self._audit() if "decision" not in record]

    async def decisions(self) -> list[dict[str, Any]]:
        """Return what its people decided, as its audit has it."""
        return [record for record in await self._audit() if "decision" in record]

    async def _audit(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = (await self.http.get("/audit")).json()["records"]
        return records

    def mask_key(self, job_id: str) -> bytes:
        return (self.folder / "keys" / f"{job_id}.x25519").read_bytes()


@dataclass(frozen=True)
class Refused:
    """Refusal of a task by an owner, with the reason as its own people see it."""

    code: str
    detail: str


class Coalition:
    """Facilitator and Model Owner in one hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facilitator = Identity.generate()
        self.model_owner = Identity.generate()
        #: What `GET /models/{id}/roster` gives, to everyone or, by (job, party), to one.
        self.rosters: dict[str | tuple[str, str], SignedDocument] = {}
        self.owners: dict[str, Owner] = {}
        self._tasks: dict[str, list[TaskHeader]] = defaultdict(list)
        self._requests: dict[str, bytes] = {}
        self._results: dict[str, bytes] = {}
        self._sequence = itertools.count(1)
        self._rang: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.app = Starlette(
            routes=[
                Route("/identity", self._identity),
                Route("/data-owners/{party}", self._register, methods=["PUT"]),
                Route("/tasks", self._list),
                Route("/tasks/{task}/request", self._request),
                Route("/tasks/{task}/result", self._result, methods=["PUT"]),
                Route("/models/{job}/roster", self._roster),
            ]
        )

    # The Facilitator's routes

    async def _identity(self, _request: Request) -> Response:
        who = {"party_id": self.facilitator.party_id, "role": "facilitator", "name": "f", "protocol": "1.0"}
        return _json(json.dumps(who))

    async def _register(self, _request: Request) -> Response:
        return _json("{}")

    async def _list(self, request: Request) -> Response:
        party, after = request.headers["Fedtrain-Party"], int(request.query_params["after"])
        self._rang[party].clear()
        if not self._open(party, after) and float(request.query_params["wait"]) > 0:
            await self._rang[party].wait()
        return _json(TaskList(tasks=tuple(self._open(party, after))).model_dump_json())

    def _open(self, party: str, after: int) -> list[TaskHeader]:
        return [task for task in self._tasks[party] if task.sequence > after and task.id not in self._results]

    async def _request(self, request: Request) -> Response:
        return Response(self._requests[request.path_params["task"]], media_type="application/octet-stream")

    async def _result(self, request: Request) -> Response:
        self._results[request.path_params["task"]] = await request.body()
        return _json("{}")

    async def _roster(self, request: Request) -> Response:
        job, party = request.path_params["job"], request.headers["Fedtrain-Party"]
        return _json(self.rosters.get((job, party), self.rosters[job]).model_dump_json())

    # Tasks

    async def task(self, owner: Owner, kind: TaskKind, job_id: str, body: bytes) -> str:
        """Give a task and return its id."""
        header = TaskHeader(
            id=secrets.token_hex(16),
            kind=kind,
            sender=self.facilitator.party_id,
            recipient=owner.party,
            job_id=job_id,
            key=f"{kind}/{secrets.token_hex(8)}",
            created_at="2026-03-02T08:30:00.000Z",
            sequence=next(self._sequence),
        )
        self._requests[header.id] = body
        self._tasks[owner.party].append(header)
        self._rang[owner.party].set()
        return header.id

    async def ask(self, owner: Owner, kind: TaskKind, job_id: str, body: bytes) -> bytes | Refused:
        """Give a task; return the result, or why the owner refuses it, or waits with it."""
        before = (await self._problem(owner, job_id)) if kind is TaskKind.COMPUTE else None
        task = await self.task(owner, kind, job_id, body)
        while task not in self._results:
            await asyncio.sleep(0.01)
            problem = await self._problem(owner, job_id) if task not in self._results else None
            if problem is not None and problem != before:
                # It is not given again: an owner goes on refusing it for as long as it is listed.
                self.take_back(owner, task)
                return problem
        return self._results[task]

    def take_back(self, owner: Owner, task: str) -> None:
        """List a task no more."""
        self._tasks[owner.party] = [one for one in self._tasks[owner.party] if one.id != task]

    def is_done(self, task: str) -> bool:
        return task in self._results

    async def result(self, task: str) -> bytes:
        while task not in self._results:
            await asyncio.sleep(0.01)
        return self._results[task]

    async def _problem(self, owner: Owner, job_id: str) -> Refused | None:
        answer = await owner.http.get(f"/models/{job_id}")
        if answer.status_code == 404:
            return None
        view = answer.json()
        if view["waits_because"] is not None:
            return Refused("waits-for-a-person", view["waits_because"])
        problem = view["last_refused_request"]
        return None if problem is None else Refused(**problem)

    # Jobs

    def deploy(self, spec: ModelSpec | None = None, *, signer: Identity | None = None, **changes: Any) -> Job:
        """A manifest, sound unless `changes` make it otherwise; nobody knows of it yet."""
        spec = spec or make_spec()
        budget = plan_spec(spec)
        nonce, n = secrets.token_hex(32), private_key().public_key.n
        proof = prove_key(private_key(), bytes.fromhex(self.model_owner.party_id), bytes.fromhex(nonce))
        fields: dict[str, Any] = {
            "job_id": secrets.token_hex(16),
            "created_at": "2026-03-02T08:30:00.000Z",
            "model_owner": self.model_owner.party_id,
            "model_owner_name": "model-owner",
            "spec": spec,
            "plan": budget.to_dict(),
            "modulus": f"{n:0128x}",
            "key_proof": tuple(f"{root:0128x}" for root in proof),
            "nonce": nonce,
            **changes,
        }
        manifest = Manifest.model_validate(fields)
        return Job(manifest.job_id, sign_document(manifest, signer or self.model_owner), spec, budget)

    async def join(self, job: Job, owner: Owner) -> JoinAnswer:
        result = await self.ask(owner, TaskKind.JOIN, job.id, job.manifest.model_dump_json().encode())
        assert isinstance(result, bytes), result
        return JoinAnswer.model_validate_json(result)

    async def declined(self, job: Job, owner: Owner) -> Refused:
        """Offer a job that the owner declines; why, as its own people see it. Others were told the code alone."""
        answer = await self.join(job, owner)
        assert answer.answer == "decline", answer
        view = await owner.job(job.id)
        assert json.loads(answer.signed.document)["code"] in (view["code"], "data-refused")
        assert view["reason"] not in answer.model_dump_json()
        return Refused(view["code"], view["reason"])

    async def close(self, job: Job, owners: Sequence[Owner]) -> list[SignedDocument]:
        """All of these join; an honest roster and the log's opening entry."""
        entries = []
        for owner in owners:
            answer = await self.join(job, owner)
            assert answer.answer == "accept", await owner.job(job.id)
            entries.append(answer.signed)
        self.close_with(job, entries)
        return entries

    def roster(self, job: Job, entries: Sequence[SignedDocument], signer: Identity | None = None) -> SignedDocument:
        ordered = tuple(sorted(entries, key=lambda entry: job.acceptance(entry).party))
        return sign_document(Roster(manifest_hash=job.manifest_hash, entries=ordered), signer or self.facilitator)

    def close_with(self, job: Job, entries: Sequence[SignedDocument]) -> None:
        job.roster = self.rosters[job.id] = self.roster(job, entries)
        job.entries = [self.opening(job, job.roster)]

    def opening(self, job: Job, roster: SignedDocument) -> bytes:
        return to_cbor(LogEntry(index=0, previous=NO_ENTRY, manifest_hash=job.manifest_hash, roster_hash=roster.hash))

    def request(
        self,
        job: Job,
        weights: Sequence[int] | VectorMessage | None = None,
        *,
        roster: SignedDocument | None = None,
        previous_entry: bytes | None = None,
        round_: int | None = None,
    ) -> Compute:
        """The next round's COMPUTE task: counts first, then gradients at `weights` (integers at the plan's scale)."""
        number = job.round if round_ is None else round_
        roster = roster or job.roster
        assert roster is not None
        entry = previous_entry or job.entries[-1]
        kind = RoundKind.COUNTS if number == 0 else RoundKind.GRADIENT
        if kind == RoundKind.GRADIENT and not isinstance(weights, VectorMessage):
            weights = encrypted(job, [0] * job.spec.data_props.dimensions if weights is None else weights)
        request = RoundRequest(
            manifest_hash=job.manifest_hash,
            roster_hash=roster.hash,
            round=number,
            kind=kind,
            log_head=sha256_hex(entry),
            rows_total=None if number == 0 else 200,
            weights=weights if isinstance(weights, VectorMessage) else None,
        )
        signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, self.model_owner)
        return Compute(job_id=job.id, request=signed, previous_entry=entry)

    async def compute(self, owner: Owner, compute: Compute) -> RoundAnswer | Refused:
        result = await self.ask(owner, TaskKind.COMPUTE, compute.job_id, to_cbor(compute))
        return result if isinstance(result, Refused) else from_cbor(result, RoundAnswer)

    async def run_round(self, job: Job, owners: Sequence[Owner], compute: Compute) -> list[RoundAnswer]:
        """The same request to all; the log grows as an honest one does."""
        given = await asyncio.gather(*(self.compute(owner, compute) for owner in owners))
        answers = [answer for answer in given if isinstance(answer, RoundAnswer)]
        assert len(answers) == len(owners), given
        self.record(job, answers, compute)
        return answers

    def record(self, job: Job, answers: Sequence[RoundAnswer], compute: Compute) -> None:
        ordered = sorted(answers, key=lambda answer: answer.party)
        total = sum_vectors([answer.vector.open(modulus()) for answer in ordered], modulus(), ENGINE)
        assert job.roster is not None
        entry = LogEntry(
            index=len(job.entries),
            previous=sha256_hex(job.entries[-1]),
            manifest_hash=job.manifest_hash,
            roster_hash=job.roster.hash,
            round=ordered[0].round,
            kind=ordered[0].kind,
            request_hash=compute.request.hash,
            answers=tuple(record_of(to_cbor(answer), answer) for answer in ordered),
            product_hash=sha256_hex(VectorMessage.of(total, modulus()).ciphertexts),
        )
        job.entries.append(to_cbor(entry))
        job.round += 1


@asynccontextmanager
async def coalition(
    folder: Path,
    tables: Mapping[str, Sequence[str]],
    *,
    header: str = HEADER,
    policy: Mapping[str, Any] | None = None,
) -> AsyncIterator[tuple[Coalition, list[Owner]]]:
    """A coalition against owners of these tables, each of which has pinned the Model Owner and the other owners."""
    both = Coalition(folder)
    names = list(tables)
    identities = {name: load_or_create_identity(folder / name) for name in names}
    known = tuple(identity.party_id for identity in identities.values())
    terms = OwnerPolicy.model_validate(
        {
            "trust": Trust(model_owners=(both.model_owner.party_id,), data_owners=known),
            "adopt_first_encoding": True,
            **(policy or {}),
        }
    )
    with ThreadPoolExecutor(4) as executor:
        async with AsyncExitStack() as stack:
            for name in names:
                data = write_table(folder / f"{name}.csv", tables[name], header)
                owner = await start_owner(both, name, data, terms, executor)
                stack.push_async_callback(owner.stack.aclose)
                both.owners[name] = owner
            yield both, list(both.owners.values())


async def start_owner(
    both: Coalition, name: str, data: Path, policy: OwnerPolicy, executor: ThreadPoolExecutor
) -> Owner:
    """Start one owner's service on its state folder."""
    state_dir = both.folder / name
    settings = DataOwnerSettings(
        name=name, state_dir=state_dir, facilitator=URL, data=data, data_dir=both.folder, allow_small_keys=True
    )
    transport = httpx.ASGITransport(both.app)
    app = create_app(
        settings, clock=SystemClock(), executor=executor, transport=transport, policy=policy, engine=ENGINE
    )
    stack = AsyncExitStack()
    await stack.enter_async_context(app.router.lifespan_context(app))
    http = await stack.enter_async_context(own_people(app, f"http://{name}.invalid"))
    return Owner(name, load_or_create_identity(state_dir), http, state_dir, stack)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
