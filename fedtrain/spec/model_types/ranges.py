"""Ranges of columns, agreed on without telling extremes: docs/ranges.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from fedtrain.spec.columns import NUMERIC, Feature, Strict, Target
from fedtrain.spec.model_types.kind import ModelKind

#: Limits of a column whose range is left open: all that is asked lies between them.
OPEN_LIMITS: Final = (-1e9, 1e9)


class Grid(StrEnum):
    """Public bounds that are asked about: ±10^k; ±2^k; ±1, 2, 5 times 10^k. Zero is one of each."""

    DECADES = "decades"
    POWERS_OF_TWO = "powers_of_two"
    ROUND = "round"


class Ranges(ModelKind):
    """Every column is a feature, and its `range` the limits that the bounds lie between. Nothing is predicted."""

    name = "RANGES"
    predicts = False
    tells_thresholds = True
    told = (
        "for each column and each bound of a public grid one bit, whether at least min_cell of this owner's rows lie "
        "beyond it, of which sums over all owners can be read"
    )

    def takes(self, feature: Feature) -> bool:
        return feature.type in NUMERIC

    def check_features(self, features: Sequence[Feature]) -> None:
        for feature in features:
            if not self.takes(feature):
                raise ValueError(
                    f"{feature.label}: {self.name} asks for the ranges of numbers, and this is of type {feature.type}: "
                    "leave the column out"
                )

    def check_targets(self, targets: Sequence[Target]) -> None:
        if targets:
            raise ValueError(f"{targets[0].label}: {self.name} predicts nothing: give every column as a feature")


class ColumnRange(Strict):
    """Result for one column. `owners_below`, `owners_above`: how many have `min_cell` rows beyond each of `bounds`.

    `range`: the narrowest beyond whose ends no owner has so many; None where the owners' rows are too few to tell.
    `inner`: the widest beyond either end of which every owner has so many; None where there is none.
    """

    name: str | None = None
    col_idx: int | None = None
    limits: tuple[float, float]
    range: tuple[float, float] | None
    inner: tuple[float, float] | None
    bounds: tuple[float, ...]
    owners_below: tuple[int, ...]
    owners_above: tuple[int, ...]

    @property
    def label(self) -> str:
        """The column as its declaration has it."""
        return self.name if self.name is not None else f"column {self.col_idx}"

    @property
    def collapsed(self) -> bool:
        """True where `range` lies within the bounds nearest to zero: nearly all rows may hold one value."""
        nearest = min((abs(bound) for bound in self.bounds if bound), default=0.0)
        return self.range is not None and max(map(abs, self.range)) <= nearest


def with_limits(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec's JSON with `OPEN_LIMITS` for features without a range, and the grid that stands in for none.

    What is no column of numbers stays as it is, for the spec's own rules to refuse.
    """
    filled = {**document, "grid": Grid.ROUND.value if document.get("grid") is None else document["grid"]}
    props = document.get("data_props")
    if isinstance(props, Mapping) and isinstance(features := props.get("features"), list | tuple):
        filled["data_props"] = {**props, "features": [_limited(feature) for feature in features]}
    return filled


def _limited(feature: Any) -> Any:
    if not isinstance(feature, Mapping) or feature.get("type") not in NUMERIC or feature.get("range") is not None:
        return feature
    return {**feature, "range": list(OPEN_LIMITS)}
