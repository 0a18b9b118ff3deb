"""Signed JSON documents: what the parties agree on before the first ciphertext.

A `SignedDocument` carries the exact text that was signed; its hash is SHA-256 of that text's bytes. Whoever reads one
verifies it by `open_document`, which is the only way from a signed document to its contents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    StrictStr,
    ValidationError,
    model_serializer,
)

from fedtrain.protocol.documents.identity import Identity, sha256_hex, verify
from fedtrain.protocol.documents.public_keys import MaskKey
from fedtrain.protocol.documents.public_keys import PartyId as PartyId  # part of this module's own surface
from fedtrain.protocol.messages.items import most_items
from fedtrain.protocol.version import PROTOCOL_VERSION, check_protocol, is_newer_minor
from fedtrain.spec.json_text import JsonRefusedError, check_json
from fedtrain.spec.model_spec import ModelSpec, Strict
from fedtrain.spec.problems import Code, Problem

Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$", max_length=8192)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
MemberRole = Literal["model-owner", "data-owner"]
MOST_REASON = 1000


class Document(Strict):
    """Base of what is signed. `tag` is part of what the signature covers."""

    protocol: str = PROTOCOL_VERSION

    @classmethod
    def tag(cls) -> str:
        return cls.__name__.lower()


class SignedDocument(Strict):
    """A document as exact text, who signed it, and the signature in hex."""

    document: Annotated[str, Field(max_length=4_000_000)]
    signer: PartyId
    signature: Hex

    @property
    def hash(self) -> str:
        return sha256_hex(self.document.encode())


class Membership(Document):
    """A consortium says that `party` is one of its members, in that role, until then. Signed by the consortium's key.

    Members carry it as the signed document `membership` in what they sign themselves.
    """

    party: PartyId
    role: MemberRole
    name: Name
    not_after: AwareDatetime


class Manifest(Document):
    """A job: what is trained, under which key. Signed by the Model Owner.

    `unmasking_key`: the X25519 public key that owners seal keys of masks to, where rounds go on without an owner.
    `request`: the hash of the request that it was approved by. Each is left out of other jobs' manifests.
    """

    job_id: JobId
    created_at: str
    model_owner: PartyId
    model_owner_name: Name
    spec: ModelSpec
    plan: dict[str, object]
    modulus: Hex
    key_proof: Annotated[tuple[Hex, ...], Field(max_length=64)]
    nonce: Hash
    membership: SignedDocument | None = None
    unmasking_key: MaskKey | None = None
    request: Hash | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        for name in ("unmasking_key", "request"):
            if fields.get(name) is None:
                fields.pop(name, None)
        return fields


class Acceptance(Document):
    """A Data Owner joins. `moments_hash` binds it to what it froze; `mask_key` is a fresh X25519 public key.

    `sealing_key`: another one, for the weights, where the job shares them with owners. `noise_share`: where the job
    claims privacy, by what this owner's noise is known. `size_band`: where rounds go on without an owner, what its
    answers weigh in place of its rows (`documents.quorum.size_band`). Each is left out of other jobs, so that parties
    which do not know the field can take part in them.
    """

    manifest_hash: Hash
    party: PartyId
    name: Name
    mask_key: MaskKey
    moments_hash: Hash
    membership: SignedDocument | None = None
    sealing_key: MaskKey | None = None
    noise_share: Hash | None = None
    size_band: Annotated[int, Field(ge=1, le=10**12)] | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        for name in ("sealing_key", "noise_share", "size_band"):
            if fields.get(name) is None:
                fields.pop(name, None)
        return fields


class Decline(Document):
    """A Data Owner does not join: a catalogue code, without values or counts."""

    manifest_hash: Hash
    party: PartyId
    name: Name
    code: Annotated[str, Field(pattern=r"^[a-z-]{1,64}$")]


class Withdrawal(Document):
    """A Data Owner on the roster answers no more: the job cannot go on. A catalogue code, without values or counts.

    `reason`: in the words of its people, where they do not sign the result off; left out everywhere else.
    """

    manifest_hash: Hash
    party: PartyId
    name: Name
    code: Annotated[str, Field(pattern=r"^[a-z-]{1,64}$")]
    reason: Annotated[str, Field(min_length=1, max_length=MOST_REASON)] | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        if self.reason is None:
            fields.pop("reason", None)
        return fields


class JoinAnswer(Strict):
    """The result of a JOIN task."""

    answer: Literal["accept", "decline"]
    signed: SignedDocument


class Roster(Document):
    """Owners that take part, fixed for the job: the signed acceptances, by ascending party id. Signed by the
    Facilitator.
    """

    manifest_hash: Hash
    entries: Annotated[tuple[SignedDocument, ...], Field(max_length=10_000)]


class Registration(Document):
    """A Data Owner tells the Facilitator that it exists and which datasets it offers."""

    party: PartyId
    name: Name
    datasets: Annotated[tuple[Name, ...], Field(max_length=1000)]
    membership: SignedDocument | None = None


class JobEnd(Strict, extra="ignore"):
    """The request of an END task: the job is over, so mask keys are destroyed. It is of no version of its own.

    `log_head`: the hash of the log's last entry, of a finished job whose owners then release the model to others.
    """

    job_id: JobId
    status: Literal["FINISHED", "FAILED", "CANCELLED"]
    code: str | None = None
    reason: str | None = None
    log_head: Hash | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        if self.log_head is None:
            fields.pop("log_head", None)
        return fields

    @classmethod
    def told(cls, job_id: str, model: Mapping[str, object]) -> JobEnd | None:
        """Return the end that the Facilitator's `GET /models/{id}` tells of a job, None while it goes on."""
        if model.get("status") not in ("FINISHED", "FAILED", "CANCELLED"):
            return None
        names = ("status", "code", "reason", "log_head")
        said = {name: str(model[name]) for name in names if model.get(name) is not None}
        return cls.model_validate({"job_id": job_id, **said})


