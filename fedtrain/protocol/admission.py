"""A party asks to be a member of a consortium, and the consortium's answer: keys are made by the party, and stay there.

A request names the party's public keys and is signed by the private one, which proves that the party has it; the
certificate request in it is signed by its TLS key likewise (RFC 2986). The consortium's key signs the answer, which
carries the request that it answers, so that it is of use to nobody else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StrictBool, model_validator

from fedtrain.protocol.documents.signed import (
    Document,
    Hash,
    MemberRole,
    Membership,
    Name,
    PartyId,
    SignedDocument,
    open_document,
)
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

Pem = Annotated[str, Field(max_length=8000)]
MOST_MEMBERS = 10_000


class TokenHash(Strict):
    """The bearer token that a party will show to the Facilitator, as its SHA-256. `id` names it in lists."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    sha256: Hash
    created_at: AwareDatetime


class IdentityRequest(Document):
    """A party's public keys, and who it wants to be. Signed by its identity.

    `certificate_request`: PKCS#10 in PEM. `token`: of a member; the Facilitator calls nobody. `nonce` makes each
    request another one.
    """

    party: PartyId
    role: Literal["model-owner", "data-owner", "facilitator"]
    name: Name
    certificate_request: Pem
    token: TokenHash | None = None
    nonce: Hash
    created_at: AwareDatetime

    @model_validator(mode="after")
    def _token_of_a_member(self) -> Self:
        if (self.token is None) != (self.role == "facilitator"):
            raise ValueError("a member's request, and no other, has a token's hash")
        return self


class MemberToken(TokenHash):
    """A token as the Facilitator is told of it, with the member whose it is."""

    party: PartyId
    role: MemberRole
    name: Name


class AdmittedSettings(Strict):
    """Settings that all parties have to agree on. A member has the Facilitator's address and id.

    `serves_tls`: others reach its port, which then needs tokens. `shows_token`: the Facilitator asks for one.
    `asks_certificates`: of the Facilitator, whose port lets nobody in without a certificate of the consortium's.
    """

    host: Annotated[str, Field(max_length=300)]
    port: Annotated[int, Field(ge=0, le=65535)]
    facilitator: Annotated[str, Field(max_length=2000)] | None = None
    facilitator_id: PartyId | None = None
    serves_tls: StrictBool = False
    shows_token: StrictBool = False
    asks_certificates: StrictBool = False


class Admission(Document):
    """The consortium takes a party in. Signed by the consortium's key.

    `membership`: a member's. `certificate`, `authority`: of a consortium with TLS, in PEM. `members`: for the
    Facilitator, the tokens of all members so far.
    """

    consortium: Name
    request: SignedDocument
    membership: SignedDocument | None = None
    certificate: Pem | None = None
    authority: Pem | None = None
    settings: AdmittedSettings
    members: Annotated[tuple[MemberToken, ...], Field(max_length=MOST_MEMBERS)] = ()


def open_request(signed: SignedDocument) -> IdentityRequest:
    """Return a request that the party it names has signed. Raises Problem as `open_document`."""
    request = open_document(signed, IdentityRequest)
    if request.party != signed.signer:
        raise Problem(
            Code.BAD_SIGNATURE,
            f"The request is for {request.party[:16]}…, and signed by {signed.signer[:16]}…: each party signs its own.",
        )
    return request


def open_admission(
    signed: SignedDocument, consortium: str, party: str, now: datetime, request: SignedDocument | None = None
) -> Admission:
    """Return the consortium's answer to a request of `party`'s, to this `request` where one is given.

    Raises Problem: BAD_SIGNATURE where another than `consortium` signed it or its membership, or it answers another
    request; MALFORMED_MESSAGE where its membership is none for this party, or is over.
    """
    admission = open_document(signed, Admission, signer=consortium)
    asked = open_request(admission.request)
    if asked.party != party:
        raise Problem(Code.BAD_SIGNATURE, f"The answer is for {asked.name}, {asked.party[:16]}…, and not for here.")
    if request is not None and admission.request != request:
        raise Problem(Code.BAD_SIGNATURE, "The answer is to another request than the one that waits here.")
    if (admission.membership is None) != (asked.role == "facilitator"):
        raise Problem(Code.MALFORMED_MESSAGE, "The answer has a membership, or none, unlike the role that was asked.")
    if admission.membership is not None:
        member = open_document(admission.membership, Membership, signer=consortium)
        if (member.party, member.role, member.name) != (asked.party, asked.role, asked.name):
            raise Problem(Code.MALFORMED_MESSAGE, f"The membership is for {member.name} as {member.role}.")
        if now > member.not_after:
            raise Problem(Code.MALFORMED_MESSAGE, f"The membership ended at {member.not_after.isoformat()}.")
    return admission


def member_token(admission: Admission) -> MemberToken | None:
    """Return the token of the member that was admitted, None for the Facilitator and where no token is shown."""
    asked = open_request(admission.request)
    if asked.token is None or asked.role == "facilitator" or not admission.settings.shows_token:
        return None
    return MemberToken(**asked.token.model_dump(), party=asked.party, role=asked.role, name=asked.name)
