"""GET and POST /models/{id}/sign-off: what a result is, shown before people sign it off, and their decision."""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Path, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_serializer, model_validator

from fedtrain.data_owner import job as j
from fedtrain.data_owner.approval import Person
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.routes.deciders import DeciderName, person_of
from fedtrain.data_owner.routes.parts import OwnerParts, Parts
from fedtrain.methods.network.private import claimed_epsilon
from fedtrain.privacy.cost import total
from fedtrain.protocol.documents.signed import MOST_REASON, Hash, SignedDocument
from fedtrain.protocol.messages.tasks import JSON_TYPE
from fedtrain.protocol.states import Phase
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, Caller, needs
from fedtrain.spec.model_spec import Strict, check_printable
from fedtrain.spec.problems import Code, Problem

router = APIRouter(tags=["models"])

_JobIdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The job's id, the same at every party.")]
_Line = AfterValidator(check_printable)


class SignOffStanding(StrEnum):
    """Standing of a result at this owner."""

    WAITS = "waits"
    SIGNED_OFF = "signed_off"
    REFUSED = "refused"


def standing(parts: OwnerParts, state: JobState) -> SignOffStanding | None:
    """Return where a job's result stands; None where nothing is, or was, to be signed off."""
    if state.refusal is not None and state.refusal.code == Code.SIGN_OFF_REFUSED.slug:
        return SignOffStanding.REFUSED
    if parts.jobs.people_missing(state) is not None:
        return SignOffStanding.WAITS
    signed = state.sign_off is not None and state.sign_off.signed and state.phase in (Phase.JOINED, Phase.FINISHED)
    return SignOffStanding.SIGNED_OFF if signed else None


class SignOffDecision(Strict):
    """Decision of one person. `why`: told to all parties where the result is refused, which needs it; kept here else.

    `by`: who decides, as this owner's audit is to name this person; who is signed in is named by the account, and can
    leave it out. `result`: what this person was shown; what waits is
    meant where it is left out.
    """

    decision: Literal["sign_off", "refuse"]
    by: DeciderName | None = None
    why: Annotated[str, Field(min_length=1, max_length=MOST_REASON), _Line] | None = None
    result: Hash | None = None

    @model_validator(mode="after")
    def _with_reason(self) -> Self:
        if self.decision == "refuse" and self.why is None:
            raise ValueError("why: all parties are told why the result is refused: give the reason")
        return self


class TookPart(BaseModel):
    """An owner that took part."""

    party: str
    name: str


class SignatoryView(BaseModel):
    """A person who has signed. `signed_in`: whether `by` is an account's name. `token_id`: of what token was shown."""

    by: str | None
    signed_in: bool | None
    token_id: str | None
    why: str | None
    at: datetime

    @field_serializer("at")
    def _written(self, at: datetime) -> str:
        return at.isoformat()


class Verified(BaseModel):
    """Checks of this owner's service before it asked anybody: so many owners have signed one and the same statement,
    of whose answers are summed; this owner's is in it as it was given."""

    owners_signed: int
    of: int
    own_answer: str
    log_head: str


class PrivacyView(BaseModel):
    """The job's claim, and the account of these records with it: spent, and left of the budget (None: no budget)."""

    epsilon: float
    delta: float
    honest_owners: int
    epsilon_spent: float
    epsilon_left: float | None


_EXAMPLE: dict[str, Any] = {
    "job": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
    "name": "stay in hospital",
    "purpose": "plan beds for the winter",
    "model_owner": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
    "model_owner_name": "model-owner",
    "standing": "waits",
    "opened_on_the_way": False,
    "result": "5c" * 32,
    "rounds": 1,
    "numbers": 78,
    "owners": [{"party": "1a" * 32, "name": "clinic-a"}, {"party": "c4" * 32, "name": "clinic-b"}],
    "verified": {"owners_signed": 2, "of": 2, "own_answer": "9f" * 32, "log_head": "2a" * 32},
    "privacy": None,
    "people": 1,
    "missing": 1,
    "signed": [],
}


_STATEMENT = {"document": '{"protocol":"1.0","job_id":"…"}', "signer": "1a" * 32, "signature": "5e" * 64}


class SignOffView(BaseModel):
    """A result, before it opens: what was asked and told, who took part, what was checked, and who has signed it off.

    `opened_on_the_way`: the Model Owner has the model, and what is decided is whether others get it, which rests on its
    word; nothing is `verified` then. `result`: the hash of what all owners have signed, or of the log's last entry.
    `rounds`, `numbers`: that this owner answered, and in all of its answers. `people`: how many the policy wants,
    `missing`: how many have yet to sign.
    """

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    job: str
    name: str | None
    purpose: str | None
    model_owner: str | None
    model_owner_name: str | None
    standing: SignOffStanding | None
    opened_on_the_way: bool
    result: str
    rounds: int
    numbers: int
    owners: list[TookPart]
    verified: Verified | None
    privacy: PrivacyView | None
    people: int
    missing: int
    signed: list[SignatoryView]


