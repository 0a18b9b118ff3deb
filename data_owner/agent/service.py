"""The owner's agent: registers at the Facilitator, and answers its JOIN, COMPUTE and END tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from contextvars import copy_context
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

import structlog
from structlog.contextvars import bound_contextvars

from fedtrain.client.agent.heads import WAITED_FOR, EndedJob
from fedtrain.client.agent.tasks import Handler, TaskAnswer
from fedtrain.client.retry import until_done
from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.effects import Blocking, JobEffects
from fedtrain.data_owner.agent.ends import end_of
from fedtrain.data_owner.agent.notices import notice_of
from fedtrain.data_owner.agent.own_answers import OwnAnswers, Taker, is_behind
from fedtrain.data_owner.agent.registering import Registering
from fedtrain.data_owner.agent.requests import decided
from fedtrain.data_owner.job_state import JobContext, JobState, Refusal
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.release.decisions import consented
from fedtrain.data_owner.round import new_job, step
from fedtrain.data_owner.sign_off import people_missing, release_statement, waits_for_sign_off
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.plan import Plan
from fedtrain.methods.schedule import COUNTS
from fedtrain.protocol.documents.consent import open_consent
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.opened import OpenedDocuments
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.documents.signed import Decline, JobEnd, Manifest, SignedDocument, parse_json, sign_document
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.evidence.sum_set import SetRequest, UnmaskRequest
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.rounds import Compute, RoundRequest, from_cbor
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskHeader, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.driver import Contexts, Driven, Driver
from fedtrain.service.notify.channels import Notice
from fedtrain.service.store.full_disk import call_in
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.agent")

T = TypeVar("T")
#: What passes by itself: whether a job has ended is then asked once more.
_ASKED_AGAIN = frozenset({Code.FACILITATOR_UNREACHABLE, Code.STORE_UNAVAILABLE, Code.RATE_LIMITED})
#: What no repetition mends, so that the job ends, or goes on without this owner; the same weights and draws diverge
#: again, though where rounds go on others are asked next.
_LEFT_FOR = frozenset({Code.OWNER_LOST_ITS_KEY, Code.BUDGET_SPENT, Code.DIVERGED})


class Facilitator(Protocol):
    """The part that the service asks of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def identity(self) -> dict[str, object]: ...
    async def register(self, signed: SignedDocument) -> None: ...
    async def roster(self, job_id: str) -> SignedDocument: ...
    async def model(self, job_id: str) -> dict[str, object]: ...
    async def log(self, job_id: str, *, start: int = 0) -> list[dict[str, object]]: ...
    async def log_entry(self, job_id: str, index: int, limits: EvidenceLimits) -> bytes: ...
    async def blob(self, job_id: str, hash: str, limits: EvidenceLimits) -> bytes: ...  # noqa: A002 - as the route


