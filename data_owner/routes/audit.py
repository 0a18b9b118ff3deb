"""GET /audit: everything that left this owner, and what its people decided, in a hash chain."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from fedtrain.data_owner.release.audit import NO_RECORD, AuditRecord
from fedtrain.data_owner.routes.parts import Parts
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs

router = APIRouter(tags=["audit"])


class Audit(BaseModel):
    """The records, oldest first; `head` is the last one's hash as it is stored. `fedtrain audit` recomputes it all."""

    head: str
    records: list[AuditRecord]


_EXAMPLE = {
    "head": "3b" * 32,
    "records": [
        {
            "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
            "decision": "approved",
            "decided_at": "2025-01-31T09:12:40.000Z",
            "token_id": "5f0c2a9e41d7",
            "about": ["This owner's policy has every job approved by hand."],
            "reason": None,
            "consent": None,
            "signer": None,
            "dataset": "default",
            "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "index": 0,
            "previous": NO_RECORD,
            "hash": "2a" * 32,
        },
        {
            "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
            "round": 0,
            "kind": "counts",
            "numbers": 2,
            "recipient": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
            "dataset": "default",
            "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "released_at": "2025-01-31T09:30:07.000Z",
            "index": 1,
            "previous": "2a" * 32,
            "hash": "3b" * 32,
        },
    ],
}


@router.get(
    "/audit",
    dependencies=[needs(Permission.AUDIT)],
    summary="Everything that left this owner (job, round, kind, how many numbers, to whom), and what people decided",
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
)
def get_audit(parts: Parts) -> Audit:
    records = parts.store.audit()
    return Audit(head=records[-1].hash if records else NO_RECORD, records=records)


class HeadsOfJob(BaseModel):
    """Statements of parties about the end of a job, as they signed them."""

    job_id: str
    statements: list[SignedDocument]


_HEADS_EXAMPLE = [
    {
        "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
        "statements": [
            {"document": '{"protocol":"1.0","job_id":"0f2d…"}', "signer": "1a" * 32, "signature": "8e" * 64}
        ],
    }
]


@router.get(
    "/audit/heads",
    dependencies=[needs(Permission.AUDIT)],
    summary="Heads of this audit, and of jobs' logs, as the parties of its jobs have signed them",
    responses={200: {"content": {"application/json": {"example": _HEADS_EXAMPLE}}}},
)
def get_heads(parts: Parts) -> list[HeadsOfJob]:
    return [HeadsOfJob(job_id=job_id, statements=list(parts.heads.of(job_id))) for job_id in parts.heads.jobs()]