@router.get(
    "/models/{job_id}/sign-off",
    dependencies=[needs(Permission.LOOK)],
    summary="A result that people sign off before it opens: what it is made of",
)
def get_sign_off(job_id: _JobIdPath, parts: Parts) -> SignOffView:
    return _view(parts, _known(parts, job_id))


@router.post(
    "/models/{job_id}/sign-off",
    dependencies=[needs(Permission.SIGN_OFF)],
    summary="Sign a result off, or refuse it: that ends the job at every party, or keeps its model from others",
)
async def sign_off(
    job_id: _JobIdPath, decision: SignOffDecision, parts: Parts, who: AnyCaller, request: Request
) -> SignOffView:
    accounts = await asyncio.to_thread(request.app.state.sessions.ask_to_sign_in)
    person = _signing(decision, who, people=parts.jobs.policy.release.people, accounts=accounts)
    decided = j.SignOffDecided(
        decision.decision, person.by, decision.why, decision.result, person.token_id, person.signed_in
    )
    return _view(parts, await parts.deciding.decide_release(job_id, decided))


@router.get(
    "/models/{job_id}/sign-off/statement",
    dependencies=[needs(Permission.LOOK)],
    summary="What this owner's people decided about a finished model, signed, to be handed to its Model Owner",
    responses={200: {"content": {JSON_TYPE: {"example": _STATEMENT}}}},
)
def get_statement(job_id: _JobIdPath, parts: Parts) -> SignedDocument:
    return parts.deciding.release_statement(_known(parts, job_id))


def _signing(decision: SignOffDecision, who: Caller, *, people: int, accounts: bool) -> Person:
    """Return who signs a result: the account's name where one is signed in, else as given.

    Raises Problem(SIGN_OFF_INVALID) for another name than the account's, and for a caller without an account where the
    policy wants several people and this party's have accounts: two names or tokens can be one person's.
    """
    if who.account is None and accounts and people > 1:
        raise _refused(
            f"the policy wants {people} people, and this party's have accounts, so that each signs in with their own"
        )
    return person_of(decision.by, who, _refused)


def _refused(why: str) -> Problem:
    return Problem(Code.SIGN_OFF_INVALID, f"The signature under the result is refused: {why}.")


def _known(parts: OwnerParts, job_id: str) -> JobState:
    state = parts.store.job(job_id)
    if state is None:
        raise Problem(Code.MODEL_NOT_FOUND, f"Job {job_id} is not known at this owner.")
    return state


def _view(parts: OwnerParts, state: JobState) -> SignOffView:
    """Return what is shown. Raises Problem(WRONG_STATE) where no result is, or was, to be signed off."""
    waiting, manifest, last = state.sign_off, parts.jobs.manifest(state), state.last
    on_the_way = manifest is not None and manifest.spec.awaits_release
    if waiting is None or manifest is None or state.roster is None or (last is None and not on_the_way):
        why = "has no result to sign off yet" if manifest and manifest.spec.release else "does not wait for sign-off"
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} is {state.phase} at this owner and {why}.")
    releases, spec = parts.store.releases(state.job_id), manifest.spec
    roster = parts.jobs.roster(state, state.roster)
    return SignOffView(
        job=state.job_id,
        name=spec.name,
        purpose=spec.purpose,
        model_owner=state.model_owner,
        model_owner_name=state.model_owner_name,
        standing=standing(parts, state),
        opened_on_the_way=on_the_way,
        result=waiting.result,
        rounds=len(releases),
        numbers=sum(release.numbers for release in releases),
        owners=[TookPart(party=one.party, name=one.name) for one in roster.acceptances],
        verified=None
        if on_the_way or last is None
        else Verified(
            owners_signed=waiting.owners, of=len(roster.parties), own_answer=last.answer_hash, log_head=last.log_head
        ),
        privacy=_privacy(parts, state),
        people=parts.jobs.policy.release.people,
        missing=parts.jobs.people_missing(state) or 0,
        signed=[SignatoryView(**one.model_dump()) for one in waiting.signed],
    )


def _privacy(parts: OwnerParts, state: JobState) -> PrivacyView | None:
    manifest = parts.jobs.manifest(state)
    if manifest is None or manifest.spec.privacy is None or state.table is None:
        return None
    claim, policy = manifest.spec.privacy, parts.jobs.policy.privacy
    account, budget = parts.spendings.account(state.table, policy), policy.budget
    return PrivacyView(
        epsilon=claimed_epsilon(manifest.spec, claim),
        delta=claim.delta,
        honest_owners=manifest.spec.honest_owners,
        epsilon_spent=total(account.costs()).epsilon(policy.delta or claim.delta),
        epsilon_left=None if budget is None else 0.0 if account.exact else budget.epsilon_left(account.costs()),
    )
