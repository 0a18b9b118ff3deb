"""A consent is one text that all owners concerned sign, and nobody else's signature is one."""

from __future__ import annotations

import pytest

from fedtrain.protocol.documents.consent import RosterConsent, gathered, open_consent, sorted_rosters
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.spec.problems import Code, Problem

OWNERS = [Identity.generate() for _ in range(5)]
PARTIES = tuple(sorted(one.party_id for one in OWNERS))
BY_PARTY = {one.party_id: one for one in OWNERS}


def statement(**changes: object) -> RosterConsent:
    fields = {"job_id": "ab" * 16, "manifest_hash": "0a" * 32, "roster": PARTIES[:3], "earlier": (PARTIES[:4],)}
    return RosterConsent.model_validate(fields | changes)


def signed(one: RosterConsent, *parties: str) -> list[SignedDocument]:
    return [sign_document(one, BY_PARTY[party]) for party in parties]


def test_a_consent_is_complete_with_the_last_owner_of_the_old_rosters() -> None:
    (found,) = gathered(signed(statement(), *PARTIES[:3]))
    assert found.missing == (PARTIES[3],)
    (found,) = gathered(signed(statement(), *PARTIES[:4], PARTIES[0]))
    assert found.missing == ()


def test_signatures_on_other_statements_are_not_added_up() -> None:
    other = statement(manifest_hash="0b" * 32)
    found = gathered([*signed(statement(), *PARTIES[:3]), *signed(other, PARTIES[3])])
    assert [one.missing for one in found] == [(PARTIES[3],), PARTIES[:3]]


def test_who_is_on_none_of_the_rosters_cannot_consent() -> None:
    (stranger,) = signed(statement(), PARTIES[4])
    with pytest.raises(Problem) as caught:
        open_consent(stranger)
    assert caught.value.code is Code.CONSENT_NOT_CONCERNED


def test_an_altered_consent_is_refused() -> None:
    (one,) = signed(statement(), PARTIES[0])
    altered = one.model_copy(update={"document": one.document.replace("ab" * 16, "cd" * 16)})
    with pytest.raises(Problem) as caught:
        open_consent(altered)
    assert caught.value.code is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    "changes",
    [
        {"roster": PARTIES[2::-1]},
        {"roster": (PARTIES[0], PARTIES[0])},
        {"roster": ()},
        {"earlier": (PARTIES[1:4], PARTIES[:4])},
        {"earlier": (PARTIES[:4], PARTIES[:4])},
        {"earlier": (PARTIES[:3],)},
    ],
    ids=["out of order", "twice", "nobody", "rosters out of order", "a roster twice", "the new one among them"],
)
def test_there_is_one_way_to_write_it(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"roster|earlier"):
        statement(**changes)


def test_rosters_are_put_in_order_without_the_new_one() -> None:
    assert sorted_rosters([PARTIES[:4][::-1], PARTIES[:3], PARTIES[:4]], PARTIES[:3]) == (PARTIES[:4],)
