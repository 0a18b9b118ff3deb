"""Signing where a job's log and an owner's audit stand when the job ends, and keeping what the others signed of it.

Nobody waits for it: what is there is kept, and looked at again for a month, ever more rarely, until all have signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import structlog

from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.protocol.evidence.heads import (
    AuditHead,
    HeadList,
    HeadStatement,
    check_one_voice,
    due_countersignatures,
    open_statement,
)
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("protocol.agent")

T = TypeVar("T")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 3600.0
#: After that, whoever has not signed is not expected any more.
WAITED_FOR = timedelta(days=30)
_NEVER = frozenset({Code.NOT_FOUND, Code.MODEL_NOT_FOUND, Code.FORBIDDEN, Code.METHOD_NOT_ALLOWED})


@dataclass(frozen=True)
class EndedJob:
    """A job that is over, as this party knows it.

    `owners`: the roster, ascending; `others`: the parties that are to sign besides this one, the Facilitator among
    them. `log_head`: the log's end where this party knows it itself. `own_answer`: the hash of an answer that has to be
    in the log; `limits` bound what is fetched to see that.
    """

    job_id: str
    manifest_hash: str
    roster_hash: str
    ended_at: datetime
    owners: tuple[str, ...]
    others: tuple[str, ...]
    log_head: str | None = None
    own_answer: str | None = None
    limits: EvidenceLimits | None = None


class Board(Protocol):
    """The part that is asked of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def heads(self, job_id: str) -> HeadList: ...
    async def sign_heads(self, job_id: str, signed: SignedDocument) -> None: ...
    async def log_entry(self, job_id: str, index: int, limits: EvidenceLimits) -> bytes: ...


class Kept(Protocol):
    """Where this party keeps statements: `fedtrain.service.vault.head_files.HeadFiles`."""

    def of(self, job_id: str) -> tuple[SignedDocument, ...]: ...
    def keep(self, job_id: str, signed: Sequence[SignedDocument]) -> None: ...


