"""Whom this owner knows: pinned keys, and members that a pinned consortium key vouches for."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from protocol.documents import Document, PartyId, SignedDocument, open_document
from protocol.problems import Code, Problem
from protocol.spec import Strict

MemberRole = Literal["model-owner", "data-owner"]


class Membership(Document):
    """A consortium says that `party` is one of its members, in that role. Signed by the consortium's key."""

    party: PartyId
    role: MemberRole


class Trust(Strict):
    """Pins: party ids that this owner's people checked by another channel.

    `consortium` keys vouch for members by signed `vouchers`; a voucher of any other key is refused when it is first
    looked at, with BAD_SIGNATURE.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model_owners: Annotated[tuple[PartyId, ...], Field(max_length=10_000)] = ()
    data_owners: Annotated[tuple[PartyId, ...], Field(max_length=10_000)] = ()
    consortium: Annotated[tuple[PartyId, ...], Field(max_length=100)] = ()
    vouchers: Annotated[tuple[SignedDocument, ...], Field(max_length=10_000)] = ()

    @cached_property
    def _members(self) -> frozenset[tuple[MemberRole, str]]:
        members: set[tuple[MemberRole, str]] = set()
        for voucher in self.vouchers:
            if voucher.signer not in self.consortium:
                raise Problem(
                    Code.BAD_SIGNATURE,
                    f"A voucher is signed by {voucher.signer[:16]}…, which is no pinned consortium key: "
                    "pin it as a consortium key, or remove the voucher.",
                )
            membership = open_document(voucher, Membership)
            members.add((membership.role, membership.party))
        return frozenset(members)

    def knows_model_owner(self, party_id: str) -> bool:
        """Whether that Model Owner is pinned or vouched for. Raises Problem(BAD_SIGNATURE) for a bad voucher."""
        return party_id in self.model_owners or ("model-owner", party_id) in self._members

    def knows_data_owner(self, party_id: str) -> bool:
        """Whether that Data Owner is pinned or vouched for. Raises Problem(BAD_SIGNATURE) for a bad voucher."""
        return party_id in self.data_owners or ("data-owner", party_id) in self._members

    @property
    def pins_data_owners(self) -> bool:
        """Whether there is any pin that could name another Data Owner: only pinned ones count from then on."""
        return bool(self.data_owners or self.consortium)
