"""One finished model in one of the formats. What needs more packages says which extra brings them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fedtrain.model_owner.job import JobState, TrainedModel
from fedtrain.model_owner.results.export.document import document_of
from fedtrain.model_owner.results.export.onnx_graph import graph_of
from fedtrain.model_owner.results.export.scikit_learn import pipeline_of
from fedtrain.service.runtime.extras import how_to_install
from fedtrain.spec.problems import Code, Problem


class ExportFormat(StrEnum):
    """`json`: a document; `onnx`: float64 in and out, equal to about 1e-7; `sklearn`: a pipeline, written by skops."""

    JSON = "json"
    ONNX = "onnx"
    SKLEARN = "sklearn"


@dataclass(frozen=True)
class Exported:
    """A file's content, its media type and the ending of its name."""

    content: bytes
    media_type: str
    suffix: str


def export(
    state: JobState, model: TrainedModel, calibration: Mapping[str, Any] | None, chosen: ExportFormat
) -> Exported:
    """Return the model as a file; `calibration` is that of its probabilities, with slopes and offsets.

    Raises Problem(INVALID_REQUEST) where the packages that a format needs are not installed.
    """
    try:
        if chosen is ExportFormat.ONNX:
            graph = graph_of(state, pipeline_of(state, model, calibration, for_onnx=True))
            return Exported(graph, "application/octet-stream", "onnx")
        if chosen is ExportFormat.SKLEARN:
            import skops.io

            return Exported(skops.io.dumps(pipeline_of(state, model, calibration)), "application/octet-stream", "skops")
    except ImportError as error:
        how = how_to_install(error.name)
        if how is None:
            raise
        message = f"format {chosen}: {how}"
        raise Problem(
            Code.INVALID_REQUEST, f"{message}.", errors=[{"field": "format", "message": message, "value": chosen}]
        ) from None
    document = json.dumps(document_of(state, model, calibration), indent=1)
    return Exported(document.encode(), "application/json", "json")
