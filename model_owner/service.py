"""Jobs as people ask for them, and each message to one: drives `fedtrain.model_owner.round`.

What takes long runs in the executor between two messages: see `fedtrain.service.driver`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog

from fedtrain.client.agent.heads import WAITED_FOR, EndedJob
from fedtrain.crypto.paillier.key_proof import prove_key
from fedtrain.methods.plan import Plan
from fedtrain.model_owner import job as j
from fedtrain.model_owner import round as rounds
from fedtrain.model_owner.ending import broken
from fedtrain.model_owner.job import Outcome
from fedtrain.model_owner.job_state import JobContext, JobState
from fedtrain.model_owner.jobs.effects import JobEffects
from fedtrain.model_owner.jobs.ends import end_of
from fedtrain.model_owner.jobs.initial_weights import beginning
from fedtrain.model_owner.jobs.notices import notice_of
from fedtrain.model_owner.jobs.resources import JobContexts, Resources
from fedtrain.model_owner.jobs.specs import plan_of
from fedtrain.model_owner.sums.unmasking import public_unmasking_key
from fedtrain.planning.plans import rounds_of
from fedtrain.protocol.messages.forecast import forecast
from fedtrain.service.driver import Driven, Driver
from fedtrain.service.notify.channels import Notice
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("model_owner")


class ModelService:
    """The Model Owner's jobs. Create it within the event loop that runs it."""

    def __init__(self, own: Resources, contexts: JobContexts, effects: JobEffects) -> None:
        self._own = own
        self._contexts = contexts
        self._effects = effects
        #: What was refused last, by job: shown to this party's people, until the job goes on.
        self.refusals: dict[str, str] = {}
        #: Tells this party's people of jobs that are over; set where they want to be told.
        self.notify: Callable[[Notice], None] | None = None
        #: Told of each job that is over; the keeper of heads', set when there is one.
        self.ended: Callable[[str], None] = _nobody
        #: Why rounds have no metrics on the test set, by job.
        self.test_problems: Mapping[str, str] = effects.test_problems
        self._driver: Driver[JobContext, JobState, j.Message, j.Effect] = Driver(
            step=self._step,
            store=own.store,
            context=contexts.opened,
            now=own.clock.now,
            run=own.run,
            handlers=effects.handlers,
            took=self._took,
        )

    @property
    def party_id(self) -> str:
        return self._own.identity.party_id

    # What people ask

    async def create(self, spec: ModelSpec, job_id: str | None = None, request: str | None = None) -> JobState:
        """Keep a new job and return it; `Preparation` does the rest. `request`: the hash of what it comes of.

        Raises Problem: INVALID_SPEC, DOES_NOT_FIT, JOB_EXISTS where `job_id` is given and taken.
        """
        allow_small = self._own.allow_small_keys
        plan = await self._own.run(lambda: plan_of(spec, allow_small_keys=allow_small))
        await self._own.run(lambda: beginning(self._own.data_folder, spec, plan))
        now = self._own.clock.now()
        state = JobState(
            job_id=job_id or uuid4().hex,
            spec=spec,
            plan=plan.to_dict(),
            rounds=rounds_of(spec),
            created_at=now,
            changed_at=now,
            request=request,
        )
        if await asyncio.to_thread(self._own.store.open_job, state) is not state:
            raise Problem(Code.JOB_EXISTS, f"There is a job {state.job_id} already.")
        self._contexts.keep(state, plan)
        log.info("job created", job=state.job_id, optimizer=spec.training.optimizer.value, rounds=state.rounds)
        return state

    async def planned(self, spec: ModelSpec) -> dict[str, Any]:
        """Return the plan of a job that is not started, and what it costs with the fewest owners.

        Raises Problem: INVALID_SPEC, DOES_NOT_FIT.
        """

        def plan() -> dict[str, Any]:
            budget = plan_of(spec, allow_small_keys=self._own.allow_small_keys)
            unit = self._own.unit_costs(spec.training.key_bits)
            return {**budget.to_dict(), "forecast": forecast(spec, unit=unit)}

        return await self._own.run(plan)

    async def job(self, job_id: str) -> JobState:
        """Return a job's state. Raises Problem(MODEL_NOT_FOUND)."""
        state = await asyncio.to_thread(self._own.store.job, job_id)
        if state is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no model {job_id[:64]} here.")
        return state

    async def forecast(self, state: JobState) -> dict[str, Any]:
        """Return what the job costs: for the owners on its roster, or before there is one for the fewest."""
        owners = len(state.owners) or None
        bits = state.spec.training.key_bits
        return await self._own.run(lambda: forecast(state.spec, owners, state.rows_total, self._own.unit_costs(bits)))

    async def plan_of(self, job_id: str) -> tuple[ModelSpec, Plan] | None:
        """Return a job's spec and plan, None for one that is not known here."""
        state = await asyncio.to_thread(self._own.store.job, job_id)
        return None if state is None else (state.spec, (await self._contexts.of(state)).plan)

    # One message

    async def apply(self, job_id: str, message: j.Message) -> Driven[JobState]:
        """Take a message, and all that follows from it. Raises Problem where it does not belong."""
        return await self._driver.drive(job_id, message)

    def _step(self, context: JobContext, state: JobState, message: j.Message, now: datetime) -> Outcome:
        """Take one message. A step that breaks ends its job: the same numbers would break it for ever."""
        began = self._own.clock.monotonic()
        try:
            outcome = rounds.step(context, state, message, now)
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            log.exception("a step broke", job=state.job_id, step=state.next_step)
            outcome = broken(state, message, error, now)
        if outcome.state is state:
            return outcome
        self._effects.spent_s[state.job_id] += self._own.clock.monotonic() - began
        spent_s = state.seconds_spent + self._effects.spent_s.pop(state.job_id)
        return Outcome(outcome.state.model_copy(update={"seconds_spent": spent_s}), outcome.effects)

    def refuse(self, job_id: str, problem: Problem) -> None:
        """Show a job's people why it waits."""
        self.refusals[job_id] = problem.detail
        self._own.doorbell.ring(job_id)

    async def end(self, job_id: str) -> EndedJob | None:
        """Return a job as this party signs its end, None where there is nothing to sign."""
        return end_of(await self.job(job_id))

    async def ends(self) -> list[EndedJob]:
        """Return the jobs of the last weeks whose ends this party signs."""
        states = await self._own.run(self._own.store.jobs)
        now = self._own.clock.now()
        recent = (end_of(state) for state in states if now - state.changed_at < WAITED_FOR)
        return [end for end in recent if end is not None]

    def _took(self, before: JobState, after: JobState) -> None:
        job_id = after.job_id
        self._own.doorbell.ring(job_id)
        self._own.metrics.observe(before, after)
        self.refusals.pop(job_id, None)
        if after.ended and not before.ended:
            self.ended(job_id)
        notice = notice_of(self._own.name, before, after, self._own.clock.now())
        if self.notify is not None and notice is not None:
            self.notify(notice)
        if after.phase is not before.phase:
            code = None if after.ending is None else after.ending.code
            log.info("job is", job=job_id, phase=after.phase.value, round=after.round, code=code)

    # Before the first round

    async def make_key(self, state: JobState) -> Driven[JobState]:
        """Make the job's key pair and sign its manifest."""
        own, job_id = self._own, state.job_id
        nonce = own.draw_hex(32)

        def make() -> j.KeyMade:
            private_key = own.keys.make(job_id, state.spec.training.key_bits)
            identity = bytes.fromhex(own.identity.party_id)
            proof = prove_key(private_key, identity, bytes.fromhex(nonce))
            unmasking_key = public_unmasking_key(private_key) if state.spec.self_masked else None
            return j.KeyMade(int(private_key.public_key.n), tuple(int(root) for root in proof), nonce, unmasking_key)

        return await self.apply(job_id, await self._effects.timed(job_id, make))


def _nobody(_job_id: str) -> None:
    return None
