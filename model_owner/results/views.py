"""Views of a job at `GET /models` and `GET /models/{id}`, for this party's own people."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.model_owner.ending import ABOUT_VALUES
from fedtrain.model_owner.job_state import JobState, PhaseBegun
from fedtrain.model_owner.methods import method_of
from fedtrain.model_owner.methods.learning import HistoryRow
from fedtrain.model_owner.methods.quadratic.l2_choice import L2Choice
from fedtrain.model_owner.release import refused, undecided
from fedtrain.model_owner.results.finished import remarks_on
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.model_owner.results.remarks import Remark
from fedtrain.model_owner.results.table.coefficient_table import CoefficientTable
from fedtrain.planning.window_position import WindowPosition, window_position
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.states import Phase
from fedtrain.service.views.job_view import JobView
from fedtrain.spec.model_spec import ModelType, Optimizer
from fedtrain.spec.problems import Problem

#: How long a person waits for what the Facilitator says.
LONGEST_WAIT_S = 2.0

IF_HONEST = "if the Model Owner follows the protocol"
NO_THEOREM = "the leakage theorem does not hold for weights that owners see"


class Leak(BaseModel):
    """Count of the federation's numbers that were decrypted, and of those that there are in its moments (A, b).

    Where owners see the weights: of how many the rounds can have.
    """

    numbers_decrypted: int
    of: int
    holds: str


class Round(BaseModel):
    """One turn of the Model Owner: the training loss in raw units and ‖gradient‖/‖b‖, at the weights that were asked.

    With windows there is no loss, and `gradient` is what the window's updates tell of it. `test_loss` and
    `test_accuracy`: of a network's weights after the round on this party's test set, where the round was evaluated.
    """

    round: int
    loss: float | None
    gradient: float
    at: datetime
    validation_loss: float | None = None
    accuracy: float | None = None
    validation_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None


class Suspect(BaseModel):
    """An owner of a job whose sums could not be used: `ended_so` of its `jobs` here ended like that.

    Single answers are never opened, so that the count alone tells one owner from another.
    """

    party: str
    name: str
    jobs: int
    ended_so: int


class ReleaseRefusal(BaseModel):
    """An owner whose people refused that others get the model, with their reason."""

    name: str
    why: str


class ModelLine(JobView):
    """A job in a list. `name` and `optimizer` are those of its spec. `request`: the id of what it comes of."""

    name: str | None
    model_type: ModelType
    optimizer: Optimizer
    loss: float | None
    loss_is: str
    ended_at: datetime | None
    request: str | None


_ALL_ROUNDS = {"rounds_missed": 0, "left": False}
_EXAMPLE: dict[str, Any] = {
    "id": "0f4b6d1c9e7a4c52b8d3a6e5f1029384",
    "name": "stay in hospital",
    "model_type": "LINEAR_REGRESSION",
    "optimizer": "conjugate_gradient",
    "status": "IN_PROGRESS",
    "phase": "TRAINING",
    "round": 7,
    "rounds": 48,
    "loss": 2961.337,
    "loss_is": "mean squared error on the training rows",
    "reason": None,
    "code": None,
    "created_at": "2026-01-12T09:28:00.000Z",
    "started_at": "2026-01-12T09:28:04.511Z",
    "phases": [
        {"phase": "DEPLOYING", "at": "2026-01-12T09:28:02.118Z"},
        {"phase": "JOINING", "at": "2026-01-12T09:28:02.264Z"},
        {"phase": "TRAINING", "at": "2026-01-12T09:28:04.511Z"},
    ],
    "ended_at": None,
    "request": None,
    "converged": None,
    "gradient": 0.0031,
    "history": [{"round": 7, "loss": 2961.337, "gradient": 0.0031, "at": "2026-01-12T09:28:41.002Z"}],
    "coefficients": None,
    "coefficient_table": None,
    "no_coefficient_table": None,
    "l2_choice": None,
    "remarks": [],
    "owners": [{"party": "1a" * 32, "name": "clinic-a"}, {"party": "c4" * 32, "name": "clinic-b"}],
    "declined": [],
    "on_dropout": "wait",
    "waiting_for": [{"party": "c4" * 32, "name": "clinic-b", "since": "2026-01-12T09:28:41.100Z"}],
    "pace": [
        {"party": "1a" * 32, "name": "clinic-a", "answered_after_s": 0.84, "last_answer_after_s": 0.84, **_ALL_ROUNDS},
        {"party": "c4" * 32, "name": "clinic-b", "answered_after_s": None, "last_answer_after_s": 31.02, **_ALL_ROUNDS},
    ],
    "not_signed_off": None,
    "release_refused": [],
    "seconds_left": 41.5,
    "refusal": None,
    "bytes_sent": 181_204,
    "bytes_received": 402_118,
    "seconds_spent": 3.2,
    "rows_total": 376,
    "leak": {"numbers_decrypted": 77, "of": 77, "holds": IF_HONEST},
    "window": {
        "step": 0,
        "of": 1,
        "weight_fraction_bits": 40,
        "answer_fraction_bits": 72,
        "bits_used": 116,
        "bits_left": 2954,
        "bits_available": 3070,
    },
    "plan": {
        "slot_bits": 116,
        "bits_available": 3070,
        "forecast": {"owners": 2, "rounds": 48, "sums_decrypted": 77, "sums_in_all": 77},
    },
}


class ModelView(ModelLine):
    """A job. `waiting_for`, `pace` and `seconds_left` are the Facilitator's, and None where it cannot be asked, or
    the job is over. `pace`: of each owner, how long after the request it answered. `phases`: those after PREPARING, in
    order, as far as their times were kept.

    `not_signed_off`: names of owners whose people have yet to sign the result off, once that is all it waits for, or
    all that others wait for; None before, and where nobody does. `release_refused`: who refused that others get it.
    `refusal`: why this party last refused what the Facilitator sent. `converged`: whether the tolerance was reached.
    `remarks`: what people must know of the finished model. `may_have_caused`: where its sums could not be used, the
    owners of the roster, those first whose jobs ended so most often.
    `test_set_problem`: in the answer to POST /models, why the test set could not score the model that it will be; later
    why the last round that was evaluated could not be on it.
    Members that are not here are what a method reports that fits no coefficients.
    `on_dropout`: what its spec says of rounds without an owner. `window`: scale and bits of the round that is
    asked. `plan`: the budget, and under `forecast` what the job costs.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": _EXAMPLE})

    started_at: datetime | None
    phases: list[PhaseBegun]
    converged: bool | None
    gradient: float | None
    history: list[Round]
    coefficients: dict[str, float | dict[str, float]] | None
    coefficient_table: CoefficientTable | None
    no_coefficient_table: str | None
    l2_choice: L2Choice | None
    remarks: list[Remark]
    owners: list[dict[str, str]]
    may_have_caused: list[Suspect] = Field(default=[])
    declined: list[dict[str, Any]]
    on_dropout: Literal["wait", "end", "continue"]
    waiting_for: list[dict[str, Any]] | None
    pace: list[dict[str, Any]] | None = None
    not_signed_off: list[str] | None
    release_refused: list[ReleaseRefusal] = Field(default=[])
    seconds_left: float | None
    refusal: str | None
    test_set_problem: str | None = None
    bytes_sent: int
    bytes_received: int
    seconds_spent: float
    rows_total: int | None
    leak: Leak
    window: WindowPosition | None
    plan: dict[str, Any]


