"""The Facilitator's settings: FEDTRAIN_* in the environment, or the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from fedtrain.protocol.documents.signed import Name
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.timestamps.settings import TimestampSettings


class FacilitatorSettings(ServiceSettings):
    """`result_limit_bytes`: of one task's result, such as an owner's ciphertexts. `tick_interval_s`: how often
    timeouts are looked for. `claim_lease_s`: after how long a sum is taken over from another process that has died.
    `bodies_dir`: where a store on PostgreSQL keeps large bodies; the same folder for all processes that share it.
    `timestamps`: who dates what this party signs at jobs' ends."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    name: Name = "facilitator"
    result_limit_bytes: Annotated[int, Field(ge=1024)] = 256 << 20
    manifest_limit_bytes: Annotated[int, Field(ge=1024)] = 4 << 20
    longest_wait_s: Annotated[float, Field(gt=0, le=300)] = 60
    tick_interval_s: Annotated[float, Field(gt=0, le=60)] = 0.5
    claim_lease_s: Annotated[float, Field(ge=1, le=3600)] = 10.0
    bodies_dir: Path | None = None  # default: rows on PostgreSQL, and beside the file on SQLite
    timestamps: TimestampSettings | None = None
