"""Messages that carry ciphertexts: deterministic CBOR, validated field by field.

A round, in messages:

    Step          Facilitator → Model Owner   the roster, or a sum with every owner's answer
    StepResult    Model Owner → Facilitator   the next request, or how the job ended
    Compute       Facilitator → Data Owner    a request, and the log entry before it
    RoundAnswer   Data Owner → Facilitator    masked ciphertexts and a signed statement about them
    LogEntry      Facilitator's hash chain    one a sum
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from fedtrain.crypto import (
    CryptoError,
    EncryptedVector,
    KeyMismatch,
    SlotLayout,
    ciphertexts_from_bytes,
    ciphertexts_to_bytes,
    key_id,
)
from fedtrain.methods.schedule import COUNTS
from fedtrain.protocol.documents.identity import Identity, sha256_hex, verify
from fedtrain.protocol.documents.signed import Hash, JobId, PartyId, SignedDocument
from fedtrain.protocol.messages import cbor
from fedtrain.protocol.messages.items import most_items
from fedtrain.protocol.messages.shared_weights import SealedWeights
from fedtrain.protocol.version import PROTOCOL_VERSION, check_protocol, is_newer_minor
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

#: What a round asks for, as the job's method calls it; which kinds there are, its plan says.
Kind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Message(Strict):
    """Base of the CBOR messages: field names are the map's keys, `None` fields are left out."""

    protocol: str = PROTOCOL_VERSION


