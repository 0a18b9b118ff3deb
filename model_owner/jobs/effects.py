"""Carrying out what `fedtrain.model_owner.round` decides. What takes long runs in the executor."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.model_owner import job as j
from fedtrain.model_owner.ending import FATAL
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.jobs.resources import JobContexts, Resources
from fedtrain.model_owner.sums.evidence import fetch_entries
from fedtrain.model_owner.sums.keys import encryptor_of, private_key_of
from fedtrain.model_owner.sums.opening import encrypt_points, open_sum, open_window, opened_point, planned_weights
from fedtrain.model_owner.sums.sealing import seal_point
from fedtrain.protocol.messages.tasks import CBOR_TYPE
from fedtrain.service.store.body_files import whole
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("model_owner")

T = TypeVar("T")


class JobEffects:
    """Carries out what follows from the steps of jobs."""

    def __init__(self, own: Resources, contexts: JobContexts) -> None:
        self._own = own
        self._contexts = contexts
        #: Seconds of arithmetic, by job, that are in no state yet.
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        #: Why rounds have no metrics on the test set, by job.
        self.test_problems: dict[str, str] = {}
        #: By the type of an effect, what is done: a message, or the answer to a task, comes back.
        self.handlers: Mapping[type, Callable[[JobState, Any], Awaitable[j.Message | TaskAnswer | None]]] = {
            j.OpenSum: self._open,
            j.OpenWindow: self._open_window,
            j.EvaluateRound: self._evaluate,
            j.EncryptPoint: self._encrypt,
            j.GiveResult: self._give_result,
            j.SendStored: self._send_stored,
            j.DestroyKey: self._destroy_key,
        }

    async def timed(self, job_id: str, work: Callable[[], T]) -> T:
        """Return what `work` returns, its seconds counted as the job's; nothing is drawn ahead meanwhile."""
        began = self._own.clock.monotonic()
        try:
            with self._own.keys.filler.resting():
                return await self._own.run(work)
        finally:
            self.spent_s[job_id] += self._own.clock.monotonic() - began

    async def _open(self, state: JobState, effect: j.OpenSum) -> j.Message:
        own, job_id = self._own, state.job_id
        try:
            values = await self.timed(job_id, lambda: open_sum(effect, private_key_of(own.keys, job_id), own.engine))
        except Problem as problem:
            if problem.code not in FATAL:
                raise
            return j.SumRefused(effect.arrived, problem)
        return j.SumOpened(effect.arrived, values)

    async def _open_window(self, state: JobState, effect: j.OpenWindow) -> j.Message:
        """Fetch what the Facilitator did since the window was opened, and open the weights once all of it holds."""
        own, job_id = self._own, state.job_id
        try:
            plan = (await self._contexts.of(state)).plan
            start = effect.start.length
            evidence = await fetch_entries(own.client, state, plan, start, start + effect.rounds)
            weights, previous = await self.timed(
                job_id, lambda: open_window(effect, evidence, private_key_of(own.keys, job_id), own.engine)
            )
        except Problem as problem:
            if problem.code in (Code.NOT_FOUND, Code.FORBIDDEN):
                # Evidence that is withheld is as good as evidence that does not hold.
                problem = Problem(Code.ADDITION_NOT_PROVEN, f"The Facilitator withholds evidence: {problem.detail}")
            if problem.code not in FATAL:
                raise problem from None
            return j.SumRefused(effect.arrived, problem)
        fetched = sum(item.size_bytes for item in evidence)
        arrived = replace(effect.arrived, size_bytes=effect.arrived.size_bytes + fetched)
        return j.SumOpened(arrived, weights, previous)

    async def _evaluate(self, state: JobState, effect: j.EvaluateRound) -> j.Message:
        """Evaluate a round's weights; a test set that they cannot be evaluated on holds no training up."""
        own, tested, job_id = self._own, effect.taken.tested or {}, state.job_id
        try:
            result = await own.run(lambda: own.round_metrics.of(job_id, state.spec, tested))
            self.test_problems.pop(job_id, None)
        except Problem as problem:
            log.warning("test set not used", job=job_id, round=effect.taken.round, code=problem.code.slug)
            self.test_problems[job_id] = problem.detail
            result = None
        return j.RoundEvaluated(effect, result)

    async def _encrypt(self, state: JobState, effect: j.EncryptPoint) -> j.Message:
        own, job_id = self._own, state.job_id
        replayed = effect.turn.arrived.replayed
        context = await self._contexts.of(state)

        def encrypt() -> j.Message:
            if replayed is not None:
                return opened_point(effect.turn, replayed, private_key_of(own.keys, job_id), own.engine)
            if effect.sealing is not None:
                sealed = seal_point(effect.turn.ask, context.plan, effect.sealing)
                return j.PointEncrypted(effect.turn, None, sealed=sealed)
            planned = planned_weights(context.plan, effect.turn.ask.kind)
            a_request = planned.layout.ciphertexts * (2 if planned.with_previous else 1)
            encryptor = encryptor_of(own.keys, job_id, lambda: a_request * context.rounds, ahead=a_request)
            modulus = int(private_key_of(own.keys, job_id).public_key.n)
            return j.PointEncrypted(effect.turn, *encrypt_points(effect.turn.ask, planned, encryptor, modulus))

        try:
            return await self.timed(job_id, encrypt)
        except Problem as problem:
            if problem.code not in FATAL:
                raise
            return j.SumRefused(effect.turn.arrived, problem)

    async def _give_result(self, state: JobState, effect: j.GiveResult) -> TaskAnswer:
        # What a job that is over says to a step once more is kept nowhere.
        kept = await asyncio.to_thread(self._own.store.result, state.job_id, effect.step)
        body = effect.body if kept is None else kept
        return TaskAnswer(await asyncio.to_thread(whole, body), CBOR_TYPE)

    async def _send_stored(self, state: JobState, effect: j.SendStored) -> TaskAnswer:
        body = await asyncio.to_thread(self._own.store.result, state.job_id, effect.step)
        if body is None:
            raise Problem(Code.EVIDENCE_PRUNED, f"The answer to step {effect.step} is kept no more.")
        return TaskAnswer(await asyncio.to_thread(whole, body), CBOR_TYPE)

    async def _destroy_key(self, state: JobState, _effect: j.DestroyKey) -> None:
        await asyncio.to_thread(self._own.keys.destroy, state.job_id)
        await asyncio.to_thread(self._own.round_metrics.forget, state.job_id)
