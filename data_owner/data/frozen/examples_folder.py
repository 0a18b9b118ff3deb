"""An owner's records as a network trains on them, frozen on disk for one job.

Each part, training and validation, is two NumPy files, float32 and in the table's order, which workers map into memory:
features (rows, numbers of a record) and targets (rows, outputs). A network's answers are no function of sums that could
be kept in their place, so that these are the records themselves: they are deleted with the job, and in no backup.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fedtrain.neural import ExamplesPart, Part
from fedtrain.neural.examples_files import ExamplesWriter
from fedtrain.service.vault.secret_files import sync_folder

SUFFIX: Final = ".examples"
#: Of what is not whole yet; the name begins with a dot.
PART_SUFFIX: Final = ".part"
_PARTS: Final[tuple[Part, Part]] = ("training", "validation")
_MAGIC: Final = b"fedtrain-examples-1"
_BLOCK_BYTES: Final = 1 << 20


class FrozenExamplesError(Exception):
    """Frozen examples are gone or damaged. Carries the path and the reason, never what is in a file."""


@dataclass(frozen=True)
class FrozenExamples:
    """Examples in `folder`: how many rows each part has, which is secret."""

    folder: Path
    training_rows: int = field(repr=False)
    validation_rows: int = field(repr=False)

    def hash(self, salt: bytes) -> str:
        """Return SHA-256 in hex over a secret salt and all files: a commitment that gives nothing away."""
        digest = hashlib.sha256(_MAGIC)
        digest.update(len(salt).to_bytes(8) + salt)
        for path in _files(self.folder):
            digest.update(path.name.encode().ljust(32, b"\0") + path.stat().st_size.to_bytes(8))
            with path.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class ExampleBatch:
    """Consecutive records. X: (rows, width), Y: (rows, outputs). held_out: (rows,) those kept for validation."""

    X: NDArray[Any] = field(repr=False)
    Y: NDArray[Any] = field(repr=False)
    held_out: NDArray[np.bool_] | None = None


def freeze_examples(batches: Iterable[ExampleBatch], folder: Path, width: int, outputs: int) -> FrozenExamples:
    """Write batches to `folder`, whole or not at all, for this user alone; what was there before goes.

    Memory holds one batch. Raises OSError, and what going through the batches raises.
    """
    temporary = folder.with_name(f".{folder.name}{PART_SUFFIX}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700, parents=True)
    try:
        with ExitStack() as stack:
            parts = {
                part: stack.enter_context(ExamplesWriter(ExamplesPart(temporary, part), width, outputs))
                for part in _PARTS
            }
            for batch in batches:
                held = np.zeros(len(batch.X), dtype=bool) if batch.held_out is None else batch.held_out
                for part, rows in zip(_PARTS, (~held, held), strict=True):
                    parts[part].add(batch.X[rows], batch.Y[rows])
        sync_folder(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return FrozenExamples(folder, *(parts[part].rows for part in _PARTS))


def thaw_examples(folder: Path) -> FrozenExamples:
    """Return what `freeze_examples` wrote. Raises FrozenExamplesError where a file is not there, or is none of its."""
    rows = []
    for part in _PARTS:
        arrays = []
        for name in ("x", "y"):
            path = folder / f"{part}-{name}.npy"
            try:
                arrays.append(np.load(path, mmap_mode="r", allow_pickle=False))
            except FileNotFoundError:
                raise FrozenExamplesError(f"{path} is not there") from None
            except (OSError, ValueError, EOFError):
                raise FrozenExamplesError(f"{path} is damaged") from None
        if len(arrays[0]) != len(arrays[1]):
            raise FrozenExamplesError(f"{folder} has more features than targets, or fewer, in its {part} part")
        rows.append(len(arrays[0]))
    return FrozenExamples(folder, *rows)


def forget_examples(folder: Path) -> bool:
    """Delete what was frozen, and return whether anything was there. Raises OSError."""
    if not folder.exists():
        return False
    shutil.rmtree(folder)
    return True


def _files(folder: Path) -> list[Path]:
    return [folder / f"{part}-{name}.npy" for part in _PARTS for name in ("x", "y")]