class VectorMessage(Strict):
    """An encrypted vector: fixed-width big-endian ciphertexts in one byte string."""

    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    fraction_bits: Annotated[int, Field(ge=0, le=1 << 20)]
    bound: Annotated[bytes, Field(max_length=8192)]
    layout: Annotated[dict[str, int], Field(max_length=16)]
    ciphertexts: bytes

    @classmethod
    def of(cls, vector: EncryptedVector, modulus: int) -> VectorMessage:
        return cls(
            key_id=vector.key_id,
            fraction_bits=vector.fraction_bits,
            bound=vector.bound.to_bytes((vector.bound.bit_length() + 7) // 8, "big"),
            layout=vector.layout.to_dict(),
            ciphertexts=ciphertexts_to_bytes(vector.ciphertexts, modulus),
        )

    def open(self, modulus: int) -> EncryptedVector:
        """Return the vector: of this key, its layout within the modulus, each ciphertext checked against it.

        Raises Problem(MALFORMED_CIPHERTEXT).
        """
        try:
            if self.key_id != key_id(modulus):
                raise KeyMismatch(key_id(modulus), self.key_id)
            layout = SlotLayout.from_dict(self.layout)
            layout.check_capacity(modulus.bit_length())
            ciphertexts = ciphertexts_from_bytes(self.ciphertexts, modulus, layout.ciphertexts)
            bound = int.from_bytes(self.bound, "big")
            return EncryptedVector(self.key_id, self.fraction_bits, bound, layout, ciphertexts)
        except (CryptoError, ValueError) as error:
            raise Problem(Code.MALFORMED_CIPHERTEXT, f"The encrypted vector is not valid: {error}") from None

    @property
    def ciphertexts_hash(self) -> str:
        return sha256_hex(self.ciphertexts)


class SignedBytes(Strict):
    """Exact bytes, who signed them, and the signature."""

    body: bytes
    signer: PartyId
    signature: Annotated[bytes, Field(min_length=64, max_length=64)]

    @classmethod
    def sign(cls, body: bytes, tag: str, identity: Identity) -> SignedBytes:
        return cls(body=body, signer=identity.party_id, signature=identity.sign(tag, body))

    def open(self, tag: str, signer: str) -> bytes:
        """Return the body. Raises Problem(BAD_SIGNATURE) unless `signer` signed it under `tag`."""
        if self.signer != signer:
            raise Problem(Code.BAD_SIGNATURE, f"The {tag} is signed by {self.signer[:16]}…, not by {signer[:16]}….")
        verify(signer, tag, self.body, self.signature)
        return self.body

    @property
    def hash(self) -> str:
        return sha256_hex(self.body)


REQUEST_TAG = "round-request"


class RoundRequest(Message):
    """Question to every owner of the roster in one round. Its exact bytes are what masks are bound to.

    `round` 0 is the counts round, which carries no vector; after it `rows_total` is public within the job.
    `window_step` counts rounds since the weights were last encrypted afresh. `log_head` is the head of the
    Facilitator's log as the sender checked it: by signing the request the Model Owner signs the head. A round that asks
    with weights carries `weights`, encrypted, or, shared with owners, `sealed_weights`, a box an owner; large
    ones travel once, as `weights_blob`, to which each box has the key.
    """

    manifest_hash: Hash
    roster_hash: Hash
    round: Annotated[int, Field(ge=0)]
    kind: Kind
    log_head: Hash
    rows_total: Annotated[int, Field(ge=1)] | None = None
    window_step: Annotated[int, Field(ge=0)] = 0
    weights: VectorMessage | None = None
    previous_weights: VectorMessage | None = None
    sealed_weights: Annotated[tuple[SealedWeights, ...], Field(max_length=10_000)] | None = None
    weights_blob: bytes | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.sealed_weights is not None and self.weights is not None:
            raise ValueError("sealed weights come in place of encrypted ones")
        if (self.kind == COUNTS) != (self.rows_total is None):
            raise ValueError(f"rows_total does not belong with kind {self.kind}")
        return self


class Compute(Message):
    """The request of a COMPUTE task. `previous_entry` holds the bytes whose hash is the request's `log_head`."""

    job_id: JobId
    request: SignedBytes
    previous_entry: bytes


Signature = Annotated[bytes, Field(min_length=64, max_length=64)]


class Commitments(Strict):
    """Hashes of the keys that an answer is masked with, where any of them may be told (`ModelSpec.self_masked`).

    `pair_keys`: 32 bytes for the key shared with each other owner of the roster, by ascending party id.
    """

    self_mask: Annotated[bytes, Field(min_length=32, max_length=32)]
    pair_keys: Annotated[bytes, Field(max_length=320_000)]

    @property
    def hash(self) -> str:
        return sha256_hex(self.self_mask + self.pair_keys)


class RoundAnswer(Message):
    """A Data Owner's answer: masked, re-randomised ciphertexts, and its signature over the statement about them.

    `commitments`: in jobs whose answers carry masks of their owners' own, and in no others.
    """

    party: PartyId
    manifest_hash: Hash
    roster_hash: Hash
    round: Annotated[int, Field(ge=0)]
    kind: Kind
    request_hash: Hash
    log_head: Hash
    vector: VectorMessage
    commitments: Commitments | None = None
    signature: Signature

    def statement(self) -> bytes:
        """The bytes an owner signs: what was asked, and the hash of the ciphertexts.

        The vector's scale, bound and layout are not in it: they follow from the plan, and whoever adds or decrypts
        holds the vector against that.
        """
        return answer_statement(
            self.manifest_hash,
            self.roster_hash,
            self.round,
            self.kind,
            self.request_hash,
            self.vector.ciphertexts_hash,
            self.log_head,
            None if self.commitments is None else self.commitments.hash,
        )

    def signed_by(self, identity: Identity) -> RoundAnswer:
        """Return this answer with the owner's signature over its statement."""
        return self.model_copy(update={"signature": identity.sign(ANSWER_TAG, self.statement())})

    def check_signature(self) -> None:
        """Raises Problem(BAD_SIGNATURE) unless `party` signed this very statement."""
        verify(self.party, ANSWER_TAG, self.statement(), self.signature)


ANSWER_TAG = "round-answer"


def answer_statement(
    manifest_hash: str,
    roster_hash: str,
    round_: int,
    kind: str,
    request_hash: str,
    ciphertexts_hash: str,
    log_head: str,
    commitments_hash: str | None = None,
) -> bytes:
    """The bytes that an owner signs of an answer. All of it is in the log, so the signature outlives the answer."""
    said: list[cbor.Plain]
    said = [manifest_hash, roster_hash, round_, kind, request_hash, ciphertexts_hash, log_head]
    return cbor.encode(said if commitments_hash is None else [*said, commitments_hash])


class AnswerRecord(Strict):
    """An answer as the log keeps it: enough to check the signature, and where the ciphertexts are."""

    party: PartyId
    answer_hash: Hash
    ciphertexts_hash: Hash
    commitments_hash: Hash | None = None
    signature: Signature


class LogEntry(Message):
    """One link of the Facilitator's hash chain. The head is SHA-256 of the last entry's exact bytes.

    Entry 0 opens the log: it has the roster's hash and no answers. Every later entry records one sum.
    `set_signatures`: where answers carry masks of the owners' own, those of the owners in `answers`, in that order, on
    the statement that it is their answers which are summed (`fedtrain.protocol.evidence.sum_set`).
    """

    index: Annotated[int, Field(ge=0)]
    previous: Hash
    manifest_hash: Hash
    roster_hash: Hash
    round: Annotated[int, Field(ge=0)] = 0
    kind: Kind | None = None
    request_hash: Hash | None = None
    answers: Annotated[tuple[AnswerRecord, ...], Field(max_length=10_000)] = ()
    product_hash: Hash | None = None
    set_signatures: Annotated[tuple[Signature, ...], Field(max_length=10_000)] | None = None


#: What the first entry names as the one before it.
NO_ENTRY = "0" * 64


class Step(Message):
    """The request of a STEP task: what the Model Owner needs for its next move.

    The first one carries the signed roster. The others carry a sum, every owner's answer as it came in (so that the
    product can be recomputed before anything is decrypted), the request that was answered, and the log's last entry.
    At the end of a window `weights` (and `previous_weights`) are the encrypted weights instead of a sum.
    Where answers carry masks of the owners' own, `unmaskings` take them off the sum, one of each owner that is in it;
    `void` says why a round has no sum, and comes without one.
    """

    job_id: JobId
    step: Annotated[int, Field(ge=0)]
    log_entry: bytes
    roster: SignedDocument | None = None
    request: SignedBytes | None = None
    answers: Annotated[tuple[bytes, ...], Field(max_length=10_000)] = ()
    sum: VectorMessage | None = None
    weights: VectorMessage | None = None
    previous_weights: VectorMessage | None = None
    unmaskings: Annotated[tuple[bytes, ...], Field(max_length=10_000)] | None = None
    void: Annotated[str, Field(max_length=2000)] | None = None


class StepResult(Message):
    """The result of a STEP task: the next request, or the end."""

    job_id: JobId
    step: Annotated[int, Field(ge=0)]
    request: SignedBytes | None = None
    finished: Literal["FINISHED", "FAILED"] | None = None
    code: str | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.request is None) == (self.finished is None):
            raise ValueError("a step's result is either a request or an end")
        return self


