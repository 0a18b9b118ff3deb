"""Releases, and decisions that a person took, as the audit has them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from fedtrain.data_owner import job as j
from fedtrain.data_owner.approval import Person
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.store.records import Decision, DecisionKind, Release
from fedtrain.protocol.documents.consent import open_consent
from fedtrain.protocol.documents.request import OpenRequest, RequestDecision
from fedtrain.protocol.documents.signed import SignedDocument


def decided_on(state: JobState, message: j.Message, now: datetime) -> Decision | None:
    """Return what a person decided about a job in `state` by this message; None where no person did."""
    match message:
        case j.SignOffDecided():
            return _signed_off(state, message, now)
        case j.Approved():
            kind, reason = DecisionKind.RISKS_TAKEN if state.risks else DecisionKind.APPROVED, None
        case j.Denied():
            kind, reason = DecisionKind.DENIED, message.reason
        case _:
            return None
    return Decision(
        job_id=state.job_id,
        decision=kind,
        decided_at=written(now),
        token_id=message.token_id,
        by=message.account,
        signed_in=None if message.account is None else True,
        about=state.risks or tuple(why for why in (state.waits_because,) if why is not None),
        reason=reason,
        dataset=state.dataset,
        version=state.dataset_version,
    )


def _signed_off(state: JobState, message: j.SignOffDecided, now: datetime) -> Decision:
    return Decision(
        job_id=state.job_id,
        decision=DecisionKind.SIGNED_OFF if message.decision == "sign_off" else DecisionKind.SIGN_OFF_REFUSED,
        decided_at=written(now),
        token_id=message.token_id,
        reason=message.why,
        dataset=state.dataset,
        version=state.dataset_version,
        result=None if state.sign_off is None else state.sign_off.result,
        by=message.by,
        signed_in=message.signed_in,
    )


def consented(
    signed: SignedDocument, own: str, token_id: str | None, now: datetime, account: str | None = None
) -> Decision:
    """Return that a consent was signed here, by `own`, or that another owner's was taken.

    Raises Problem as `fedtrain.protocol.documents.consent.open_consent`.
    """
    return Decision(
        job_id=open_consent(signed).job_id,
        decision=DecisionKind.CONSENT_SIGNED if signed.signer == own else DecisionKind.CONSENT_TAKEN,
        decided_at=written(now),
        token_id=token_id,
        by=account,
        signed_in=None if account is None else True,
        consent=signed.hash,
        signer=signed.signer,
    )


def decided_on_request(opened: OpenRequest, decision: RequestDecision, who: Person) -> Decision:
    """Return that a person approved a request, by which conditions, or declined it."""
    approved = decision.decision == "approved"
    conditions = decision.conditions.model_dump(mode="json")
    return Decision(
        decision=DecisionKind.REQUEST_APPROVED if approved else DecisionKind.REQUEST_DECLINED,
        decided_at=written(decision.at.astimezone(UTC)),
        token_id=who.token_id,
        about=(opened.document.title, *(f"{name}: {value}" for name, value in conditions.items())),
        reason=decision.reason,
        dataset=opened.document.spec.asked_dataset,
        by=who.by,
        signed_in=who.signed_in,
        request=opened.id,
    )


def queried(dataset: str, version: str, where: str, sql: str, who: Person, at: str) -> Decision:
    """Return that a person had a query run. `where`: on which database, and how many rows came of it."""
    return Decision(
        decision=DecisionKind.QUERIED,
        decided_at=at,
        token_id=who.token_id,
        about=(where, sql),
        dataset=dataset,
        version=version,
        by=who.by,
        signed_in=who.signed_in,
    )


def released(state: JobState, answered: j.Answered, now: datetime) -> Release:
    """Return the record of an answer that is about to leave."""
    return Release(
        job_id=state.job_id,
        round=answered.facts.round,
        kind=answered.facts.kind,
        numbers=answered.numbers,
        recipient=state.model_owner or "",
        dataset=state.dataset or "",
        version=state.dataset_version or "",
        released_at=written(now),
    )


def written(now: datetime) -> str:
    """Return a moment as the audit has it: ISO 8601 in UTC, to the millisecond, ending in Z."""
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
