"""The consent of owners to a sum over another roster than earlier ones of the same rows, and what makes it complete.

Sums over different rosters can be combined to fewer owners than any of them has, and whom that singles out need not be
on the new roster at all. So every owner of every roster concerned signs the same statement, or nothing is answered.
Source: docs/decisions/sums-that-could-be-subtracted.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from fedtrain.protocol.documents.signed import Document, Hash, JobId, PartyId, SignedDocument, open_document
from fedtrain.spec.problems import Code, Problem

Parties = Annotated[tuple[PartyId, ...], Field(min_length=1, max_length=10_000)]


class RosterConsent(Document):
    """`roster` may be summed over in this job, though sums of some of its owners' rows went to `earlier` rosters.

    Parties in ascending order, rosters too, none twice: the same statement is the same text, whoever signs it.
    """

    job_id: JobId
    manifest_hash: Hash
    roster: Parties
    earlier: Annotated[tuple[Parties, ...], Field(max_length=1000)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name, parties in (("roster", self.roster), *(("earlier", parties) for parties in self.earlier)):
            if list(parties) != sorted(set(parties)):
                raise ValueError(f"{name}: parties are to be in ascending order, none twice")
        if list(self.earlier) != sorted(set(self.earlier)) or self.roster in self.earlier:
            raise ValueError("earlier: rosters are to be in ascending order, none twice, the new one not among them")
        return self

    @property
    def concerned(self) -> frozenset[str]:
        """Every owner that has to sign it."""
        return frozenset(self.roster).union(*self.earlier)


@dataclass(frozen=True)
class Consent:
    """A statement with all those who signed it."""

    statement: RosterConsent
    signers: frozenset[str]

    @property
    def missing(self) -> tuple[str, ...]:
        """Owners concerned that have not signed, ascending."""
        return tuple(sorted(self.statement.concerned - self.signers))


def open_consent(signed: SignedDocument) -> RosterConsent:
    """Return what an owner consents to.

    Raises Problem: BAD_SIGNATURE, MALFORMED_MESSAGE, PROTOCOL_VERSION; CONSENT_NOT_CONCERNED where another signed.
    """
    statement = open_document(signed, RosterConsent)
    if signed.signer not in statement.concerned:
        raise Problem(
            Code.CONSENT_NOT_CONCERNED,
            f"The consent for job {statement.job_id} is signed by {signed.signer[:16]}…, which is on none of its "
            "rosters: have those sign that are.",
        )
    return statement


def gathered(documents: Iterable[SignedDocument]) -> tuple[Consent, ...]:
    """Return the statements, each with its signers, in the order in which they first come. Raises as `open_consent`."""
    signers: dict[tuple[object, ...], set[str]] = {}
    statements: dict[tuple[object, ...], RosterConsent] = {}
    for signed in documents:
        one = open_consent(signed)
        key = (one.job_id, one.manifest_hash, one.roster, one.earlier)
        statements.setdefault(key, one)
        signers.setdefault(key, set()).add(signed.signer)
    return tuple(Consent(statement, frozenset(signers[key])) for key, statement in statements.items())


def sorted_rosters(rosters: Iterable[Iterable[str]], without: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return rosters as a statement has them, `without` the new one."""
    found = {tuple(sorted(set(parties))) for parties in rosters}
    return tuple(sorted(found - {tuple(sorted(set(without)))}))
