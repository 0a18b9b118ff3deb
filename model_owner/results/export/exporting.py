"""One finished model in one of the formats. What needs more packages says which extra brings them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fedtrain.model_owner.results.export.onnx_graph import graph_of
from fedtrain.model_owner.results.export.scikit_learn import pipeline_of
from fedtrain.model_owner.results.fitted import Fitted
from fedtrain.model_owner.results.linear import LinearModel
from fedtrain.model_owner.results.remarks import Remark
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
    model_id: str,
    fitted: Fitted,
    remarks: Sequence[Remark],
    calibration: Mapping[str, Any] | None,
    chosen: ExportFormat,
) -> Exported:
    """Return the model as a file; `calibration` is that of its probabilities, with slopes and offsets.

    Raises Problem(INVALID_REQUEST) where the packages that a format needs are not installed, or the model has no place
    in it.
    """
    if chosen is ExportFormat.JSON:
        document = json.dumps(fitted.document(model_id, remarks, calibration), indent=1)
        return Exported(document.encode(), "application/json", "json")
    if not isinstance(fitted, LinearModel):
        raise _refused(chosen, f"a {fitted.spec.model_type} has no place in it, use json")
    try:
        if chosen is ExportFormat.ONNX:
            return Exported(graph_of(fitted, calibration), "application/octet-stream", "onnx")
        import skops.io

        return Exported(skops.io.dumps(pipeline_of(fitted, calibration)), "application/octet-stream", "skops")
    except ImportError as error:
        how = how_to_install(error.name)
        if how is None:
            raise
        raise _refused(chosen, how) from None


def _refused(chosen: ExportFormat, why: str) -> Problem:
    message = f"format {chosen}: {why}"
    return Problem(
        Code.INVALID_REQUEST, f"{message}.", errors=[{"field": "format", "message": message, "value": chosen}]
    )
