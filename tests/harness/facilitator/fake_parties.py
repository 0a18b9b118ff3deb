"""A Facilitator in this process, and parties made of protocol messages that talk to it over in-process HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
from fastapi import FastAPI
from phe.paillier import PaillierPrivateKey

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.http import joined
from fedtrain.crypto import (
    EncryptedVector,
    LocalEngine,
    PublicEncryptor,
    SlotLayout,
    decrypt_array,
    encrypt_array,
    generate_keypair,
    key_id,
    prove_key,
)
from fedtrain.facilitator.app import create_app
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.methods.regression.budget import Budget
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    JoinAnswer,
    Manifest,
    Registration,
    SignedDocument,
    parse_json,
    sign_document,
)
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    Compute,
    Kind,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    Step,
    StepResult,
    VectorMessage,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, TaskHeader, TaskKind
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.facilitator.machine_bench import identity_of, small_spec

ENGINE = LocalEngine()
_POLLS = 10


@cache
def small_private_key() -> PaillierPrivateKey:
    return generate_keypair(512, allow_small=True)[1]


def encrypted(values: object, layout: SlotLayout, fraction_bits: int, bound: int) -> EncryptedVector:
    public_key = small_private_key().public_key
    return encrypt_array(
        np.array(values, dtype=object),
        layout,
        fraction_bits,
        bound,
        PublicEncryptor(public_key, ENGINE, expected_count=4),
        key_id(public_key.n),
    )


class FakeClock:
    """Time that moves by `pass_time` alone; real enough for a service that asks it."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def pass_time(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


class Party:
    """A party with a connection to the Facilitator."""

    def __init__(self, name: str, app: FastAPI) -> None:
        self.name = name
        self.identity: Identity = identity_of(name)
        self.reconnect(app)

    @property
    def party_id(self) -> str:
        return self.identity.party_id

    def reconnect(self, app: FastAPI) -> None:
        """Talk to this application from now on, as after the Facilitator was started again."""
        transport = httpx.ASGITransport(app)
        self.client = FacilitatorClient("http://facilitator.test", party_id=self.party_id, transport=transport)

    async def task(self, kind: TaskKind, job_id: str | None = None) -> tuple[TaskHeader, bytes]:
        """The party's first open task of that kind; waits for it, for minutes on a machine that is busy."""
        after = 0
        for _ in range(_POLLS):
            found = (await self.client.tasks(wait_s=60, after=after)).tasks
            for header in found:
                if header.kind is kind and (job_id is None or header.job_id == job_id):
                    return header, await self.client.task_request(header.id, 1 << 24, joined)
            after = max([after, *(header.sequence for header in found)])
        raise AssertionError(f"{self.name} has no {kind} task")


class FakeOwner(Party):
    """A Data Owner whose numbers are handed to it."""

    async def register(self, *datasets: str) -> None:
        registration = Registration(party=self.party_id, name=self.name, datasets=datasets or ("default",))
        await self.client.register(sign_document(registration, self.identity))

    def acceptance(self, manifest: SignedDocument, **changes: object) -> bytes:
        fields: dict[str, object] = {
            "manifest_hash": manifest.hash,
            "party": self.party_id,
            "name": self.name,
            "mask_key": hashlib.sha256(b"mask" + self.name.encode()).hexdigest()[:62] + "00",
            "moments_hash": "31" * 32,
        }
        signed = sign_document(Acceptance.model_validate({**fields, **changes}), self.identity)
        return JoinAnswer(answer="accept", signed=signed).model_dump_json().encode()

    async def accept(self) -> None:
        header, request = await self.task(TaskKind.JOIN)
        body = self.acceptance(parse_json(request, SignedDocument))
        await self.client.put_result(header.id, body, JSON_TYPE)

    async def decline(self, code: str) -> None:
        header, request = await self.task(TaskKind.JOIN)
        manifest_hash = parse_json(request, SignedDocument).hash
        decline = Decline(manifest_hash=manifest_hash, party=self.party_id, name=self.name, code=code)
        answer = JoinAnswer(answer="decline", signed=sign_document(decline, self.identity))
        await self.client.put_result(header.id, answer.model_dump_json().encode(), JSON_TYPE)

    def answer(self, compute_bytes: bytes, budget: Budget, values: object, **changes: object) -> RoundAnswer:
        """The signed answer to a COMPUTE task that holds `values`, integers in the shape of the round's layout."""
        compute = from_cbor(compute_bytes, Compute)
        request = from_cbor(compute.request.body, RoundRequest)
        planned = budget.round(request.kind, request.window_step).answer
        vector = encrypted(values, planned.layout, planned.fraction_bits, planned.sum_bound)
        fields: dict[str, object] = {
            "party": self.party_id,
            "manifest_hash": request.manifest_hash,
            "roster_hash": request.roster_hash,
            "round": request.round,
            "kind": request.kind,
            "request_hash": compute.request.hash,
            "log_head": request.log_head,
            "vector": VectorMessage.of(vector, small_private_key().public_key.n),
            "signature": bytes(64),
        }
        return RoundAnswer.model_validate({**fields, **changes}).signed_by(self.identity)

    async def compute(self, budget: Budget, values: object) -> None:
        header, request = await self.task(TaskKind.COMPUTE)
        await self.client.put_result(header.id, to_cbor(self.answer(request, budget, values)), CBOR_TYPE)


