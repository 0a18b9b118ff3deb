"""A job that comes of a request, held against what this owner's people decided about that. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fedtrain.data_owner.policy.rules import OwnerPolicy, Ruling, Verdict
from fedtrain.protocol.documents.request import RequestDecision, RequestDocument, departures
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.spec.problems import Code


@dataclass(frozen=True)
class Decided:
    """A request as it was shown, and the decision of this owner's people on it.

    `used_by`: another job that was let in by it and has not ended before this owner told anything: an approval is of
    one job.
    """

    document: RequestDocument
    decision: RequestDecision
    used_by: str | None = None


@dataclass(frozen=True)
class Person:
    """A person who decides, by the name as given, or where `signed_in` the account's. `token_id`: of the token that was
    shown, where the service has a list of them."""

    by: str | None = None
    token_id: str | None = None
    signed_in: bool | None = None


def by_request(
    policy: OwnerPolicy, manifest: Manifest, decided: Decided | None, verdict: Verdict, now: datetime
) -> tuple[Verdict, bool]:
    """Return the ruling on a job, and whether its request's approval lets it in.

    `verdict`: what the policy says of the job by itself: an approval lets nothing in that the policy declines. A job of
    a request that nobody here has decided about waits for a person, whatever the policy would let in.
    """
    if manifest.request is None or verdict.outcome is Ruling.DECLINE:
        return verdict, False
    request = f"request {manifest.request[:8]}"
    if decided is None:
        why = f"The job comes of {request}, about which nobody here has decided: fedtrain inbox shows it."
        return Verdict(Ruling.ASK, detail=why), False
    if decided.decision.decision == "declined":
        return Verdict(Ruling.DECLINE, Code.DENIED, f"The job comes of {request}, which was declined here."), False
    found = departures(manifest.spec, manifest.model_owner, decided.document, decided.decision.conditions, now)
    listed = [f"{one.field}: {one.message}" for one in found]
    if decided.used_by is not None:
        listed.append(f"request: job {decided.used_by} was let in by it, and an approval is of one job")
    if listed:
        why = f"The job is not what was approved by {request}: {'; '.join(listed)}."
        return Verdict(Ruling.DECLINE, Code.APPROVAL_DIFFERS, why), False
    if policy.approved_requests == "by_hand":
        why = f"The policy wants jobs of approved requests approved once more; this one is as {request} was approved."
        return Verdict(Ruling.ASK, detail=why), True
    return Verdict(Ruling.ACCEPT), True
