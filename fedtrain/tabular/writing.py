"""Tables that the project writes itself: Parquet files that are named by what is in them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet


def write_table(folder: Path, schema: Any, batches: Iterable[Any]) -> Path:
    """Write pyarrow record batches to `folder`/SHA-256.parquet, mode 0600, whole or not at all, and return the path.

    Memory holds a batch. Raises OSError, and what `batches` raises.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".", suffix=".part", delete=False) as file:
        temporary = Path(file.name)
    try:
        # As they are: what is compressed far below its size would be taken for a bomb when it is read.
        with pa.parquet.ParquetWriter(temporary, schema, compression="none", use_dictionary=False) as writer:
            for batch in batches:
                writer.write_batch(batch)
        with temporary.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        return temporary.replace(folder / f"{name}.parquet")
    finally:
        temporary.unlink(missing_ok=True)
