"""A job's end that a party has signed and the Facilitator did not get: given again, and never signed otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedtrain.client.agent.heads import EndedJob, HeadKeeper
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.protocol.evidence.heads import HeadList, HeadStatement, check_one_voice, open_statement
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.spec.problems import Code, Problem

pytestmark = pytest.mark.anyio

JOB, MANIFEST, ROSTER, LOG = "0f" * 16, "a0" * 32, "b1" * 32, "c2" * 32
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
FACILITATOR = Identity.generate()
OWNERS = {one.party_id: one for one in (Identity.generate(), Identity.generate())}
A, B = sorted(OWNERS)


class Board:
    """A Facilitator that keeps statements, and countersignatures only of what it has. `away`: calls that fail."""

    def __init__(self, *, away: int = 0) -> None:
        self.away = away
        self.signed: dict[str, SignedDocument] = {}
        own = HeadStatement(
            job_id=JOB,
            manifest_hash=MANIFEST,
            roster_hash=ROSTER,
            party=FACILITATOR.party_id,
            name="facilitator",
            log_head=LOG,
            entries=3,
        )
        self.own = sign_document(own, FACILITATOR)

    async def heads(self, job_id: str) -> HeadList:
        return HeadList(statements=(self.own, *self.signed.values()))

    async def sign_heads(self, job_id: str, signed: SignedDocument) -> None:
        if self.away > 0:
            self.away -= 1
            raise Problem(Code.FACILITATOR_UNREACHABLE, "away")
        if any(one.party not in self.signed for one in open_statement(signed, job_id).countersigned):
            raise Problem(Code.ANSWER_CONFLICT, "not signed here")
        self.signed[signed.signer] = signed

    async def log_entry(self, job_id: str, index: int, limits: EvidenceLimits) -> bytes:
        raise AssertionError("nobody looks for an answer here")


class Audit:
    """An owner's audit, which has grown by the next time that somebody looks."""

    def __init__(self) -> None:
        self.looks = 0

    async def head(self) -> str:
        self.looks += 1
        return f"{self.looks:064x}"


def job_of(party: str) -> EndedJob:
    others = (FACILITATOR.party_id, *(one for one in (A, B) if one != party))
    return EndedJob(JOB, MANIFEST, ROSTER, NOW, (A, B), others, log_head=LOG)


def keeper_of(party: str, board: Board, kept: HeadFiles, audit: Audit) -> HeadKeeper:
    async def none_before() -> list[EndedJob]:
        return []

    async def none_since(_job_id: str) -> None:
        return None

    return HeadKeeper(
        identity=OWNERS[party],
        name="bank-a" if party == A else "bank-b",
        board=board,
        kept=kept,
        ended_jobs=none_before,
        job=none_since,
        now=lambda: NOW,
        audit_head=audit.head,
    )


async def test_heads_that_were_not_delivered_are_given_again_whatever_the_audit_says_by_now(tmp_path: Path) -> None:
    board, kept, audit = Board(away=1), HeadFiles(tmp_path), Audit()
    with pytest.raises(Problem, match="away"):
        await keeper_of(A, board, kept, audit).settle(job_of(A))
    (first,) = kept.of(JOB)[-1:]
    again = keeper_of(A, board, kept, audit)  # as after the next start
    for _ in range(2):
        assert not await again.settle(job_of(A))  # the other owner is to sign as well, and nothing is contradicted
    assert board.signed == {A: first}
    assert [one for one in kept.of(JOB) if one.signer == A] == [first]
    check_one_voice(kept.statements(JOB))


async def test_a_facilitator_that_lost_all_statements_gets_the_same_heads_from_every_owner(tmp_path: Path) -> None:
    """Each has countersigned the other by then, and neither's word is there for that to rest on."""
    board = Board()
    kept = {party: HeadFiles(tmp_path / party) for party in (A, B)}
    keepers = {party: keeper_of(party, board, kept[party], Audit()) for party in (A, B)}

    async def settled() -> list[bool]:
        return [await keepers[party].settle(job_of(party)) for party in (A, B, A)]

    assert await settled() == [False, False, True]
    before = dict(board.signed)
    assert all(open_statement(one, JOB).countersigned for one in before.values())
    board.signed.clear()
    assert await settled() == [False, False, True]
    assert board.signed == before
