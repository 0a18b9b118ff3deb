"""Whom a party knows: pinned keys, and members that a pinned consortium key vouches for. Pure.

A membership is a document that the consortium's key signs. A member carries it along in what it signs itself, so that
nobody needs a list of the others: to pin the one consortium key is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated

from pydantic import ConfigDict, Field

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import (
    MemberRole,
    Membership,
    PartyId,
    SignedDocument,
    open_document,
    sign_document,
)
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem


class Trust(Strict):
    """Pins: party ids that this party's people checked by another channel.

    `consortium` keys vouch for members: by the membership that a member carries, or by `vouchers` that are kept here.
    A voucher of any other key is refused when it is first looked at, with BAD_SIGNATURE.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_owners: Annotated[tuple[PartyId, ...], Field(max_length=10_000)] = ()
    data_owners: Annotated[tuple[PartyId, ...], Field(max_length=10_000)] = ()
    consortium: Annotated[tuple[PartyId, ...], Field(max_length=100)] = ()
    vouchers: Annotated[tuple[SignedDocument, ...], Field(max_length=10_000)] = ()

    @cached_property
    def _vouched(self) -> Mapping[tuple[MemberRole, str], datetime]:
        """Until when each member is vouched for by a voucher kept here."""
        until: dict[tuple[MemberRole, str], datetime] = {}
        for voucher in self.vouchers:
            if voucher.signer not in self.consortium:
                raise Problem(
                    Code.BAD_SIGNATURE,
                    f"A voucher is signed by {voucher.signer[:16]}…, which is no pinned consortium key: "
                    "pin it as a consortium key, or remove the voucher.",
                )
            member = open_document(voucher, Membership)
            known = until.get((member.role, member.party))
            until[member.role, member.party] = member.not_after if known is None else max(known, member.not_after)
        return until

    def doubt(self, party: str, role: MemberRole, membership: SignedDocument | None, now: datetime) -> str | None:
        """Return why `party` is not known in that role, for this party's own people; None when it is known.

        `membership` is what the party itself carries; one that does not hold counts as none. `now` has a time zone.
        Raises Problem(BAD_SIGNATURE) for a bad voucher kept here.
        """
        pinned = self.model_owners if role == "model-owner" else self.data_owners
        if party in pinned:
            return None
        kept_until = self._vouched.get((role, party))
        if kept_until is not None and now <= kept_until:
            return None
        if membership is None:
            if kept_until is not None:
                return f"is not pinned, and its membership ended at {kept_until.isoformat()}"
            return "is not pinned, and carries no consortium's membership"
        return self._doubt_membership(party, role, membership, now)

    def _doubt_membership(self, party: str, role: MemberRole, membership: SignedDocument, now: datetime) -> str | None:
        if membership.signer not in self.consortium:
            return f"carries a membership signed by {membership.signer[:16]}…, which is no pinned consortium key"
        try:
            member = open_document(membership, Membership)
        except Problem as problem:
            return f"carries a membership that does not hold: {problem.detail}"
        if member.party != party:
            return f"carries the membership of another party, {member.party[:16]}…"
        if member.role != role:
            return f"is a member as {member.role}, not as {role}"
        if now > member.not_after:
            return f"is not pinned, and its membership ended at {member.not_after.isoformat()}"
        return None

    @property
    def pins_data_owners(self) -> bool:
        """True where there is any pin that could name another Data Owner: only known ones count from then on."""
        return bool(self.data_owners or self.consortium)

    @property
    def pins_model_owners(self) -> bool:
        """True where there is any pin that could name a Model Owner."""
        return bool(self.model_owners or self.consortium)

    def and_also(self, other: Trust) -> Trust:
        """Return the trust that knows whom either knows."""
        return Trust(
            model_owners=tuple(dict.fromkeys(self.model_owners + other.model_owners)),
            data_owners=tuple(dict.fromkeys(self.data_owners + other.data_owners)),
            consortium=tuple(dict.fromkeys(self.consortium + other.consortium)),
            vouchers=tuple(dict.fromkeys(self.vouchers + other.vouchers)),
        )


def vouch(consortium: Identity, party: str, role: MemberRole, name: str, not_after: datetime) -> SignedDocument:
    """Return the membership that the consortium signs for `party`. Raises ValueError unless `not_after` has a zone."""
    return sign_document(Membership(party=party, role=role, name=name, not_after=not_after), consortium)
