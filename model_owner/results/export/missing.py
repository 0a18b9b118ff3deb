"""A feature's declaration of a missing value, as a finished model needs it."""

from __future__ import annotations

from fedtrain.spec.model_spec import NUMERIC, Feature, category_text


def has_constant(feature: Feature) -> bool:
    """Say whether a constant stands for a missing value. Without one there is no prediction for such a row."""
    return feature.missing not in ("error", "drop")


def constant_of(feature: Feature) -> float | str:
    """The constant: a number within the range, or the text of one of the categories. Raises ValueError without one."""
    if not has_constant(feature):
        raise ValueError(f"{feature.label}: missing is {feature.missing!r}, which is no value to use instead")
    return float(feature.missing) if feature.type in NUMERIC else category_text(feature.missing)
