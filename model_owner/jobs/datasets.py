"""The Model Owner's test sets: a file in its data folder, or an upload that is kept there."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from fedtrain.model_owner.store import Dataset, ModelStore
from fedtrain.protocol.clock import Clock
from fedtrain.service.vault.data_folder import file_in
from fedtrain.service.web.responses import unsupported_media_type
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.reading.read import open_declared_table, open_table

DEFAULT_NAME = "default"
SUFFIXES = {
    "text/csv": ".csv",
    "application/vnd.apache.parquet": ".parquet",
    "application/octet-stream": ".data",
}
_CHUNK_BYTES = 1 << 20


class Datasets:
    """Registers test sets. What they hold is read when a model is scored, by that model's declaration."""

    def __init__(self, store: ModelStore, folder: Path, clock: Clock) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock

    def register_file(self, path: Path, name: str = DEFAULT_NAME) -> Dataset:
        """Register a file of this party's own. Blocks. Raises Problem(INVALID_DATA) where it is no table."""
        try:
            open_table(path)
            version, size_bytes = fingerprint(path)
        except (TableError, OSError) as error:
            raise Problem(Code.INVALID_DATA, f"The test set cannot be used: {error}.") from None
        return self._store.put_dataset(
            Dataset(
                id=uuid4().hex,
                name=name,
                path=str(path),
                version=version,
                size_bytes=size_bytes,
                registered_at=self._clock.now(),
            )
        )

    def misfit(self, spec: ModelSpec) -> str | None:
        """Return why the current test set cannot score a model of that spec: columns that it lacks. None where it can,
        or there is no test set. Blocks.
        """
        dataset = self._store.current_dataset()
        if dataset is None:
            return None
        props, problems = spec.data_props, []
        try:
            table = open_declared_table(Path(dataset.path), props)
        except (TableError, OSError) as error:
            return f"The test set {dataset.name} cannot be used: {error}."
        for column in (*props.features, *props.all_targets):
            try:
                table.resolve(column)
            except TableError as error:
                problems.append(str(error))
        return f"The test set {dataset.name} cannot score this model: {'; '.join(problems)}." if problems else None

    async def register_path(self, given: str, name: str) -> Dataset:
        """Register a file below the data folder. Raises Problem: INVALID_DATA, and as `file_in`."""

        def register() -> Dataset:
            return self.register_file(file_in(self._folder, given), name)

        return await asyncio.to_thread(register)

    async def upload(self, chunks: AsyncIterator[bytes], media_type: str, name: str) -> Dataset:
        """Keep a streamed body in the data folder and register it. Raises Problem: INVALID_DATA,
        UNSUPPORTED_MEDIA_TYPE."""
        if media_type not in SUFFIXES:
            raise unsupported_media_type(media_type, "application/json", *SUFFIXES)
        folder = self._folder / "uploads"
        await asyncio.to_thread(lambda: folder.mkdir(parents=True, exist_ok=True, mode=0o700))
        path = folder / f"{uuid4().hex}{SUFFIXES[media_type]}"
        try:
            with path.open("xb") as file:
                path.chmod(0o600)
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
            return await asyncio.to_thread(self.register_file, path, name)
        except BaseException:
            # A broken upload, or one that is no table, leaves nothing behind.
            path.unlink(missing_ok=True)
            raise


def fingerprint(path: Path) -> tuple[str, int]:
    """SHA-256 of a file's bytes in hex, and their number."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes
