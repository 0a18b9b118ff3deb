"""Weights to begin with, from a file in the Model Owner's data folder: networks that were trained before."""

from __future__ import annotations

from pathlib import Path

from fedtrain.methods.network.plan import network_plan_of
from fedtrain.methods.plan import Plan
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.methods.network.method import starting_from
from fedtrain.neural.weights_file import weights_from_bytes
from fedtrain.service.vault.data_folder import file_in
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

FIELD = "training.initial_weights"


def beginning(folder: Path, spec: ModelSpec, plan: Plan) -> Learning | None:
    """Return what a job begins with; None where its spec names no file. Reads the file.

    Raises Problem: INVALID_SPEC for a file that has not the network's weights within its bound, INVALID_REQUEST as
    `file_in`.
    """
    name = spec.training.initial_weights
    if name is None:
        return None
    path, network = file_in(folder, name, FIELD), network_plan_of(plan)
    try:
        return starting_from(network, weights_from_bytes(path.read_bytes(), network.checked))
    except (OSError, ValueError) as error:
        message = f"{name}: {error}"
        raise Problem(
            Code.INVALID_SPEC,
            f"{FIELD}: {message}.",
            errors=[{"field": FIELD, "message": message, "value": name}],
        ) from None
