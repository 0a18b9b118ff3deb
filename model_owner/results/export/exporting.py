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
from fedtrain.model_owner.results.network import NetworkModel
from fedtrain.model_owner.results.remarks import Remark
from fedtrain.neural.onnx_graph import onnx_of
from fedtrain.neural.weights_file import weights_to_bytes
from fedtrain.service.runtime.extras import how_to_install
from fedtrain.spec.model_types.network import loss_of
from fedtrain.spec.problems import Code, Problem


class ExportFormat(StrEnum):
    """`json`: a document; `onnx`: float64 in and out, equal to about 1e-7; `sklearn`: a pipeline, written by skops;
    `safetensors`: of a network, which is float32 in ONNX too.
    """

    JSON = "json"
    ONNX = "onnx"
    SKLEARN = "sklearn"
    SAFETENSORS = "safetensors"


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
    try:
        if isinstance(fitted, NetworkModel) and chosen is not ExportFormat.SKLEARN:
            return _network(fitted, chosen)
        if not isinstance(fitted, LinearModel) or chosen is ExportFormat.SAFETENSORS:
            raise _refused(chosen, f"a {fitted.spec.model_type} has no place in it, use json")
        if chosen is ExportFormat.ONNX:
            return Exported(graph_of(fitted, calibration), "application/octet-stream", "onnx")
        import skops.io

        return Exported(skops.io.dumps(pipeline_of(fitted, calibration)), "application/octet-stream", "skops")
    except ImportError as error:
        how = how_to_install(error.name)
        if how is None:
            raise
        raise _refused(chosen, how) from None


def _network(fitted: NetworkModel, chosen: ExportFormat) -> Exported:
    if chosen is ExportFormat.SAFETENSORS:
        return Exported(weights_to_bytes(fitted.network, fitted.weights), "application/octet-stream", "safetensors")
    loss = loss_of(fitted.spec.data_props.all_targets)
    try:
        return Exported(onnx_of(fitted.network, fitted.weights, loss), "application/octet-stream", "onnx")
    except ValueError as error:
        raise _refused(chosen, f"{error}, use safetensors") from None


def _refused(chosen: ExportFormat, why: str) -> Problem:
    message = f"format {chosen}: {why}"
    return Problem(
        Code.INVALID_REQUEST, f"{message}.", errors=[{"field": "format", "message": message, "value": chosen}]
    )
