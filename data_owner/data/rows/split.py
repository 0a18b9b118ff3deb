"""The split of a dataset's records into training and validation: a secret draw that belongs to the record itself.

The owner holds the salt, so that nobody else can tell which part a record is in. A record stays in its part whatever
version of the table it is in, and at whatever place: all jobs see sums over the same two parts, or over both. Copies
of one record are all in one part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedtrain.data_owner.data.moments import Floats, Rows
from fedtrain.data_owner.data.rows.ids import ID_BYTES, Ids
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import EncodedBatch


@dataclass(frozen=True)
class ValidationSplit:
    """A share of about `fraction` of the records, drawn by `salt` (32 bytes, secret) and each record's own hash."""

    fraction: float
    salt: bytes = field(repr=False)

    def holds_out(self, ids: Ids) -> NDArray[np.bool_]:
        """(rows,) which of the records, by their hashes (rows,), are kept for validation."""
        rows = ids.astype(">u8").tobytes()
        draws = b"".join(
            hashlib.blake2b(rows[start : start + ID_BYTES], digest_size=8, key=self.salt, person=b"validation").digest()
            for start in range(0, len(rows), ID_BYTES)
        )
        result: NDArray[np.bool_] = np.frombuffer(draws, dtype=">u8") < int(self.fraction * 2.0**64)
        return result

    def identity(self) -> str:
        """Return what a table that was reduced under this split is known by; it gives neither salt nor records away."""
        return hashlib.sha256(b"split by record" + self.salt + self.fraction.hex().encode()).hexdigest()


def check_parts(training: int, validation: int, min_rows: int) -> None:
    """Hold how many rows both parts of a split have against the policy's min_rows. Raises Problem(TOO_FEW_ROWS)."""
    for name, rows in (("training", training), ("validation", validation)):
        if rows < min_rows:
            raise Problem(
                Code.TOO_FEW_ROWS,
                f"The {name} part of the split has {rows} rows, the policy's min_rows is {min_rows}.",
            )


def side_by_side(batches: Iterable[EncodedBatch], split: ValidationSplit, ids: Callable[[], Ids]) -> Iterator[Rows]:
    """Both parts in one pass: X (rows, 2d) and Y (rows, 2k), training columns first, zeros in the other part's.

    The second moments of these rows are those of the training part, and next to them, on the diagonal, those of the
    validation part. `ids`: the hashes of the latest batch's rows.
    """
    for batch in batches:
        held = split.holds_out(ids())[:, None]
        x_rest, y_rest = (None if rest is None else _apart(rest, held) for rest in (batch.X_rest, batch.Y_rest))
        yield Rows(_apart(batch.X, held), _apart(batch.Y, held), x_rest, y_rest)


def _apart(values: Floats, held: NDArray[np.bool_]) -> Floats:
    return np.hstack([np.where(held, 0.0, values), np.where(held, values, 0.0)])