AnyDocument = TypeVar("AnyDocument", bound=Document)


def sign_document(document: Document, identity: Identity) -> SignedDocument:
    """Fix the document's text and sign it."""
    text = document.model_dump_json()
    return SignedDocument(
        document=text, signer=identity.party_id, signature=identity.sign(document.tag(), text.encode()).hex()
    )


def open_document(signed: SignedDocument, kind: type[AnyDocument], *, signer: str | None = None) -> AnyDocument:
    """Return what was signed.

    Raises Problem: BAD_SIGNATURE when the signature does not hold or another than `signer` signed,
    PROTOCOL_VERSION for another major version, MALFORMED_MESSAGE when the text is not a `kind`.
    """
    if signer is not None and signed.signer != signer:
        raise Problem(
            Code.BAD_SIGNATURE, f"The {kind.tag()} is signed by {signed.signer[:16]}…, not by {signer[:16]}…."
        )
    verify(signed.signer, kind.tag(), signed.document.encode(), bytes.fromhex(signed.signature))
    return parse_json(signed.document.encode(), kind)


AnyStrict = TypeVar("AnyStrict", bound=Strict)


def parse_json(data: bytes, kind: type[AnyStrict]) -> AnyStrict:
    """Return the message that a peer sent as JSON. Raises Problem MALFORMED_MESSAGE or PROTOCOL_VERSION.

    A key given twice is refused: one reader would take the first value, another the last. So is more than the message
    can have, before it is read.
    """
    try:
        check_json(data, most_items(kind))
    except JsonRefusedError as error:
        raise Problem(Code.MALFORMED_MESSAGE, f"{kind.__name__}: {error}.") from None
    try:
        message = kind.model_validate_json(_without_additions(data, kind))
    except ValidationError as error:
        if issubclass(kind, Document):
            _check_protocol_of(data)  # another major version may well have other fields
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise Problem(
            Code.MALFORMED_MESSAGE, f"{kind.__name__}: {where}: {first['msg'].removeprefix('Value error, ')}."
        ) from None
    if isinstance(message, Document):
        check_protocol(message.protocol)
    try:
        json.loads(data, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise Problem(Code.MALFORMED_MESSAGE, f"{kind.__name__}: {error}.") from None
    return message


def _without_doubles(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"{key[:100]!r} is given twice")
        seen.add(key)


def _without_additions(data: bytes, kind: type[Strict]) -> bytes:
    """The document without the fields that a newer minor version has added to it; only its own, never nested ones."""
    if not issubclass(kind, Document):
        return data
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(fields, dict) or not is_newer_minor(str(fields.get("protocol"))):
        return data
    return json.dumps({name: value for name, value in fields.items() if name in kind.model_fields}).encode()


class _Versioned(BaseModel):
    protocol: StrictStr


def _check_protocol_of(data: bytes) -> None:
    with suppress(ValidationError):
        check_protocol(_Versioned.model_validate_json(data).protocol)
