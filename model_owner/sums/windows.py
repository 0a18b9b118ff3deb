"""Windows at the Model Owner: what must have happened between two of its turns, and what came of it. Pure."""

from __future__ import annotations

from fedtrain.methods import schedule_of
from fedtrain.model_owner import job as j
from fedtrain.model_owner.job_state import JobContext, JobState
from fedtrain.protocol.evidence.verification import Job, LogPoint
from fedtrain.protocol.messages.expected import planned_round
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from fedtrain.spec.problems import Code, Problem


def in_window(context: JobContext, state: JobState) -> bool:
    """Say whether the request that was sent last opened a window, which comes back as weights and not as a sum."""
    return state.asked is not None and planned_round(context.plan, state.asked.kind).updates


def entries_due(context: JobContext, state: JobState) -> int:
    """Return how many log entries the step that is due stands on: the last window of a job may be short."""
    if state.asked is None or not in_window(context, state):
        return 1
    return schedule_of(state.spec).rounds_from(state.asked.round)


def expect_window(context: JobContext, state: JobState, arrived: j.StepArrived) -> j.OpenWindow:
    """Return what the window that ends with this step must be.

    Raises Problem: ADDITION_NOT_PROVEN for a step without weights, LOG_INCONSISTENT for one that ends the window at
    another entry of the log than is due.
    """
    step, asked = arrived.step, state.asked
    if asked is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has asked nothing yet.")
    if step.weights is None or step.request is None:
        raise Problem(Code.ADDITION_NOT_PROVEN, "The step came without the window's weights, or without its request.")
    last, rounds = from_cbor(step.log_entry, LogEntry), entries_due(context, state)
    if (last.index, last.round) != (state.log_length + rounds - 1, asked.round + rounds - 1):
        raise Problem(
            Code.LOG_INCONSISTENT,
            f"The window ends with entry {last.index}, round {last.round}; due is entry "
            f"{state.log_length + rounds - 1}, round {asked.round + rounds - 1}: an update was left out or put in.",
        )
    job, start = log_since(context, state)
    return j.OpenWindow(arrived, job, start, asked.request_hash, rounds)


def log_since(context: JobContext, state: JobState) -> tuple[Job, LogPoint]:
    """Return what the log belongs to, and where this party has verified it to. Raises Problem(WRONG_STATE) without a
    round.
    """
    asked = state.asked
    if asked is None or state.facilitator is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has asked nothing yet.")
    manifest, roster, modulus = context.manifest(state), context.roster(state), int(context.manifest(state).modulus, 16)
    return (
        Job(manifest, context.manifest_hash(state), roster, state.facilitator, modulus, context.plan),
        LogPoint(state.log_head, state.log_length, asked.round - 1, state.rows_total),
    )
