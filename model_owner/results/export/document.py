"""A finished model as one JSON document that holds all there is to score by, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedtrain.model_owner.job import JobState, TrainedModel
from fedtrain.model_owner.results.models import remarks_on, weights_of
from fedtrain.model_owner.results.remarks import as_json
from fedtrain.tabular.encode import Encoder

Json = dict[str, Any]

EXPORT_VERSION = 1


def document_of(state: JobState, model: TrainedModel, calibration: Mapping[str, Any] | None) -> Json:
    """Return the document.

    A row is encoded as `data_props` declares: for a missing value its feature's `missing` is taken, but where that is
    "error" or "drop" the row has no prediction; a numeric feature is clipped to its range, an ordinal one is its
    category's rank, a nominal one a 0 or 1 for every category but the first. Column j of the design, in the order of
    `columns`, is x_j = (encoded − centre_j) / half_width_j; the last is 1. scores = Σ_j x_j·weights[j]. A value is
    its score times the output's `target_half_width`. Of a classifier, output k's probability is
    σ(slope_k·score + offset_k), divided by their sum where there are more than two classes; without `calibration`
    it is σ(score), or the softmax of all scores. `remarks` are what a reader must know of the coefficients.
    """
    encoder = Encoder.of_spec(state.spec)
    weights = weights_of(model)
    fitted = None
    if calibration is not None:
        fitted = {name: list(calibration[name]) for name in ("slopes", "offsets")}
    return {
        "export_version": EXPORT_VERSION,
        "model_id": state.job_id,
        "model_type": str(state.spec.model_type),
        "scaling": state.spec.training.scaling,
        "data_props": state.spec.data_props.model_dump(mode="json", exclude_none=True),
        "outputs": list(encoder.output_names),
        "target_half_widths": encoder.target_half_width.tolist(),
        "columns": [
            {"name": name, "centre": float(centre), "half_width": float(half_width), "weights": row.tolist()}
            for name, centre, half_width, row in zip(
                encoder.names, encoder.centre, encoder.half_width, weights, strict=True
            )
        ],
        "class_names": list(encoder.props.all_targets[0].category_texts) if state.spec.kind.classifies else None,
        "calibration": fitted,
        "remarks": as_json(remarks_on(state, model)),
    }
