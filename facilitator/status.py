"""Views of a job at `GET /models` and `GET /models/{id}`: nothing but what the Facilitator may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from fedtrain.facilitator.job_state import Accepted, JobState, Member
from fedtrain.methods import schedule_of
from fedtrain.methods.schedule import Schedule
from fedtrain.planning.window_position import WindowPosition, window_position
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.protocol.messages.rounds import Kind
from fedtrain.protocol.states import Phase, status_of
from fedtrain.service.views.job_view import JobView


class Awaited(BaseModel):
    """Whom a job waits for, and since when."""

    party: str
    name: str
    since: datetime


class PartyName(BaseModel):
    party: str
    name: str


class DeclinedOwner(BaseModel):
    """An owner that did not join, and the catalogue code that it gave."""

    party: str
    name: str
    code: str


class OwnerPace(BaseModel):
    """Pace of an owner, as the Facilitator sees it.

    `answered_after_s`: seconds from the round's request to its answer, None while there is none. `last_answer_after_s`:
    the same of its last answer, whatever the round, None before the first. `rounds_missed`: whose sum is without it.
    `left`: it is asked no more.
    """

    party: str
    name: str
    answered_after_s: float | None
    last_answer_after_s: float | None = None
    rounds_missed: int
    left: bool


_ALL_ROUNDS: JsonDict = {"rounds_missed": 0, "left": False}
_EXAMPLE: JsonDict = {
    "id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
    "status": "IN_PROGRESS",
    "phase": "WAITING_FOR_DATA_OWNERS",
    "round": 7,
    "rounds": 48,
    "kind": "gradient",
    "model_owner": {"party": "7d" * 32, "name": "model-owner"},
    "waiting_for": [{"party": "c4" * 32, "name": "clinic-b", "since": "2026-01-12T09:30:05.120Z"}],
    "owners": [{"party": "1a" * 32, "name": "clinic-a"}, {"party": "c4" * 32, "name": "clinic-b"}],
    "declined": [{"party": "e9" * 32, "name": "clinic-c", "code": "policy-refuses"}],
    "reason": None,
    "code": None,
    "created_at": "2026-01-12T09:28:00.000Z",
    "started_at": "2026-01-12T09:28:04.511Z",
    "ended_at": None,
    "pruned_at": None,
    "due_at": "2026-01-12T09:40:05.120Z",
    "goes_on": False,
    "pace": [
        {"party": "1a" * 32, "name": "clinic-a", "answered_after_s": 0.84, "last_answer_after_s": 0.84, **_ALL_ROUNDS},
        {"party": "c4" * 32, "name": "clinic-b", "answered_after_s": None, "last_answer_after_s": 31.02, **_ALL_ROUNDS},
    ],
    "seconds_left": 41.5,
    "window": {
        "step": 2,
        "of": 8,
        "weight_fraction_bits": 250,
        "answer_fraction_bits": 282,
        "bits_used": 369,
        "bits_left": 2701,
        "bits_available": 3070,
    },
}


class ModelView(JobView):
    """A job. `due_at`: when its timeout comes. `seconds_left`: an estimate, should it need all its rounds.

    `window`: scale and bits of the training round that is asked, None outside those. `goes_on`: rounds go on without an
    owner that is late. `pace`: of each owner on the roster. `log_head`: the hash of the log's last entry, of a finished
    job.
    """

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    kind: Kind | None
    model_owner: PartyName
    waiting_for: list[Awaited]
    owners: list[PartyName]
    declined: list[DeclinedOwner]
    started_at: datetime | None
    ended_at: datetime | None
    pruned_at: datetime | None
    due_at: datetime | None
    seconds_left: float | None
    window: WindowPosition | None
    goes_on: bool
    pace: list[OwnerPace]
    log_head: str | None = None


@dataclass(frozen=True)
class JobOutline:
    """Part of a manifest that listings tell, which never changes: a spec can be a megabyte, and is read once."""

    model_owner: Member
    schedule: Schedule
    plan: Mapping[str, object]

    @classmethod
    def of(cls, manifest: Manifest) -> JobOutline:
        model_owner = Member(party=manifest.model_owner, name=manifest.model_owner_name)
        return cls(model_owner, schedule_of(manifest.spec), manifest.plan)


def describe(outline: JobOutline, state: JobState, facilitator: Member, now: datetime) -> ModelView:
    """Return what anyone may be told of the job."""
    ending = state.ending
    model_owner = outline.model_owner
    return ModelView(
        id=state.job_id,
        status=status_of(state.phase),
        phase=state.phase,
        round=None if state.current is None else state.current.round,
        rounds=outline.schedule.rounds,
        kind=None if state.current is None else state.current.kind,
        model_owner=_named(model_owner),
        waiting_for=_awaited(state, model_owner, facilitator),
        owners=[_named(owner) for owner in state.roster] or [_named(owner) for owner in state.accepted],
        declined=[DeclinedOwner(**owner.model_dump()) for owner in state.declined],
        reason=None if ending is None else ending.reason,
        code=None if ending is None else ending.code,
        created_at=state.created_at,
        started_at=state.started_at,
        ended_at=None if ending is None else ending.at,
        pruned_at=state.pruned_at,
        due_at=state.deadline,
        seconds_left=_seconds_left(state, outline, now),
        window=position_of(outline, state),
        goes_on=outline.schedule.goes_on,
        pace=_pace(state),
        log_head=state.log_head if state.phase is Phase.FINISHED else None,
    )


def _pace(state: JobState) -> list[OwnerPace]:
    answers, last_s = {} if state.current is None else state.current.answers, state.last_answers_s
    return [
        OwnerPace(
            party=owner.party,
            name=owner.name,
            answered_after_s=answers[owner.party].after_s if owner.party in answers else None,
            last_answer_after_s=last_s.get(owner.party),
            rounds_missed=state.absences.get(owner.party, 0),
            left=owner.party in state.left,
        )
        for owner in state.roster
    ]


def position_of(outline: JobOutline, state: JobState) -> WindowPosition | None:
    """Return where the job stands in its window; None before the first training round and after the end."""
    current, schedule = state.current, outline.schedule
    if state.ended or current is None or not schedule.stepped or current.kind != schedule.kind:
        return None
    return window_position(outline.plan, current.window_step)


def _named(member: Member | Accepted) -> PartyName:
    return PartyName(party=member.party, name=member.name)


def _awaited(state: JobState, model_owner: Member, facilitator: Member) -> list[Awaited]:
    if state.phase is Phase.JOINING:
        return [
            Awaited(party=owner.party, name=owner.name, since=owner.since)
            for owner in state.invited
            if owner.party not in state.join_answers
        ]
    if state.phase in (Phase.WAITING_FOR_DATA_OWNERS, Phase.AGREEING, Phase.UNMASKING):
        members: tuple[Member, ...] = state.awaited_owners
    elif state.phase is Phase.WAITING_FOR_MODEL_OWNER:
        members = (model_owner,)
    else:
        members = (facilitator,) if state.phase is Phase.ADDING else ()
    return [Awaited(party=member.party, name=member.name, since=state.phase_since) for member in members]


def _seconds_left(state: JobState, outline: JobOutline, now: datetime) -> float | None:
    """The mean time of rounds and evaluations so far, for those to come; None before one is over, and after the end."""
    current = state.current
    if state.ended or current is None or state.rounds_done == 0:
        return None
    mean_s = state.round_seconds / state.rounds_done
    in_this_round_s = (now - current.started_at).total_seconds()
    # A round's own evaluation is still to come.
    schedule = outline.schedule
    evaluated = current.round - 1 if current.kind == schedule.kind else current.round
    left = schedule.rounds - current.round + 1 + schedule.evaluations(evaluated)
    return round(max(0.0, left * mean_s - in_this_round_s), 1)
