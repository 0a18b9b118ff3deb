"""A dictionary's columns in the roles that a job gives them: one of them is predicted, others predict it.

A column tells a job the same in either role. An ordinal one counts by its rank and has no indicator a category, and a
value that was put in the place of a missing one is nothing to predict: those are features alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from fedtrain.spec.columns import NUMERIC, Column, DataProps, Feature, FeatureType, Target


def no_target_because(column: Column) -> str | None:
    """Return why this column can be no target, None where it can."""
    if isinstance(column, Feature) and column.type not in (*NUMERIC, FeatureType.NOMINAL):
        return f"it is {column.type}: a target is a number, or nominal"
    if column.missing not in ("error", "drop"):
        return f"a missing value becomes {column.missing!r}, which is nothing to predict"
    return None


def as_target(column: Column) -> Target:
    """Return a column as what is predicted. Raises ValueError, naming it, where it cannot be."""
    why = no_target_because(column)
    if why is not None:
        raise ValueError(f"{column.label} can be no target: {why}")
    return column if isinstance(column, Target) else Target.model_validate(_shared(column))


def as_feature(column: Column, numbers: FeatureType = FeatureType.CONTINUOUS) -> Feature:
    """Return a column as what predicts: a target's numbers are of type `numbers`, its categories nominal."""
    if isinstance(column, Feature):
        return column
    kind = FeatureType.NOMINAL if column.range is None else numbers if numbers in NUMERIC else FeatureType.CONTINUOUS
    return Feature.model_validate({**_shared(column), "type": kind})


def asking_for(dictionary: DataProps, target: str, features: Sequence[str] | None = None) -> DataProps:
    """Return a dictionary's columns for a job that predicts `target`, from `features` or all others, by their labels.

    Raises ValueError for a column that is not in the dictionary, or cannot be what it is asked for.
    """
    columns = {column.label: column for column in dictionary.columns}
    wanted = [label for label in columns if label != target] if features is None else list(features)
    for label in (target, *wanted):
        if label not in columns:
            raise ValueError(f"{label!r} is no column of the dictionary; there is {', '.join(map(repr, columns))}")
    if target in wanted:
        raise ValueError(f"{target!r} is what is predicted: it predicts nothing itself")
    chosen = as_target(columns[target])
    return dictionary.model_copy(
        update={"features": tuple(as_feature(columns[label]) for label in wanted), "target": chosen, "targets": None}
    )


def _shared(column: Column) -> dict[str, object]:
    return column.model_dump(exclude={"type"}, exclude_none=True)
