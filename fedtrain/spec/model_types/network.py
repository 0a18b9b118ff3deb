"""Networks: trained at owners from weights that they see, and added up as updates under encryption."""

from __future__ import annotations

from collections.abc import Sequence

from fedtrain.spec.columns import Target
from fedtrain.spec.model_types.kind import ModelKind
from fedtrain.spec.training import NETWORK_OPTIMIZERS, Loss, Training


class NeuralNetwork(ModelKind):
    """One target with categories, or any number of them with ranges. It has no surrogate, moments or coefficients."""

    name = "NEURAL_NETWORK"
    has_network = True

    def check_targets(self, targets: Sequence[Target]) -> None:
        classified = [target for target in targets if target.categories is not None]
        if classified and len(targets) > 1:
            raise ValueError(
                f"{classified[0].label}: {self.name} predicts one target with categories, or several with ranges"
            )

    def outputs(self, targets: Sequence[Target]) -> int:
        """Two categories have one output, more of them one each, as each target with a range has."""
        categories = len(targets[0].categories or ())
        return categories if categories > 2 else len(targets)

    def check_training(self, training: Training, targets: Sequence[Target], *, noised_steps: bool = False) -> None:  # noqa: ARG002
        if training.optimizer not in NETWORK_OPTIMIZERS:
            raise ValueError(f"training.optimizer: {self.name} takes fedavg or fedsgd, received {training.optimizer}")
        if training.weights != "shared_with_owners":
            raise ValueError(
                f'training.weights: owners train a {self.name}, so they see its weights: give "shared_with_owners", or '
                "leave it out"
            )
        due = loss_of(targets)
        if training.loss not in (None, due):
            target = targets[0]
            kind = "a range" if target.categories is None else f"{len(target.categories)} categories"
            raise ValueError(f"training.loss: {target.label} has {kind}, which takes {due}, received {training.loss}")


def loss_of(targets: Sequence[Target]) -> Loss:
    """Return the loss that these targets ask for."""
    categories = targets[0].categories
    if categories is None:
        return Loss.MEAN_SQUARED_ERROR
    return Loss.BINARY_CROSS_ENTROPY if len(categories) == 2 else Loss.CROSS_ENTROPY
