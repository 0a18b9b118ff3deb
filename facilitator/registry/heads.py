"""Statements of parties about a job's end: kept for all of them, and joined by the Facilitator's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fedtrain.facilitator.job_state import JobState
from fedtrain.facilitator.runner import JobRunner, Resources
from fedtrain.protocol.documents.signed import SignedDocument, parse_json, sign_document
from fedtrain.protocol.evidence.heads import HeadList, HeadStatement, open_statement
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.spec.problems import Code, Problem


class Heads:
    """Calls behind the route /models/{job_id}/heads.

    The Facilitator's own statement follows from the job; it is in `kept` too, where `signed` is told of it on the event
    loop, from the first that a party hands in.
    """

    def __init__(self, resources: Resources, runner: JobRunner, kept: HeadFiles, signed: Callable[[str], None]) -> None:
        self._own = resources
        self._runner = runner
        self._kept = kept
        self._signed = signed

    async def of(self, job_id: str) -> HeadList:
        """Return what was signed so far. Raises Problem: MODEL_NOT_FOUND, WRONG_STATE before the job has ended."""
        return await asyncio.to_thread(self._of, job_id)

    def _keep_own(self, job_id: str) -> bool:
        """Keep the Facilitator's own statement in its file, and return whether it was not there."""
        if self._kept.of(job_id):
            return False
        self._kept.keep(job_id, self._of(job_id).statements[:1])
        return True

    def _of(self, job_id: str) -> HeadList:
        with self._own.store.read() as tx:
            state, roster, signed = tx.known_job(job_id), tx.roster(job_id), tx.heads(job_id)
        own = self._own_statement(state, roster)
        return HeadList(statements=(sign_document(own, self._own.identity), *signed))

    async def take(self, job_id: str, caller: str, body: bytes) -> None:
        """Keep a party's statement; the same again changes nothing.

        Raises Problem: MODEL_NOT_FOUND, WRONG_STATE before the end, FORBIDDEN for who is not in the job or signs for
        another, LOG_INCONSISTENT for another end of the log than the one here, ANSWER_CONFLICT where the party signed
        something else before, or countersigns what nobody signed here; and as `open_statement`.
        """
        signed = await asyncio.to_thread(parse_json, body, SignedDocument)
        statement = await asyncio.to_thread(open_statement, signed, job_id)
        if caller != statement.party:
            raise Problem(Code.FORBIDDEN, f"{caller[:16]}… cannot sign for {statement.party[:16]}….")
        model_owner = (await asyncio.to_thread(self._runner.context, job_id)).manifest.model_owner
        await asyncio.to_thread(self._take, statement, signed, model_owner)
        if await asyncio.to_thread(self._keep_own, job_id):
            self._signed(job_id)

    def _take(self, statement: HeadStatement, signed: SignedDocument, model_owner: str) -> None:
        job_id = statement.job_id
        wanted = {statement.party, *(one.party for one in statement.countersigned)}
        with self._own.store.write() as tx:
            state, roster, kept = tx.known_job(job_id), tx.roster(job_id), tx.heads(job_id, wanted)
            owners = {owner.party for owner in state.roster}
            if statement.party not in {*owners, model_owner}:
                raise Problem(Code.FORBIDDEN, f"{statement.party[:16]}… is not in this job.")
            self._check_end(statement, self._own_statement(state, roster))
            # Each signature was seen to hold when it was taken.
            known = {one.signer: parse_json(one.document.encode(), HeadStatement) for one in kept}
            before = known.get(statement.party)
            if before is not None and before.goes_further(statement):
                return
            if before is not None and not statement.goes_further(before):
                raise Problem(Code.ANSWER_CONFLICT, f"{statement.name} signed other heads of this job before.")
            for one in statement.countersigned:
                if one.party == statement.party or one.party not in owners:
                    raise Problem(Code.FORBIDDEN, f"{one.party[:16]}… has no audit to countersign in this job.")
                if one.party not in known or known[one.party].audit_head != one.head:
                    raise Problem(
                        Code.ANSWER_CONFLICT, f"{one.party[:16]}… has not signed the audit head {one.head[:16]}… here."
                    )
            tx.put_heads(job_id, signed)

    def _own_statement(self, state: JobState, roster: SignedDocument | None) -> HeadStatement:
        if not state.ended or roster is None or state.log_length == 0:
            raise Problem(
                Code.WRONG_STATE, f"The job is {state.phase}: its log's end is signed once it has ended, if it has one."
            )
        return HeadStatement(
            job_id=state.job_id,
            manifest_hash=state.manifest_hash,
            roster_hash=roster.hash,
            party=self._own.identity.party_id,
            name=self._own.name,
            log_head=state.log_head,
            entries=state.log_length,
        )

    @staticmethod
    def _check_end(statement: HeadStatement, own: HeadStatement) -> None:
        for name in ("manifest_hash", "roster_hash", "log_head", "entries"):
            given, here = getattr(statement, name), getattr(own, name)
            if given != here:
                raise Problem(Code.LOG_INCONSISTENT, f"{name} is {given} in the statement, and here it is {here}.")
