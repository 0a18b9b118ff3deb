"""A job that a backup has set back: the steps that it has lost, made again from the Facilitator's log. Pure.

Every request in the log is signed by this very party, so nobody else can say what it asked. A replayed step is checked
and decrypted as the first time, the optimiser moves as the first time, and what it asks next must be what it asked:
the request is taken from the log, ciphertexts included, and never encrypted a second time.
"""

from __future__ import annotations

from fedtrain.crypto import Engine, SlotLayout, key_id
from fedtrain.model_owner import job as j
from fedtrain.model_owner.ending import ABOUT_VALUES, TOLD, code_told
from fedtrain.model_owner.job import Outcome
from fedtrain.model_owner.job_state import JobContext, JobState
from fedtrain.model_owner.sums import windows
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.evidence.verification import LogItem, LogVerifier
from fedtrain.protocol.messages.expected import planned_round
from fedtrain.protocol.messages.rounds import SignedBytes, Step, StepResult, VectorMessage, from_cbor, to_cbor
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem


def step_from_log(
    context: JobContext, state: JobState, roster: SignedDocument, items: list[LogItem], engine: Engine
) -> Step:
    """Return the step that is due, as the Facilitator sent it. `items`: its log entries, with their evidence.

    Inside windows the updates are recomputed here to have their weights. Raises Problem as `LogVerifier.add`, and
    LOG_INCONSISTENT where evidence is missing.
    """
    if state.next_step == 0:
        return Step(job_id=state.job_id, step=0, log_entry=items[0].entry, roster=roster)
    last = items[-1]
    if state.asked is None or last.signed_request is None or last.product is None:
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {state.log_length} came without its request or its sum.")
    weights, previous, total = None, None, None
    if windows.in_window(context, state):
        weights, previous = _window_weights(context, state, items, engine)
    else:
        modulus = int(context.manifest(state).modulus, 16)
        expected = planned_round(context.plan, state.asked.kind, rows_total=state.rows_total).answer
        total = _message(modulus, expected.layout, expected.fraction_bits, expected.sum_bound, last.product)
    return Step(
        job_id=state.job_id,
        step=state.next_step,
        log_entry=last.entry,
        request=from_cbor(last.signed_request, SignedBytes),
        answers=last.answers,
        sum=total,
        weights=weights,
        previous_weights=previous,
    )


def _window_weights(
    context: JobContext, state: JobState, items: list[LogItem], engine: Engine
) -> tuple[VectorMessage, VectorMessage | None]:
    job, start = windows.log_since(context, state)
    verifier = LogVerifier(job, engine, start)
    for item in items:
        verifier.add(item)
    window = verifier.window
    if window is None:
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {state.log_length} opens no window.")
    previous = None if window.previous is None else VectorMessage.of(window.previous, job.modulus)
    return VectorMessage.of(window.weights, job.modulus), previous


def _message(modulus: int, layout: SlotLayout, fraction_bits: int, bound: int, ciphertexts: bytes) -> VectorMessage:
    return VectorMessage(
        key_id=key_id(modulus),
        fraction_bits=fraction_bits,
        bound=bound.to_bytes((bound.bit_length() + 7) // 8, "big"),
        layout=layout.to_dict(),
        ciphertexts=ciphertexts,
    )


def differs(step: int, made: SignedBytes | None, replayed: j.Replayed) -> Problem:
    """Return what ends a job whose replay does not come to what this party asked before."""
    asked = "the end of the job" if replayed.request is None else f"request {replayed.request.hash[:16]}…"
    now = "another point" if made is None else f"request {made.hash[:16]}…"
    return Problem(
        Code.RESTORED_TOO_OLD,
        f"Step {step}, made again from the log, leads to {now}, and this Model Owner had answered it with {asked}: "
        "its state was restored from a backup that does not belong to this log.",
    )


def still_over(state: JobState, step: int) -> Outcome:
    """The end of a job that failed here, for a Facilitator that goes on with it. Raises Problem(JOB_OVER)."""
    if (ending := state.ending) is None or state.phase is not Phase.FAILED:
        raise Problem(Code.JOB_OVER, f"Job {state.job_id} is {state.phase}.")
    told = TOLD if ending.code in ABOUT_VALUES else ending.told  # one kept by an older version told more
    end = StepResult(job_id=state.job_id, step=step, finished="FAILED", code=code_told(ending.code), reason=told)
    return Outcome(state, (j.GiveResult(step, to_cbor(end)),))
