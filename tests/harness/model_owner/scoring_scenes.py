"""A trained model and its owners in one process, and a way to play an owner that does not keep to the rules."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Manifest, open_document
from fedtrain.protocol.messages.rounds import SignedBytes, from_cbor, to_cbor
from fedtrain.protocol.messages.scoring import (
    ANSWER_TAG,
    OFFER_TAG,
    REQUEST_TAG,
    ScoreAnswer,
    ScoreRequest,
    ScoringAsk,
    ScoringOffer,
    ScoringReply,
)
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.simulation.federation import FACILITATOR, Federation, Party, federation
from tests.harness.one_process import split, training, write_table

Floats = NDArray[np.float64]
LOW, HIGH = -3.0, 5.0
FEATURES = 6
COEFFICIENTS = np.array([3.1, -2.7, 1.9, 0.4, -0.8, 2.2])


def make_table(rows: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    X = rng.uniform(LOW, HIGH, (rows, FEATURES))
    return np.column_stack([X, X @ COEFFICIENTS + rng.normal(0, 1, rows)])


def linear_spec(**more: Any) -> dict[str, Any]:
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"name": f"c{j}", "type": "continuous", "range": [LOW, HIGH]} for j in range(FEATURES)],
            "target": {"name": f"c{FEATURES}", "range": [-60.0, 60.0]},
        },
        "training": training(3, optimizer="newton", **more),
    }


@asynccontextmanager
async def started(
    folder: Path, table: list[list[object]] | None = None, **owner_settings: Any
) -> AsyncIterator[Federation]:
    """Three owners, a third of the rows each; with the state that an earlier start has left in the folder."""
    rows = table or make_table(90, seed=3).tolist()
    third = len(rows) // 3
    parts = split(rows, (third, third, len(rows) - 2 * third))
    tables = {f"owner-{n}": write_table(folder / f"owner-{n}.csv", part) for n, part in enumerate(parts)}
    async with federation(
        folder,
        tables,
        test_data=write_table(folder / "test.csv", rows),
        allow_small_keys=True,
        owner_settings={"least_roster": 1, "score_timeout_s": 3600.0, **owner_settings},
    ) as parties:
        yield parties


@asynccontextmanager
async def trained(
    folder: Path, spec: dict[str, Any] | None = None, table: list[list[object]] | None = None, **owner_settings: Any
) -> AsyncIterator[tuple[Federation, str]]:
    """Three owners and a finished model of their rows."""
    async with started(folder, table, **owner_settings) as parties:
        model_id = await parties.deploy(spec or linear_spec())
        state = await parties.wait(model_id)
        assert state["status"] == "FINISHED", state
        yield parties, model_id


def run(folder: Path, scene: Callable[[Federation, str], Awaitable[None]], **more: Any) -> None:
    """Play a scene on a trained model."""

    async def play() -> None:
        async with trained(folder, **more) as (parties, model_id):
            await scene(parties, model_id)

    asyncio.run(play())


class Attacker:
    """An owner's identity, used to say whatever pleases."""

    def __init__(self, parties: Federation, owner: Party, model_id: str, identity: Identity | None = None) -> None:
        self.identity = identity or load_or_create_identity(owner.state_dir)
        self.model_id = model_id
        self.client = FacilitatorClient(
            FACILITATOR, party_id=self.identity.party_id, transport=httpx.ASGITransport(parties.facilitator.app)
        )

    async def manifest(self) -> Manifest:
        return open_document(await self.client.manifest(self.model_id), Manifest)

    async def offer(self) -> tuple[ScoringOffer, str]:
        """The offer, and its hash. Raises Problem where it is refused."""
        ask = to_cbor(ScoringAsk(model_id=self.model_id))
        body, offer_hash = await self._exchange(TaskKind.SCORING, ask, OFFER_TAG)
        return from_cbor(body, ScoringOffer), offer_hash

    async def decrypted(self, ciphertexts: bytes, offer_hash: str, nonce: str | None = None) -> tuple[int, ...]:
        """Return what the Model Owner gives away of these ciphertexts. Raises Problem where it refuses."""
        request = ScoreRequest(
            model_id=self.model_id,
            offer_hash=offer_hash,
            nonce=nonce or secrets.token_hex(32),
            ciphertexts=ciphertexts,
        )
        signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, self.identity)
        body, _ = await self._exchange(TaskKind.SCORE, to_cbor(signed), ANSWER_TAG)
        return from_cbor(body, ScoreAnswer).values

    async def _exchange(self, kind: TaskKind, body: bytes, tag: str) -> tuple[bytes, str]:
        model_owner = (await self.manifest()).model_owner
        task = await self.client.send_task(kind, model_owner, self.model_id, secrets.token_hex(32), body)
        return from_cbor(await self.reply_to(task.id), ScoringReply).open(tag, model_owner)

    async def reply_to(self, task_id: str) -> bytes:
        while True:
            reply = await self.client.sent_result(task_id, 1 << 24, wait_s=30)
            if reply is not None:
                return reply
