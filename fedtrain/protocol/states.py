"""All states of a job at each party, and every transition between them: the one table.

The diagrams in `docs/protocol.md` are generated from it by `python -m fedtrain.protocol.states`.
"""

from __future__ import annotations

from enum import StrEnum

from fedtrain.spec.problems import Code, Problem


class Status(StrEnum):
    """Status as a person is told it."""

    INITIATED = "INITIATED"
    IN_PROGRESS = "IN_PROGRESS"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Role(StrEnum):
    FACILITATOR = "facilitator"
    MODEL_OWNER = "model-owner"
    DATA_OWNER = "data-owner"


class Phase(StrEnum):
    """Phase of a job at one party. The last three end it, at every party."""

    PREPARING = "PREPARING"  # model owner: making the key
    DEPLOYING = "DEPLOYING"  # model owner: manifest on its way
    JOINING = "JOINING"  # facilitator, model owner: owners are asked
    WAITING_FOR_MODEL_OWNER = "WAITING_FOR_MODEL_OWNER"  # facilitator
    WAITING_FOR_DATA_OWNERS = "WAITING_FOR_DATA_OWNERS"  # facilitator
    ADDING = "ADDING"  # facilitator: multiplying ciphertexts, or a step of a window
    AGREEING = "AGREEING"  # facilitator: owners sign whose answers are summed
    UNMASKING = "UNMASKING"  # facilitator: owners tell the Model Owner keys of masks, once signed off where that is due
    TRAINING = "TRAINING"  # model owner
    OFFERED = "OFFERED"  # data owner: manifest received
    AWAITING_APPROVAL = "AWAITING_APPROVAL"  # data owner: a person decides
    JOINED = "JOINED"  # data owner
    DECLINED = "DECLINED"  # data owner
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Event(StrEnum):
    """Event that moves a job on."""

    KEY_MADE = "KEY_MADE"
    MANIFEST_POSTED = "MANIFEST_POSTED"
    ROSTER_CLOSED = "ROSTER_CLOSED"
    ROSTER_TOO_SMALL = "ROSTER_TOO_SMALL"
    REQUEST_POSTED = "REQUEST_POSTED"
    LAST_ANSWER = "LAST_ANSWER"
    SUM_READY = "SUM_READY"
    WINDOW_CONTINUES = "WINDOW_CONTINUES"
    SET_NAMED = "SET_NAMED"
    SET_SIGNED = "SET_SIGNED"
    LAST_UNMASKING = "LAST_UNMASKING"
    ROUND_VOID = "ROUND_VOID"
    OWNER_TIMED_OUT = "OWNER_TIMED_OUT"
    NEEDS_APPROVAL = "NEEDS_APPROVAL"
    ACCEPT = "ACCEPT"
    DECLINE = "DECLINE"
    FINISH = "FINISH"
    FAIL = "FAIL"
    CANCEL = "CANCEL"


ENDED = frozenset({Phase.FINISHED, Phase.FAILED, Phase.CANCELLED})

_F, _M, _D = Role.FACILITATOR, Role.MODEL_OWNER, Role.DATA_OWNER


def _ends(role: Role, *phases: Phase) -> dict[tuple[Role, Phase, Event], Phase]:
    table = {}
    for phase in phases:
        table[role, phase, Event.FAIL] = Phase.FAILED
        table[role, phase, Event.CANCEL] = Phase.CANCELLED
    return table