class OwnerService:
    """A Data Owner's jobs. A job is held from a message to the last that follows from it; what blocks is in threads."""

    def __init__(
        self,
        *,
        identity: Identity,
        name: str,
        policy: OwnerPolicy,
        store: OwnerStore,
        effects: JobEffects,
        facilitator: Facilitator,
        executor: Executor,
        training: Executor,
        now: Callable[[], datetime],
        allow_small_keys: bool,
        registration_interval_s: float,
        membership: SignedDocument | None = None,
        facilitator_id: str | None = None,
        trust: Callable[[], Trust] = Trust,
    ) -> None:
        """`training`: runs what trains networks, and may be hours at one. `facilitator_id`: whom the Facilitator must
        be; None for anyone. `trust`: pins besides the policy's, asked for whenever they count."""
        self._identity = identity
        self._name = name
        self.policy = policy
        self._store = store
        self._memory = effects.memory
        self._effects = effects
        self._facilitator = facilitator
        self._executor = executor
        self._training = training
        self._now = now
        self._allow_small_keys = allow_small_keys
        self._membership = membership
        self._trust = trust
        self._documents: Contexts[OpenedDocuments] = Contexts()
        self._driver: Driver[JobContext, JobState, j.Message, j.Effect] = Driver(
            step=step,
            store=store,
            context=self._context,
            now=now,
            run=self._run,
            handlers={
                **{effect: self._in_thread(call) for effect, call in effects.handlers.items()},
                j.Answer: self._answer,
                j.FetchRoster: self._fetch_roster,
                j.Withdraw: self._withdraw,
            },
            took=self._took,
        )
        self._first_answers = asyncio.Lock()
        self.registering = Registering(
            identity=identity,
            name=name,
            offered=self._offered,
            facilitator=facilitator,
            interval_s=registration_interval_s,
            membership=membership,
            facilitator_id=facilitator_id,
        )
        self._settled = False
        self._taker = Taker(
            effects,
            OwnAnswers(facilitator, identity.party_id),
            run=self._run,
            context=self._context,
            take=self._driver.take,
            roster=self._roster,
        )
        #: Told of each job that is over; the keeper of heads', set when there is one.
        self.ended: Callable[[str], None] = _no_agent
        #: Tells this owner's people of what waits for them; set where they want to be told.
        self.notify: Callable[[Notice], None] | None = None
        #: Takes a job's JOIN task up again once a person has decided; the task agent's, set when there is one.
        self.retry: Callable[[str], None] = _no_agent

    @property
    def handlers(self) -> Mapping[TaskKind, Handler]:
        """For the task agent."""
        return {
            TaskKind.JOIN: self.on_join,
            TaskKind.COMPUTE: self.on_compute,
            TaskKind.SIGN_SET: self.on_set,
            TaskKind.UNMASK: self.on_unmask,
            TaskKind.END: self.on_end,
        }

    # Registration

    async def _offered(self) -> tuple[str, ...]:
        """Names of the datasets that the policy lets others train on."""
        datasets = await self._run(self._store.datasets)
        allowed = {offer.name for offer in self.policy.datasets} if self.policy.datasets is not None else None
        return tuple(dataset.name for dataset in datasets if allowed is None or dataset.name in allowed)

    # Tasks

    async def plan_of(self, job_id: str) -> tuple[ModelSpec, Plan] | None:
        """Return a job's spec and plan, None where this owner has none that it agreed to."""
        state = await self._run(self._store.job, job_id)
        if state is None:
            return None
        try:
            return await self._run(self._context(state).planned, state)
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise
            return None

    async def on_join(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """Answer a JOIN task; None while a person has yet to decide."""
        offer = parse_json(bytes(body), SignedDocument)
        job_id = _job_of(header)
        async with self._driver.holding(job_id):
            state = await self._run(self._store.open_job, new_job(job_id, offer, self._now()))
            if state.offer != offer:
                decline = Decline(
                    manifest_hash=offer.hash,
                    party=self._identity.party_id,
                    name=self._name,
                    code=Code.JOB_EXISTS.slug,
                )
                answer = self._effects.sign(decline)
                return TaskAnswer(answer.model_dump_json().encode(), JSON_TYPE)
            datasets = {dataset.name: dataset.facts() for dataset in await self._run(self._store.datasets)}
            manifest = await self._run(self.manifest, state)
            request = None if manifest is None else manifest.request
            # Jobs of one request one after the other: the second has to find that the first was let in.
            async with nullcontext() if request is None else self._driver.holding(request):
                of_request = None if manifest is None else await self._run(decided, self._store, manifest)
                state = (await self._drive(job_id, j.Offered(datasets, of_request))).state
            if state.refusal is not None:
                log.warning("declined", job=job_id, code=state.refusal.code, why=f"GET /models/{job_id} has the reason")
            if state.join_answer is None:
                log.info("waits for a person", job=job_id, why=f"GET /models/{job_id} has the reason")
                return None
            return TaskAnswer(state.join_answer.model_dump_json().encode(), JSON_TYPE)

    async def on_compute(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """Answer a COMPUTE task. Raises Problem, which stays in view at GET /models, for a request it refuses."""
        compute = from_cbor(body, Compute)
        request = from_cbor(compute.request.body, RoundRequest)
        with bound_contextvars(round=request.round):
            return await self._computed(_job_of(header), compute, request)

    async def _computed(self, job_id: str, compute: Compute, request: RoundRequest) -> TaskAnswer | None:
        async with self._driver.holding(job_id):
            state = await self._joined(job_id)
            goes_on = self._context(state).manifest(state).spec.training.goes_on
            if is_behind(state, compute, goes_on=goes_on):
                try:
                    state = await self._taker.catch_up(state, compute)
                except Problem as problem:
                    if problem.code is not Code.STORE_UNAVAILABLE:
                        await self._note(job_id, problem)
                    raise
            answered = await self._run(self._store.answer, job_id, request.round, request.kind)
            try:
                if state.last is None:
                    # One after the other, so that each is held against those that were answered before it.
                    async with self._first_answers:
                        past = await self._run(self._effects.past, self._context(state), state)
                        driven = await self._drive(job_id, j.Asked(compute, answered, past))
                else:
                    driven = await self._drive(job_id, j.Asked(compute, answered))
            except Problem as problem:
                await self._leave_for(job_id, problem, goes_on=goes_on)
                driven = await self._drive(job_id, j.Asked(compute, answered))
            if driven.answer is None:
                log.warning("waits for a person", job=job_id, why=f"GET /models/{job_id} has the reason")
            return driven.answer

    async def on_set(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """Sign the set of owners whose answers are summed, or say that this owner leaves.

        Raises Problem, which stays in view, where it refuses.
        """
        return await self._of_set(_job_of(header), j.SetAsked(from_cbor(body, SetRequest)))

    async def on_unmask(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """Tell the Model Owner keys of masks under the signed set. Raises Problem as `on_set`."""
        return await self._of_set(_job_of(header), j.KeysAsked(from_cbor(body, UnmaskRequest)))

    async def _of_set(self, job_id: str, asked: j.SetAsked | j.KeysAsked) -> TaskAnswer | None:
        async with self._driver.holding(job_id):
            await self._joined(job_id)
            try:
                return (await self._drive(job_id, asked)).answer
            except Problem as problem:
                await self._leave_for(job_id, problem, goes_on=True)
                return (await self._drive(job_id, asked)).answer

    async def _leave_for(self, job_id: str, problem: Problem, *, goes_on: bool) -> None:
        """Leave a job that this owner can answer no more; what is asked is then answered by saying so.

        Raises `problem` where it is anything else, noted for this owner's people.
        """
        if problem.code is not Code.STORE_UNAVAILABLE:
            await self._note(job_id, problem)
        if problem.code not in _LEFT_FOR or (goes_on and problem.code is Code.DIVERGED):
            raise problem
        await self._drive(job_id, j.KeyLost(problem.detail, problem.code))

    def on_listed(self, header: TaskHeader) -> None:
        """End the training of a job that is over: its END waits behind the task that trains."""
        if header.kind is TaskKind.END and header.job_id is not None:
            self._effects.stop_training(header.job_id)

    async def on_end(self, header: TaskHeader, body: Encoded) -> TaskAnswer:
        """Close a job; an END for one that is not known here is answered all the same."""
        end = parse_json(bytes(body), JobEnd)
        job_id = _job_of(header)
        async with self._driver.holding(job_id):
            state = await self._run(self._store.job, job_id)
            if state is not None:
                state = (await self._drive(job_id, j.Ended(end))).state
                log.info("job over", job=job_id, phase=state.phase.value)
        return TaskAnswer(b"{}", JSON_TYPE)

    # What this owner's people decide

    # `token_id`: of the token that this person showed, where the service has a list of them; `account`: the name of the
    # account that was signed in, where one was. The audit has them.

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
        return sign_document(release_statement(self._context(state), state), self._identity)

    async def consents_taken(
        self, signed: Sequence[SignedDocument], token_id: str | None = None, account: str | None = None
    ) -> tuple[str, ...]:
        """Keep consents, and look again at the jobs that wait for them; return the jobs that they are for.

        Raises Problem as `fedtrain.protocol.documents.consent.open_consent`, before any of them is kept.
        """
        job_ids = tuple(dict.fromkeys(open_consent(one).job_id for one in signed))
        for one in signed:
            await self._run(self._take, one, token_id, account)
        for job_id in job_ids:
            async with self._driver.holding(job_id):
                state = await self._run(self._store.job, job_id)
                if state is not None:
                    await self._drive(job_id, j.ConsentTaken())
            self.retry(job_id)
        return job_ids

    def _take(self, signed: SignedDocument, token_id: str | None, account: str | None) -> None:
        """Keep a consent that is not here yet, in the audit before it counts."""
        if not self._memory.has(signed):
            self._store.put_decision(consented(signed, self._identity.party_id, token_id, self._now(), account))
            self._memory.take(signed)

    async def consent(self, job_id: str, token_id: str | None = None, account: str | None = None) -> SignedDocument:
        """Sign that the sums of a job may be told to its roster, for this owner, and keep it; return what was signed.

        What is signed names every earlier roster that this owner, or anybody whose consent is here, knows of. Raises
        Problem(MODEL_NOT_FOUND) where nobody asked for this owner's consent to such a job.
        """
        async with self._driver.holding(job_id):
            state = await self._run(self._store.job, job_id)
            statement = await self._run(
                self._memory.statement, job_id, state.consent if state else None, self._identity.party_id
            )
        signed = sign_document(statement, self._identity)
        await self.consents_taken([signed], token_id, account)
        return signed

    async def request_decided(self, request: str) -> None:
        """Look again at the jobs that wait for a decision on a request."""
        for state in await self._run(self._store.jobs):
            if state.request == request and state.phase is Phase.AWAITING_APPROVAL:
                async with self._driver.holding(state.job_id):
                    await self._drive(state.job_id, j.RequestDecided())
                self.retry(state.job_id)

    async def _decide(self, job_id: str, message: j.Approved | j.Denied | j.SignOffDecided) -> JobState:
        async with self._driver.holding(job_id):
            await self._job(job_id)  # whose name is right
            state = (await self._drive(job_id, message)).state
        self.retry(job_id)
        return state

    # What became of a job elsewhere

    async def connected(self) -> None:
        """Register, and the first time end what has ended at the Facilitator while this state did not know of it."""
        await self.registering.register()
        if self._settled:
            return
        for state in await self._run(self._store.jobs):
            await self._run(self._effects.forget_what_is_left, self._context(state), state)
            await self._settle(state)
        self._settled = True

    async def on_dropped(self, header: TaskHeader) -> None:
        """A JOIN that came too late may be of a job whose END was answered before this owner knew of it."""
        state = await self._run(self._store.job, _job_of(header))
        if header.kind is TaskKind.JOIN and state is not None:
            await self._settle(state)

    async def _settle(self, state: JobState) -> None:
        """End a job here that has ended at the Facilitator. Raises a Problem of `_ASKED_AGAIN`."""
        if state.phase not in (Phase.OFFERED, Phase.AWAITING_APPROVAL, Phase.JOINED):
            return
        try:
            await self.resume(state.job_id)
        except Problem as problem:
            if problem.code in _ASKED_AGAIN:
                raise
            log.warning("job not settled", job=state.job_id, code=problem.code.slug, why=problem.detail)

    async def resume(self, job_id: str) -> JobState:
        """Go on with a job: end it where it has ended at the Facilitator, else take its tasks up again.

        Raises Problem: MODEL_NOT_FOUND, JOB_OVER, and what the Facilitator says.
        """
        state = await self._job(job_id)
        if state.ended:
            raise Problem(Code.JOB_OVER, f"Job {job_id} is {state.phase} here: there is nothing to resume.")
        end = JobEnd.told(job_id, await self._facilitator.model(job_id))
        if end is not None:
            async with self._driver.holding(job_id):
                await self._drive(job_id, j.Ended(end))
        self.retry(job_id)
        return await self._job(job_id)

    async def _joined(self, job_id: str) -> JobState:
        """A job that the Facilitator has this owner on the roster of. Raises Problem(OWNER_LOST_ITS_KEY)."""
        state = await self._run(self._store.job, job_id)
        if state is None or state.join_answer is None:
            raise Problem(
                Code.OWNER_LOST_ITS_KEY,
                f"Job {job_id} was joined after the backup that this owner's state was restored from: its mask key is "
                "lost, and without it no round can be answered. Ask the Model Owner to cancel it and deploy it again.",
            )
        return state

    # Driving the state machine

    def policy_now(self) -> OwnerPolicy:
        """The policy with all that is pinned by now."""
        return self.policy.knowing(self._trust())

    def people_missing(self, state: JobState) -> int | None:
        """Return how many people have yet to sign a result off that waits for them; None where none waits."""
        context = self._context(state)
        return people_missing(context, state) if waits_for_sign_off(context, state) else None

    def roster(self, state: JobState, signed: SignedDocument) -> OpenRoster:
        """Return a job's roster, opened. Raises Problem."""
        return self._context(state).roster(state, signed)

    def manifest(self, state: JobState) -> Manifest | None:
        """Return a job's manifest, None where it was declined because it could not be opened."""
        try:
            return self._documents.of(state.job_id, OpenedDocuments).manifest(state.offer)
        except Problem:
            return None

    def _context(self, state: JobState) -> JobContext:
        return JobContext(
            self._identity.party_id,
            self._name,
            self.registering.facilitator_id,
            self.policy_now(),
            self._allow_small_keys,
            self._membership,
            self._documents.of(state.job_id, OpenedDocuments),
        )

    async def end(self, job_id: str) -> EndedJob | None:
        """Return a job as this owner signs its end, None where there is nothing to sign."""
        return await self._run(self._end, await self._job(job_id))

    async def ends(self) -> list[EndedJob]:
        """Return the jobs of the last weeks whose ends this owner signs."""
        states = await self._run(self._store.jobs)
        recent = [state for state in states if state.ended and self._now() - state.changed_at < WAITED_FOR]
        found = [await self._run(self._end, state) for state in recent]
        return [end for end in found if end is not None]

    def _end(self, state: JobState) -> EndedJob | None:
        return end_of(self._context(state), state)

    async def _job(self, job_id: str) -> JobState:
        state = await self._run(self._store.job, job_id)
        if state is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"Job {job_id} is not known at this owner.")
        return state

    def _took(self, before: JobState, after: JobState) -> None:
        if after.phase is Phase.JOINED and before.phase is not Phase.JOINED:
            self._effects.joined(self._context(after), after)
        if after.ended and not before.ended:
            self.ended(after.job_id)
        if self.notify is not None:
            notice = notice_of(self._context(after), before, after, self._now())
            if notice is not None:
                self.notify(notice)

    async def _drive(self, job_id: str, message: j.Message) -> Driven[JobState]:
        """Take a message of a job that the caller holds, and all that follows from it."""
        return await self._driver.drive(job_id, message, held=True)

    # What a step asks for

    def _in_thread(self, call: Blocking) -> Callable[[JobState, j.Effect], Awaitable[j.Message | TaskAnswer | None]]:
        return lambda state, effect: self._run(call, self._context(state), state, effect)

    async def _answer(self, state: JobState, effect: j.Answer) -> j.Answered:
        """Compute an answer; those of networks wait for each other, and nothing else for them."""
        context = self._context(state)
        call = partial(self._effects.handlers[j.Answer], context, state, effect)
        trains = context.manifest(state).spec.kind.has_network and effect.request.kind != COUNTS
        answered: j.Answered
        # The log's lines of a training are about its job.
        answered = await (call_in(self._training, copy_context().run, call) if trains else self._run(call))
        return answered

    async def _fetch_roster(self, state: JobState, effect: j.FetchRoster) -> j.Asked:
        await self._driver.take(state.job_id, j.RosterFetched(await self._roster(state.job_id)))
        return effect.asked

    async def _withdraw(self, state: JobState, effect: j.Withdraw) -> TaskAnswer:
        log.warning("left the job", job=state.job_id, code=effect.document.code)
        signed = sign_document(effect.document, self._identity)
        return TaskAnswer(signed.model_dump_json().encode(), JSON_TYPE)

    async def _roster(self, job_id: str) -> SignedDocument:
        """Return the roster, as soon as the Facilitator gives it: a lost connection must not lose the task."""
        return await until_done(lambda: self._facilitator.roster(job_id))

    async def _note(self, job_id: str, problem: Problem) -> None:
        log.warning("request refused", job=job_id, code=problem.code.slug, detail=problem.detail)
        refusal = Refusal(code=problem.code.slug, detail=problem.detail)
        await self._driver.take(job_id, j.RequestRefused(refusal))

    async def _run(self, call: Callable[..., T], *arguments: object) -> T:
        return await call_in(self._executor, call, *arguments)


def _no_agent(_job_id: str) -> None:
    return None


def _job_of(header: TaskHeader) -> str:
    if header.job_id is None:
        raise Problem(Code.MALFORMED_MESSAGE, f"Task {header.id} ({header.kind}) names no job.")
    return header.job_id
