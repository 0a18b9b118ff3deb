"""The audit: all that this owner released and spent, and its people decided, a chain of hashes. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from fedtrain.data_owner.store.records import Decision, Release, Spending
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import Hash
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

#: What the first record names as the one before it.
NO_RECORD = "0" * 64


class _Link(Strict):
    """A place in the chain. `hash` covers all else that the record says; the last record's is the audit's head."""

    index: Annotated[int, Field(ge=0)]
    previous: Hash
    hash: Hash


class ReleaseRecord(_Link, Release):
    """An answer that left, in the chain."""


class DecisionRecord(_Link, Decision):
    """A person's decision, in the chain."""


class SpendingRecord(_Link, Spending):
    """A part of the records' privacy, in the chain."""


AuditRecord: TypeAlias = ReleaseRecord | DecisionRecord | SpendingRecord
AuditEntry: TypeAlias = Release | Decision | Spending
_RECORDS: Final[Mapping[type, type[AuditRecord]]] = {
    Release: ReleaseRecord,
    Decision: DecisionRecord,
    Spending: SpendingRecord,
}


def chained(entry: AuditEntry, index: int, previous: str) -> AuditRecord:
    """Return what is to be kept as the audit's next record."""
    record = _RECORDS[type(entry)]
    link = {"index": index, "previous": previous}
    unsealed: AuditRecord = record.model_validate({**entry.model_dump(), **link, "hash": NO_RECORD})
    return unsealed.model_copy(update={"hash": _hash(unsealed)})


def verify_records(records: Sequence[AuditRecord], expected_head: str | None = None) -> str:
    """Return the head after recomputing every hash.

    `expected_head`: a head that was noted earlier; it must be one that the chain passes through, or records were
    dropped since. Raises Problem(LOG_INCONSISTENT), naming the first record that does not hold.
    """
    head = NO_RECORD
    heads = {head}
    for index, record in enumerate(records):
        if (record.index, record.previous) != (index, head):
            raise _broken(index, "it does not follow the record before it: one was removed, added or moved")
        head = _hash(record)
        if record.hash != head:
            raise _broken(index, "its hash is not that of its content: it was altered")
        heads.add(head)
    if expected_head is not None and expected_head not in heads:
        raise Problem(
            Code.LOG_INCONSISTENT,
            f"The audit does not pass through the noted head {expected_head[:16]}…: records were removed or rewritten.",
        )
    return head


def _hash(record: AuditRecord) -> str:
    # What is not said is not covered: a field that a later version adds leaves the records before it as they were.
    content = record.model_dump(mode="json", exclude={"hash"}, exclude_none=True)
    return sha256_hex(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _broken(index: int, why: str) -> Problem:
    return Problem(Code.LOG_INCONSISTENT, f"Audit record {index}: {why}.")
