"""The consents of owners to a job over another roster: shown, signed, and handed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.routes.parts import Parts
from fedtrain.protocol.documents.consent import RosterConsent, gathered
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.tasks import JSON_TYPE
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.spec.model_spec import Strict

MOST_TAKEN = 1000
JobIdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The job's id, the same at every party.")]


class PartyView(BaseModel):
    """An owner concerned. `name`: as it called itself in a job that this owner took part in."""

    party: str
    name: str | None


class ConsentView(BaseModel):
    """A statement that owners sign: over which roster a sum may be told, after which others; and who has signed."""

    job_id: str
    roster: list[PartyView]
    earlier: list[list[PartyView]]
    signed_by: list[PartyView]
    missing: list[PartyView]

    @classmethod
    def of_job(cls, memory: Memory, job_id: str, asked: RosterConsent | None = None) -> list[ConsentView]:
        """Every statement on the job that is here, and `asked`, which this owner waits for."""
        names = memory.names()

        def view(parties: tuple[str, ...]) -> list[PartyView]:
            return [PartyView(party=party, name=names.get(party)) for party in parties]

        found = {one.statement: one.signers for one in memory.consents() if one.statement.job_id == job_id}
        if asked is not None:
            found.setdefault(asked, frozenset())
        return [
            cls(
                job_id=job_id,
                roster=view(statement.roster),
                earlier=[view(parties) for parties in statement.earlier],
                signed_by=view(tuple(sorted(signers))),
                missing=view(tuple(sorted(statement.concerned - signers))),
            )
            for statement, signers in found.items()
        ]


class Consents(Strict):
    """Consents that owners signed, each at its own port."""

    consents: Annotated[tuple[SignedDocument, ...], Field(min_length=1, max_length=MOST_TAKEN)]


_ANA = {"party": "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29", "name": "ana"}
_EXAMPLE = {
    "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
    "roster": [_ANA],
    "earlier": [],
    "signed_by": [_ANA],
    "missing": [],
}
_SIGNED = {
    "consents": [{"document": '{"protocol":"1.0","job_id":"…"}', "signer": _ANA["party"], "signature": "5e" * 64}]
}

router = APIRouter(prefix="/consents", tags=["consents"])


@router.post(
    "",
    dependencies=[needs(Permission.APPROVE_JOBS)],
    summary="Hand in what other owners signed",
    responses={200: {"content": {JSON_TYPE: {"example": [_EXAMPLE]}}}},
)
async def post_consents(consents: Consents, parts: Parts, who: AnyCaller) -> list[ConsentView]:
    gathered(consents.consents)  # all of them hold, before the first is kept
    job_ids = await parts.deciding.consents_taken(consents.consents, who.token_id, who.account)
    return [view for job_id in job_ids for view in ConsentView.of_job(parts.memory, job_id)]


@router.get(
    "/{job_id}",
    dependencies=[needs(Permission.LOOK)],
    summary="The statements on a job, and who signed them",
    responses={200: {"content": {JSON_TYPE: {"example": [_EXAMPLE]}}}},
)
def get_consents(job_id: JobIdPath, parts: Parts) -> list[ConsentView]:
    state = parts.store.job(job_id)
    return ConsentView.of_job(parts.memory, job_id, None if state is None else state.consent)


@router.get(
    "/{job_id}/signed",
    dependencies=[needs(Permission.LOOK)],
    summary="All consents to a job that are here, to be handed to the other owners",
    responses={200: {"content": {JSON_TYPE: {"example": _SIGNED}}}},
)
def get_signed(job_id: JobIdPath, parts: Parts) -> dict[str, list[SignedDocument]]:
    return {"consents": list(parts.memory.signed(job_id))}


@router.post(
    "/{job_id}/sign",
    dependencies=[needs(Permission.APPROVE_JOBS)],
    summary="Sign for this owner that a job's sum may be told over its roster",
    responses={200: {"content": {JSON_TYPE: {"example": [_EXAMPLE]}}}},
)
async def sign(job_id: JobIdPath, parts: Parts, who: AnyCaller) -> list[ConsentView]:
    await parts.deciding.consent(job_id, who.token_id, who.account)
    return ConsentView.of_job(parts.memory, job_id)
