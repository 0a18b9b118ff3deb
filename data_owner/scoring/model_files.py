"""Networks that this owner was given or trained a copy of: safetensors files, named by their SHA-256."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from fedtrain.neural import Weights
from fedtrain.neural.weights_file import weights_from_bytes, weights_to_bytes
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.vault.secret_files import write_secret
from fedtrain.spec.network import CheckedNetwork
from fedtrain.spec.problems import Code, Problem

Whose = Literal["given", "personal"]
_SUFFIX = ".safetensors"
_ROWS = ".rows-"  # in no backup, as the dot says


class ModelFiles:
    """Files below `folder`, one folder a job, for this user alone. Of each kind a job has one: the latest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for left in folder.glob(f"{_ROWS}*"):  # by a crash
            shutil.rmtree(left)

    def keep(self, job_id: str, whose: Whose, network: CheckedNetwork, weights: Weights) -> Path:
        """Keep a network, in the place of an earlier one, and return its file."""
        content = weights_to_bytes(network, weights)
        path = self._folder / job_id / f"{whose}-{sha256_hex(content)}{_SUFFIX}"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(path, content)
        for other in self._all(job_id, whose):
            if other != path:
                other.unlink()
        return path

    def read(self, job_id: str, whose: Whose, network: CheckedNetwork) -> tuple[str, Weights] | None:
        """Return a network's hash and weights, None where there is none.

        Raises Problem(INVALID_DATA) for a file that is not what its name says.
        """
        found = self._all(job_id, whose)
        if not found:
            return None
        path = found[-1]
        content, named = path.read_bytes(), path.stem.removeprefix(f"{whose}-")
        if sha256_hex(content) != named:
            raise Problem(Code.INVALID_DATA, f"The model in {path} was altered: delete the file, and get it anew.")
        return named, weights_from_bytes(content, network)

    @contextmanager
    def rows_folder(self) -> Iterator[Path]:
        """Yield a folder for records that are to be scored, and delete it afterwards."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_ROWS, dir=self._folder) as folder:
            yield Path(folder)

    def _all(self, job_id: str, whose: Whose) -> list[Path]:
        """Of one kind, the latest last: a crash may have left the one before."""
        files = (self._folder / job_id).glob(f"{whose}-*{_SUFFIX}")
        return sorted(files, key=lambda path: path.stat().st_mtime_ns)
