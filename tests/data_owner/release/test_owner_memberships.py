"""Whom a Data Owner works with, by the consortium's word: the Model Owner, and the owners that count on a roster."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fedtrain.data_owner import job as j
from fedtrain.data_owner.checks import check_roster
from fedtrain.data_owner.job_state import JobContext
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.round import step
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    SignedDocument,
    open_document,
    sign_document,
)
from fedtrain.protocol.documents.trust import Trust, vouch
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import (
    FACILITATOR,
    MODEL_OWNER,
    NOW,
    OWNERS,
    accept,
    facts_of,
    identity_of,
    joined,
    offered,
    owner_of,
    roster_of,
)

CONSORTIUM, STRANGER = identity_of("consortium"), identity_of("another consortium")
LATER = NOW + timedelta(days=1)
KNOWS_CONSORTIUM = OwnerPolicy.for_loopback().knowing(Trust(consortium=(CONSORTIUM.party_id,)))


def _model_owners(signer: Identity = CONSORTIUM, until: datetime = LATER) -> SignedDocument:
    return vouch(signer, MODEL_OWNER.party_id, "model-owner", "acme", until)


def _answer_to(policy: OwnerPolicy, membership: SignedDocument | None) -> tuple[str, str]:
    """Return what the owner signs, and what stays here: the code and the detail of a decline, or ("accepts", "")."""
    state, effects = step(
        owner_of(policy=policy), offered(membership=membership), j.Offered({"default": facts_of()}), NOW
    )
    if effects == (j.Freeze("default", "da" * 32),):
        return "accepts", ""
    (sign,) = effects
    assert isinstance(sign, j.Sign) and isinstance(sign.document, Decline) and state.refusal is not None
    return sign.document.code, state.refusal.detail


def test_a_model_owner_that_the_consortium_vouches_for_is_accepted() -> None:
    assert _answer_to(KNOWS_CONSORTIUM, _model_owners()) == ("accepts", "")


@pytest.mark.parametrize(
    ("membership", "why"),
    [
        (None, "carries no consortium's membership"),
        (_model_owners(until=NOW - timedelta(seconds=1)), "its membership ended at"),
        (_model_owners(STRANGER), "no pinned consortium key"),
        (vouch(CONSORTIUM, MODEL_OWNER.party_id, "data-owner", "acme", LATER), "as data-owner"),
        (vouch(CONSORTIUM, STRANGER.party_id, "model-owner", "acme", LATER), "of another party"),
    ],
)
def test_a_model_owner_that_it_does_not_is_declined_and_told_the_code_alone(
    membership: SignedDocument | None, why: str
) -> None:
    code, detail = _answer_to(KNOWS_CONSORTIUM, membership)
    assert code == "untrusted-model-owner" and why in detail


def test_an_open_policy_is_closed_by_the_first_pin_that_could_name_a_model_owner() -> None:
    loopback = OwnerPolicy.for_loopback()
    assert _answer_to(loopback, None)[0] == "accepts"
    assert _answer_to(loopback.knowing(Trust(data_owners=(STRANGER.party_id,))), None)[0] == "accepts"
    pinned = loopback.knowing(Trust(model_owners=(STRANGER.party_id,)))
    assert _answer_to(pinned, None)[0] == "untrusted-model-owner"
    assert _answer_to(loopback.knowing(Trust(model_owners=(MODEL_OWNER.party_id,))), None)[0] == "accepts"


def _accepting(name: str, manifest_hash: str, membership: SignedDocument | None) -> SignedDocument:
    plain = open_document(accept(name, manifest_hash), Acceptance)
    return sign_document(plain.model_copy(update={"membership": membership}), identity_of(name))


def _member(name: str, signer: Identity = CONSORTIUM, until: datetime = LATER) -> SignedDocument:
    return vouch(signer, identity_of(name).party_id, "data-owner", name, until)


def _check(memberships: dict[str, SignedDocument | None], now: datetime = NOW) -> int:
    """Return how many of the roster's owners are on it, once it passed this owner's check."""
    policy = OwnerPolicy.for_loopback().model_copy(update={"trust": KNOWS_CONSORTIUM.trust})
    owner = JobContext(identity_of("clinic-a").party_id, "clinic-a", FACILITATOR.party_id, policy, True)
    state = joined(owner)
    assert state.join_answer is not None
    others = [_accepting(name, state.manifest_hash, memberships.get(name)) for name in OWNERS[1:]]
    roster = roster_of(state.manifest_hash, [state.join_answer.signed, *others])
    return len(check_roster(owner, state, roster, now).parties)


def test_owners_that_the_consortium_vouches_for_count_towards_the_least_roster() -> None:
    assert _check({name: _member(name) for name in OWNERS[1:]}) == 3


@pytest.mark.parametrize(
    "second",
    [
        None,
        _member(OWNERS[2], STRANGER),
        _member(OWNERS[2], until=NOW - timedelta(seconds=1)),
        _member(OWNERS[1]),
        vouch(CONSORTIUM, identity_of(OWNERS[2]).party_id, "model-owner", "clinic-c", LATER),
    ],
)
def test_an_owner_that_it_does_not_vouch_for_does_not_count(second: SignedDocument | None) -> None:
    with pytest.raises(Problem) as caught:
        _check({OWNERS[1]: _member(OWNERS[1]), OWNERS[2]: second})
    assert caught.value.code is Code.ROSTER_INVALID
    assert "2 owners that count, of 3" in caught.value.detail


def test_an_owner_carries_its_own_membership_in_its_acceptance() -> None:
    own = _member("clinic-a")
    owner = JobContext(owner_of().party_id, "clinic-a", FACILITATOR.party_id, KNOWS_CONSORTIUM, True, own)
    state = joined(owner, offered(membership=_model_owners()))
    assert state.join_answer is not None
    assert open_document(state.join_answer.signed, Acceptance).membership == own
