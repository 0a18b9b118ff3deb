"""The services' own folders after a job, seen by `fedtrain doctor`."""

from __future__ import annotations

import pytest

from fedtrain.cli.doctor.command import examine
from fedtrain.cli.services.parties import settings_of
from fedtrain.protocol.states import Role
from fedtrain.service.health.finding import Level
from tests.harness.observed_job import ObservedJob

ROLES = {"facilitator": Role.FACILITATOR, "model-owner": Role.MODEL_OWNER, "alba": Role.DATA_OWNER}


@pytest.mark.parametrize("name", ROLES)
def test_a_party_s_folder_after_a_job(observed_job: ObservedJob, name: str) -> None:
    state_dir = observed_job.folder / "state" / name
    settings = settings_of(ROLES[name], {"state_dir": state_dir})
    found = {finding.check: finding for finding in examine(settings, ROLES[name], lambda: observed_job.ended_at)}
    for check in ("state folder", "identity", "permissions", "revision", "database", "callers"):
        assert found[check].level is Level.OK, found[check]
