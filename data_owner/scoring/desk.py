"""Scores this owner's rows: asks for the model under encryption, sends masked scores, and takes the masks off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import numpy as np
import structlog

from fedtrain.crypto import Engine
from fedtrain.data_owner.data.datasets import check_unchanged, open_dataset
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.scoring.kept_scores import KeptScores, row_keys
from fedtrain.data_owner.scoring.masked_scores import (
    MaskedScores,
    OpenOffer,
    mask_scores,
    open_offer,
    unmask_scores,
)
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Manifest, SignedDocument, open_document
from fedtrain.protocol.messages.rounds import SignedBytes, from_cbor, to_cbor
from fedtrain.protocol.messages.scoring import (
    ANSWER_TAG,
    MAX_ROWS,
    OFFER_TAG,
    REQUEST_TAG,
    SCORE_BITS,
    Floats,
    ScoreAnswer,
    ScoreRequest,
    ScoringAsk,
    ScoringOffer,
    ScoringReply,
    entropy_bits,
    probabilities,
)
from fedtrain.protocol.messages.task_sizes import most_result_bytes
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.errors import TableError

log = structlog.get_logger("data_owner.scoring")

T = TypeVar("T")
_POLL_S = 20.0


class Facilitator(Protocol):
    """Calls that scoring makes of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def manifest(self, job_id: str) -> SignedDocument: ...
    async def send_task(self, kind: TaskKind, recipient: str, job_id: str, nonce: str, body: bytes) -> TaskHeader: ...
    async def sent_result(self, task_id: str, most_bytes: int, *, wait_s: float) -> bytes | None: ...


@dataclass(frozen=True)
class ScoringParts:
    """Parts that scoring works with. `policy`: as it is now. `draw_hex`: fresh random digits, two a byte."""

    identity: Identity
    store: OwnerStore
    facilitator: Facilitator
    engine: Engine
    executor: Executor
    policy: Callable[[], OwnerPolicy]
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    draw_hex: Callable[[int], str]
    timeout_s: float
    allow_small_keys: bool
    kept: KeptScores