class FakeModelOwner(Party):
    """A Model Owner that asks for what it is told to ask for."""

    def manifest(self, spec: ModelSpec | None = None, job_id: str | None = None, **changes: object) -> SignedDocument:
        spec = small_spec() if spec is None else spec
        private_key = small_private_key()
        nonce = "0d" * 32
        proof = prove_key(private_key, bytes.fromhex(self.party_id), bytes.fromhex(nonce))
        fields: dict[str, object] = {
            "job_id": job_id or uuid4().hex,
            "created_at": "2026-01-12T09:00:00.000Z",
            "model_owner": self.party_id,
            "model_owner_name": self.name,
            "spec": spec,
            "plan": plan_spec(spec).to_dict(),
            "modulus": f"{private_key.public_key.n:x}",
            "key_proof": tuple(_even_hex(root) for root in proof),
            "nonce": nonce,
        }
        return sign_document(Manifest.model_validate({**fields, **changes}), self.identity)

    async def deploy(self, signed: SignedDocument) -> str:
        job_id = parse_json(signed.document.encode(), Manifest).job_id
        await self.client.post_manifest(job_id, signed)
        return job_id

    async def step(self) -> tuple[TaskHeader, Step]:
        header, request = await self.task(TaskKind.STEP)
        return header, from_cbor(request, Step)

    def request(
        self,
        step: Step,
        manifest: SignedDocument,
        roster_hash: str,
        number: int,
        kind: Kind,
        *,
        twice: bool = False,
        **changes: object,
    ) -> StepResult:
        """The next request, with weights of 1 where the kind takes weights; `twice`: previous weights as well."""
        budget = plan_spec(parse_json(manifest.document.encode(), Manifest).spec)
        fields: dict[str, object] = {
            "manifest_hash": manifest.hash,
            "roster_hash": roster_hash,
            "round": number,
            "kind": kind,
            "log_head": hashlib.sha256(step.log_entry).hexdigest(),
        }
        if kind != RoundKind.COUNTS:
            layout, first = budget.weights_layout, budget.steps[0]
            values = [[1 << first.weight_fraction_bits] * layout.columns] * layout.rows
            weights = encrypted(values, layout, first.weight_fraction_bits, first.weight_bound)
            message = VectorMessage.of(weights, small_private_key().public_key.n)
            fields |= {"rows_total": 442, "weights": message, "previous_weights": message if twice else None}
        body = to_cbor(RoundRequest.model_validate({**fields, **changes}))
        signed = SignedBytes.sign(body, REQUEST_TAG, self.identity)
        return StepResult(job_id=step.job_id, step=step.step, request=signed)

    async def give(self, header: TaskHeader, result: StepResult) -> None:
        await self.client.put_result(header.id, to_cbor(result), CBOR_TYPE)


def _even_hex(number: int) -> str:
    text = f"{number:x}"
    return text.zfill(len(text) + len(text) % 2)


def decrypted(message: VectorMessage) -> list[list[int]]:
    private_key = small_private_key()
    values: list[list[int]] = decrypt_array(message.open(private_key.public_key.n), private_key, ENGINE).tolist()
    return values


class Facilitator:
    """A Facilitator that runs in this process on a state folder."""

    def __init__(self, app: FastAPI, clock: FakeClock) -> None:
        self.app = app
        self.clock = clock

    @property
    def client(self) -> httpx.AsyncClient:
        """A plain HTTP client, for requests that no party would make."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://facilitator.test")

    def owner(self, name: str) -> FakeOwner:
        return FakeOwner(name, self.app)

    def model_owner(self, name: str = "model-owner") -> FakeModelOwner:
        return FakeModelOwner(name, self.app)

    async def tick(self, seconds: float = 0) -> None:
        self.clock.pass_time(seconds)
        await self.app.state.runner.tick()


@asynccontextmanager
async def running(
    state_dir: Path, clock: FakeClock | None = None, executor: Executor | None = None, **settings: object
) -> AsyncIterator[Facilitator]:
    """A Facilitator from start to stop."""
    clock = clock or FakeClock()
    with ThreadPoolExecutor(2) as own_executor:
        app = create_app(
            FacilitatorSettings.model_validate({"state_dir": state_dir, "allow_small_keys": True, **settings}),
            clock=clock,
            executor=executor or own_executor,
        )
        async with app.router.lifespan_context(app):
            yield Facilitator(app, clock)
