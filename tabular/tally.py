"""Counts of what an encoding does to a table: rows used and dropped, clipped tails, rows a category.

An owner's policy looks at these before it lets a table take part: a category or a clipped tail of very
few rows is an indicator of those rows, and a sum over it tells about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tabular.convert import Ints
from tabular.encode import EncodedBatch


@dataclass(frozen=True)
class SmallCell:
    """A group of rows so small that it points at them. `group` is a category, "below range" or "above range"."""

    column: str
    group: str
    rows: int


def clipped_parts(label: str, low: int, high: int, rows: int) -> dict[str, int]:
    """Rows in both tails of a clipped column and between them, by name: a range can single out any of the three.

    `rows`: all that are used. Empty where nothing is clipped.
    """
    if not low and not high:
        return {}
    parts = {"below": low, "above": high, "within": rows - low - high}
    return {f"{label} {part} its range": count for part, count in parts.items()}


@dataclass
class Tally:
    """Adds up the counts of encoded batches. `categories` are those declared, by column, for their names."""

    categories: dict[str, tuple[str, ...]]
    rows: int = 0
    dropped: int = 0
    clipped_low: dict[str, int] = field(default_factory=dict)
    clipped_high: dict[str, int] = field(default_factory=dict)
    category_rows: dict[str, Ints] = field(default_factory=dict)

    def add(self, batch: EncodedBatch) -> None:
        """Count one batch."""
        self.rows += len(batch.X)
        self.dropped += batch.dropped
        self.add_counts(batch.clipped_low, batch.clipped_high, batch.categories)

    def add_counts(self, low: dict[str, int], high: dict[str, int], categories: dict[str, Ints]) -> None:
        """Count clipped values and categories, as an EncodedBatch has them."""
        for counts, more in ((self.clipped_low, low), (self.clipped_high, high)):
            for label, count in more.items():
                counts[label] = counts.get(label, 0) + count
        for label, rows in categories.items():
            self.category_rows[label] = self.category_rows[label] + rows if label in self.category_rows else rows

    def watch(self, batches: Iterable[EncodedBatch]) -> Iterator[EncodedBatch]:
        """Count batches as they pass."""
        for batch in batches:
            self.add(batch)
            yield batch

    def small_cells(self, min_cell: int) -> tuple[SmallCell, ...]:
        """Every category and clipped tail that holds at least 1 and fewer than `min_cell` rows."""
        cells = [
            SmallCell(label, text, int(rows))
            for label, counts in self.category_rows.items()
            for text, rows in zip(self.categories[label], counts, strict=True)
        ]
        for group, tails in (("below range", self.clipped_low), ("above range", self.clipped_high)):
            cells += [SmallCell(label, group, rows) for label, rows in tails.items()]
        return tuple(cell for cell in cells if 0 < cell.rows < min_cell)
