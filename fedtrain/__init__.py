"""Train one model on records that never move. What a script or notebook needs is here by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedtrain.client.estimators import FederatedLinearRegression, FederatedLogisticRegression
    from fedtrain.client.session import JobEnded, ModelOwner, RemarkWarning
    from fedtrain.neural.loading import load
    from fedtrain.simulation.arrays_given import split_among
    from fedtrain.simulation.federated_network import FederatedNetwork
    from fedtrain.simulation.whole_job import simulate

#: Where each public name is. It is imported when it is asked for: a service needs no client.
_PUBLIC = {
    "FederatedLinearRegression": "fedtrain.client.estimators",
    "FederatedLogisticRegression": "fedtrain.client.estimators",
    "FederatedNetwork": "fedtrain.simulation.federated_network",
    "JobEnded": "fedtrain.client.session",
    "ModelOwner": "fedtrain.client.session",
    "RemarkWarning": "fedtrain.client.session",
    "load": "fedtrain.neural.loading",
    "simulate": "fedtrain.simulation.whole_job",
    "split_among": "fedtrain.simulation.arrays_given",
}

__all__ = [
    "FederatedLinearRegression",
    "FederatedLogisticRegression",
    "FederatedNetwork",
    "JobEnded",
    "ModelOwner",
    "RemarkWarning",
    "load",
    "simulate",
    "split_among",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'fedtrain' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