AnyMessage = TypeVar("AnyMessage", bound=Strict)


def to_cbor(message: Strict) -> bytes:
    """Encode a message; fields that are None are left out."""
    return cbor.encode(plain(message))


def plain(message: Strict) -> dict[str, cbor.Plain]:
    """Return the fields of a message as CBOR has them; those that are None are left out."""
    return {name: _plain(item) for name, item in message.model_dump(mode="python", exclude_none=True).items()}


def from_cbor(data: cbor.Encoded, kind: type[AnyMessage]) -> AnyMessage:
    """Return the message, of which `data` is the one encoding.

    Raises Problem: MALFORMED_CBOR, PROTOCOL_VERSION (before anything else is looked at) or MALFORMED_MESSAGE.
    """
    known = value = cbor.decode(data, most_items(kind))
    if isinstance(value, dict) and isinstance(version := value.get("protocol"), str):
        check_protocol(version)
        if is_newer_minor(version) and issubclass(kind, Message):
            # What a newer minor version adds to a message may be passed over; what may not is a new major version.
            known = {name: item for name, item in value.items() if name in kind.model_fields}
    try:
        message = kind.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise Problem(
            Code.MALFORMED_MESSAGE, f"{kind.__name__}: {where}: {first['msg'].removeprefix('Value error, ')}."
        ) from None
    expected = data if known is value else cbor.encode(known)
    if cbor.compare(expected, plain(message)) != len(expected):
        # A number as text, an explicit null, a default left out: what means the same must be the same bytes.
        raise Problem(Code.MALFORMED_MESSAGE, f"{kind.__name__}: a field is of another type, null, or left out.")
    return message


def _plain(value: object) -> cbor.Plain:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    if value is None or isinstance(value, bool | int | str | bytes):
        return value
    raise TypeError(f"{type(value).__name__} does not travel in a message")
