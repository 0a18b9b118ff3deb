"""Where frozen examples lie: two files a part, which a worker maps into memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural.tasks import ExamplesPart


def x_file(examples: ExamplesPart) -> Path:
    """(rows, numbers of all features) float32, in the order of the features; ids are whole numbers."""
    return examples.folder / f"{examples.part}-x.npy"


def y_file(examples: ExamplesPart) -> Path:
    """(rows, outputs) float32: one column a target with a range, scaled; 0 or 1 for categories, one column each.

    Two categories have one column.
    """
    return examples.folder / f"{examples.part}-y.npy"


def open_examples(examples: ExamplesPart) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return X and Y, mapped into memory. Raises ValueError where their rows do not go together."""
    X = np.load(x_file(examples), mmap_mode="r", allow_pickle=False)
    Y = np.load(y_file(examples), mmap_mode="r", allow_pickle=False)
    if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y) or X.dtype != np.float32 or Y.dtype != np.float32:
        raise ValueError(f"examples: X is {X.dtype} {X.shape}, Y {Y.dtype} {Y.shape}: these are no frozen examples")
    return X, Y


class ExamplesWriter:
    """Writes the two files of a part, for this user alone; how many rows they have stands in their headers at the end.

    `width`: numbers of all features of a record. `outputs`: columns of its targets. `rows`: added so far. Raises
    FileExistsError where one is there.
    """

    def __init__(self, examples: ExamplesPart, width: int, outputs: int) -> None:
        self.rows = 0
        self._files: list[tuple[IO[bytes], int]] = []
        for path, columns in ((x_file(examples), width), (y_file(examples), outputs)):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._files.append((os.fdopen(descriptor, "wb"), columns))
        self._write_headers()

    def __enter__(self) -> ExamplesWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._write_headers()
        for file, _columns in self._files:
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def add(self, *arrays: NDArray[Any]) -> None:
        """Add records: X (rows, width) and Y (rows, outputs)."""
        for (file, _columns), array in zip(self._files, arrays, strict=True):
            file.write(np.ascontiguousarray(array, dtype="<f4").tobytes())
        self.rows += len(arrays[0])

    def _write_headers(self) -> None:
        # A header keeps its length when the number of rows grows: the format leaves room for that.
        for file, columns in self._files:
            file.seek(0)
            header = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, columns)}
            np.lib.format.write_array_header_1_0(file, header)
            file.seek(0, os.SEEK_END)
