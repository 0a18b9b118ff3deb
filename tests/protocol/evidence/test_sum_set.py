"""Sets of owners whose answers are summed: masks come off a fully signed set, and of nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gmpy2 import mpz

from fedtrain.crypto import EncryptedVector, SlotLayout, key_id
from fedtrain.crypto.masks import masks_of_pairs, pair_keys, pair_mask, self_mask_key
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.evidence.sum_set import (
    SetMember,
    SumSet,
    Unmasking,
    check_fully_signed,
    check_members,
    commitments_to,
    masks_of_sum,
    outside,
    seal_keys,
)
from fedtrain.protocol.messages.rounds import RoundAnswer, VectorMessage, from_cbor, to_cbor
from fedtrain.spec.problems import Code, Problem

N = (1 << 127) - 1
HASH = "9f" * 32
COUNT = 2


@dataclass
class Owner:
    """An owner of one round, and its masked numbers, mod N."""

    value: int
    identity: Identity = field(default_factory=Identity.generate)
    mask_key: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    keys: dict[bytes, bytes] = field(default_factory=dict)
    self_mask: bytes = b""

    @property
    def id(self) -> bytes:
        return bytes.fromhex(self.identity.party_id)

    def meet(self, others: list[Owner], round_: int = 1) -> None:
        public = {other.id: other.mask_key.public_key().public_bytes_raw() for other in others if other is not self}
        self.keys = pair_keys(self.id, self.mask_key, public, ("mask", HASH, round_))
        self.self_mask = self_mask_key(self.mask_key, (HASH, round_, self.id))

    def masked(self) -> list[int]:
        pairs = masks_of_pairs(self.id, self.keys, COUNT, N)
        return [(self.value + pairs[at] + pair_mask(self.self_mask, at, N)) % N for at in range(COUNT)]

    def answer(self) -> RoundAnswer:
        layout = SlotLayout.packed(1, 1, 20, N.bit_length())
        return RoundAnswer(
            party=self.identity.party_id,
            manifest_hash=HASH,
            roster_hash=HASH,
            round=1,
            kind="update",
            request_hash=HASH,
            log_head=HASH,
            vector=VectorMessage.of(EncryptedVector(key_id(N), 0, 1, layout, (mpz(5),)), N),
            commitments=commitments_to(self.self_mask, self.keys),
            signature=bytes(64),
        ).signed_by(self.identity)

    def told(self, summed: SumSet, roster: list[str], recipient: X25519PrivateKey) -> Unmasking:
        keys = [self.keys[bytes.fromhex(party)] for party in outside(roster, summed)]
        return seal_keys(summed, self.self_mask, keys, recipient.public_key().public_bytes_raw().hex(), self.identity)


class Play:
    """Five owners have answered one round; the set S has the first three of them, by party id."""

    def __init__(self) -> None:
        self.owners = sorted((Owner(value) for value in (3, 50, 700, 11000, 130000)), key=lambda one: one.id)
        for owner in self.owners:
            owner.meet(self.owners)
        self.roster = [owner.identity.party_id for owner in self.owners]
        self.inside = self.owners[:3]
        self.key = X25519PrivateKey.generate()
        self.summed = self.set_of(self.inside)
        self.answers = [owner.answer() for owner in self.inside]

    def set_of(self, owners: list[Owner]) -> SumSet:
        members = tuple(
            SetMember(party=owner.identity.party_id, answer_hash=sha256_hex(to_cbor(owner.answer())))
            for owner in owners
        )
        return SumSet(
            manifest_hash=HASH,
            roster_hash=HASH,
            round=1,
            kind="update",
            request_hash=HASH,
            log_head=HASH,
            members=members,
        )

    def told(self) -> list[Unmasking]:
        return [owner.told(self.summed, self.roster, self.key) for owner in self.inside]

    def masks(self, told: list[Unmasking]) -> list[int]:
        return masks_of_sum(self.summed, self.answers, told, self.roster, self.key, N, COUNT)


@pytest.fixture
def play() -> Play:
    return Play()


def refused(code: Code, call: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as raised:
        call()
    assert raised.value.code is code, raised.value
    return raised.value


def test_the_sum_over_a_set_opens_to_the_exact_sum_without_those_outside(play: Play) -> None:
    masks = play.masks(play.told())
    for at in range(COUNT):
        total = sum(owner.masked()[at] for owner in play.inside)
        assert (total - masks[at]) % N == sum(owner.value for owner in play.inside)


def test_what_is_told_opens_neither_one_answer_nor_another_set(play: Play) -> None:
    """All that S tells, put to every other use: each answer alone, each other set, leaves a mask that was not told."""
    masks = play.masks(play.told())
    told_selves = {owner.id for owner in play.inside}
    absent = {owner.id for owner in play.owners} - told_selves
    for chosen in range(1, 1 << len(play.owners)):
        owners = [owner for at, owner in enumerate(play.owners) if chosen >> at & 1]
        if owners == play.inside:
            continue
        total = 0
        for owner in owners:
            left = owner.masked()[0]
            if owner.id in told_selves:
                left -= pair_mask(owner.self_mask, 0, N)
            known = {peer: key for peer, key in owner.keys.items() if (owner.id in absent) != (peer in absent)}
            total += left - masks_of_pairs(owner.id, known, 1, N)[0]
        assert total % N != sum(owner.value for owner in owners)
        assert (total - masks[0]) % N != sum(owner.value for owner in owners)


def test_an_owner_that_tells_another_self_mask_is_named(play: Play) -> None:
    liar = play.inside[1]
    told = play.told()
    liar.self_mask = bytes(32)
    told[1] = liar.told(play.summed, play.roster, play.key)
    assert liar.identity.party_id[:16] in refused(Code.UNMASKING_REFUSED, lambda: play.masks(told)).detail


def test_an_owner_that_tells_another_pair_key_is_named_with_the_pair(play: Play) -> None:
    liar, absent = play.inside[0], play.owners[4]
    told = play.told()
    liar.keys[absent.id] = bytes(32)
    told[0] = liar.told(play.summed, play.roster, play.key)
    problem = refused(Code.UNMASKING_REFUSED, lambda: play.masks(told))
    assert liar.identity.party_id[:16] in problem.detail
    assert absent.identity.party_id[:16] in problem.detail


def test_keys_that_are_missing_or_another_owners_are_refused(play: Play) -> None:
    told = play.told()
    refused(Code.UNMASKING_REFUSED, lambda: play.masks(told[:2]))
    refused(Code.MALFORMED_MESSAGE, lambda: play.masks([told[0], told[0], told[2]]))


def test_keys_in_an_owners_name_that_it_did_not_sign_do_not_make_it_a_liar(play: Play) -> None:
    told = play.told()
    forged = told[0].model_copy(update={"ciphertext": bytes(len(told[0].ciphertext))})
    refused(Code.BAD_SIGNATURE, lambda: play.masks([forged, *told[1:]]))


def test_keys_told_under_another_set_are_refused(play: Play) -> None:
    other = play.set_of(play.owners[:4])
    told = play.told()
    told[0] = play.inside[0].told(other, play.roster, play.key)
    refused(Code.MALFORMED_MESSAGE, lambda: play.masks(told))


def test_keys_that_were_sealed_to_somebody_else_do_not_open(play: Play) -> None:
    told = [owner.told(play.summed, play.roster, X25519PrivateKey.generate()) for owner in play.inside]
    refused(Code.UNMASKING_REFUSED, lambda: play.masks(told))


def test_an_answer_without_commitments_is_not_opened(play: Play) -> None:
    play.answers[2] = play.answers[2].model_copy(update={"commitments": None})
    refused(Code.UNMASKING_REFUSED, lambda: play.masks(play.told()))


def test_a_set_is_fully_signed_by_each_member_and_by_nobody_else(play: Play) -> None:
    signatures = [play.summed.signed_by(owner.identity) for owner in play.inside]
    check_fully_signed(play.summed, signatures)
    refused(Code.SET_REFUSED, lambda: check_fully_signed(play.summed, signatures[:2]))
    refused(Code.BAD_SIGNATURE, lambda: check_fully_signed(play.summed, [*signatures[:2], signatures[0]]))
    refused(Code.BAD_SIGNATURE, lambda: check_fully_signed(play.set_of(play.owners[1:4]), signatures))


@pytest.mark.parametrize(
    "change",
    ["manifest_hash", "roster_hash", "request_hash", "log_head", "round", "kind", "answer"],
)
def test_a_signature_is_of_one_round_request_log_and_answers(play: Play, change: str) -> None:
    signatures = [play.summed.signed_by(owner.identity) for owner in play.inside]
    other: object = {"round": 2, "kind": "gradient"}.get(change, "00" * 32)
    if change == "answer":
        first = play.summed.members[0].model_copy(update={"answer_hash": other})
        altered = play.summed.model_copy(update={"members": (first, *play.summed.members[1:])})
    else:
        altered = play.summed.model_copy(update={change: other})
    refused(Code.BAD_SIGNATURE, lambda: check_fully_signed(altered, signatures))


def test_a_set_below_quorum_or_with_strangers_or_doubles_is_refused(play: Play) -> None:
    check_members(play.summed, play.roster, 3)
    refused(Code.SET_REFUSED, lambda: check_members(play.summed, play.roster, 4))
    refused(Code.SET_REFUSED, lambda: check_members(play.summed, play.roster[1:], 2))
    doubled = play.summed.model_copy(update={"members": (play.summed.members[0], *play.summed.members)})
    refused(Code.SET_REFUSED, lambda: check_members(doubled, play.roster, 3))
    backwards = play.summed.model_copy(update={"members": play.summed.members[::-1]})
    refused(Code.SET_REFUSED, lambda: check_members(backwards, play.roster, 3))


def test_an_answers_signature_covers_its_commitments(play: Play) -> None:
    answer = from_cbor(to_cbor(play.answers[0]), RoundAnswer)
    answer.check_signature()
    for commitments in (None, play.answers[1].commitments):
        altered = answer.model_copy(update={"commitments": commitments})
        refused(Code.BAD_SIGNATURE, altered.check_signature)


def test_the_same_round_again_has_the_same_keys_and_another_round_has_others(play: Play) -> None:
    owner = play.owners[0]
    before = owner.self_mask, dict(owner.keys)
    owner.meet(play.owners)
    assert (owner.self_mask, owner.keys) == before
    owner.meet(play.owners, round_=2)
    assert owner.self_mask != before[0]
    assert not set(owner.keys.values()) & set(before[1].values())
