"""Finished networks for the owners that trained them: where the spec says so, and people have released them."""

from __future__ import annotations

from concurrent.futures import Executor

import structlog

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.crypto import CryptoError
from fedtrain.model_owner.release import check_released
from fedtrain.model_owner.results.finished import fitted_of
from fedtrain.model_owner.results.network import NetworkModel
from fedtrain.model_owner.store import ModelStore
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.given_model import ASK_TAG, GIVEN_TAG, GivenModel, ModelAsk
from fedtrain.protocol.messages.rounds import SignedBytes, from_cbor, to_cbor
from fedtrain.protocol.messages.scoring import ScoringReply
from fedtrain.protocol.messages.shared_weights import SealingContext, seal_weights_once
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskHeader
from fedtrain.protocol.states import Phase
from fedtrain.service.store.full_disk import call_in
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("model_owner.giving")


class Giving:
    """Answers MODEL tasks."""

    def __init__(self, identity: Identity, store: ModelStore, executor: Executor) -> None:
        self._identity, self._store, self._executor = identity, store, executor

    async def on_model(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """A MODEL task: the network, sealed to the owner that asks, or why it does not get it."""
        try:
            return TaskAnswer(await call_in(self._executor, lambda: self._given(header, body)), CBOR_TYPE)
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise  # asked again by itself
            log.info("model not given", job=header.job_id, sender=header.sender, code=problem.code.slug)
            reply = ScoringReply(code=problem.code.slug, detail=problem.detail[:2000])
            return TaskAnswer(to_cbor(reply), CBOR_TYPE)

    def _given(self, header: TaskHeader, body: Encoded) -> bytes:
        signed = from_cbor(body, SignedBytes)
        ask = from_cbor(signed.open(ASK_TAG, header.sender), ModelAsk)
        if ask.model_id != header.job_id:
            raise Problem(
                Code.MALFORMED_MESSAGE, f"The message is about model {ask.model_id}, its task {header.job_id}."
            )
        fitted, manifest_hash = self._model(ask.model_id, header.sender)
        context = SealingContext(manifest_hash, signed.hash, 0)
        try:
            sealed = seal_weights_once(fitted.weights, {header.sender: ask.sealing_key}, context)
        except CryptoError as error:
            raise Problem(Code.MALFORMED_MESSAGE, f"Nothing can be sealed to the key of the ask: {error}.") from None
        given = GivenModel(request_hash=signed.hash, box=sealed.boxes[0], blob=sealed.blob or b"")
        log.info("model given", job=ask.model_id, party=header.sender)
        return to_cbor(ScoringReply(signed=SignedBytes.sign(to_cbor(given), GIVEN_TAG, self._identity)))

    def _model(self, model_id: str, party: str) -> tuple[NetworkModel, str]:
        """Return a finished network that `party` may have, and the hash of its manifest.

        Raises Problem: MODEL_NOT_FOUND, MODEL_NOT_FINISHED, MODEL_NOT_GIVEN, NOT_SIGNED_OFF.
        """
        state, model = self._store.job(model_id), self._store.model(model_id)
        if state is None or state.manifest is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no model {model_id} here.")
        if state.spec.give_model is None:
            raise Problem(Code.MODEL_NOT_GIVEN, f"The spec of model {model_id} does not give it to owners.")
        if all(owner.party != party for owner in state.owners):
            raise Problem(Code.MODEL_NOT_GIVEN, f"Model {model_id} was trained without {party[:16]}….")
        if state.phase is not Phase.FINISHED or model is None:
            raise Problem(Code.MODEL_NOT_FINISHED, f"Model {model_id} is {state.status}: there is nothing to give.")
        check_released(state, "model for the owners that trained it")
        fitted = fitted_of(state, model)
        if not isinstance(fitted, NetworkModel):
            raise Problem(Code.MODEL_NOT_GIVEN, f"Model {model_id} is a {state.spec.model_type}: networks are given.")
        return fitted, state.manifest.hash
