"""Whom a party knows: pins, and the consortium's word. For each way to be known, the ways not to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Membership, SignedDocument, sign_document
from fedtrain.protocol.documents.trust import Trust, vouch
from fedtrain.spec.problems import Code, Problem

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
CONSORTIUM, BANK, STRANGER = Identity.generate(), Identity.generate(), Identity.generate()
PINNED = Trust(consortium=(CONSORTIUM.party_id,))


def _membership(signer: Identity = CONSORTIUM, role: str = "data-owner", until: datetime = LATER) -> SignedDocument:
    member = Membership.model_validate(
        {"party": BANK.party_id, "role": role, "name": "bank-a", "not_after": until.isoformat()}
    )
    return sign_document(member, signer)


def test_a_pinned_key_is_known_in_its_role_alone() -> None:
    trust = Trust(data_owners=(BANK.party_id,))
    assert trust.doubt(BANK.party_id, "data-owner", None, NOW) is None
    assert "not pinned" in str(trust.doubt(BANK.party_id, "model-owner", None, NOW))
    assert "not pinned" in str(trust.doubt(STRANGER.party_id, "data-owner", None, NOW))


def test_a_membership_of_the_pinned_consortium_makes_its_member_known() -> None:
    membership = vouch(CONSORTIUM, BANK.party_id, "data-owner", "bank-a", LATER)
    assert PINNED.doubt(BANK.party_id, "data-owner", membership, NOW) is None
    assert PINNED.doubt(BANK.party_id, "data-owner", membership, LATER) is None


def test_a_membership_that_has_ended_counts_no_more() -> None:
    doubt = PINNED.doubt(BANK.party_id, "data-owner", _membership(), LATER + timedelta(seconds=1))
    assert doubt is not None and "ended at 2026-05-05T12:00:00" in doubt


def test_a_membership_of_another_consortium_is_worth_nothing() -> None:
    doubt = PINNED.doubt(BANK.party_id, "data-owner", _membership(STRANGER), NOW)
    assert doubt is not None and STRANGER.party_id[:16] in doubt and "no pinned consortium key" in doubt


def test_a_membership_carried_by_another_party_is_worth_nothing() -> None:
    doubt = PINNED.doubt(STRANGER.party_id, "data-owner", _membership(), NOW)
    assert doubt is not None and "of another party" in doubt


def test_a_membership_in_another_role_is_worth_nothing() -> None:
    doubt = PINNED.doubt(BANK.party_id, "model-owner", _membership(), NOW)
    assert doubt == "is a member as data-owner, not as model-owner"


def test_a_membership_with_its_end_moved_is_worth_nothing() -> None:
    signed = _membership(until=NOW - timedelta(days=1))
    moved = signed.model_copy(update={"document": signed.document.replace("2026-05-03", "2036-05-03")})
    assert moved.document != signed.document
    doubt = PINNED.doubt(BANK.party_id, "data-owner", moved, NOW)
    assert doubt is not None and "does not hold" in doubt


def test_a_membership_without_a_time_zone_is_no_membership() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        _membership(until=datetime(2026, 5, 4, 12))  # noqa: DTZ001


def test_a_voucher_that_is_kept_stands_for_a_carried_one() -> None:
    trust = Trust(consortium=PINNED.consortium, vouchers=(_membership(),))
    assert trust.doubt(BANK.party_id, "data-owner", None, NOW) is None
    assert "ended" in str(trust.doubt(BANK.party_id, "data-owner", None, LATER + timedelta(days=1)))
    assert trust.doubt(STRANGER.party_id, "data-owner", None, NOW) is not None


def test_a_voucher_of_a_key_that_is_not_pinned_is_refused_by_name() -> None:
    trust = Trust(consortium=PINNED.consortium, vouchers=(_membership(STRANGER),))
    with pytest.raises(Problem) as caught:
        trust.doubt(BANK.party_id, "data-owner", None, NOW)
    assert caught.value.code is Code.BAD_SIGNATURE


def test_two_trusts_together_know_whom_either_knows_and_nobody_else() -> None:
    both = Trust(model_owners=(BANK.party_id,)).and_also(PINNED)
    assert both.doubt(BANK.party_id, "model-owner", None, NOW) is None
    assert both.doubt(BANK.party_id, "data-owner", _membership(), NOW) is None
    assert both.doubt(STRANGER.party_id, "model-owner", None, NOW) is not None


def test_only_pins_that_could_name_a_role_count_as_pins_of_it() -> None:
    assert PINNED.pins_data_owners and PINNED.pins_model_owners
    assert not Trust(model_owners=(BANK.party_id,)).pins_data_owners
    assert not Trust(data_owners=(BANK.party_id,)).pins_model_owners
