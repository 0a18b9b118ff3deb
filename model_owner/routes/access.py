"""Parts of the application that routes take, and the parameters that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request

from fedtrain.client.agent.catalogue import Catalogue
from fedtrain.model_owner.jobs.datasets import Datasets
from fedtrain.model_owner.jobs.preparation import Preparation
from fedtrain.model_owner.jobs.requests import OwnRequests
from fedtrain.model_owner.results.predictions import Predictions
from fedtrain.model_owner.results.views import FacilitatorViews
from fedtrain.model_owner.scoring.desk import ScoringDesk
from fedtrain.model_owner.service import ModelService
from fedtrain.model_owner.store import ModelStore
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.spec.problems import Code, Problem

MODEL_ID = "0f4b6d1c9e7a4c52b8d3a6e5f1029384"

SPEC_EXAMPLE: dict[str, Any] = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "header": True,
        "features": [
            {"col_idx": 0, "type": "continuous", "description": "age", "range": [-0.2, 0.2]},
            {"col_idx": 2, "type": "continuous", "description": "body mass index", "range": [-0.2, 0.2]},
        ],
        "target": {"col_idx": 10, "description": "disease progression after one year", "range": [25, 346]},
    },
    "training": {"optimizer": "conjugate_gradient", "tolerance": 1e-6, "min_data_owners": 3},
}


@dataclass(frozen=True)
class Desk:
    """Everything that a route may delegate to."""

    service: ModelService
    preparation: Preparation
    predictions: Predictions
    datasets: Datasets
    store: ModelStore
    views: FacilitatorViews
    doorbell: Doorbell
    scoring: ScoringDesk
    catalogue: Catalogue
    requests: OwnRequests


def _desk(request: Request) -> Desk:
    desk = getattr(request.app.state, "desk", None)
    if not isinstance(desk, Desk):
        raise Problem(Code.NOT_READY, "The service is starting or stopping.")
    return desk


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="Drawn by the caller: the same key with the same body is the same thing made, once, always.",
        examples=["0b7a3b0e-6d0c-4f0e-9c55-3d6f2a3f4c11"],
    ),
]
Service = Annotated[Desk, Depends(_desk)]
ModelIdInPath = Annotated[str, Path(max_length=64, description="The model's id.", examples=[MODEL_ID])]
