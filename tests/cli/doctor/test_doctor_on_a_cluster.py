"""The doctor's word on a Data Owner's Dask cluster."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks.fixtures.dask_processes import dask_processes
from fedtrain.cli.doctor.cluster import check_cluster
from fedtrain.data_owner.data import cluster as cluster_module
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.service.health.finding import Finding, Level
from fedtrain.service.runtime.settings import ServiceSettings
from tests.harness.free_ports import free_port


def found_with(folder: Path, engine: str) -> list[Finding]:
    return list(check_cluster(DataOwnerSettings(state_dir=folder, engine=engine, workers=3)))


@pytest.fixture(autouse=True)
def a_machine_however_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster is given up because it is slow to answer."""
    for patience in ("CONNECT_S", "WORKERS_S"):
        monkeypatch.setattr(cluster_module, patience, 3600.0)


def another_everywhere() -> str:
    """A version that no two processes have."""
    return str(os.getpid())


def test_no_cluster_is_nothing_to_say_of(tmp_path: Path) -> None:
    assert found_with(tmp_path, "auto") == []


def test_a_cluster_of_the_services_own_is_not_started_for_it(tmp_path: Path) -> None:
    (finding,) = found_with(tmp_path, "dask://local")
    assert finding.level is Level.OK and "3 Dask workers of its own" in finding.found


@pytest.mark.slow
def test_a_cluster_that_answers_and_one_worker_that_has_other_code(tmp_path: Path, capsys) -> None:
    with dask_processes(tmp_path, free_port(), workers=1) as dask:
        found: list[Finding] = []
        while not any(finding.level is Level.OK for finding in found):  # the worker is starting
            time.sleep(0.1)
            found = found_with(tmp_path, dask.address)
        assert [finding.found for finding in found] == [f"{dask.address} takes 1 parts at once"]
        capsys.readouterr()
        settings = DataOwnerSettings(state_dir=tmp_path, engine=dask.address)
        warned, failed = check_cluster(settings, another_everywhere)
    assert capsys.readouterr().out == ""  # for --json
    assert warned.level is Level.WARN and "the worker at tcp://127.0.0.1:" in warned.found
    assert failed.level is Level.FAIL and "no worker with this Data Owner's version" in failed.found


def test_a_cluster_that_is_not_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_S", 0.5)
    (finding,) = found_with(tmp_path, f"dask://127.0.0.1:{free_port()}")
    assert finding.level is Level.FAIL and "cannot be used: " in finding.found and finding.remedy


def test_records_that_travel_in_the_clear_are_warned_of(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cluster_module.Cluster, "slots", lambda _self: 2)
    warned, fine = found_with(tmp_path, "dask://scheduler.invalid:8786")
    assert warned.level is Level.WARN and "for anybody on the way to read" in warned.found
    assert fine.level is Level.OK


def test_without_the_extra_one_line_says_which_to_install(tmp_path: Path, monkeypatch) -> None:
    from fedtrain.data_owner import settings

    monkeypatch.setattr(settings, "find_spec", lambda _name: None)
    with pytest.raises(ValueError, match=r"distributed is not installed here.*\./scripts/install_extra\.sh dask"):
        DataOwnerSettings(state_dir=tmp_path, engine="dask://local")


def test_no_other_party_takes_a_cluster_and_no_party_an_engine_that_there_is_not(tmp_path: Path) -> None:
    class Other(ServiceSettings):
        pass

    with pytest.raises(ValueError, match="a Dask cluster is for a Data Owner"):
        Other(port=0, name="other", state_dir=tmp_path, engine="dask://local")
    with pytest.raises(ValueError, match="there are auto, native and gmpy2"):
        Other(port=0, name="other", state_dir=tmp_path, engine="openssl")
