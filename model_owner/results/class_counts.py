"""Counts of the rows of each class the first sums tell of, and which declared classes occur in none."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark
from fedtrain.spec.model_spec import ModelSpec


def missing_classes(spec: ModelSpec, slopes: Sequence[Fraction], rows: int) -> tuple[int, ...]:
    """Return the places of the declared classes that no row has.

    `slopes`: the intercept's gradient at w = 0 of each output, summed over `rows` rows. That is Σ(½ − y) of each class
    against the rest, or Σ(1/K − y) of K classes by softmax. Nothing for a model that does not classify.
    """
    if not spec.kind.classifies:
        return ()
    classes = len(spec.data_props.all_targets[0].category_texts)
    share = Fraction(rows, classes if spec.shares_weights and len(slopes) > 1 else 2)
    counts = [share - slope for slope in slopes]
    if len(counts) == 1:
        counts = [rows - counts[0], counts[0]]
    return tuple(place for place, count in enumerate(counts) if count < Fraction(1, 2))


def remarks_on_classes(spec: ModelSpec, missing: Sequence[int]) -> tuple[Remark, ...]:
    """Return a remark on each declared class that no row has."""
    target = spec.data_props.all_targets[0]
    return tuple(
        remark(RemarkCode.CLASS_MISSING, target.label, label=f"The class {target.category_texts[place]}")
        for place in missing
    )
