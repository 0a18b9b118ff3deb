"""GET /models, the decision by hand (POST /models/{id}/approve and /deny), and GET /changes for pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field, field_serializer

from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.routes.asked import Asked, Leak, leak_of
from fedtrain.data_owner.routes.consents import ConsentView
from fedtrain.data_owner.routes.parts import OwnerParts, Parts
from fedtrain.data_owner.routes.sign_offs import SignOffStanding, standing
from fedtrain.data_owner.store.records import Release
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.protocol.messages.tasks import JSON_TYPE
from fedtrain.service.people.permissions import Permission
from fedtrain.service.views.job_view import JobView
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.service.web.event_streams import (
    CHANGES,
    EVENTS,
    About,
    CountedStream,
    LastEventId,
    Sight,
    changes_at,
    events_of,
    looking,
)
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

JobIdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The job's id, the same at every party.")]


class Denial(Strict):
    """Reason for this owner not to take part. It stays here: others are told `denied` alone."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class Released(BaseModel):
    """All that left this owner for the job so far."""

    answers: int
    numbers: int


class TrainingView(BaseModel):
    """Local training that runs now: `step` batches of `steps` are done of its turn in `round`."""

    round: int
    step: int
    steps: int

    @classmethod
    def of(cls, parts: OwnerParts, job_id: str) -> TrainingView | None:
        at = parts.training_of(job_id)
        return None if at is None else cls(round=at.round, step=at.step, steps=at.steps)


class OwnerJobView(JobView):
    """A job as this owner's own people see it: with the reasons in full, which nobody else is told.

    `request`: the id of the request that it comes of.
    """

    name: str | None
    model_owner: str | None
    model_owner_name: str | None
    dataset: str | None
    dataset_version: str | None
    released: Released
    waits_because: str | None
    sign_off: SignOffStanding | None = None
    request: str | None = None
    last_refused_request: dict[str, str] | None
    leak: Leak | None
    changed_at: datetime

    @field_serializer("created_at", "changed_at")
    def _written(self, at: datetime) -> str:
        return at.isoformat()

    @classmethod
    def of(cls, parts: OwnerParts, state: JobState, released: tuple[int, int] = (0, 0)) -> OwnerJobView:
        """`released`: answers, and numbers in them."""
        code, reason = _reason(state)
        manifest = parts.jobs.manifest(state)
        return cls(
            id=state.job_id,
            name=manifest.spec.name if manifest is not None else None,
            status=state.status,
            phase=state.phase,
            model_owner=state.model_owner,
            model_owner_name=state.model_owner_name,
            dataset=state.dataset,
            dataset_version=state.dataset_version,
            round=state.last.round if state.last else None,
            rounds=state.rounds,
            released=Released(answers=released[0], numbers=released[1]),
            code=code,
            reason=reason,
            waits_because=state.waits_because or _waits_for_sign_off(parts, state),
            sign_off=standing(parts, state),
            request=state.request,
            last_refused_request=state.problem.model_dump() if state.problem else None,
            leak=_leak(state, manifest),
            created_at=state.created_at,
            changed_at=state.changed_at,
        )


class EarlierView(BaseModel):
    """A job that this owner has answered, and whose sums this one's could be combined with."""

    id: str
    dataset_version: str
    owners: list[str]

    @classmethod
    def of(cls, told: Told) -> EarlierView:
        return cls(id=told.job_id, dataset_version=told.table.version, owners=sorted(told.names))


class JobDetail(OwnerJobView):
    """A job with its columns, plan, training terms, every release, and what its sums could be subtracted from.

    `spec`: the whole spec that its Model Owner signed: name and purpose, model, features and targets.

    `differencing_risks` are those that a person has to take, or has taken; `earlier_jobs` are those on the same rows,
    as far as that is known, with the owners that each was over; `consents` are those to this job. `asked`: all of it in
    the words that a person decides on, None where the job's manifest could not be opened. `training_now`: how far the
    local training of a network is, None where none runs.
    """

    spec: dict[str, Any] | None
    training: dict[str, Any] | None
    plan: dict[str, Any] | None
    releases: list[Release]
    differencing_risks: list[str]
    earlier_jobs: list[EarlierView]
    consents: list[ConsentView]
    asked: Asked | None
    training_now: TrainingView | None = None


_EXAMPLE = {
    "id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
    "name": "stay in hospital",
    "status": "IN_PROGRESS",
    "phase": "JOINED",
    "model_owner": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
    "model_owner_name": "model-owner",
    "dataset": "default",
    "dataset_version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "round": 4,
    "rounds": 48,
    "released": {"answers": 5, "numbers": 46},
    "code": None,
    "reason": None,
    "waits_because": None,
    "sign_off": None,
    "request": None,
    "last_refused_request": None,
    "leak": {"numbers_per_round": 11, "rounds_at_most": 48, "numbers_in_all_moments": 77, "holds_if": "…"},
    "created_at": "2025-01-31T09:30:00+00:00",
    "changed_at": "2025-01-31T09:30:07+00:00",
}
_DETAIL = _EXAMPLE | {"releases": [], "differencing_risks": [], "earlier_jobs": [], "consents": [], "asked": None}
_DENIED = _EXAMPLE | {"status": "CANCELLED", "phase": "DECLINED", "code": "denied", "reason": "Not this quarter."}


router = APIRouter(tags=["models"])


