"""Plain values that an inspection of a dataset version comes to, for its owner alone."""

from __future__ import annotations

from typing import Literal

from fedtrain.spec.model_spec import Strict

CellKind = Literal["category", "imputed", "tail", "common", "joint"]


class Cell(Strict):
    """Rows that a sum can tell from the others: those of a category, or with a missing value that was replaced, those
    at or between the ends of a range that clips, those other than a column's most common value, those of two
    categories. `label` is a person's name for it."""

    kind: CellKind
    columns: tuple[str, ...]
    label: str
    rows: int


class HighLeverage(Strict):
    """Rows of a part whose leverage is above the limit. `largest`: of any row of the part, above the limit or not.

    `columns`: how many of the rows each column carries, the most first.
    """

    rows: int
    largest: float
    columns: dict[str, int]


class InspectedPart(Strict):
    """Rows that a job may show sums of: all, or the training or validation part."""

    name: Literal["all", "training", "validation"]
    rows: int
    cells: tuple[Cell, ...]
    high_leverage: HighLeverage


class Inspection(Strict):
    """Cells and leverages of a dataset version under one encoding. Secret; the first part is the whole.

    `dimensions`: D, the encoded columns of the whole dictionary, ones and targets included. `max_leverage` and
    `joint_cells`: as the policy had them.
    """

    dimensions: int
    max_leverage: float
    joint_cells: bool
    parts: tuple[InspectedPart, ...]

    @property
    def whole(self) -> InspectedPart:
        """All rows."""
        return self.parts[0]