class ScoringDesk:
    """Scores rows and datasets. A model's offer is asked for once and kept, in memory."""

    def __init__(self, parts: ScoringParts) -> None:
        self._own = parts
        self._models: dict[str, OpenOffer] = {}

    async def score(self, model_id: str, rows: Sequence[object] | None, dataset: str | None) -> dict[str, Any]:
        """Score rows (as `POST /prediction` takes them), or the records of a dataset on offer here.

        Rows that were scored before are answered from what is kept, and count against no quota; `scores_left` is None
        where nothing was asked. More rows than any quota can allow are refused before anything is computed.
        Raises Problem: INVALID_ROWS, INVALID_DATA, DATASET_NOT_FOUND; UNTRUSTED_MODEL_OWNER; what the Model Owner
        refuses with (SCORING_REFUSED, SCORES_USED_UP); NO_ANSWER; what `open_offer` refuses.
        """
        model = await self._model(model_id)
        X = await self._run(lambda: self._encoded(model, rows, dataset))
        if len(X) == 0:
            return {"model_id": model_id, "values": [], "scores_left": None}
        if len(X) > MAX_ROWS:
            raise Problem(Code.INVALID_ROWS, f"{len(X)} rows are more than the {MAX_ROWS} of one request.")
        keys = row_keys(X)
        known = await self._run(lambda: self._own.kept.of(model_id, model.offer_hash))
        new = {key: row for row, key in enumerate(keys) if key not in known}  # a row that is there twice is asked once
        left: int | None = None
        if new:
            _check_quota(model, len(new))
            told, left = await self._told(model, X[list(new.values())])
            fresh = dict(zip(new, told.tolist(), strict=True))
            await self._run(lambda: self._own.kept.add(model_id, model.offer_hash, fresh))
            known = known | fresh
        log.info("rows scored", job=model_id, rows=len(keys), asked=len(new))
        scores = np.array([known[key] for key in keys], dtype=np.float64)
        return {"model_id": model_id, **_shown(model, scores), "scores_left": left}

    async def _told(self, model: OpenOffer, X: Floats) -> tuple[Floats, int]:
        """(rows, k) scores that the Model Owner tells of X, and how many rows are left of its quota."""
        masked = await self._run(lambda: mask_scores(model, X, self._own.engine))
        answer = await self._ask(model, masked)
        return await self._run(lambda: unmask_scores(model, masked, answer.values)), answer.scores_left

    async def _model(self, model_id: str) -> OpenOffer:
        if model_id in self._models:
            self._check_trust(self._models[model_id].manifest)
            return self._models[model_id]
        signed = await self._own.facilitator.manifest(model_id)
        manifest = open_document(signed, Manifest)
        if signed.signer != manifest.model_owner or manifest.job_id != model_id:
            raise Problem(Code.BAD_SIGNATURE, f"The manifest of {model_id} is not its Model Owner's.")
        self._check_trust(manifest)
        ask = to_cbor(ScoringAsk(model_id=model_id))
        body, offer_hash = await self._exchange(TaskKind.SCORING, manifest, ask, self._own.draw_hex(32), OFFER_TAG)
        small = self._own.allow_small_keys
        offer = from_cbor(body, ScoringOffer)
        opened = await self._run(lambda: open_offer(offer, offer_hash, manifest, signed.hash, allow_small_keys=small))
        self._models[model_id] = opened
        return opened

    def _check_trust(self, manifest: Manifest) -> None:
        """Raises Problem(UNTRUSTED_MODEL_OWNER), by what is pinned now: a pin may be taken back."""
        doubt = self._own.policy().doubt(manifest.model_owner, manifest.membership, self._own.now())
        if doubt is not None:
            raise Problem(Code.UNTRUSTED_MODEL_OWNER, f"{manifest.model_owner_name} {doubt}.")

    async def _ask(self, model: OpenOffer, masked: MaskedScores) -> ScoreAnswer:
        nonce = self._own.draw_hex(32)
        request = ScoreRequest(
            model_id=model.manifest.job_id, offer_hash=model.offer_hash, nonce=nonce, ciphertexts=masked.ciphertexts
        )
        signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, self._own.identity)
        body, _ = await self._exchange(TaskKind.SCORE, model.manifest, to_cbor(signed), nonce, ANSWER_TAG)
        answer = from_cbor(body, ScoreAnswer)
        if answer.request_hash != signed.hash:
            raise Problem(Code.MALFORMED_MESSAGE, "The Model Owner's scores are of another request.")
        return answer

    async def _exchange(
        self, kind: TaskKind, manifest: Manifest, body: bytes, nonce: str, tag: str
    ) -> tuple[bytes, str]:
        """Send a task to the Model Owner; return what it signed for an answer, and that one's hash."""
        own = self._own
        plan = await self._run(lambda: plan_spec(manifest.spec))
        most_bytes = most_result_bytes(kind, manifest.spec, plan)
        task = await own.facilitator.send_task(kind, manifest.model_owner, manifest.job_id, nonce, body)
        ends_at = own.monotonic() + own.timeout_s
        while (left_s := ends_at - own.monotonic()) > 0:
            reply = await own.facilitator.sent_result(task.id, most_bytes, wait_s=min(_POLL_S, left_s))
            if reply is not None:
                return from_cbor(reply, ScoringReply).open(tag, manifest.model_owner)
        raise Problem(
            Code.NO_ANSWER, f"{manifest.model_owner_name} did not answer the {kind} task in {own.timeout_s:g} s."
        )

    def _encoded(self, model: OpenOffer, rows: Sequence[object] | None, dataset: str | None) -> Floats:
        """(rows, d) encoded features."""
        try:
            if rows is not None:
                return model.encoder.encode_features(rows).X if rows else np.empty((0, model.encoder.dimensions))
            return self._dataset(model, dataset or "")
        except TableError as error:
            code = Code.INVALID_DATA if rows is None else Code.INVALID_ROWS
            raise Problem(code, f"{error.message}.", reason=error.code) from None

    def _dataset(self, model: OpenOffer, name: str) -> Floats:
        found = self._own.store.dataset(name)
        if found is None:
            raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {name!r} is not registered here.")
        check_unchanged(found)
        props = model.manifest.spec.data_props
        batches = open_dataset(found, props).batches(props.features)
        encoded = []
        for batch in batches:
            encoded.append(model.encoder.encode_feature_batch(batch).X)
            if sum(map(len, encoded)) > MAX_ROWS:
                raise Problem(Code.INVALID_ROWS, f"Dataset {name!r} has more than the {MAX_ROWS} rows of one request.")
        return np.concatenate(encoded) if encoded else np.empty((0, model.encoder.dimensions))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._own.executor, work)


def _check_quota(model: OpenOffer, rows: int) -> None:
    """Raises Problem(SCORES_USED_UP) for more rows than the largest quota that any Model Owner can set."""
    outputs = model.outputs
    most = (entropy_bits(model.encoder.dimensions, outputs) - 1) // (outputs * SCORE_BITS)
    if rows > most:
        raise Problem(
            Code.SCORES_USED_UP,
            f"{rows} rows that were not scored before are more than the {most} that this model's quota can ever allow, "
            "to all owners together: as many scores as it has weights are the model itself. Nothing was spent.",
        )


def _shown(model: OpenOffer, scores: Floats) -> dict[str, Any]:
    """Values in the units of `POST /prediction`: of a classifier, probabilities and the likeliest classes."""
    if not model.manifest.spec.kind.classifies:
        return {"values": _listed(scores * model.encoder.target_half_width)}
    shares = probabilities(scores, model.offer.calibration)
    names = list(model.encoder.props.all_targets[0].category_texts)
    return {
        "values": _listed(shares[:, 1:] if shares.shape[1] == 2 else shares),
        "class_names": names,
        "classes": [names[index] for index in shares.argmax(axis=1)],
    }


def _listed(values: Floats) -> list[Any]:
    listed: list[Any] = values[:, 0].tolist() if values.shape[1] == 1 else values.tolist()
    return listed
