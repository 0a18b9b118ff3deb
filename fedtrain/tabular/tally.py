"""Counts of what an encoding does to a table: clipped tails, rows a category.

An owner's policy looks at these before it lets a table take part: a category or a clipped tail of very
few rows is an indicator of those rows, and a sum over it tells about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fedtrain.tabular.reading.convert import Ints


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
    clipped_low: dict[str, int] = field(default_factory=dict)
    clipped_high: dict[str, int] = field(default_factory=dict)
    category_rows: dict[str, Ints] = field(default_factory=dict)

    def add(self, low: dict[str, int], high: dict[str, int], categories: dict[str, Ints]) -> None:
        """Count clipped values and categories of one batch, as an EncodedBatch has them."""
        for counts, more in ((self.clipped_low, low), (self.clipped_high, high)):
            for label, count in more.items():
                counts[label] = counts.get(label, 0) + count
        for label, rows in categories.items():
            self.category_rows[label] = self.category_rows[label] + rows if label in self.category_rows else rows
