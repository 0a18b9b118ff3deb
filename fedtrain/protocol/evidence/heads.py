"""Heads that others hold: at a job's end each party signs where its log ends, and owners each other's audits.

A hash chain finds an alteration only where somebody remembers a head of it. So the last head of a job's log is signed
by every party of the job, and the head of each owner's audit by that owner and by others; all of them keep what all of
them signed. Whoever rewrites a chain later contradicts signatures of others. Heads are hashes and tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

from pydantic import Field

from fedtrain.protocol.documents.signed import Document, Hash, JobId, Name, PartyId, SignedDocument, open_document
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

#: Audits that an owner countersigns: of so many owners that follow it on the roster, by ascending id and cyclically.
MOST_COUNTERSIGNED: Final = 64


class AuditHead(Strict):
    """The head of another owner's audit, as that owner signed it."""

    party: PartyId
    head: Hash


class HeadStatement(Document):
    """A party at the end of a job: where the log ends, and, of an owner, its own audit and those of others.

    `entries`: of the log. A later statement of a party has the same heads and more in `countersigned`.
    """

    job_id: JobId
    manifest_hash: Hash
    roster_hash: Hash
    party: PartyId
    name: Name
    log_head: Hash
    entries: Annotated[int, Field(ge=1)]
    audit_head: Hash | None = None
    countersigned: Annotated[tuple[AuditHead, ...], Field(max_length=MOST_COUNTERSIGNED)] = ()

    @property
    def heads(self) -> tuple[str, int, str | None]:
        """Return what no later statement of the party may say otherwise."""
        return self.log_head, self.entries, self.audit_head

    def goes_further(self, earlier: HeadStatement) -> bool:
        """Return whether this says all that an earlier statement says, or more."""
        return self.heads == earlier.heads and set(earlier.countersigned) <= set(self.countersigned)


class HeadList(Strict):
    """All that parties of a job have signed so far of its end; the Facilitator is one of them."""

    statements: Annotated[tuple[SignedDocument, ...], Field(max_length=10_002)]


def open_statement(signed: SignedDocument, job_id: str) -> HeadStatement:
    """Return a statement about this job that the party it names has signed.

    Raises Problem: BAD_SIGNATURE, MALFORMED_MESSAGE for another job's, PROTOCOL_VERSION.
    """
    statement = open_document(signed, HeadStatement)
    if statement.party != signed.signer:
        raise Problem(
            Code.BAD_SIGNATURE,
            f"The heads are {statement.party[:16]}…'s, and signed by {signed.signer[:16]}…: each party signs its own.",
        )
    if statement.job_id != job_id:
        raise Problem(Code.MALFORMED_MESSAGE, f"The heads are of job {statement.job_id}, and not of {job_id}.")
    return statement


def due_countersignatures(party: str, roster: Sequence[str]) -> tuple[str, ...]:
    """Return the owners whose audits this owner countersigns. `roster`: party ids, ascending."""
    at = roster.index(party)
    return tuple([*roster[at + 1 :], *roster[:at]][:MOST_COUNTERSIGNED])


def check_log_end(statements: Iterable[HeadStatement], manifest_hash: str, head: str, entries: int) -> None:
    """Hold a log, as it was recomputed, against what parties signed at the job's end.

    Raises Problem(LOG_INCONSISTENT) that names the party whose signature contradicts it.
    """
    for statement in statements:
        if statement.manifest_hash != manifest_hash:
            raise _contradicts(statement, "of another manifest", "The job was exchanged")
        if (statement.log_head, statement.entries) != (head, entries):
            raise _contradicts(
                statement,
                f"the log to end at entry {statement.entries - 1} with {statement.log_head[:16]}…, and it ends at "
                f"entry {entries - 1} with {head[:16]}…",
                f"The log was rewritten since, or {statement.name} was shown another one",
            )


def check_audit_passes(statements: Iterable[HeadStatement], owner: str, heads: Iterable[str]) -> int:
    """Hold an owner's audit against the heads of it that it and others signed; return how many signatures hold.

    `heads`: all hashes that the audit passes through, as they were recomputed. Raises Problem(LOG_INCONSISTENT) that
    names the party whose signature contradicts it.
    """
    through, count = set(heads), 0
    for statement in statements:
        signed = [one.head for one in statement.countersigned if one.party == owner]
        if statement.party == owner and statement.audit_head is not None:
            signed.append(statement.audit_head)
        for head in signed:
            if head not in through:
                raise _contradicts(
                    statement,
                    f"that the audit stood at {head[:16]}…, and it does not pass through that",
                    "Records were removed or rewritten since",
                )
            count += 1
    return count


def check_one_voice(statements: Sequence[HeadStatement]) -> None:
    """Raises Problem(LOG_INCONSISTENT) where one party signed two ends of a job, or another audit than it told."""
    first: dict[str, HeadStatement] = {}
    for statement in statements:
        known = first.setdefault(statement.party, statement)
        if known.heads != statement.heads:
            raise _contradicts(statement, "two ends of the job", "One of them is not true")
    told = {party: statement.audit_head for party, statement in first.items()}
    for statement in statements:
        for one in statement.countersigned:
            if told.get(one.party, one.head) != one.head:
                raise _contradicts(
                    statement,
                    f"that the audit of {first[one.party].name} stood at {one.head[:16]}…, and {first[one.party].name} "
                    "itself signed another head",
                    "One of the two signed what it was not shown",
                )


def missing(statements: Iterable[HeadStatement], parties: Iterable[str]) -> tuple[str, ...]:
    """Return those of the parties, by id, that have signed no end of the job."""
    signed = {statement.party for statement in statements}
    return tuple(party for party in parties if party not in signed)


def _contradicts(statement: HeadStatement, what: str, so: str) -> Problem:
    return Problem(
        Code.LOG_INCONSISTENT,
        f"{statement.name} ({statement.party[:16]}…) signed, at the end of job {statement.job_id[:8]}…, {what}. {so}.",
    )
