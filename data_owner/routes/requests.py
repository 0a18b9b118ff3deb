"""/requests: what Model Owners ask this owner to approve before it is a job, and its people's decisions."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from fedtrain.data_owner.policy.rules import Ruling, judge
from fedtrain.data_owner.routes.asked import Terms, earlier_in_words, leak_of, terms_of
from fedtrain.data_owner.routes.deciders import DeciderName, person_of
from fedtrain.data_owner.routes.parts import OwnerParts, Parts
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.protocol.documents.request import Conditions, OpenRequest, PlainText
from fedtrain.service.people.permissions import Permission
from fedtrain.service.views.request_view import (
    LINE_EXAMPLE,
    VIEW_EXAMPLE,
    Before,
    RefusedRequest,
    RequestIdInPath,
    RequestLine,
    RequestView,
    Words,
    line_of,
    view_of,
)
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Problem

router = APIRouter(prefix="/requests", tags=["requests"])


class RequestApproval(Strict):
    """Approval of a request. `by`: who decides, as this owner's audit is to name this person; who is
    signed in is named by the account."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"conditions": {"until": "2026-06-30T00:00:00Z", "max_rounds": 20}, "by": "ana"}}
    )

    conditions: Conditions = Conditions()
    by: DeciderName | None = None


class RequestRefusal(Strict):
    """Decline of a request. `reason`: told to all parties to it, where one is given. `by`: as of an approval."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "Not for sale.", "by": "ana"}})

    reason: PlainText | None = None
    by: DeciderName | None = None


class AskedByRequest(Terms):
    """A request in the words that are shown before a person decides about it, a line a matter, as of a job.

    `budget`: what a job of it takes of these records' privacy, and what is left. `policy`: what this owner's policy
    would do with the job by itself, None where it would let it in.
    """

    request: str
    budget: str | None
    policy: str | None


class AskedLine(RequestLine):
    """A request that asks this owner. `waits`: for its people to decide."""

    model_config = ConfigDict(json_schema_extra={"example": LINE_EXAMPLE | {"waits": False}})

    waits: bool


class AskedView(RequestView, AskedLine):
    """A request that asks this owner, with all that was said. `asked`: in the words that a person decides on; None
    where this version cannot plan it, and `cannot_be_shown` says why."""

    model_config = ConfigDict(
        json_schema_extra={"example": VIEW_EXAMPLE | {"waits": False, "asked": None, "cannot_be_shown": "…"}}
    )

    asked: AskedByRequest | None
    cannot_be_shown: str | None


class AskedList(BaseModel):
    """A page of requests, the newest first. `next`: what to ask for those that follow, None at the end."""

    requests: list[AskedLine]
    refused: list[RefusedRequest]
    next: int | None


@router.get("", dependencies=[needs(Permission.LOOK)], summary="The requests that ask this owner, the newest first")
async def listed(parts: Parts, before: Before = None) -> AskedList:
    page = await parts.requests.listed(before)
    now = parts.requests.requests.now()

    def lines() -> list[AskedLine]:
        return [AskedLine(**line_of(one, now), waits=_waits(parts, one)) for one in page.requests]

    shown = await asyncio.to_thread(lines)
    return AskedList(requests=shown, refused=RefusedRequest.of(page.refused), next=page.next)


@router.get(
    "/{request_id}",
    dependencies=[needs(Permission.LOOK)],
    summary="A request: what would leave this owner, who else is asked, and what was said",
)
async def one(request_id: RequestIdInPath, parts: Parts) -> AskedView:
    return await asyncio.to_thread(_view, parts, await parts.requests.one(request_id))


@router.post(
    "/{request_id}/approve",
    dependencies=[needs(Permission.APPROVE_JOBS)],
    summary="Approve a request, by conditions: the one job that comes of it needs no further approval",
)
async def approve(request_id: RequestIdInPath, body: RequestApproval, parts: Parts, who: AnyCaller) -> AskedView:
    opened = await parts.requests.approve(request_id, body.conditions, person_of(body.by, who))
    return await asyncio.to_thread(_view, parts, opened)


@router.post(
    "/{request_id}/decline",
    dependencies=[needs(Permission.APPROVE_JOBS)],
    summary="Decline a request, or take its approval back; a job that has joined goes on",
)
async def decline(request_id: RequestIdInPath, body: RequestRefusal, parts: Parts, who: AnyCaller) -> AskedView:
    opened = await parts.requests.decline(request_id, body.reason, person_of(body.by, who))
    return await asyncio.to_thread(_view, parts, opened)


@router.post(
    "/{request_id}/messages",
    dependencies=[needs(Permission.APPROVE_JOBS)],
    summary="Ask in a request's thread, or answer: every party to it reads it",
)
async def say(request_id: RequestIdInPath, words: Words, parts: Parts) -> AskedView:
    return await asyncio.to_thread(_view, parts, await parts.requests.say(request_id, words.text))


def _view(parts: OwnerParts, opened: OpenRequest) -> AskedView:
    asked, cannot = None, None
    try:
        asked = _asked(parts, opened)
    except Problem as problem:  # whatever else its Model Owner signed
        cannot = problem.detail
    shown = view_of(opened, parts.requests.requests.now())
    return AskedView(**shown, waits=_waits(parts, opened), asked=asked, cannot_be_shown=cannot)


def _waits(parts: OwnerParts, opened: OpenRequest) -> bool:
    return opened.decision_of(parts.requests.requests.party_id) is None


def _asked(parts: OwnerParts, opened: OpenRequest) -> AskedByRequest:
    """Raises Problem for a spec that cannot be planned."""
    document, policy = opened.document, parts.jobs.policy_now()
    spec, rounds = document.spec, rounds_of(document.spec)
    plan = plan_spec(spec).to_dict()
    dataset = parts.store.dataset(spec.asked_dataset)
    verdict = judge(
        policy, document, rounds, None if dataset is None else dataset.facts(), parts.requests.requests.now()
    )
    says = {Ruling.ACCEPT: None, Ruling.ASK: verdict.detail, Ruling.DECLINE: f"declines the job: {verdict.detail}"}
    report = None if dataset is None else parts.fits.report(dataset)
    own = parts.requests.requests.party_id
    others = [f"{one.name} ({one.party[:16]}…)" for one in document.datasets if one.party != own]
    return AskedByRequest(
        request=opened.id,
        model_owner=f"{document.model_owner_name} ({document.model_owner})",
        dataset=spec.asked_dataset if dataset is None else f"{dataset.name}, version {dataset.version[:16]}…",
        who_else=f"of those that are asked, {spec.training.min_data_owners} at least: {', '.join(others) or 'nobody'}",
        budget=_budget(parts, opened),
        risks=[] if report is None else list(report.waits),
        earlier_jobs=earlier_in_words(parts.memory.of_dataset(spec.asked_dataset)),
        policy=says[verdict.outcome],
        **terms_of(spec, plan, rounds, leak_of(spec, rounds), policy.min_cell),
    )


def _budget(parts: OwnerParts, opened: OpenRequest) -> str | None:
    spec, policy = opened.document.spec, parts.jobs.policy_now().privacy
    dataset = parts.store.dataset(spec.asked_dataset)
    if spec.privacy is None or dataset is None:
        return None
    if policy.budget is None:
        return "this owner has no budget of privacy"
    account = parts.spendings.of_dataset(dataset.name, dataset.version, policy)
    left = 0.0 if account.exact else policy.budget.epsilon_left(account.costs())
    return f"of these records' epsilon {left:.4g} is left, at delta {policy.budget.delta:g}"