@router.get(
    "/models",
    dependencies=[needs(Permission.LOOK)],
    summary="The jobs this owner was asked to join, the latest first",
    responses={200: {"content": {JSON_TYPE: {"example": [_EXAMPLE]}}}},
)
def get_models(parts: Parts) -> list[OwnerJobView]:
    released = parts.store.released()
    return [OwnerJobView.of(parts, state, released.get(state.job_id, (0, 0))) for state in parts.store.jobs()]


@router.get(
    "/models/{job_id}",
    dependencies=[needs(Permission.LOOK)],
    summary="One job: its plan, what it may reveal, and what was released",
    responses={200: {"content": {JSON_TYPE: {"example": _DETAIL}}}},
)
def get_model(job_id: JobIdPath, parts: Parts) -> JobDetail:
    state = _known(parts, job_id)
    releases = parts.store.releases(job_id)
    manifest = parts.jobs.manifest(state)
    earlier = parts.memory.related(job_id, state.table) if state.table else []
    return JobDetail(
        **OwnerJobView.of(parts, state, (len(releases), sum(release.numbers for release in releases))).model_dump(),
        spec=manifest.spec.model_dump(mode="json", exclude_none=True) if manifest else None,
        training=manifest.spec.training.model_dump(mode="json") if manifest else None,
        plan=manifest.plan if manifest else None,
        releases=releases,
        differencing_risks=[*state.risks_taken, *state.risks],
        earlier_jobs=[EarlierView.of(one) for one in earlier],
        consents=ConsentView.of_job(parts.memory, job_id, state.consent),
        asked=Asked.of(state, manifest, _leak(state, manifest), earlier, parts.jobs.policy.min_cell)
        if manifest
        else None,
        training_now=TrainingView.of(parts, job_id),
    )


@router.get("/models/{job_id}/events", dependencies=[needs(Permission.LOOK)], **EVENTS)
async def events(
    job_id: JobIdPath, request: Request, parts: Parts, who: AnyCaller, last_event_id: LastEventId = None
) -> CountedStream:
    await asyncio.to_thread(_known, parts, job_id)

    def look(seen: int) -> Sight:
        state = _known(parts, job_id)
        shown = OwnerJobView.of(parts, state)
        status = shown.progress() | {"waits_because": shown.waits_because}
        left: dict[int, int] = {}
        for release in parts.store.releases(job_id):
            left[release.round] = left.get(release.round, 0) + release.numbers
        rounds = [status | {"round": at, "numbers": left[at]} for at in sorted(left) if at > max(seen, 0)]
        at = TrainingView.of(parts, job_id)
        return Sight(status, rounds, state.ended, training=None if at is None else at.model_dump())

    def looked(seen: int) -> Awaitable[Sight]:
        return asyncio.to_thread(look, seen)

    return CountedStream(request, who, events_of(looked, looking(request.app.state.stop), last_event_id))


@router.get("/changes", dependencies=[needs(Permission.LOOK)], **CHANGES)
async def changes(request: Request, parts: Parts, who: AnyCaller, about: About) -> CountedStream:
    return CountedStream(request, who, changes_at(parts.store.engine, parts.requests.requests.news, about, request))


@router.post(
    "/models/{job_id}/approve",
    dependencies=[needs(Permission.APPROVE_JOBS)],
    summary="Let a job in that waits for a person",
    responses={200: {"content": {JSON_TYPE: {"example": _EXAMPLE}}}},
)
async def approve(job_id: JobIdPath, parts: Parts, who: AnyCaller) -> OwnerJobView:
    return OwnerJobView.of(parts, await parts.deciding.approve(job_id, who.token_id, who.account))


@router.post(
    "/models/{job_id}/deny",
    dependencies=[needs(Permission.APPROVE_JOBS)],
    summary="Refuse a job that waits for a person",
    responses={200: {"content": {JSON_TYPE: {"example": _DENIED}}}},
)
async def deny(job_id: JobIdPath, denial: Denial, parts: Parts, who: AnyCaller) -> OwnerJobView:
    return OwnerJobView.of(parts, await parts.deciding.deny(job_id, denial.reason, who.token_id, who.account))


@router.post(
    "/models/{job_id}/resume",
    dependencies=[needs(Permission.RESUME_JOBS)],
    status_code=202,
    summary="Go on with a job that waits for this owner, as after a restored backup",
    responses={202: {"content": {JSON_TYPE: {"example": _EXAMPLE}}}},
)
async def resume(job_id: JobIdPath, parts: Parts) -> OwnerJobView:
    return OwnerJobView.of(parts, await parts.settling.resume(job_id))


def _known(parts: OwnerParts, job_id: str) -> JobState:
    """Return a job. Raises Problem(MODEL_NOT_FOUND)."""
    state = parts.store.job(job_id)
    if state is None:
        raise Problem(Code.MODEL_NOT_FOUND, f"Job {job_id} is not known at this owner.")
    return state


def _reason(state: JobState) -> tuple[str | None, str | None]:
    if state.ending is not None:
        return state.ending.code, state.ending.reason
    if state.refusal is not None:
        return state.refusal.code, state.refusal.detail
    return None, None


def _waits_for_sign_off(parts: OwnerParts, state: JobState) -> str | None:
    missing = parts.jobs.people_missing(state)
    if missing is None:
        return None
    who = "a person" if missing == 1 else f"{missing} people"
    return f"The result of this job waits for {who} of this owner to sign it off: fedtrain sign-off {state.job_id[:8]}."


def _leak(state: JobState, manifest: Manifest | None) -> Leak | None:
    return None if manifest is None or state.rounds is None else leak_of(manifest.spec, state.rounds)