TRANSITIONS: dict[tuple[Role, Phase, Event], Phase] = {
    (_F, Phase.JOINING, Event.ROSTER_CLOSED): Phase.WAITING_FOR_MODEL_OWNER,
    (_F, Phase.JOINING, Event.ROSTER_TOO_SMALL): Phase.FAILED,
    (_F, Phase.WAITING_FOR_MODEL_OWNER, Event.REQUEST_POSTED): Phase.WAITING_FOR_DATA_OWNERS,
    (_F, Phase.WAITING_FOR_MODEL_OWNER, Event.FINISH): Phase.FINISHED,
    (_F, Phase.WAITING_FOR_DATA_OWNERS, Event.LAST_ANSWER): Phase.ADDING,
    (_F, Phase.WAITING_FOR_DATA_OWNERS, Event.OWNER_TIMED_OUT): Phase.FAILED,
    (_F, Phase.ADDING, Event.SUM_READY): Phase.WAITING_FOR_MODEL_OWNER,
    (_F, Phase.ADDING, Event.WINDOW_CONTINUES): Phase.WAITING_FOR_DATA_OWNERS,
    (_F, Phase.WAITING_FOR_DATA_OWNERS, Event.SET_NAMED): Phase.AGREEING,
    (_F, Phase.WAITING_FOR_DATA_OWNERS, Event.ROUND_VOID): Phase.WAITING_FOR_MODEL_OWNER,
    (_F, Phase.AGREEING, Event.SET_SIGNED): Phase.UNMASKING,
    (_F, Phase.AGREEING, Event.ROUND_VOID): Phase.WAITING_FOR_MODEL_OWNER,
    (_F, Phase.AGREEING, Event.OWNER_TIMED_OUT): Phase.FAILED,
    (_F, Phase.UNMASKING, Event.LAST_UNMASKING): Phase.ADDING,
    (_F, Phase.UNMASKING, Event.ROUND_VOID): Phase.WAITING_FOR_MODEL_OWNER,
    **_ends(
        _F,
        Phase.JOINING,
        Phase.WAITING_FOR_MODEL_OWNER,
        Phase.WAITING_FOR_DATA_OWNERS,
        Phase.AGREEING,
        Phase.UNMASKING,
        Phase.ADDING,
    ),
    (_M, Phase.PREPARING, Event.KEY_MADE): Phase.DEPLOYING,
    (_M, Phase.DEPLOYING, Event.MANIFEST_POSTED): Phase.JOINING,
    (_M, Phase.JOINING, Event.ROSTER_CLOSED): Phase.TRAINING,
    (_M, Phase.TRAINING, Event.FINISH): Phase.FINISHED,
    **_ends(_M, Phase.PREPARING, Phase.DEPLOYING, Phase.JOINING, Phase.TRAINING),
    (_D, Phase.OFFERED, Event.NEEDS_APPROVAL): Phase.AWAITING_APPROVAL,
    (_D, Phase.OFFERED, Event.ACCEPT): Phase.JOINED,
    (_D, Phase.OFFERED, Event.DECLINE): Phase.DECLINED,
    (_D, Phase.AWAITING_APPROVAL, Event.ACCEPT): Phase.JOINED,
    (_D, Phase.AWAITING_APPROVAL, Event.DECLINE): Phase.DECLINED,
    (_D, Phase.JOINED, Event.FINISH): Phase.FINISHED,
    **_ends(_D, Phase.OFFERED, Phase.AWAITING_APPROVAL, Phase.JOINED),
}

_IN_PROGRESS = frozenset(
    {
        Phase.WAITING_FOR_MODEL_OWNER,
        Phase.WAITING_FOR_DATA_OWNERS,
        Phase.AGREEING,
        Phase.UNMASKING,
        Phase.ADDING,
        Phase.TRAINING,
        Phase.JOINED,
    }
)


def advance(role: Role, phase: Phase, event: Event) -> Phase:
    """Return the phase after `event`. Raises Problem(WRONG_STATE), naming both, when the table has no such line."""
    try:
        return TRANSITIONS[role, phase, event]
    except KeyError:
        raise Problem(Code.WRONG_STATE, f"A job that is {phase} at the {role} does not take {event}.") from None


def status_of(phase: Phase) -> Status:
    """Return what a person is told of `phase`. A declined job has ended for that owner, so it is CANCELLED there."""
    if phase in ENDED:
        return Status(phase.value)
    if phase is Phase.DECLINED:
        return Status.CANCELLED
    return Status.IN_PROGRESS if phase in _IN_PROGRESS else Status.INITIATED


def mermaid(role: Role) -> str:
    """Return the state diagram of one role, in Mermaid's language."""
    lines = ["stateDiagram-v2"]
    starts = {Role.FACILITATOR: Phase.JOINING, Role.MODEL_OWNER: Phase.PREPARING, Role.DATA_OWNER: Phase.OFFERED}
    lines.append(f"    [*] --> {starts[role]}")
    lines += [f"    {a} --> {b}: {event}" for (owner, a, event), b in TRANSITIONS.items() if owner is role]
    ends = {b for (owner, _, _), b in TRANSITIONS.items() if owner is role and (b in ENDED or b is Phase.DECLINED)}
    lines += [f"    {phase} --> [*]" for phase in sorted(ends)]
    return "\n".join(lines)


def diagrams() -> str:
    """Return the Markdown section that `docs/protocol.md` holds between its state markers."""
    return "\n\n".join(f"### {role}\n\n```mermaid\n{mermaid(role)}\n```" for role in Role)


if __name__ == "__main__":
    print(diagrams())  # noqa: T201
