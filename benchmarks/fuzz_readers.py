"""Readers of bytes from another party, and valid messages for each: benchmarks.fuzz starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gmpy2 import mpz

from fedtrain.crypto import (
    CryptoError,
    EncryptedVector,
    MalformedCiphertext,
    SlotLayout,
    ciphertexts_from_bytes,
    ciphertexts_to_bytes,
)
from fedtrain.crypto.paillier.keys import generate_keypair, key_id
from fedtrain.crypto.sealing import open_sealed, seal
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol import admission
from fedtrain.protocol.documents import card
from fedtrain.protocol.documents import request as requests
from fedtrain.protocol.documents import signed as documents
from fedtrain.protocol.documents.consent import RosterConsent
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.release import ReleaseStatement
from fedtrain.protocol.documents.signed import parse_json
from fedtrain.protocol.evidence import heads, sum_set
from fedtrain.protocol.messages import cbor, scoring
from fedtrain.protocol.messages import rounds as messages
from fedtrain.protocol.messages.given_model import GivenModel, ModelAsk
from fedtrain.protocol.messages.rounds import SignedBytes, VectorMessage, from_cbor, to_cbor
from fedtrain.protocol.messages.shared_weights import SealedWeights
from fedtrain.protocol.version import is_newer_minor
from fedtrain.spec.model_spec import FeatureType, ModelSpec, Strict
from fedtrain.spec.problems import Code, Problem

_HASH, _ID, _NONCE, _MASK_KEY = "9f" * 32, "0f" * 16, "c4" * 32, "3f" * 32
_WHEN = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
_DECODED = frozenset({Code.MALFORMED_CBOR})
_READ = frozenset({Code.MALFORMED_CBOR, Code.MALFORMED_MESSAGE, Code.PROTOCOL_VERSION})


@dataclass(frozen=True)
class Reader:
    """Reader of bytes, bytes that it takes, and the only problems that it may raise.

    `authenticated`: it takes what was made for it and nothing else, so that every mutation must be refused.
    """

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], None]
    problems: frozenset[Code]
    authenticated: bool = False


class Found(Exception):  # noqa: N818 - found, not wrong: the fuzzer did its work
    """An input that a reader neither takes nor refuses as it says."""


def readers(modulus_bits: int = 512) -> tuple[Reader, ...]:
    """Return every reader of bytes from another party, with valid messages under a key of that size."""
    public_key, _ = generate_keypair(modulus_bits, allow_small=True)
    n = int(public_key.n)
    layout = SlotLayout.packed(3, 1, 60, n.bit_length())
    ciphertexts = tuple(mpz(public_key.raw_encrypt(value)) for value in range(layout.ciphertexts))
    vector = VectorMessage.of(EncryptedVector(key_id(n), 40, 1 << 50, layout, ciphertexts), n)
    seeds = _messages(vector)
    by_kind = [
        Reader(kind.__name__, tuple(to_cbor(one) for one in some), _message_reader(kind), _READ)
        for kind, some in seeds.items()
    ]
    return (
        Reader("cbor.decode", tuple(to_cbor(one) for some in seeds.values() for one in some), _decode, _DECODED),
        *by_kind,
        Reader("VectorMessage.open", (to_cbor(vector),), _vector_reader(n), _READ | {Code.MALFORMED_CIPHERTEXT}),
        _ciphertext_reader(ciphertexts, n),
        _box_reader(),
        *_document_readers(),
    )


def _messages(vector: VectorMessage) -> dict[type[Strict], list[Strict]]:
    identity = Identity.generate()
    gradient = messages.RoundRequest(
        manifest_hash=_HASH, roster_hash=_HASH, round=3, kind=RoundKind.GRADIENT, log_head=_HASH, rows_total=90,
        window_step=1, weights=vector, previous_weights=vector,
    )  # fmt: skip
    box = SealedWeights(party=identity.party_id, ephemeral_key=b"\1" * 32, ciphertext=b"\2" * 40)
    sealed = messages.RoundRequest(
        manifest_hash=_HASH, roster_hash=_HASH, round=3, kind=RoundKind.GRADIENT, log_head=_HASH, rows_total=90,
        sealed_weights=(box, box),
        weights_blob=bytes(20),
    )  # fmt: skip
    counts = messages.RoundRequest(
        manifest_hash=_HASH, roster_hash=_HASH, round=0, kind=RoundKind.COUNTS, log_head=_HASH
    )
    request = SignedBytes.sign(to_cbor(gradient), messages.REQUEST_TAG, identity)
    answer = messages.RoundAnswer(
        party=identity.party_id, manifest_hash=_HASH, roster_hash=_HASH, round=3, kind=RoundKind.GRADIENT,
        request_hash=_HASH, log_head=_HASH, vector=vector, signature=b"\0" * 64,
    ).signed_by(identity)  # fmt: skip
    record = messages.AnswerRecord(
        party=identity.party_id, answer_hash=_HASH, ciphertexts_hash=_HASH, signature=b"\1" * 64
    )
    first = messages.LogEntry(index=0, previous=messages.NO_ENTRY, manifest_hash=_HASH, roster_hash=_HASH)
    entry = messages.LogEntry(
        index=4, previous=_HASH, manifest_hash=_HASH, roster_hash=_HASH, round=3, kind=RoundKind.GRADIENT,
        request_hash=_HASH, answers=(record, record), product_hash=_HASH,
    )  # fmt: skip
    roster = documents.Roster(manifest_hash=_HASH, entries=())
    signed = documents.sign_document(roster, identity)
    step = messages.Step(
        job_id=_ID, step=4, log_entry=to_cbor(entry), request=request, answers=(to_cbor(answer),) * 2, sum=vector
    )
    members = (sum_set.SetMember(party=identity.party_id, answer_hash=_HASH),) * 2
    summed = sum_set.SumSet(
        manifest_hash=_HASH, roster_hash=_HASH, round=3, kind=RoundKind.GRADIENT, request_hash=_HASH, log_head=_HASH,
        members=members,
    )  # fmt: skip
    committed = messages.Commitments(self_mask=b"\3" * 32, pair_keys=b"\4" * 64)
    goes_on = answer.model_copy(update={"commitments": committed}).signed_by(identity)
    unmasking = sum_set.Unmasking(
        party=identity.party_id, set_hash=summed.hash, ephemeral_key=b"\1" * 32, ciphertext=b"\2" * 80,
        signature=b"\1" * 64,
    )  # fmt: skip
    score = scoring.ScoreRequest(model_id=_ID, offer_hash=_HASH, nonce=_NONCE, ciphertexts=vector.ciphertexts)
    offer = scoring.ScoringOffer(
        model_id=_ID, manifest_hash=_HASH, modulus="c5" * 64, key_proof=("ab", "cd"), nonce=_NONCE, bound_exponent=3,
        weights=vector.ciphertexts, calibration=(("0x1.8p+1", "-0x1.0p-3"),),
    )  # fmt: skip
    return {
        messages.RoundRequest: [gradient, counts, sealed],
        messages.RoundAnswer: [answer, goes_on],
        messages.LogEntry: [first, entry, entry.model_copy(update={"set_signatures": (b"\1" * 64,) * 2})],
        sum_set.SetRequest: [sum_set.SetRequest(job_id=_ID, sum_set=summed)],
        sum_set.SetSignature: [
            sum_set.SetSignature(party=identity.party_id, set_hash=summed.hash, signature=b"\1" * 64)
        ],
        sum_set.UnmaskRequest: [sum_set.UnmaskRequest(job_id=_ID, sum_set=summed, signatures=(b"\1" * 64,) * 2)],
        sum_set.Unmasking: [unmasking],
        messages.Step: [
            step,
            step.model_copy(update={"unmaskings": (to_cbor(unmasking),)}),
            messages.Step(job_id=_ID, step=0, log_entry=to_cbor(first), roster=signed),
            messages.Step(job_id=_ID, step=4, log_entry=to_cbor(first), request=request, void="…"),
        ],
        messages.StepResult: [
            messages.StepResult(job_id=_ID, step=4, request=request),
            messages.StepResult(job_id=_ID, step=5, finished="FAILED", code="diverged", reason="…"),
        ],
        messages.Compute: [messages.Compute(job_id=_ID, request=request, previous_entry=to_cbor(entry))],
        SignedBytes: [request],
        scoring.ScoringAsk: [scoring.ScoringAsk(model_id=_ID)],
        ModelAsk: [ModelAsk(model_id=_ID, sealing_key=_HASH, nonce=_NONCE)],
        GivenModel: [GivenModel(request_hash=_HASH, box=box, blob=b"\7" * 40)],
        scoring.ScoringOffer: [offer],
        scoring.ScoreRequest: [score],
        scoring.ScoreAnswer: [scoring.ScoreAnswer(request_hash=_HASH, values=(1, 2, (1 << 32) - 1), scores_left=7)],
        scoring.ScoringReply: [scoring.ScoringReply(signed=request), scoring.ScoringReply(code="denied", detail="…")],
    }


def _decode(data: bytes) -> None:
    if cbor.encode(cbor.decode(data)) != data:
        raise Found("it is taken, and is another value's encoding")


def _message_reader(kind: type[Strict]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        message = from_cbor(data, kind)
        sent = cbor.decode(data)
        if isinstance(sent, dict) and is_newer_minor(str(sent.get("protocol"))) and issubclass(kind, messages.Message):
            sent = {name: value for name, value in sent.items() if name in kind.model_fields}
        if to_cbor(message) != cbor.encode(sent):
            raise Found("it is taken, and is another message's encoding")

    return read


def _vector_reader(n: int) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        message = from_cbor(data, VectorMessage)
        if VectorMessage.of(message.open(n), n).ciphertexts != message.ciphertexts:
            raise Found("it is taken, and its ciphertexts are others")

    return read


def _ciphertext_reader(ciphertexts: Sequence[mpz], n: int) -> Reader:
    def read(data: bytes) -> None:
        try:
            again = ciphertexts_from_bytes(data, n, len(ciphertexts))
        except MalformedCiphertext as error:
            raise Problem(Code.MALFORMED_CIPHERTEXT, str(error)) from None
        if ciphertexts_to_bytes(again, n) != data:
            raise Found("it is taken, and is another vector's encoding")

    seed = ciphertexts_to_bytes(ciphertexts, n)
    return Reader("ciphertexts_from_bytes", (seed,), read, frozenset({Code.MALFORMED_CIPHERTEXT}))


def _box_reader() -> Reader:
    """A box for one owner: its ephemeral key, then the ciphertext."""
    private, context = X25519PrivateKey.generate(), ("weights", _HASH)
    plaintext = b"eight bytes a number"
    seed = b"".join(seal(plaintext, private.public_key().public_bytes_raw(), context))

    def read(data: bytes) -> None:
        try:
            opened = open_sealed(private, data[:32], data[32:], context)
        except CryptoError as error:
            raise Problem(Code.SEALED_WEIGHTS_REFUSED, str(error)) from None
        if data != seed or opened != plaintext:
            raise Found("it is taken, and nobody sealed it")

    return Reader("open_sealed", (seed,), read, frozenset({Code.SEALED_WEIGHTS_REFUSED}), authenticated=True)


def _document_readers() -> tuple[Reader, ...]:
    identity = Identity.generate()
    end = documents.JobEnd(job_id=_ID, status="FAILED", code="diverged", reason="…")
    registration = documents.Registration(party=identity.party_id, name="clinic-a", datasets=("default",))
    signed = documents.sign_document(registration, identity)
    spec = {
        "data_props": {
            "features": [{"name": "age", "type": "continuous", "range": [18, 100]}],
            "target": {"name": "stay_days", "range": [0, 60]},
        },
        "model_type": "LINEAR_REGRESSION",
    }
    manifest = documents.Manifest(
        job_id=_ID, created_at="2026-01-12T09:30:00.000Z", model_owner=identity.party_id, model_owner_name="acme",
        spec=ModelSpec.model_validate(spec), plan={"slot_bits": 64}, modulus="c5" * 64, key_proof=("ab",), nonce=_NONCE,
    )  # fmt: skip
    at = datetime(2030, 1, 1, tzinfo=UTC)
    asked = requests.AskedDataset(
        party=identity.party_id, name="clinic-a", dataset="default", card=_HASH, title="Stays"
    )
    kept = requests.KeptRequest(request=signed, entries=(requests.RequestEntry(kind="message", signed=signed),))
    joining = admission.IdentityRequest(
        party=identity.party_id, role="data-owner", name="a", certificate_request="…", nonce=_NONCE, created_at=_WHEN,
        token=admission.TokenHash(id="0f" * 6, sha256=_HASH, created_at=_WHEN),
    )  # fmt: skip
    seeds: dict[type[Strict], Strict] = {
        documents.Manifest: manifest,
        documents.SignedDocument: signed,
        documents.Registration: registration,
        documents.JoinAnswer: documents.JoinAnswer(answer="accept", signed=signed),
        documents.JobEnd: end,
        ReleaseStatement: ReleaseStatement(
            job_id=_ID, manifest_hash=_HASH, roster_hash=_HASH, log_head=_HASH, party=identity.party_id,
            decision="refused", people=("ana",), why="…",
        ),
        documents.Acceptance: documents.Acceptance(
            manifest_hash=_HASH, party=identity.party_id, name="clinic-a", mask_key=_MASK_KEY, moments_hash=_HASH,
            membership=signed, sealing_key=_MASK_KEY,
        ),
        documents.Decline: documents.Decline(
            manifest_hash=_HASH, party=identity.party_id, name="clinic-a", code="denied"
        ),
        card.Card: card.Card(
            party=identity.party_id, name="clinic-a", dataset="default", revision=7, title="Stays",
            tags=("cardiology",), not_after=datetime(2030, 1, 1, tzinfo=UTC), visible_to=(_HASH,), membership=signed,
            columns=(card.CardColumn(name="age", type=FeatureType.CONTINUOUS, range=(18, 100)),),
        ),
        card.CardWithdrawal: card.CardWithdrawal(party=identity.party_id, dataset="default", revision=8),
        card.CardList: card.CardList(cards=(signed,), next="7-1"),
        requests.RequestDocument: requests.RequestDocument(
            model_owner=identity.party_id, model_owner_name="acme", created_at=at, datasets=(asked,),
            spec=ModelSpec.model_validate(spec | {"name": "stay", "purpose": "beds"}), membership=signed,
        ),
        requests.RequestMessage: requests.RequestMessage(request=_HASH, party=identity.party_id, at=at, text="…"),
        requests.RequestDecision: requests.RequestDecision(
            request=_HASH, party=identity.party_id, at=at, decision="approved",
            conditions=requests.Conditions(until=at, max_rounds=9, max_epsilon=0.5),
        ),
        requests.KeptRequest: kept,
        requests.RequestList: requests.RequestList(requests=(kept, kept), next=7),
        RosterConsent: RosterConsent(
            job_id=_ID, manifest_hash=_HASH, roster=(_HASH, _NONCE), earlier=((_HASH,), (_NONCE,))
        ),
        documents.Withdrawal: documents.Withdrawal(
            manifest_hash=_HASH, party=identity.party_id, name="clinic-a", code="denied"
        ),
        heads.HeadStatement: heads.HeadStatement(
            job_id=_ID, manifest_hash=_HASH, roster_hash=_HASH, party=identity.party_id, name="clinic-a",
            log_head=_HASH, entries=3, audit_head=_NONCE,
            countersigned=(heads.AuditHead(party=identity.party_id, head=_HASH),),
        ),
        heads.HeadList: heads.HeadList(statements=(signed, signed)),
        documents.Roster: documents.Roster(manifest_hash=_HASH, entries=(signed, signed)),
        admission.IdentityRequest: joining,
        admission.Admission: admission.Admission(
            consortium="lenders", request=signed, membership=signed, certificate="…", authority="…",
            settings=admission.AdmittedSettings(host="127.0.0.1", port=5000, facilitator_id=identity.party_id),
            members=(
                admission.MemberToken(
                    id="0f" * 6, sha256=_HASH, created_at=_WHEN, party=identity.party_id, role="data-owner", name="a"
                ),
            ),
        ),
        documents.Membership: documents.Membership(
            party=identity.party_id, role="data-owner", name="clinic-a", not_after=datetime(2030, 1, 1, tzinfo=UTC)
        ),
    }  # fmt: skip

    def reader(kind: type[Strict]) -> Callable[[bytes], None]:
        def read(data: bytes) -> None:
            parse_json(data, kind)

        return read

    problems = frozenset({Code.MALFORMED_MESSAGE, Code.PROTOCOL_VERSION})
    return tuple(
        Reader(f"{kind.__name__} (JSON)", (one.model_dump_json().encode(),), reader(kind), problems)
        for kind, one in seeds.items()
    )
