"""Scores this owner's rows: asks for the model under encryption, sends masked scores, and takes the masks off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import structlog

from fedtrain.data_owner.scoring.asking import ScoringParts, encoded_rows, exchange, shown
from fedtrain.data_owner.scoring.kept_scores import row_keys
from fedtrain.data_owner.scoring.masked_scores import (
    MaskedScores,
    OpenOffer,
    mask_scores,
    open_offer,
    unmask_scores,
)
from fedtrain.protocol.documents.signed import Manifest, open_document
from fedtrain.protocol.messages.rounds import SignedBytes, from_cbor, to_cbor
from fedtrain.protocol.messages.scoring import (
    ANSWER_TAG,
    OFFER_TAG,
    REQUEST_TAG,
    SCORE_BITS,
    Floats,
    ScoreAnswer,
    ScoreRequest,
    ScoringAsk,
    ScoringOffer,
    entropy_bits,
)
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.scoring")

T = TypeVar("T")


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
        spec, encoder = model.manifest.spec, model.encoder
        X = await self._run(lambda: encoded_rows(self._own.store, spec, encoder, rows, dataset))
        if len(X) == 0:
            return {"model_id": model_id, "values": [], "scores_left": None}
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
        return {"model_id": model_id, **shown(spec, encoder, scores, model.offer.calibration), "scores_left": left}

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
        body, offer_hash = await exchange(self._own, TaskKind.SCORING, manifest, ask, self._own.draw_hex(32), OFFER_TAG)
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
        body, _ = await exchange(self._own, TaskKind.SCORE, model.manifest, to_cbor(signed), nonce, ANSWER_TAG)
        answer = from_cbor(body, ScoreAnswer)
        if answer.request_hash != signed.hash:
            raise Problem(Code.MALFORMED_MESSAGE, "The Model Owner's scores are of another request.")
        return answer

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
