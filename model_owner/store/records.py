"""Records that go into and come out of the Model Owner's store beside its jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fedtrain.protocol.documents.signed import Hash, Name
from fedtrain.spec.model_spec import Strict


class Dataset(Strict):
    """A test set. `version`: SHA-256 of the file's bytes. The newest one of a name is the current one."""

    id: str
    name: Name
    path: str
    version: Hash
    size_bytes: int
    registered_at: datetime


class Prediction(Strict):
    """A model's values on a test set. `document` is what GET /prediction answers."""

    id: str
    model_id: str
    dataset_id: str
    created_at: datetime
    document: dict[str, Any]
