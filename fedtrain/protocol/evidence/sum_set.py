"""The set of owners whose answers are summed, where a round may go on without somebody; and what is told under it.

    SetRequest       Facilitator → Data Owner    the set S, of which this owner is one
    SetSignature     Data Owner → Facilitator    its signature on S: on one set a round, ever
    UnmaskRequest    Facilitator → Data Owner    the signatures of all of S
    Unmasking        Data Owner → Model Owner    sealed: its self-mask's key, and the keys shared with those outside S

Nothing here is specific to dropped owners: a statement that all of a set have signed is what a self-mask's key is told
under, and `check_fully_signed` is the one gate before it. Source: Bonawitz et al., "Practical secure aggregation for
privacy-preserving machine learning", 2017, rounds 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import Field

from fedtrain.crypto import CryptoError, open_sealed, seal
from fedtrain.crypto.masks import ROUND_KEY_BYTES, key_commitment, masks_of_pairs, pair_mask
from fedtrain.crypto.sealing import OVERHEAD_BYTES, PUBLIC_KEY_BYTES
from fedtrain.protocol.documents.identity import Identity, sha256_hex, verify
from fedtrain.protocol.documents.signed import Hash, JobId, PartyId
from fedtrain.protocol.messages import cbor
from fedtrain.protocol.messages.rounds import Commitments, Kind, LogEntry, Message, RoundAnswer, Signature
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

SET_TAG = "sum-set"
UNMASKING_TAG = "unmasking"


class SetMember(Strict):
    """An owner in the set, and the answer of it that is summed."""

    party: PartyId
    answer_hash: Hash


class SumSet(Strict):
    """The answers that are summed in one round. `members`: by ascending party id."""

    manifest_hash: Hash
    roster_hash: Hash
    round: Annotated[int, Field(ge=0)]
    kind: Kind
    request_hash: Hash
    log_head: Hash
    members: Annotated[tuple[SetMember, ...], Field(min_length=1, max_length=10_000)]

    @classmethod
    def of_entry(cls, entry: LogEntry) -> SumSet:
        """Return the set that a log entry records. Raises Problem(LOG_INCONSISTENT) for one that records no sum."""
        if entry.kind is None or entry.request_hash is None or not entry.answers:
            raise Problem(Code.LOG_INCONSISTENT, f"Log entry {entry.index} records no sum.")
        return cls(
            manifest_hash=entry.manifest_hash,
            roster_hash=entry.roster_hash,
            round=entry.round,
            kind=entry.kind,
            request_hash=entry.request_hash,
            log_head=entry.previous,
            members=tuple(SetMember(party=one.party, answer_hash=one.answer_hash) for one in entry.answers),
        )

    @property
    def parties(self) -> tuple[str, ...]:
        return tuple(member.party for member in self.members)

    @property
    def hash(self) -> str:
        return sha256_hex(self.statement())

    def statement(self) -> bytes:
        """The bytes that each member signs."""
        members: list[cbor.Plain] = [[member.party, member.answer_hash] for member in self.members]
        said: list[cbor.Plain] = [self.manifest_hash, self.roster_hash, self.round, self.kind, self.request_hash]
        return cbor.encode([*said, self.log_head, members])

    def signed_by(self, identity: Identity) -> bytes:
        return identity.sign(SET_TAG, self.statement())


class SetRequest(Message):
    """The request of a SIGN_SET task."""

    job_id: JobId
    sum_set: SumSet


class SetSignature(Message):
    """The result of a SIGN_SET task. `set_hash`: of the statement that was signed."""

    party: PartyId
    set_hash: Hash
    signature: Signature


class UnmaskRequest(Message):
    """The request of an UNMASK task. `signatures`: one of each member, in the order of the set."""

    job_id: JobId
    sum_set: SumSet
    signatures: Annotated[tuple[Signature, ...], Field(max_length=10_000)]


class Unmasking(Message):
    """The result of an UNMASK task: keys of masks, sealed to the Model Owner, under the set with that hash.

    What is sealed is the self-mask's key, and behind it the key shared with each owner of the roster outside the set,
    by ascending party id. `signature`: the owner's, so that nobody else can put false keys in its name.
    """

    party: PartyId
    set_hash: Hash
    ephemeral_key: Annotated[bytes, Field(min_length=PUBLIC_KEY_BYTES, max_length=PUBLIC_KEY_BYTES)]
    ciphertext: Annotated[bytes, Field(min_length=OVERHEAD_BYTES)]
    signature: Signature

    def statement(self) -> bytes:
        return cbor.encode([self.party, self.set_hash, self.ephemeral_key, self.ciphertext])

    def check(self, sum_set: SumSet, party: str) -> None:
        """That `party` made it, under this set. Raises Problem: MALFORMED_MESSAGE, BAD_SIGNATURE."""
        if (self.party, self.set_hash) != (party, sum_set.hash):
            raise Problem(Code.MALFORMED_MESSAGE, f"The keys of {party[:16]}… belong to another owner or set.")
        verify(self.party, UNMASKING_TAG, self.statement(), self.signature)


def outside(roster: Sequence[str], sum_set: SumSet) -> tuple[str, ...]:
    """Return the owners of the roster that are not in the set, by ascending party id."""
    inside = set(sum_set.parties)
    return tuple(party for party in sorted(roster) if party not in inside)


def check_members(sum_set: SumSet, roster: Sequence[str], quorum: int) -> None:
    """That the set is of owners on the roster, each once, in order, and of as many as the quorum. Raises
    Problem(SET_REFUSED)."""
    parties = sum_set.parties
    if list(parties) != sorted(set(parties)) or not set(parties) <= set(roster):
        raise Problem(Code.SET_REFUSED, "The set names an owner twice, out of order, or one that is not on the roster.")
    if len(parties) < quorum:
        raise Problem(Code.SET_REFUSED, f"The set has {len(parties)} owners; the job's quorum is {quorum}.")


def check_fully_signed(sum_set: SumSet, signatures: Sequence[bytes]) -> None:
    """That every member has signed this very set. Raises Problem: SET_REFUSED, BAD_SIGNATURE."""
    if len(signatures) != len(sum_set.members):
        raise Problem(
            Code.SET_REFUSED,
            f"{len(signatures)} owners have signed the set, it has {len(sum_set.members)}: all of them must have.",
        )
    for party, signature in zip(sum_set.parties, signatures, strict=True):
        verify(party, SET_TAG, sum_set.statement(), signature)


def commitments_to(self_mask: bytes, pair_keys: Mapping[bytes, bytes]) -> Commitments:
    """Return what an answer says of its masks' keys. `pair_keys`: by the other's party id."""
    return Commitments(
        self_mask=key_commitment(self_mask),
        pair_keys=b"".join(key_commitment(pair_keys[party]) for party in sorted(pair_keys)),
    )


def seal_keys(
    sum_set: SumSet, self_mask: bytes, keys_outside: Sequence[bytes], recipient: str, identity: Identity
) -> Unmasking:
    """Return the keys that a member tells under a set. Only after `check_fully_signed`, and only for the one set that
    it has signed in the round.

    `keys_outside`: those shared with `outside(roster, sum_set)`, in that order. `recipient`: the X25519 public key that
    the manifest names, in hex. Raises MalformedKey for one of low order.
    """
    context = _context(sum_set, identity.party_id)
    ephemeral, ciphertext = seal(b"".join((self_mask, *keys_outside)), bytes.fromhex(recipient), context)
    made = Unmasking(
        party=identity.party_id,
        set_hash=sum_set.hash,
        ephemeral_key=ephemeral,
        ciphertext=ciphertext,
        signature=bytes(64),
    )
    return made.model_copy(update={"signature": identity.sign(UNMASKING_TAG, made.statement())})


def masks_of_sum(
    sum_set: SumSet,
    answers: Sequence[RoundAnswer],
    unmaskings: Sequence[Unmasking],
    roster: Sequence[str],
    private_key: X25519PrivateKey,
    modulus: int,
    count: int,
) -> list[int]:
    """`count` residues mod n: the masks that the sum of the set's answers is under, once every key is what its owner
    committed to in its signed answer.

    `answers`, `unmaskings`: one of each member, in the order of the set. `roster`: all party ids. Raises Problem:
    UNMASKING_REFUSED, naming the owner whose keys do not open or are not what it committed to; BAD_SIGNATURE,
    MALFORMED_MESSAGE.
    """
    if len(unmaskings) != len(sum_set.members):
        raise Problem(
            Code.UNMASKING_REFUSED, f"{len(unmaskings)} owners have told keys, the set has {len(sum_set.members)}."
        )
    total, absent = [0] * count, outside(roster, sum_set)
    for member, answer, unmasking in zip(sum_set.members, answers, unmaskings, strict=True):
        party = member.party
        unmasking.check(sum_set, party)
        self_mask, *pairs = _opened(sum_set, unmasking, private_key, 1 + len(absent))
        others = [other for other in sorted(roster) if other != party]
        commitments = answer.commitments
        if commitments is None or len(commitments.pair_keys) != ROUND_KEY_BYTES * len(others):
            raise _lied(party, "its answer commits to no keys, or not to one for every other owner")
        if key_commitment(self_mask) != commitments.self_mask:
            raise _lied(party, "the key of its own mask is not the one that its answer commits to")
        committed = dict(zip(others, _keys(commitments.pair_keys), strict=True))
        for other, key in zip(absent, pairs, strict=True):
            if key_commitment(key) != committed[other]:
                raise _lied(party, f"its key with {other[:16]}… is not the one that its answer commits to")
        told = {bytes.fromhex(other): key for other, key in zip(absent, pairs, strict=True)}
        shared = masks_of_pairs(bytes.fromhex(party), told, count, modulus)
        for index in range(count):
            total[index] += shared[index] + pair_mask(self_mask, index, modulus)
    return [mask % modulus for mask in total]


def _opened(sum_set: SumSet, unmasking: Unmasking, private_key: X25519PrivateKey, due: int) -> list[bytes]:
    party = unmasking.party
    context = _context(sum_set, party)
    try:
        plaintext = open_sealed(private_key, unmasking.ephemeral_key, unmasking.ciphertext, context)
    except CryptoError:
        raise _lied(party, "they do not open") from None
    if len(plaintext) != due * ROUND_KEY_BYTES:
        raise _lied(party, f"they are {len(plaintext)} bytes, {due * ROUND_KEY_BYTES} are due")
    return _keys(plaintext)


def _keys(together: bytes) -> list[bytes]:
    return [together[at : at + ROUND_KEY_BYTES] for at in range(0, len(together), ROUND_KEY_BYTES)]


def _context(sum_set: SumSet, party: str) -> tuple[bytes | str | int, ...]:
    return UNMASKING_TAG, sum_set.hash, bytes.fromhex(party)


def _lied(party: str, why: str) -> Problem:
    return Problem(Code.UNMASKING_REFUSED, f"The keys that {party[:16]}… told are refused: {why}.")
