"""A Data Owner's settings: FEDTRAIN_* in the environment, or what the command line gives."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fedtrain.client.address import Address
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.protocol.documents.signed import Name, PartyId
from fedtrain.protocol.loopback import is_loopback
from fedtrain.service.notify.settings import NotifySettings
from fedtrain.service.runtime.extras import how_to_install
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.timestamps.settings import TimestampSettings
from fedtrain.spec.problems import Code, Problem

POLICY_FILE = "policy.toml"


class DataOwnerSettings(ServiceSettings):
    """`data` is registered at the start as dataset "default", under the encoding in `schema_file`, if there is one.

    `mapping`: the owner's mapping file, by which `data` is read. `target`: where `data` is a NumPy array, that of its
    targets.
    `schema` is taken for `schema_file` (the environment has FEDTRAIN_SCHEMA_FILE). `data_dir` is where `POST /datasets`
    looks for files and keeps uploads. `facilitator_id`: the party id that the Facilitator must have, None for any.
    `notify`: who of this party's people is told of what. `timestamps`: who dates what this party signs at jobs' ends.
    `policy_file`: else `policy.toml` in the state folder; without one, a service on loopback is open, until somebody is
    pinned, and any other strict;
    `least_roster`, if given, is then taken in place of the policy's own, and with `share_weights` jobs may show this
    owner their weights, whatever the policy says of that. `score_timeout_s`: how long `POST /score` waits for the
    Model Owner. `engine` can be a Dask cluster, too. `training_…`: of the process that trains networks. Its memory is
    without a limit of its own by default; how many threads it has decides the last bits of what it finds.
    `databases`: of each that may be queried, by a name, the file with its URL, which the service's user alone may read.
    `query_timeout_s`: how long a query may take.
    """

    port: Annotated[int, Field(ge=0, le=65535)] = 5000
    name: Name = "data-owner"
    state_dir: Path = Path("state/data-owner")
    facilitator: Address = "http://127.0.0.1:8080"
    facilitator_id: PartyId | None = None
    data: Path | None = None
    target: Path | None = None
    schema_file: Path | None = None
    mapping: Path | None = None
    data_dir: Path | None = None
    policy_file: Path | None = None
    least_roster: Annotated[int, Field(ge=1)] | None = None
    share_weights: bool = False
    upload_limit_bytes: Annotated[int, Field(ge=1024)] = 1 << 30
    notify: NotifySettings | None = None
    timestamps: TimestampSettings | None = None
    poll_wait_s: Annotated[float, Field(ge=0, le=60)] = 20.0
    registration_interval_s: Annotated[float, Field(gt=0)] = 60.0
    score_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    training_device: Literal["cpu", "cuda"] = "cpu"
    training_memory_mib: Annotated[int, Field(ge=256)] | None = None
    training_threads: Annotated[int, Field(ge=1, le=1024)] = 1
    databases: Annotated[dict[Name, Path], Field(default_factory=dict)]
    query_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 300.0

    @model_validator(mode="before")
    @classmethod
    def _schema_by_its_short_name(cls, values: Any) -> Any:
        # A field called `schema` would hide a method of pydantic's.
        if isinstance(values, dict) and "schema" in values:
            values = dict(values)
            values["schema_file"] = values.pop("schema")
        return values

    @classmethod
    def check_engine(cls, engine: str) -> str:
        """As every party's; dask://HOST:PORT and dask://local are known, too."""
        if not engine.startswith("dask:"):
            return super().check_engine(engine)
        # Imported here so that reading settings does not load the arithmetic.
        from fedtrain.data_owner.data.cluster import check_address

        if find_spec("distributed") is None:
            raise ValueError(how_to_install("distributed"))
        return check_address(engine)

    @property
    def data_folder(self) -> Path:
        return self.data_dir or self.state_dir / "data"

    @property
    def database_files(self) -> dict[str, Path]:
        """The files that hold the databases' URLs, by the databases' names; paths begin at the state folder."""
        return {name: self.state_dir / path for name, path in self.databases.items()}

    @property
    def policy_in_force(self) -> Path | None:
        """The policy file that is read, if any."""
        in_folder = self.state_dir / POLICY_FILE
        # Not only where it is a file that can be read: a policy that somebody put there is never passed over.
        return self.policy_file or (in_folder if os.path.lexists(in_folder) else None)

    @property
    def policy_passed_over(self) -> Path | None:
        """The policy file in the state folder, where the settings name another."""
        in_folder = self.state_dir / POLICY_FILE
        named = self.policy_file
        if named is None or not os.path.lexists(in_folder) or named.resolve() == in_folder.resolve():
            return None
        return in_folder

    def policy_told(self) -> str:
        """One line for this owner's people: by which rules it takes part."""
        path, other = self.policy_in_force, self.policy_passed_over
        if path is None:
            kind = "for loopback, open until somebody is pinned" if is_loopback(self.host) else "strict"
            return f"no file, the default {kind}; {self.state_dir / POLICY_FILE} would be read"
        return f"{path}" + (f"; {other} is not read, since the settings name another file" if other else "")

    def policy(self) -> OwnerPolicy:
        """The owner's policy. Raises Problem(INVALID_REQUEST) for a policy file that cannot be used."""
        policy = OwnerPolicy.for_loopback() if is_loopback(self.host) else OwnerPolicy()
        path = self.policy_in_force
        if path is not None:
            try:
                policy = OwnerPolicy.from_toml(path.read_text())
            except Problem as problem:
                raise Problem(problem.code, f"{path}: {problem.detail}", **problem.extra) from None
            except (OSError, UnicodeError) as error:
                raise Problem(Code.INVALID_REQUEST, f"The policy file {path} cannot be read: {error}.") from None
        if self.least_roster is not None:
            policy = policy.model_copy(update={"least_roster": self.least_roster})
        if self.share_weights:
            policy = policy.model_copy(update={"weights": ("encrypted", "shared_with_owners")})
        return policy
