"""A graph of named layers, and the check that it can be computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Final, Self

from pydantic import Field, StrictStr, model_validator

from fedtrain.spec.columns import Strict
from fedtrain.spec.network.dense import Embedding
from fedtrain.spec.network.layer import NamedLayer, Shape, described, numbers
from fedtrain.spec.network.layers import Layer

MOST_LAYERS: Final = 500
#: Weights of all layers together.
MOST_PARAMETERS: Final = 10**8
#: Numbers that all layers together give for one record.
MOST_ACTIVATIONS: Final = 10**8


class Network(Strict):
    """Layers in the order in which they are computed; `output` is the one whose numbers are the scores."""

    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MOST_LAYERS)]
    output: StrictStr

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        seen: set[str] = set()
        for layer in self.layers:
            if layer.name in seen:
                raise ValueError(f"layer {layer.name!r}: there are two of that name")
            seen.add(layer.name)
        for name in seen:
            parts = name.split(".")
            for end in range(1, len(parts)):
                if (within := ".".join(parts[:end])) in seen:
                    raise ValueError(f"layer {name!r}: it would be a part of {within!r}, which is a layer itself")
        if self.output not in seen:
            raise ValueError(f"output is {self.output!r}, which is no layer")
        return self

    def checked(
        self, inputs: Mapping[str, Shape], outputs: int, ids: Mapping[str, int] | None = None
    ) -> CheckedNetwork:
        """Return the network with all its shapes; nothing is allocated.

        `inputs`: the shape of each feature by its label. `outputs`: scores that the targets need. `ids`: of features
        that are ids, how many ids there are. Raises ValueError, which names layer, field and value, for what cannot be
        computed, for what is computed for nothing, and for more than the limits.
        """
        shapes, parameters = dict(inputs), dict[str, Shape]()
        weights = activations = 0
        later = {layer.name for layer in self.layers}
        for layer in self.layers:
            if layer.name in inputs:
                raise ValueError(f"layer {layer.name!r}: name is that of a feature")
            _check_sources(layer, shapes, later)
            _check_ids(layer, inputs, ids)
            try:
                shape = layer.output(*(shapes[name] for name in layer.inputs))
            except ValueError as error:
                raise ValueError(f"layer {layer.name!r}: {error}") from None
            shapes[layer.name] = shape
            own = {f"{layer.name}.{name}": size for name, size in layer.parameters.items()}
            weights = _within(layer, weights, own.values(), MOST_PARAMETERS, "weights")
            activations = _within(layer, activations, [shape], MOST_ACTIVATIONS, "numbers for each record")
            parameters |= own
            later.discard(layer.name)
        self._check_use(inputs)
        if shapes[self.output] != (outputs,):
            raise ValueError(
                f"layer {self.output!r}: it is the output and gives {described(shapes[self.output])}, the targets need "
                f"{outputs:,}"
            )
        if not parameters:
            raise ValueError("layers: none has weights, so that there is nothing to train")
        return CheckedNetwork(
            self, MappingProxyType(dict(inputs)), MappingProxyType(shapes), MappingProxyType(parameters)
        )

    def _check_use(self, inputs: Mapping[str, Shape]) -> None:
        """Raise ValueError for a layer or a feature that the scores do not depend on."""
        used = {self.output}
        for layer in reversed(self.layers):
            if layer.name not in used:
                raise ValueError(f"layer {layer.name!r}: the output {self.output!r} does not depend on it")
            used.update(layer.inputs)
        for label in inputs:
            if label not in used:
                raise ValueError(f"feature {label!r} is the input of no layer: take it out of features, or use it")


@dataclass(frozen=True)
class CheckedNetwork:
    """A network whose layers fit together, as `Network.checked` returns it.

    `inputs`: the shape of each feature. `shapes`: of features and of what each layer gives, for one record.
    `parameters`: the shape of each array of weights by its name in a state_dict, in the order of the layers and of
    PyTorch within a layer: the order in which weights travel.
    """

    network: Network
    inputs: Mapping[str, Shape]
    shapes: Mapping[str, Shape]
    parameters: Mapping[str, Shape]

    @property
    def parameter_count(self) -> int:
        """Count of all weights."""
        return sum(numbers(shape) for shape in self.parameters.values())

    @property
    def outputs(self) -> int:
        """Count of the scores that a record gets."""
        return self.shapes[self.network.output][0]


def _check_sources(layer: NamedLayer, shapes: Mapping[str, Shape], later: Iterable[str]) -> None:
    for name in layer.inputs:
        if name in shapes:
            continue
        if name in later:
            raise ValueError(
                f"layer {layer.name!r}: its input {name!r} does not come before it: layers stand in the order in which "
                "they are computed, and none depends on itself"
            )
        raise ValueError(f"layer {layer.name!r}: its input {name[:100]!r} is neither a feature nor a layer")


def _check_ids(layer: NamedLayer, inputs: Mapping[str, Shape], ids: Mapping[str, int] | None) -> None:
    if isinstance(layer, Embedding):
        (source,) = layer.inputs
        if source not in inputs:
            raise ValueError(f"layer {layer.name!r}: inputs is {source!r}: an Embedding takes ids, which a feature has")
        if ids is None:
            return
        if source not in ids:
            raise ValueError(
                f"layer {layer.name!r}: inputs is {source!r}, which are no ids: an Embedding takes a vector with a "
                "vocabulary, or a text"
            )
        if layer.num_embeddings < ids[source]:
            raise ValueError(
                f"layer {layer.name!r}: num_embeddings is {layer.num_embeddings:,}, {source!r} has {ids[source]:,} ids"
            )
        return
    for source in layer.inputs:
        if source in (ids or {}):
            raise ValueError(
                f"layer {layer.name!r}: inputs has {source!r}, which are ids: only an Embedding takes them"
            )


def _within(layer: NamedLayer, before: int, added: Iterable[Shape], most: int, unit: str) -> int:
    total = before + sum(numbers(shape) for shape in added)
    if total > most:
        fields = ", ".join(
            f"{name} {value}" for name, value in layer.arguments.items() if name in layer.model_fields_set
        )
        raise ValueError(
            f"layer {layer.name!r}: with {fields or layer.name} the network has {total:,} {unit}, {most:,} at most"
        )
    return total
