"""Scores that this owner was told, kept in its state folder: the same row again is free, and asks nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.scoring import Floats
from fedtrain.service.vault.secret_files import read_secret, write_secret


class KeptScores:
    """A file a model, readable for this user alone, with the k scaled scores of each encoded row by its hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, model_id: str, offer_hash: str) -> dict[str, list[float]]:
        """Return what is kept of a model under that offer; under another one its scores would be other ones."""
        try:
            kept = json.loads(read_secret(self._path(model_id)))
        except FileNotFoundError:
            return {}
        scores: dict[str, list[float]] = kept["scores"] if kept["offer"] == offer_hash else {}
        return scores

    def add(self, model_id: str, offer_hash: str, scores: Mapping[str, Sequence[float]]) -> None:
        """Keep further scores, by the rows' keys."""
        together = {**self.of(model_id, offer_hash), **{key: list(values) for key, values in scores.items()}}
        write_secret(self._path(model_id), json.dumps({"offer": offer_hash, "scores": together}).encode())

    def _path(self, model_id: str) -> Path:
        return self._folder / f"{model_id}.json"


def row_keys(X: Floats) -> list[str]:
    """A key for each row of X (rows, d): the same for the same encoded values, whatever the row was written like."""
    return [sha256_hex(np.ascontiguousarray(row + 0.0).tobytes()) for row in X]  # -0.0 and 0.0 are one value