_OF_LINEAR_MODELS = ("coefficients", "coefficient_table", "no_coefficient_table", "l2_choice")


def line(state: JobState) -> ModelLine:
    return ModelLine(**_line(state))


def _line(state: JobState) -> dict[str, Any]:
    ending = state.ending
    return {
        "id": state.job_id,
        "name": state.spec.name,
        "model_type": state.spec.model_type,
        "optimizer": state.spec.training.optimizer,
        "status": state.status,
        "phase": state.phase,
        "round": state.round,
        "rounds": state.rounds,
        "loss": state.loss,
        "loss_is": method_of(state.spec).fitted.loss_is,
        "reason": None if ending is None else ending.reason,
        "code": None if ending is None else ending.code,
        "created_at": state.created_at,
        "ended_at": None if ending is None else ending.at,
        "request": state.request,
    }


def view(
    state: JobState,
    history: Sequence[HistoryRow],
    model: TrainedModel | None,
    elsewhere: dict[str, Any] | None,
    refusal: str | None,
    forecast: dict[str, Any],
) -> ModelView:
    """`elsewhere`: what the Facilitator says of the job, where it says something. `forecast`: what the job costs."""
    said = elsewhere or {}
    return ModelView(
        **{**_line(state), "round": round_of(state, elsewhere)},
        started_at=state.started_at,
        phases=list(state.phases),
        converged=None if state.ending is None else state.ending.converged,
        gradient=state.gradient,
        history=[Round(**row.model_dump()) for row in history],
        **{**dict.fromkeys(_OF_LINEAR_MODELS), **({} if model is None else model.report)},
        remarks=list(remarks_on(state, model)),
        owners=[owner.model_dump() for owner in state.owners],
        declined=_listed(said.get("declined")),
        on_dropout=state.spec.training.on_dropout,
        waiting_for=[] if state.ended else None if elsewhere is None else _listed(said.get("waiting_for")),
        pace=None if elsewhere is None else _listed(said.get("pace")),
        not_signed_off=_not_signed_off(state, said),
        release_refused=[
            ReleaseRefusal(name=owner.name, why=word.refused_because or "") for owner, word in refused(state)
        ],
        seconds_left=None if state.ended else _number(said.get("seconds_left")),
        refusal=refusal,
        bytes_sent=state.bytes_sent,
        bytes_received=state.bytes_received,
        seconds_spent=round(state.seconds_spent, 3),
        rows_total=None if _most_rows_only(state) else state.rows_total,
        leak=leak(state),
        window=position_of(state, elsewhere),
        plan={**state.plan, "forecast": forecast},
    )


