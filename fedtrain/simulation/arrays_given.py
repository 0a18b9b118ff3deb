"""Records and targets as people have them in a notebook: arrays, tensors, data frames, a torch Dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedtrain.client.frames import is_frame


@dataclass(frozen=True, eq=False)
class Records:
    """X: (rows, *shape) numbers. Y: (rows, targets) as it was given, whose type says what it is."""

    X: NDArray[Any]
    Y: NDArray[Any]

    @property
    def classifies(self) -> bool:
        """True where targets are categories: texts, whole numbers or truth values."""
        return self.Y.dtype.kind in "iubUO"


def split_among(names: Sequence[str], X: Any, y: Any = None, *, seed: int = 0) -> dict[str, tuple[Any, Any]]:
    """Share records out at random: name → (X, y), for `FederatedNetwork.fit`.

    `X`: an array, tensor or data frame with `y`, or a torch Dataset alone. Raises ValueError for names that are given
    twice, and for fewer records than names.
    """
    records = records_of(X if y is None else (X, y))
    if len(set(names)) != len(names) or not names:
        raise ValueError(f"names are {list(names)}: give at least one, and each once")
    if len(records.X) < len(names):
        raise ValueError(f"there are {len(records.X)} records for {len(names)} owners")
    order = np.random.default_rng(seed).permutation(len(records.X))
    parts = np.array_split(order, len(names))
    return {name: (records.X[part], records.Y[part]) for name, part in zip(names, parts, strict=True)}


def records_of(given: Any) -> Records:
    """Return (X, y), or a torch Dataset of such pairs, as arrays. Raises ValueError, which says what is wrong."""
    if isinstance(given, tuple) and len(given) == 2:
        X, y = given
    elif hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, Mapping | str):
        X, y = _of_dataset(given)
    else:
        raise ValueError(f"records are a pair (X, y) or a torch Dataset, not a {type(given).__name__}")
    Y = _array(y)
    Y = Y.reshape(-1, 1) if Y.ndim == 1 else Y
    records = Records(_numbers(X), Y)
    if Y.ndim != 2 or len(Y) != len(records.X) or not len(Y):
        raise ValueError(f"X has {len(records.X)} records, y the shape {Y.shape}: one target a record is needed")
    if Y.dtype.kind not in "fiubUO":
        raise ValueError(f"y has values of type {Y.dtype}: numbers or texts are needed")
    if Y.dtype.kind == "f" and not np.isfinite(Y).all():
        raise ValueError("y has a value that is not finite")
    return records


def inputs_of(X: Any, *, takes_ids: bool) -> NDArray[Any]:
    """Return features as a module takes them, (rows, *shape) float32, or int64 for ids. Raises ValueError."""
    numbers = _numbers(X)
    if takes_ids:
        if numbers.dtype.kind not in "iub":
            raise ValueError(f"X has values of type {numbers.dtype}: a network with an Embedding takes whole numbers")
        return numbers.astype(np.int64)
    with np.errstate(over="ignore"):
        single = numbers.astype(np.float32)
    if not np.isfinite(single).all():
        raise ValueError("X has a value that is not finite: fill in what is missing first")
    return single


def _numbers(X: Any) -> NDArray[Any]:
    array = _array(X)
    if array.ndim < 2:
        raise ValueError(f"X has the shape {array.shape}: one row a record is needed")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"X has values of type {array.dtype}: numbers are needed")
    return array


def _of_dataset(given: Any) -> tuple[Any, Any]:
    pairs = [given[at] for at in range(len(given))]
    if not pairs or any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
        raise ValueError(f"a {type(given).__name__} has to have pairs of features and target, and at least one")
    return np.stack([_array(x) for x, _ in pairs]), np.stack([_array(y) for _, y in pairs])


def _array(values: Any) -> NDArray[Any]:
    if hasattr(values, "detach"):  # a tensor
        return np.asarray(values.detach().cpu().numpy())
    if is_frame(values):
        return np.asarray(values.to_numpy())
    return np.asarray(values)