class HeadKeeper:
    """Signs ends of jobs for one party, and keeps what all parties signed of them.

    Create it within the event loop that runs it.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        name: str,
        board: Board,
        kept: Kept,
        ended_jobs: Callable[[], Awaitable[Sequence[EndedJob]]],
        job: Callable[[str], Awaitable[EndedJob | None]],
        now: Callable[[], datetime],
        audit_head: Callable[[], Awaitable[str]] | None = None,
        signed: Callable[[str], None] = lambda _job_id: None,
    ) -> None:
        """`ended_jobs`: those of before the start. `job`: one that has ended since, None where there is nothing to
        sign of it. `audit_head`: of an owner. `signed`: told, on the event loop, of each job whose end this party has
        signed, once that is kept."""
        self._identity = identity
        self._name = name
        self._board = board
        self._kept = kept
        self._ended_jobs = ended_jobs
        self._job = job
        self._now = now
        self._audit_head = audit_head
        self._signed = signed
        self._due: dict[str, tuple[EndedJob, float, datetime]] = {}
        self._new: list[str] = []
        self._told = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def ended(self, job_id: str) -> None:
        """Take note that a job is over; from any thread."""
        with suppress(RuntimeError):  # its event loop has closed: the next start finds the job among those of before
            self._loop.call_soon_threadsafe(self._take_note, job_id)

    def _take_note(self, job_id: str) -> None:
        self._new.append(job_id)
        self._told.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Sign and keep until the service stops. What fails is told once and tried again later."""
        try:
            for job in await self._ended_jobs():
                kept = await asyncio.to_thread(self._kept.of, job.job_id)
                if not self._is_whole(job, [open_statement(one, job.job_id) for one in kept]):
                    self._put(job, 0.0)
        except Exception:  # the service goes on without the jobs of before
            log.exception("ended jobs not read")
        while not stop.is_set():
            self._told.clear()
            await self._take_new()
            for job, pause_s, at in list(self._due.values()):
                if at <= self._now():
                    await until_stopped(stop, self._look(job, pause_s))
            await self._wait(stop)

    async def settle(self, job: EndedJob) -> bool:
        """Sign what can be signed of a job's end, and keep what is there; return whether all of it is there.

        Raises Problem: as the Facilitator; LOG_INCONSISTENT, and nothing is signed, where the log that it shows does
        not end as this party knows, or lacks this party's answer.
        """
        statements = await self._read(job)
        facilitator = next((one for one in statements if one.party not in (*job.owners, self._identity.party_id)), None)
        own = next((one for one in statements if one.party == self._identity.party_id), None)
        shown = facilitator or next(iter(statements), None)
        if own is None:
            if shown is None:
                return False
            own = await self._said_before(job) or await self._drafted(job, shown)
            await self._sign(job, own)
        due = self._due_of(job)
        audits = {one.party: one.audit_head for one in statements if one.audit_head is not None}
        signed = {one.party: one for one in own.countersigned}
        new = {party: AuditHead(party=party, head=audits[party]) for party in due if party in audits}
        if set(new) - set(signed):
            more = tuple((new | signed)[party] for party in due if party in new or party in signed)
            await self._sign(job, own.model_copy(update={"countersigned": more}))
            statements = await self._read(job)
        return self._is_whole(job, statements)

    async def _read(self, job: EndedJob) -> list[HeadStatement]:
        """Return the statements that the Facilitator has of a job's parties, kept here from now on."""
        listed = (await self._board.heads(job.job_id)).statements
        parties = {*job.others, self._identity.party_id}
        believed = []
        for signed in listed:
            statement = open_statement(signed, job.job_id)
            if statement.party in parties and statement.manifest_hash == job.manifest_hash:
                believed.append((signed, statement))
        await asyncio.to_thread(self._kept.keep, job.job_id, [signed for signed, _ in believed])
        kept = await asyncio.to_thread(self._kept.of, job.job_id)
        check_one_voice([open_statement(one, job.job_id) for one in kept])
        return [statement for _, statement in believed]

    async def _said_before(self, job: EndedJob) -> HeadStatement | None:
        """Return the heads that this party has signed of the job already, though they may have reached nobody.

        They hold whatever its audit says by now: with another head it would contradict itself. What it countersigned is
        left out, and comes again once the Facilitator has what that rests on.
        """
        kept = await asyncio.to_thread(self._kept.of, job.job_id)
        own = [open_statement(one, job.job_id) for one in kept if one.signer == self._identity.party_id]
        return own[-1].model_copy(update={"countersigned": ()}) if own else None

    async def _drafted(self, job: EndedJob, shown: HeadStatement) -> HeadStatement:
        await self._check(job, shown)
        return HeadStatement(
            job_id=job.job_id,
            manifest_hash=job.manifest_hash,
            roster_hash=job.roster_hash,
            party=self._identity.party_id,
            name=self._name,
            log_head=shown.log_head,
            entries=shown.entries,
            audit_head=None if self._audit_head is None else await self._audit_head(),
        )

    async def _check(self, job: EndedJob, shown: HeadStatement) -> None:
        if job.log_head is not None and shown.log_head != job.log_head:
            raise Problem(
                Code.LOG_INCONSISTENT,
                f"The log of job {job.job_id} ends with {shown.log_head[:16]}… at the Facilitator, and here with "
                f"{job.log_head[:16]}….",
            )
        if job.own_answer is None or job.limits is None:
            return
        index, head = shown.entries - 1, shown.log_head
        while index >= 0:
            raw = await self._board.log_entry(job.job_id, index, job.limits)
            entry = from_cbor(raw, LogEntry)
            if sha256_hex(raw) != head or entry.index != index:
                break
            if any(one.answer_hash == job.own_answer for one in entry.answers):
                return
            index, head = index - 1, entry.previous
        raise Problem(
            Code.LOG_INCONSISTENT, f"The log of job {job.job_id} that ends with {shown.log_head[:16]}… lacks an answer."
        )

    async def _sign(self, job: EndedJob, statement: HeadStatement) -> None:
        signed = sign_document(statement, self._identity)
        await asyncio.to_thread(self._kept.keep, job.job_id, [signed])  # before anybody is told
        self._signed(job.job_id)
        await self._board.sign_heads(job.job_id, signed)

    def _due_of(self, job: EndedJob) -> tuple[str, ...]:
        me = self._identity.party_id
        return due_countersignatures(me, job.owners) if me in job.owners else ()

    def _is_whole(self, job: EndedJob, statements: Sequence[HeadStatement]) -> bool:
        by_party = {one.party: one for one in statements}
        if any(party not in by_party for party in (*job.others, self._identity.party_id)):
            return False
        return all(
            {one.party for one in by_party[owner].countersigned} >= set(due_countersignatures(owner, job.owners))
            for owner in job.owners
        )

    async def _take_new(self) -> None:
        new, self._new = self._new, []
        for job_id in new:
            try:
                job = await self._job(job_id)
            except Exception:  # another job's end is looked at all the same
                log.exception("heads not signed", job=job_id)
                continue
            if job is not None:
                self._put(job, 0.0)

    async def _look(self, job: EndedJob, pause_s: float) -> None:
        del self._due[job.job_id]
        try:
            if await self.settle(job):
                log.info("heads signed by all", job=job.job_id)
                return
        except Problem as problem:
            if problem.code in _NEVER:
                return  # a Facilitator of before heads were signed, or one that has lost the job
            if problem.code is Code.LOG_INCONSISTENT:
                log.error("heads contradict each other", job=job.job_id, why=problem.detail)
                return
            log.debug("heads not signed yet", job=job.job_id, code=problem.code.slug)
        except Exception:  # whatever broke it, the service goes on
            log.exception("heads not signed", job=job.job_id)
            return
        if self._now() - job.ended_at < WAITED_FOR:
            self._put(job, min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * pause_s)))

    def _put(self, job: EndedJob, pause_s: float) -> None:
        self._due[job.job_id] = (job, pause_s, self._now() + timedelta(seconds=pause_s))

    async def _wait(self, stop: asyncio.Event) -> None:
        """Return when a job has ended, the next look is due, or the service stops."""
        at = min((at for _, _, at in self._due.values()), default=None)
        wait_s = None if at is None else max(0.0, (at - self._now()).total_seconds())
        waits = [asyncio.ensure_future(event.wait()) for event in (self._told, stop)]
        try:
            await asyncio.wait(waits, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


async def until_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what some work returns; None where the service stops first, which leaves it where it is."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
