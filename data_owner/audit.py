"""The audit: everything that this owner released, each record with the hash of the one before it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from data_owner.store.records import Release
from protocol.documents import Hash
from protocol.identity import sha256_hex
from protocol.problems import Code, Problem

#: What the first record names as the one before it.
NO_RECORD = "0" * 64


class AuditRecord(Release):
    """A release in the chain. `hash` covers all of it and `previous`; the last record's is the audit's head."""

    index: Annotated[int, Field(ge=0)]
    previous: Hash
    hash: Hash


def chained(release: Release, index: int, previous: str) -> AuditRecord:
    """Return the release as the audit's next record."""
    fields = {name: getattr(release, name) for name in Release.model_fields}
    return AuditRecord(**fields, index=index, previous=previous, hash=_hash(release, index, previous))


def verify_records(records: Sequence[AuditRecord], expected_head: str | None = None) -> str:
    """Return the head after recomputing every hash.

    `expected_head`: a head that was noted earlier; it must be one that the chain passes through, or records were
    dropped since. Raises Problem(LOG_INCONSISTENT), naming the first record that does not hold.
    """
    head = NO_RECORD
    heads = {head}
    for index, record in enumerate(records):
        release = Release.model_validate({name: getattr(record, name) for name in Release.model_fields})
        if (record.index, record.previous) != (index, head):
            raise _broken(index, "it does not follow the record before it: one was removed, added or moved")
        head = _hash(release, index, head)
        if record.hash != head:
            raise _broken(index, "its hash is not that of its content: it was altered")
        heads.add(head)
    if expected_head is not None and expected_head not in heads:
        raise Problem(
            Code.LOG_INCONSISTENT,
            f"The audit does not pass through the noted head {expected_head[:16]}…: records were removed or rewritten.",
        )
    return head


def _hash(release: Release, index: int, previous: str) -> str:
    content = {"index": index, "previous": previous, **release.model_dump(mode="json")}
    return sha256_hex(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _broken(index: int, why: str) -> Problem:
    return Problem(Code.LOG_INCONSISTENT, f"Audit record {index}: {why}.")
