"""A Data Owner's jobs: looked at, and driven by one message at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextvars import copy_context
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.client.retry import until_done
from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.effects import Blocking, JobEffects
from fedtrain.data_owner.agent.jobs.notices import notice_of
from fedtrain.data_owner.agent.registering import Registering
from fedtrain.data_owner.job_state import JobContext, JobState, Refusal
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.round import step
from fedtrain.data_owner.sign_off import people_missing, waits_for_sign_off
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.schedule import COUNTS
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.opened import OpenedDocuments
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.documents.signed import Manifest, SignedDocument, sign_document
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskHeader
from fedtrain.protocol.states import Phase
from fedtrain.service.driver import Contexts, Driven, Driver
from fedtrain.service.notify.channels import Notice
from fedtrain.service.store.full_disk import call_in
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.agent")

T = TypeVar("T")


class Rosters(Protocol):
    """The part that is asked of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def roster(self, job_id: str) -> SignedDocument: ...


class OwnerJobs:
    """One owner's jobs. A job is held from a message to the last that follows from it; what blocks is in threads."""

    def __init__(
        self,
        *,
        identity: Identity,
        name: str,
        policy: OwnerPolicy,
        store: OwnerStore,
        effects: JobEffects,
        registering: Registering,
        facilitator: Rosters,
        executor: Executor,
        training: Executor,
        now: Callable[[], datetime],
        allow_small_keys: bool,
        membership: SignedDocument | None = None,
        trust: Callable[[], Trust] = Trust,
    ) -> None:
        """`training`: runs what trains networks, and may be hours at one. `trust`: pins besides the policy's, asked for
        whenever they count."""
        self.identity = identity
        self.name = name
        self.policy = policy
        self.store = store
        self.effects = effects
        self.now = now
        self._registering = registering
        self._facilitator = facilitator
        self._executor = executor
        self._training = training
        self._allow_small_keys = allow_small_keys
        self._membership = membership
        self._trust = trust
        self._documents: Contexts[OpenedDocuments] = Contexts()
        self.driver: Driver[JobContext, JobState, j.Message, j.Effect] = Driver(
            step=step,
            store=store,
            context=self.context,
            now=now,
            run=self.run,
            handlers={
                **{effect: self._in_thread(call) for effect, call in effects.handlers.items()},
                j.Answer: self._answer,
                j.FetchRoster: self._fetch_roster,
                j.Withdraw: self._withdraw,
            },
            took=self._took,
        )
        #: Told of each job that is over; the keeper of heads', set when there is one.
        self.ended: Callable[[str], None] = _no_agent
        #: Tells this owner's people of what waits for them; set where they want to be told.
        self.notify: Callable[[Notice], None] | None = None
        #: Takes a job's JOIN task up again once a person has decided; the task agent's, set when there is one.
        self.retry: Callable[[str], None] = _no_agent

    # Looking at a job

    async def known(self, job_id: str) -> JobState:
        """Return a job's state. Raises Problem(MODEL_NOT_FOUND)."""
        state = await self.run(self.store.job, job_id)
        if state is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"Job {job_id} is not known at this owner.")
        return state

    def policy_now(self) -> OwnerPolicy:
        """The policy with all that is pinned by now."""
        return self.policy.knowing(self._trust())

    def people_missing(self, state: JobState) -> int | None:
        """Return how many people have yet to sign a result off that waits for them; None where none waits."""
        context = self.context(state)
        return people_missing(context, state) if waits_for_sign_off(context, state) else None

    def roster(self, state: JobState, signed: SignedDocument) -> OpenRoster:
        """Return a job's roster, opened. Raises Problem."""
        return self.context(state).roster(state, signed)

    def manifest(self, state: JobState) -> Manifest | None:
        """Return a job's manifest, None where it was declined because it could not be opened."""
        try:
            return self._documents.of(state.job_id, OpenedDocuments).manifest(state.offer)
        except Problem:
            return None

    def context(self, state: JobState) -> JobContext:
        """Return what a job's steps are decided by, besides its state."""
        return JobContext(
            self.identity.party_id,
            self.name,
            self._registering.facilitator_id,
            self.policy_now(),
            self._allow_small_keys,
            self._membership,
            self._documents.of(state.job_id, OpenedDocuments),
        )

    # Driving it

    async def drive(self, job_id: str, message: j.Message) -> Driven[JobState]:
        """Take a message of a job that the caller holds, and all that follows from it. Raises Problem."""
        return await self.driver.drive(job_id, message, held=True)

    async def note(self, job_id: str, problem: Problem) -> None:
        """Keep in view why a request of a job was refused. The caller holds the job."""
        log.warning("request refused", job=job_id, code=problem.code.slug, detail=problem.detail)
        refusal = Refusal(code=problem.code.slug, detail=problem.detail)
        await self.driver.take(job_id, j.RequestRefused(refusal))

    async def run(self, call: Callable[..., T], *arguments: object) -> T:
        """Return what a call gives that blocks, from a thread."""
        return await call_in(self._executor, call, *arguments)

    async def fetched_roster(self, job_id: str) -> SignedDocument:
        """Return the roster, as soon as the Facilitator gives it: a lost connection must not lose the task."""
        return await until_done(lambda: self._facilitator.roster(job_id))

    def _took(self, before: JobState, after: JobState) -> None:
        if after.phase is Phase.JOINED and before.phase is not Phase.JOINED:
            self.effects.joined(self.context(after), after)
        if after.ended and not before.ended:
            self.ended(after.job_id)
        if self.notify is not None:
            notice = notice_of(self.context(after), before, after, self.now())
            if notice is not None:
                self.notify(notice)

    # What a step asks for

    def _in_thread(self, call: Blocking) -> Callable[[JobState, j.Effect], Awaitable[j.Message | TaskAnswer | None]]:
        return lambda state, effect: self.run(call, self.context(state), state, effect)

    async def _answer(self, state: JobState, effect: j.Answer) -> j.Answered:
        """Compute an answer; those of networks wait for each other, and nothing else for them."""
        context = self.context(state)
        call = partial(self.effects.handlers[j.Answer], context, state, effect)
        trains = context.manifest(state).spec.kind.has_network and effect.request.kind != COUNTS
        answered: j.Answered
        # The log's lines of a training are about its job.
        answered = await (call_in(self._training, copy_context().run, call) if trains else self.run(call))
        return answered

    async def _fetch_roster(self, state: JobState, effect: j.FetchRoster) -> j.Asked:
        await self.driver.take(state.job_id, j.RosterFetched(await self.fetched_roster(state.job_id)))
        return effect.asked

    async def _withdraw(self, state: JobState, effect: j.Withdraw) -> TaskAnswer:
        log.warning("left the job", job=state.job_id, code=effect.document.code)
        signed = sign_document(effect.document, self.identity)
        return TaskAnswer(signed.model_dump_json().encode(), JSON_TYPE)


def _no_agent(_job_id: str) -> None:
    return None


def job_of(header: TaskHeader) -> str:
    """Return the job that a task is of. Raises Problem(MALFORMED_MESSAGE) where it names none."""
    if header.job_id is None:
        raise Problem(Code.MALFORMED_MESSAGE, f"Task {header.id} ({header.kind}) names no job.")
    return header.job_id
