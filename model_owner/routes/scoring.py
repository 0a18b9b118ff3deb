"""/models/{id}/scoring: let Data Owners score a model that they do not see, and see how much of it that has told."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from fedtrain.model_owner.routes.access import MODEL_ID, ModelIdInPath, Service
from fedtrain.model_owner.scoring.desk import Scoring
from fedtrain.protocol.documents.signed import PartyId
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs
from fedtrain.spec.model_spec import Strict

router = APIRouter(prefix="/models/{model_id}/scoring", tags=["scoring"])


class Allowance(Strict):
    """`data_owners`: party ids, by default of those that trained the model. `quota_bits`: by default, and at most, one
    bit less than the model can tell at the precision of its scores."""

    model_config = ConfigDict(json_schema_extra={"example": {"quota_bits": 256, "data_owners": None}})

    quota_bits: Annotated[int, Field(ge=1, strict=True)] | None = None
    data_owners: Annotated[tuple[PartyId, ...], Field(max_length=10_000)] | None = None


class ScoringView(BaseModel):
    """State of scoring a model. Bits are those that scores tell of it, over all owners together.

    `entropy_bits`: what the model can tell at the precision of its scores; that many bits would be the model.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model_id": MODEL_ID,
                "allowed": True,
                "data_owners": ["1a" * 32],
                "quota_bits": 340,
                "spent_bits": 96,
                "entropy_bits": 341,
                "bits_per_row": 32,
                "scores_left": 7,
            }
        }
    )

    model_id: str
    allowed: bool
    data_owners: list[str]
    quota_bits: int
    spent_bits: int
    entropy_bits: int
    bits_per_row: int
    scores_left: int

    @classmethod
    def of(cls, scoring: Scoring) -> ScoringView:
        terms = scoring.account.terms
        return cls(
            model_id=scoring.state.job_id,
            allowed=terms.allowed,
            data_owners=list(terms.data_owners),
            quota_bits=terms.quota_bits,
            spent_bits=scoring.account.spent_bits,
            entropy_bits=scoring.entropy_bits,
            bits_per_row=scoring.bits_per_row,
            scores_left=scoring.scores_left,
        )


@router.post(
    "",
    dependencies=[needs(Permission.SHARE_MODELS)],
    summary="Let Data Owners score a finished model, without seeing it, up to a quota",
)
async def allow(model_id: ModelIdInPath, allowance: Allowance, desk: Service) -> ScoringView:
    return ScoringView.of(await desk.scoring.allow(model_id, allowance.quota_bits, allowance.data_owners))


@router.get(
    "", dependencies=[needs(Permission.LOOK)], summary="Who may score a model, and how much of it scores have told"
)
async def standing(model_id: ModelIdInPath, desk: Service) -> ScoringView:
    return ScoringView.of(await desk.scoring.standing(model_id))


@router.delete(
    "",
    dependencies=[needs(Permission.SHARE_MODELS)],
    summary="Answer no more scores of a model; what was spent stays spent",
)
async def forbid(model_id: ModelIdInPath, desk: Service) -> ScoringView:
    return ScoringView.of(await desk.scoring.forbid(model_id))
