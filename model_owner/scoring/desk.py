"""The Model Owner's side of private scoring: it makes the offer, decrypts masked scores, and counts what they tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import structlog

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.crypto import (
    CryptoError,
    Engine,
    ciphertext_width_bytes,
    ciphertexts_from_bytes,
    ciphertexts_to_bytes,
    decrypt,
    encode,
    modulus_width_bytes,
    prove_key,
)
from fedtrain.model_owner.arithmetic.arrays import Floats
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.release import check_released
from fedtrain.model_owner.results.finished import fitted_of
from fedtrain.model_owner.results.linear import LinearModel
from fedtrain.model_owner.scoring.ledger import Account, ScoringLedger, Terms, check
from fedtrain.model_owner.store import ModelStore
from fedtrain.model_owner.sums.keys import KeyRing
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.rounds import SignedBytes, from_cbor, to_cbor
from fedtrain.protocol.messages.scoring import (
    ANSWER_TAG,
    MAX_ROWS,
    OFFER_TAG,
    REQUEST_TAG,
    SCORE_BITS,
    ScoreAnswer,
    ScorePlan,
    ScoreRequest,
    ScoringAsk,
    ScoringOffer,
    ScoringReply,
    bound_exponent,
    entropy_bits,
)
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskHeader
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder

log = structlog.get_logger("model_owner.scoring")

T = TypeVar("T")


@dataclass(frozen=True)
class ScoringParts:
    """Parts that scoring works with. `keys`: the key ring of scoring alone, one pair a model. `draw_hex`: two digits a
    byte.

    `calibration`: a classifier's, as its prediction document has it, None where there is none. `restored_at`: when the
    party's state was put back from a backup, None where it never was.
    """

    identity: Identity
    store: ModelStore
    ledger: ScoringLedger
    keys: KeyRing
    engine: Engine
    executor: Executor
    clock: Clock
    restored_at: datetime | None
    calibration: Callable[[JobState], dict[str, Any] | None]
    draw_hex: Callable[[int], str]


@dataclass(frozen=True)
class Scoring:
    """State of scoring a model."""

    state: JobState
    account: Account

    @property
    def entropy_bits(self) -> int:
        return entropy_bits(self.state.spec.data_props.dimensions, self.state.spec.outputs)

    @property
    def bits_per_row(self) -> int:
        return self.state.spec.outputs * SCORE_BITS

    @property
    def scores_left(self) -> int:
        return self.account.scores_left(self.state.spec.outputs) if self.account.terms.allowed else 0


class ScoringDesk:
    """Allows, forbids, and answers SCORING and SCORE tasks."""

    def __init__(self, parts: ScoringParts) -> None:
        self._own = parts
        self._opening = asyncio.Lock()  # two at once would both make the model's one key

    # What this party's people decide

    async def allow(self, model_id: str, quota_bits: int | None, data_owners: Sequence[str] | None) -> Scoring:
        """Let owners score a finished model: without `data_owners` those that trained it, without `quota_bits` as much
        as stays below what the model can tell.

        Raises Problem: MODEL_NOT_FOUND, MODEL_NOT_FINISHED, NOT_SIGNED_OFF, DOES_NOT_FIT, INVALID_REQUEST for a quota
        beyond, SCORES_USED_UP for a model from before a restore.
        """
        async with self._opening:
            return await self._run(lambda: self._allow(model_id, quota_bits, data_owners))

    async def forbid(self, model_id: str) -> Scoring:
        """Answer no more scores of a model; what was spent stays spent. Raises Problem as `standing`."""
        async with self._opening:
            scoring = await self.standing(model_id)
            terms = scoring.account.terms.model_copy(update={"allowed": False})
            opened = await self._run(lambda: self._own.ledger.open(model_id, terms, scoring.account.offer))
        return Scoring(scoring.state, opened)

    async def standing(self, model_id: str) -> Scoring:
        """Raises Problem: MODEL_NOT_FOUND, SCORING_REFUSED where it was never allowed."""
        state, account = await self._run(lambda: self._standing(model_id))
        if account is None:
            raise Problem(Code.SCORING_REFUSED, f"Scoring of model {model_id} was never allowed.")
        return Scoring(state, account)

    def _allow(self, model_id: str, quota_bits: int | None, data_owners: Sequence[str] | None) -> Scoring:
        state = self._job(model_id)
        model = self._own.store.model(model_id)
        if state.phase is not Phase.FINISHED or model is None:
            raise Problem(Code.MODEL_NOT_FINISHED, f"Model {model_id} is {state.status}: it has no scores.")
        check_released(state, "private scoring by owners")
        if self._set_back(state):
            raise self._not_known(state)
        fitted = fitted_of(state, model)
        if not isinstance(fitted, LinearModel):
            raise Problem(
                Code.NO_PREDICTIONS, f"Model {model_id} is a {state.spec.model_type}: it has no weights to score by."
            )
        most = entropy_bits(state.spec.data_props.dimensions, state.spec.outputs) - 1
        quota = most if quota_bits is None else quota_bits
        if quota > most:
            raise Problem(
                Code.INVALID_REQUEST,
                f"quota_bits {quota}: {most + 1} bits are the whole model; {most} is the most that may be told of it.",
            )
        parties = [owner.party for owner in state.owners] if data_owners is None else data_owners
        known = self._own.ledger.account(model_id)
        offer = self._offer(state, fitted) if known is None else known.offer
        terms = Terms(allowed=True, quota_bits=quota, data_owners=tuple(parties))
        account = self._own.ledger.open(model_id, terms, offer)
        log.info("scoring allowed", job=model_id, quota_bits=quota, owners=len(parties))
        return Scoring(state, account)

    def _standing(self, model_id: str) -> tuple[JobState, Account | None]:
        state, account = self._job(model_id), self._own.ledger.account(model_id)
        if account is not None and self._set_back(state):
            whole = entropy_bits(state.spec.data_props.dimensions, state.spec.outputs)
            account = replace(account, spent_bits=max(account.spent_bits, whole))
        return state, account

    def _set_back(self, state: JobState) -> bool:
        """Say whether scores of the model may have been given that this state does not know of: all counts as told."""
        restored = self._own.restored_at
        return restored is not None and state.created_at <= restored

    def _not_known(self, state: JobState) -> Problem:
        return Problem(
            Code.SCORES_USED_UP,
            f"The Model Owner's state was restored from a backup at {self._own.restored_at}, and what scores told of "
            f"model {state.job_id}, which is older, is not in it: all that it may tell counts as told.",
        )

    def _account(self, model_id: str, sender: str) -> Account:
        """Of an owner that may score the model. Raises Problem: SCORING_REFUSED, SCORES_USED_UP after a restore."""
        account = check(self._own.ledger.account(model_id), model_id, sender, 0)
        state = self._job(model_id)
        if self._set_back(state):
            raise self._not_known(state)
        return account

    def _offer(self, state: JobState, model: LinearModel) -> bytes:
        """Make the model's scoring key, and sign Enc(w) under it."""
        own, manifest = self._own, state.manifest
        if manifest is None:
            raise Problem(Code.WRONG_STATE, f"Model {state.job_id} has no manifest.")
        weights = model.weights
        bounds = Encoder.of_spec(state.spec).feature_bounds
        exponent = bound_exponent(weights, bounds)
        plan = ScorePlan.of(bounds, exponent)
        private_key = own.keys.make(state.job_id, state.spec.training.key_bits)
        modulus = int(private_key.public_key.n)
        plan.check_capacity(modulus)
        nonce = own.draw_hex(32)
        proof = prove_key(private_key, bytes.fromhex(own.identity.party_id), bytes.fromhex(nonce))
        calibration = own.calibration(state)
        offer = ScoringOffer(
            model_id=state.job_id,
            manifest_hash=manifest.hash,
            modulus=_hex(modulus, modulus),
            key_proof=tuple(_hex(int(root), modulus) for root in proof),
            nonce=nonce,
            bound_exponent=exponent,
            weights=self._encrypted(state.job_id, weights, plan, modulus),
            calibration=None if calibration is None else _pairs(calibration),
        )
        return to_cbor(SignedBytes.sign(to_cbor(offer), OFFER_TAG, own.identity))

    def _encrypted(self, job_id: str, weights: Floats, plan: ScorePlan, modulus: int) -> bytes:
        integers = encode(weights, plan.weight_bits, 1 << plan.magnitude_bits)
        encryptor = self._own.keys.encryptor(job_id, lambda: weights.size)
        return ciphertexts_to_bytes(encryptor.encrypt(integers.ravel().tolist()), modulus)

    def _job(self, model_id: str) -> JobState:
        state = self._own.store.job(model_id)
        if state is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no model {model_id[:64]} here.")
        return state

    # Tasks

    async def on_scoring(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """A SCORING task: the offer, for an owner that may score the model."""
        return await self._answer(header, lambda: self._offered(header, from_cbor(body, ScoringAsk).model_id))

    async def on_score(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """A SCORE task: masked scores, decrypted and truncated, for an owner that may have them."""
        return await self._answer(header, lambda: self._scored(header, from_cbor(body, SignedBytes)))

    async def _answer(self, header: TaskHeader, work: Callable[[], bytes]) -> TaskAnswer:
        try:
            return TaskAnswer(await self._run(work), CBOR_TYPE)
        except Problem as problem:
            log.info("scoring refused", job=header.job_id, sender=header.sender, code=problem.code.slug)
            reply = ScoringReply(code=problem.code.slug, detail=problem.detail[:2000])
            return TaskAnswer(to_cbor(reply), CBOR_TYPE)

    def _offered(self, header: TaskHeader, model_id: str) -> bytes:
        self._of_this_job(header, model_id)
        account = self._account(model_id, header.sender)
        return to_cbor(ScoringReply(signed=from_cbor(account.offer, SignedBytes)))

    def _scored(self, header: TaskHeader, signed: SignedBytes) -> bytes:
        own = self._own
        request = from_cbor(signed.open(REQUEST_TAG, header.sender), ScoreRequest)
        self._of_this_job(header, request.model_id)
        known = own.ledger.reply(signed.hash)
        if known is not None:
            return known
        state = self._job(request.model_id)
        account = self._account(state.job_id, header.sender)
        offer_bytes = from_cbor(account.offer, SignedBytes)
        if request.offer_hash != offer_bytes.hash:
            raise Problem(Code.MALFORMED_MESSAGE, "The scores are of another offer than this model's.")
        offer = from_cbor(offer_bytes.body, ScoringOffer)
        count = _count(request.ciphertexts, state.spec, int(offer.modulus, 16))
        bits = count * SCORE_BITS
        check(account, state.job_id, header.sender, bits)
        values = self._decrypted(state, offer, request.ciphertexts, count)
        left = account.terms.quota_bits - account.spent_bits - bits
        answer = ScoreAnswer(
            request_hash=signed.hash, values=values, scores_left=left // (state.spec.outputs * SCORE_BITS)
        )
        reply = to_cbor(ScoringReply(signed=SignedBytes.sign(to_cbor(answer), ANSWER_TAG, own.identity)))
        given = own.ledger.charge(state.job_id, signed.hash, header.sender, bits, reply, own.clock.now())
        log.info("scores given", job=state.job_id, party=header.sender, scores=count, bits=bits)
        return given

    def _decrypted(self, state: JobState, offer: ScoringOffer, ciphertexts: bytes, count: int) -> tuple[int, ...]:
        plan = ScorePlan.of(Encoder.of_spec(state.spec).feature_bounds, offer.bound_exponent)
        private_key = self._own.keys.load(state.job_id)
        try:
            opened = ciphertexts_from_bytes(ciphertexts, int(offer.modulus, 16), count)
        except CryptoError as error:
            raise Problem(Code.MALFORMED_CIPHERTEXT, f"The masked scores are not valid: {error}") from None
        return tuple(plan.truncated(residue) for residue in decrypt(opened, private_key, self._own.engine))

    def _of_this_job(self, header: TaskHeader, model_id: str) -> None:
        if model_id != header.job_id:
            raise Problem(Code.MALFORMED_MESSAGE, f"The message is about model {model_id}, its task {header.job_id}.")

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._own.executor, work)


def _count(ciphertexts: bytes, spec: ModelSpec, modulus: int) -> int:
    """Return how many ciphertexts there are: k of each row. Raises Problem(MALFORMED_MESSAGE) unless so many, of
    MAX_ROWS.
    """
    width = ciphertext_width_bytes(modulus)
    count, rest = divmod(len(ciphertexts), width)
    if rest or count == 0 or count % spec.outputs or count > MAX_ROWS * spec.outputs:
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"{len(ciphertexts)} bytes of masked scores are not {spec.outputs} × {width} for each of 1 to {MAX_ROWS} "
            "rows.",
        )
    return count


def _hex(number: int, modulus: int) -> str:
    return number.to_bytes(modulus_width_bytes(modulus), "big").hex()


def _pairs(calibration: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    pairs = zip(calibration["slopes"], calibration["offsets"], strict=True)
    return tuple((float(slope).hex(), float(offset).hex()) for slope, offset in pairs)
