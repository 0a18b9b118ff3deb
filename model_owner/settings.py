"""A Model Owner's settings: FEDTRAIN_* in the environment, or what the command line gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from fedtrain.client.address import Address
from fedtrain.protocol.documents.signed import Name
from fedtrain.service.notify.settings import NotifySettings
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.timestamps.settings import TimestampSettings


class ModelOwnerSettings(ServiceSettings):
    """`test_data` is registered at the start as test set "default".

    `data_dir` is where `POST /datasets` looks for files and keeps uploads. `facilitator_id`: the party id that the
    Facilitator must have; without one, the id it has when a job is posted counts for that job.
    `notify`: who of this party's people is told of what. `timestamps`: who dates what this party signs at jobs' ends.
    """

    port: Annotated[int, Field(ge=0, le=65535)] = 9090
    name: Name = "model-owner"
    state_dir: Path = Path("state/model-owner")
    facilitator: Address = "http://127.0.0.1:8080"
    facilitator_id: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    test_data: Path | None = None
    data_dir: Path | None = None
    upload_limit_bytes: Annotated[int, Field(ge=1024)] = 1 << 30
    notify: NotifySettings | None = None
    timestamps: TimestampSettings | None = None
    poll_wait_s: Annotated[float, Field(ge=0, le=60)] = 20.0
    progress_cache_s: Annotated[float, Field(ge=0, le=60)] = 1.0

    @property
    def data_folder(self) -> Path:
        return self.data_dir or self.state_dir / "data"
