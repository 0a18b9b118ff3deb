"""The systemd unit and the nginx site: commands, paths and limits that are those of the services."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from fedtrain.cli.main import app
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.service.runtime.serve import STOP_WITHIN_S
from fedtrain.service.runtime.settings import ServiceSettings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SITE = (DEPLOY / "nginx.conf").read_text()


@pytest.fixture
def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(DEPLOY / "systemd" / "fedtrain@.service")
    return parser["Service"]


@pytest.mark.parametrize("role", ["facilitator", "model-owner", "data-owner"])
def test_the_unit_starts_a_command_with_options_that_it_has(unit: configparser.SectionProxy, role: str) -> None:
    program, command, option, folder = shlex.split(unit["ExecStart"].replace("%i", role))
    assert program.endswith("/.venv/bin/fedtrain")
    service = get_command(app).get_command(None, command)  # type: ignore[attr-defined]
    assert service is not None
    assert option in {name for parameter in service.params for name in parameter.opts}
    assert folder == f"/var/lib/{unit['StateDirectory']}/{role}"


def test_the_unit_gives_a_service_the_time_that_it_needs_to_stop(unit: configparser.SectionProxy) -> None:
    assert unit["KillSignal"] == "SIGTERM"
    assert float(unit["TimeoutStopSec"]) > STOP_WITHIN_S
    assert unit["StateDirectoryMode"] == "0700"
    name, _, _ = unit["Environment"].partition("=")
    assert name.removeprefix("FEDTRAIN_").lower() in ServiceSettings.model_fields


def _seconds(name: str) -> float:
    found = re.search(rf"^\s*{name} (\d+)s;", SITE, re.MULTILINE)
    assert found
    return float(found[1])


def test_the_proxy_waits_longer_than_any_poll() -> None:
    longest = FacilitatorSettings.model_fields["longest_wait_s"].default
    for kind in (DataOwnerSettings, ModelOwnerSettings):
        assert kind.model_fields["poll_wait_s"].default < longest
    assert _seconds("proxy_read_timeout") > longest


def test_the_proxy_lets_a_body_through_that_the_facilitator_takes() -> None:
    found = re.search(r"client_max_body_size (\d+)m;", SITE)
    assert found
    assert int(found[1]) << 20 == FacilitatorSettings.model_fields["result_limit_bytes"].default
