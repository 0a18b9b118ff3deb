"""Windows at the Model Owner: what must have happened between two of its turns, and what came of it. Pure."""

from __future__ import annotations

from datetime import datetime

from fedtrain.model_owner import job as j
from fedtrain.model_owner.job import JobContext, JobState
from fedtrain.model_owner.methods import training
from fedtrain.model_owner.methods.optimisers.windowed import Window
from fedtrain.protocol.evidence.verification import Job, LogPoint
from fedtrain.protocol.messages.rounds import Kind, LogEntry, from_cbor
from fedtrain.spec.problems import Code, Problem


def in_windows(context: JobContext, kind: Kind) -> bool:
    """Whether a round of this kind opens a window, which comes back as weights and not as a sum."""
    return context.plan.round(kind).updates


def window_rounds(context: JobContext, first_round: int) -> int:
    """How many rounds a window that begins at `first_round` has: the last one of a job may be short."""
    return min(context.budget.inputs.reencrypt_every, context.rounds - first_round + 1)


def expect_window(context: JobContext, state: JobState, arrived: j.StepArrived) -> j.OpenWindow:
    """What the window that ends with this step must be.

    Raises Problem: ADDITION_NOT_PROVEN for a step without weights, LOG_INCONSISTENT for one that ends the window at
    another entry of the log than is due.
    """
    step, asked = arrived.step, state.asked
    if asked is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has asked nothing yet.")
    if step.weights is None or step.request is None:
        raise Problem(Code.ADDITION_NOT_PROVEN, "The step came without the window's weights, or without its request.")
    rounds = window_rounds(context, asked.round)
    last = from_cbor(step.log_entry, LogEntry)
    if (last.index, last.round) != (state.log_length + rounds - 1, asked.round + rounds - 1):
        raise Problem(
            Code.LOG_INCONSISTENT,
            f"The window ends with entry {last.index}, round {last.round}; due is entry "
            f"{state.log_length + rounds - 1}, round {asked.round + rounds - 1}: an update was left out or put in.",
        )
    job, start = log_since(context, state)
    return j.OpenWindow(arrived, job, start, asked.request_hash, rounds)


def log_since(context: JobContext, state: JobState) -> tuple[Job, LogPoint]:
    """What the log belongs to, and where this party has verified it to. Raises Problem(WRONG_STATE) without a round."""
    asked = state.asked
    if asked is None or state.facilitator is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has asked nothing yet.")
    manifest, roster, modulus = context.manifest(state), context.roster(state), int(context.manifest(state).modulus, 16)
    return (
        Job(manifest, context.manifest_hash(state), roster, state.facilitator, modulus, context.plan),
        LogPoint(state.log_head, state.log_length, asked.round - 1, state.rows_total),
    )


def take_window(
    context: JobContext, state: JobState, asked: j.Asked, message: j.WindowOpened, now: datetime
) -> training.Taken:
    """The optimiser's turn, with the window's last round as the history's. Raises Problem(DIVERGED)."""
    learning = message.arrived.learning
    if learning is None or state.rows_total is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has no counts yet.")
    inputs, updates = context.budget.inputs, window_rounds(context, asked.round)
    window = Window(
        updates,
        message.weights,
        inputs.weights_fraction_bits_at(updates),
        message.previous,
        inputs.weights_fraction_bits_at(updates - 1),
    )
    problem = training.quadratic(context, state, state.rows_total, learning.targets_squared)
    optimiser = training.windowed(context, state, state.rows_total)
    move = optimiser.take(problem, learning.optimiser, window)
    decrypted = message.weights.size + (0 if message.previous is None else message.previous.size)
    return training.moved(state, problem, learning, move, asked.round + updates - 1, decrypted, now)
