"""One finished model in one of the formats. What needs more packages says which extra brings them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model_owner.export.document import document_of
from model_owner.export.scikit_learn import is_numeric, pipeline_of
from model_owner.job import JobState, TrainedModel
from protocol.problems import Code, Problem


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
            return Exported(_onnx(state, pipeline_of(state, model, calibration)), "application/octet-stream", "onnx")
        if chosen is ExportFormat.SKLEARN:
            import skops.io

            return Exported(skops.io.dumps(pipeline_of(state, model, calibration)), "application/octet-stream", "skops")
    except ImportError as error:
        message = (
            f"format {chosen} needs {error.name}, which is not installed here: install the extra `export`, in a clone "
            "by .venv/bin/pip install '.[export]'"
        )
        raise Problem(
            Code.INVALID_REQUEST, f"{message}.", errors=[{"field": "format", "message": message, "value": chosen}]
        ) from None
    document = json.dumps(document_of(state, model, calibration), indent=1)
    return Exported(document.encode(), "application/json", "json")


def _onnx(state: JobState, pipeline: Any) -> bytes:
    """One input (rows, 1) a feature, float64 or text; outputs as skl2onnx names them.

    An input has its feature's name with _ for whatever is neither letter nor digit. skl2onnx keeps the ends of the
    ranges in single precision, so that predictions differ from the 8th digit on.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    inputs = [
        (feature.label, DoubleTensorType([None, 1]) if is_numeric(feature) else StringTensorType([None, 1]))
        for feature in state.spec.data_props.features
    ]
    options = {"zipmap": False} if state.spec.kind.classifies else None
    model = to_onnx(pipeline, initial_types=inputs, options=options)
    content: bytes = model.SerializeToString()
    return content
