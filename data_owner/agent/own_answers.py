"""This owner's own answers, out of the Facilitator's log: for a state that was restored from a backup."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.effects import JobEffects
from fedtrain.data_owner.job_state import JobContext, JobState
from fedtrain.data_owner.release.ledger import LostAnswer
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.rounds import Compute, LogEntry, SignedBytes, from_cbor
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.agent")


class Evidence(Protocol):
    """The part that is asked of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def log(self, job_id: str, *, start: int = 0) -> list[dict[str, object]]: ...
    async def log_entry(self, job_id: str, index: int, limits: EvidenceLimits) -> bytes: ...
    async def blob(self, job_id: str, hash: str, limits: EvidenceLimits) -> bytes: ...  # noqa: A002 - as the route


class OwnAnswers:
    """Fetches what one owner answered in one job, entry by entry. `checks.own_answer` is what it is held against."""

    def __init__(self, facilitator: Evidence, party_id: str) -> None:
        self._facilitator = facilitator
        self._party_id = party_id

    async def lost(self, job_id: str, index: int, limits: EvidenceLimits) -> LostAnswer:
        """Return this owner's answer in log entry `index`, with its request and the entry before.

        Raises Problem: as the client, LOG_INCONSISTENT where the log has no such entry or answer.
        """
        previous = await self._facilitator.log_entry(job_id, index - 1, limits)
        entry = from_cbor(await self._facilitator.log_entry(job_id, index, limits), LogEntry)
        lines = await self._facilitator.log(job_id, start=index)
        request_hash = lines[0].get("signed_request_hash") if lines else None
        own = next((record for record in entry.answers if record.party == self._party_id), None)
        if own is None or not isinstance(request_hash, str):
            raise Problem(Code.LOG_INCONSISTENT, f"Log entry {index} holds no answer of this owner, or no request.")
        signed = from_cbor(await self._facilitator.blob(job_id, request_hash, limits), SignedBytes)
        body = await self._facilitator.blob(job_id, own.answer_hash, limits)
        return LostAnswer(Compute(job_id=job_id, request=signed, previous_entry=previous), entry, body)


def is_behind(state: JobState, compute: Compute, *, goes_on: bool = False) -> bool:
    """Say whether the log that a request stands on has more of this owner's answers than its state knows of.

    `goes_on`: the log has sums without this owner too, which it has nothing to take back of.
    """
    if state.phase is not Phase.JOINED or state.waits_because is not None or goes_on:
        return False
    try:
        return from_cbor(compute.previous_entry, LogEntry).index > state.answers
    except Problem:
        return False  # the request is refused for what is wrong with it


class Taker:
    """Takes back what a restored state has forgotten. Each request is held against the state as the first time."""

    def __init__(
        self,
        effects: JobEffects,
        answers: OwnAnswers,
        *,
        run: Callable[..., Awaitable[Any]],
        context: Callable[[JobState], JobContext],
        take: Callable[[str, j.Message], Awaitable[j.Outcome]],
        roster: Callable[[str], Awaitable[SignedDocument]],
    ) -> None:
        """`run`: calls what blocks, in the executor. `take`: takes one message. `roster`: fetches a job's roster."""
        self._effects = effects
        self._answers = answers
        self._run = run
        self._context = context
        self._take = take
        self._roster = roster

    async def catch_up(self, state: JobState, compute: Compute) -> JobState:
        """Take back this owner's answers up to the log entry that `compute` stands on; return the state after them.

        It stops where a person has to decide first, as at the first time. Raises Problem where the log's requests or
        answers do not hold, or the marks say otherwise.
        """
        job_id, entries = state.job_id, from_cbor(compute.previous_entry, LogEntry).index
        log.warning("state older than the job", job=job_id, answers=state.answers, log_entries=entries)
        spec, plan = await self._run(self._context(state).planned, state)
        while state.answers < entries:
            lost = await self._answers.lost(job_id, state.answers + 1, EvidenceLimits.of(spec, plan))
            past = await self._run(self._effects.past, self._context(state), state)
            state, may_answer = await self._held(state, j.Asked(lost.compute, None, past))
            if not may_answer:
                break
            answered = await self._run(self._effects.take_back, self._context(state), state, lost)
            state = (await self._take(job_id, answered)).state
        return state

    async def _held(self, state: JobState, asked: j.Asked) -> tuple[JobState, bool]:
        """The state after the request, and whether it may be answered. Raises Problem where it does not hold."""
        while True:
            state, effects = await self._take(state.job_id, asked)
            match effects:
                case (j.Answer(),):
                    return state, True
                case (j.FetchRoster(),):
                    signed = await self._roster(state.job_id)
                    await self._take(state.job_id, j.RosterFetched(signed))
                case _:
                    return state, False
