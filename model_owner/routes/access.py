"""What the routes take from the application, and the parameters that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Path, Request

from model_owner.datasets import Datasets
from model_owner.predictions import Predictions
from model_owner.preparation import Preparation
from model_owner.scoring.desk import ScoringDesk
from model_owner.service import ModelService
from model_owner.store.contract import ModelStore
from model_owner.views import FacilitatorViews
from protocol.problems import Code, Problem
from protocol.server.doorbell import Doorbell

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


def _desk(request: Request) -> Desk:
    desk = getattr(request.app.state, "desk", None)
    if not isinstance(desk, Desk):
        raise Problem(Code.NOT_READY, "The service is starting or stopping.")
    return desk


Service = Annotated[Desk, Depends(_desk)]
ModelIdInPath = Annotated[str, Path(max_length=64, description="The model's id.", examples=[MODEL_ID])]