def _most_rows_only(state: JobState) -> bool:
    """Say whether N is but the most there can be: before a result is signed off, and where nobody is asked for it."""
    return state.spec.kind.tells_thresholds or (state.spec.signs_off and not state.numbers_decrypted)


def _not_signed_off(state: JobState, said: dict[str, Any]) -> list[str] | None:
    if state.spec.awaits_release and state.phase is Phase.FINISHED:
        return [owner.name for owner in undecided(state)]
    if not state.spec.signs_off or state.ended or said.get("phase") != Phase.UNMASKING:
        return None
    return [str(owner.get("name")) for owner in _listed(said.get("waiting_for"))]


def suspects(state: JobState, jobs: Sequence[JobState]) -> list[Suspect]:
    """Return who may have caused the end of a job, by its owners' other jobs; nobody where no sum was the reason."""
    if not _sums_unusable(state):
        return []
    found = []
    for owner in state.owners:
        own = [job for job in jobs if any(one.party == owner.party for one in job.owners)]
        so = sum(map(_sums_unusable, own))
        found.append(Suspect(party=owner.party, name=owner.name, jobs=len(own), ended_so=so))
    return sorted(found, key=lambda one: (-one.ended_so / max(one.jobs, 1), one.name))


def _sums_unusable(state: JobState) -> bool:
    return state.ending is not None and state.ending.code in ABOUT_VALUES


def in_windows(state: JobState) -> bool:
    """Say whether the Facilitator is at work in a window of several updates."""
    return state.window is not None and state.window.of > 1


def round_of(state: JobState, elsewhere: dict[str, Any] | None) -> int:
    """The round that is asked: inside a window the Facilitator's, which asks it."""
    said = (elsewhere or {}).get("round")
    return max(state.round, said) if in_windows(state) and isinstance(said, int) else state.round


def position_of(state: JobState, elsewhere: dict[str, Any] | None) -> WindowPosition | None:
    """Return where the job stands in its window: the Facilitator's word for how far, this party's plan for what that
    means.
    """
    own, said = state.window, (elsewhere or {}).get("window")
    if own is None or not isinstance(said, dict) or not isinstance(said.get("step"), int):
        return own
    return window_position(state.plan, said["step"]) or own


def leak(state: JobState) -> Leak:
    """Return how much of what the federation's sums hold was told, as the job's method counts it."""
    method, told = method_of(state.spec), state.numbers_decrypted
    in_all = method.numbers_in_all(state.spec, state.rounds)
    holds = IF_HONEST if method.leakage_theorem else f"{IF_HONEST}; {NO_THEOREM}"
    of = told if in_all is None else in_all
    return Leak(numbers_decrypted=min(told, of), of=of, holds=holds)


def _listed(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


class FacilitatorViews:
    """The Facilitator's word on running jobs, asked at most once in `keep_s` a job, however many look."""

    def __init__(self, client: FacilitatorClient, clock: Clock, keep_s: float) -> None:
        self._client = client
        self._clock = clock
        self._keep_s = keep_s
        self._known: dict[str, tuple[float, asyncio.Task[dict[str, Any] | None]]] = {}

    async def of(self, state: JobState) -> dict[str, Any] | None:
        """Return what GET /models/{id} says there; None where the job is not there, or nobody answers."""
        if state.phase not in (Phase.JOINING, Phase.TRAINING):
            self._known.pop(state.job_id, None)
            return None
        asked = self._known.get(state.job_id)
        if asked is None or self._clock.monotonic() - asked[0] > self._keep_s:
            asked = (self._clock.monotonic(), asyncio.create_task(self._ask(state.job_id)))
            self._known[state.job_id] = asked
        # Not awaited itself: who looks first may go away while others wait for the same answer.
        answered, _ = await asyncio.wait({asked[1]}, timeout=LONGEST_WAIT_S)
        return asked[1].result() if answered else None

    async def _ask(self, job_id: str) -> dict[str, Any] | None:
        try:
            return dict(await self._client.model(job_id))
        except Problem:
            return None

    async def close(self) -> None:
        """Ask no more."""
        tasks = [task for _, task in self._known.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
