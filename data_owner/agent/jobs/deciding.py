"""Decisions of an owner's people on its jobs: who may join, what may be told to whom, and what becomes of a result."""

from __future__ import annotations

from collections.abc import Sequence

from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.jobs.owner_jobs import OwnerJobs
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.release.decisions import consented
from fedtrain.data_owner.sign_off import release_statement
from fedtrain.protocol.documents.consent import open_consent
from fedtrain.protocol.documents.signed import SignedDocument, sign_document
from fedtrain.protocol.states import Phase


class Deciding:
    """Takes what people decide, and has what waited for it go on.

    `token_id`: of the token that a person showed, where the service has a list of them; `account`: the name of the
    account that was signed in, where one was. The audit has them.
    """

    def __init__(self, jobs: OwnerJobs) -> None:
        self._jobs = jobs

    async def approve(self, job_id: str, token_id: str | None = None, account: str | None = None) -> JobState:
        """Let a waiting job in. Raises Problem: MODEL_NOT_FOUND, WRONG_STATE."""
        return await self._decide(job_id, j.Approved(token_id, account))

    async def deny(self, job_id: str, reason: str, token_id: str | None = None, account: str | None = None) -> JobState:
        """Refuse a waiting job. Raises Problem: MODEL_NOT_FOUND, WRONG_STATE."""
        return await self._decide(job_id, j.Denied(reason, token_id, account))

    async def decide_release(self, job_id: str, decided: j.SignOffDecided) -> JobState:
        """Sign a job's result off, or refuse it. Raises Problem: MODEL_NOT_FOUND, WRONG_STATE, SIGN_OFF_INVALID."""
        return await self._decide(job_id, decided)

    def release_statement(self, state: JobState) -> SignedDocument:
        """Return what people here decided about a finished model, signed: the same bytes whenever it is asked for.

        Raises Problem(WRONG_STATE) before they have, and for a job that needs none.
        """
        return sign_document(release_statement(self._jobs.context(state), state), self._jobs.identity)

    async def consents_taken(
        self, signed: Sequence[SignedDocument], token_id: str | None = None, account: str | None = None
    ) -> tuple[str, ...]:
        """Keep consents, and look again at the jobs that wait for them; return the jobs that they are for.

        Raises Problem as `fedtrain.protocol.documents.consent.open_consent`, before any of them is kept.
        """
        jobs, job_ids = self._jobs, tuple(dict.fromkeys(open_consent(one).job_id for one in signed))
        for one in signed:
            await jobs.run(self._take, one, token_id, account)
        for job_id in job_ids:
            async with jobs.driver.holding(job_id):
                state = await jobs.run(jobs.store.job, job_id)
                if state is not None:
                    await jobs.drive(job_id, j.ConsentTaken())
            jobs.retry(job_id)
        return job_ids

    def _take(self, signed: SignedDocument, token_id: str | None, account: str | None) -> None:
        """Keep a consent that is not here yet, in the audit before it counts."""
        jobs, memory = self._jobs, self._jobs.effects.memory
        if not memory.has(signed):
            jobs.store.put_decision(consented(signed, jobs.identity.party_id, token_id, jobs.now(), account))
            memory.take(signed)

    async def consent(self, job_id: str, token_id: str | None = None, account: str | None = None) -> SignedDocument:
        """Sign that the sums of a job may be told to its roster, for this owner, and keep it; return what was signed.

        What is signed names every earlier roster that this owner, or anybody whose consent is here, knows of. Raises
        Problem(MODEL_NOT_FOUND) where nobody asked for this owner's consent to such a job.
        """
        jobs, own = self._jobs, self._jobs.identity
        async with jobs.driver.holding(job_id):
            state = await jobs.run(jobs.store.job, job_id)
            asked = state.consent if state else None
            statement = await jobs.run(jobs.effects.memory.statement, job_id, asked, own.party_id)
        signed = sign_document(statement, own)
        await self.consents_taken([signed], token_id, account)
        return signed

    async def request_decided(self, request: str) -> None:
        """Look again at the jobs that wait for a decision on a request."""
        jobs = self._jobs
        for state in await jobs.run(jobs.store.jobs):
            if state.request == request and state.phase is Phase.AWAITING_APPROVAL:
                async with jobs.driver.holding(state.job_id):
                    await jobs.drive(state.job_id, j.RequestDecided())
                jobs.retry(state.job_id)

    async def _decide(self, job_id: str, message: j.Approved | j.Denied | j.SignOffDecided) -> JobState:
        async with self._jobs.driver.holding(job_id):
            await self._jobs.known(job_id)  # whose name is right
            state = (await self._jobs.drive(job_id, message)).state
        self._jobs.retry(job_id)
        return state
