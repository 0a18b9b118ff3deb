"""A Data Owner on a real Dask cluster, of which parts die, start again, or run other code."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpz
from structlog.testing import capture_logs

from benchmarks.cluster import reduction_of
from benchmarks.fixtures.dask_processes import ROOT, DaskProcesses, dask_processes
from benchmarks.scaling import write_parquet
from fedtrain.crypto import EncodingOverflow, LocalEngine
from fedtrain.crypto.engine.dask import DaskEngine
from fedtrain.data_owner.data import cluster as cluster_module
from fedtrain.data_owner.data.cluster import Cluster, check_address, code_version
from fedtrain.data_owner.data.partitions import ClusterReducer
from fedtrain.data_owner.data.reduction import Reduced, reduce_here
from fedtrain.data_owner.data.rows.ids import Ids
from fedtrain.tabular.reading.read import open_declared_table
from tests.harness.data_owner.reducing import reduced_with_ids
from tests.harness.free_ports import free_port


@pytest.fixture(autouse=True)
def a_machine_however_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster is given up because it is slow to answer; a test that has one given up says so itself."""
    for patience in ("CONNECT_S", "WORKERS_S"):
        monkeypatch.setattr(cluster_module, patience, 3600.0)


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskProcesses]:
    with dask_processes(tmp_path, free_port()) as processes:
        yield processes


@pytest.fixture
def cluster(dask: DaskProcesses) -> Iterator[Cluster]:
    found = Cluster(dask.address, 2, time.monotonic)
    wait_for(found, 2)
    yield found
    found.close()


def wait_for(cluster: Cluster, slots: int) -> None:
    while cluster.slots() != slots:
        time.sleep(0.1)


def own_number(number: int) -> tuple[int, str]:
    """The number, and the process that had it."""
    import os

    return number, str(os.getpid())


def reduced_by(path: Path, cluster: Any) -> tuple[Reduced, Ids]:
    reduction = reduction_of(path)
    table = open_declared_table(path, reduction.schema)
    return reduced_with_ids(ClusterReducer(cluster, 500), reduction, table)


def check_moments(path: Path, there: tuple[Reduced, Ids]) -> None:
    reduction = reduction_of(path)
    here, ids = reduced_with_ids(reduce_here, reduction, open_declared_table(path, reduction.schema))
    assert there[0].moments == here.moments and np.array_equal(there[1], ids)


@pytest.mark.slow
def test_moments_in_forty_parts_and_products_are_those_of_one_process(cluster: Cluster, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "table.parquet", 20_000, 30, 500)
    with capture_logs() as logs:
        check_moments(path, reduced_by(path, cluster))
        square = (mpz(1) << 1024) - 105
        bases, rows = [mpz(3) ** j for j in range(40)], [[i * j - 700 for j in range(40)] for i in range(40)]
        asked = (bases, rows, 12, square)
        assert DaskEngine(LocalEngine(), cluster).multi_exponentiate(*asked) == LocalEngine().multi_exponentiate(*asked)
        with pytest.raises(EncodingOverflow):
            DaskEngine(LocalEngine(), cluster).multi_exponentiate(bases, rows, 5, square)
    assert logs == []


@pytest.mark.slow
def test_a_worker_that_is_killed_on_the_way_changes_no_bit(dask, cluster: Cluster, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "table.parquet", 20_000, 30, 500)

    class KilledOnTheWay:
        """The cluster, but for that one worker is killed when the first part is there, and others are on their way."""

        slots, everywhere = cluster.slots, cluster.everywhere

        def ordered(self, function: Any, calls: Any) -> Iterator[Any]:
            for number, result in enumerate(cluster.ordered(function, calls)):
                if number == 1:
                    dask.kill(dask.workers[0])
                yield result

    check_moments(path, reduced_by(path, KilledOnTheWay()))
    assert cluster.slots() == 1


@pytest.mark.slow
def test_a_scheduler_that_starts_again_has_everything_computed_again(dask, cluster: Cluster) -> None:
    results = cluster.ordered(own_number, ((number,) for number in range(30)))
    found = [next(results)]
    for process in (dask.scheduler, *dask.workers):
        dask.kill(process)
    dask.start_scheduler()
    dask.start_worker()
    found += list(results)
    assert [number for number, _ in found] == list(range(30))
    # The rest was computed by the new worker, not here.
    assert {process for _, process in found[10:]} == {str(dask.workers[-1].pid)}


@pytest.mark.slow
def test_where_the_cluster_is_gone_for_good_the_rest_is_computed_here_and_the_log_says_so(
    dask, cluster: Cluster, monkeypatch
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_S", 1.0)
    results = cluster.ordered(own_number, ((number,) for number in range(30)))
    found = [next(results)]
    for process in (dask.scheduler, *dask.workers):
        dask.kill(process)
    with capture_logs() as logs:
        found += list(results)
    assert [number for number, _ in found] == list(range(30))
    assert {process for _, process in found[10:]} == {own_number(0)[1]}
    (gone,) = [line for line in logs if "not used" in line["event"]]
    assert gone["address"] == dask.address and gone["why"] and gone["log_level"] == "warning"
    assert cluster.slots() == 0


@pytest.mark.slow
def test_without_workers_the_scheduler_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cluster_module, "WORKERS_S", 0.5)
    with dask_processes(tmp_path, free_port(), workers=0) as dask:
        cluster = Cluster(dask.address, 2, time.monotonic)
        with capture_logs() as logs:
            assert [number for number, _ in cluster.ordered(own_number, [(5,), (6,)])] == [5, 6]
        assert [line["address"] for line in logs if "not used" in line["event"]] == [dask.address]
        cluster.close()


@pytest.mark.slow
def test_a_cluster_that_was_away_is_used_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_S", 1.0)
    now = [0.0]
    port = free_port()
    cluster = Cluster(f"dask://127.0.0.1:{port}", 2, lambda: now[0])
    assert cluster.slots() == 0
    monkeypatch.setattr(cluster_module, "CONNECT_S", 3600.0)
    with dask_processes(tmp_path, port, workers=1):
        assert cluster.slots() == 0  # it is not tried again at every call
        now[0] += cluster_module.AWAY_S
        wait_for_again = iter(range(100))
        while cluster.slots() == 0:
            now[0] += cluster_module.AWAY_S
            assert next(wait_for_again) < 99
        cluster.close()


@pytest.mark.slow
def test_a_worker_with_other_code_is_named_and_given_nothing(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for package in ("fedtrain", "benchmarks", "tests"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "fedtrain" / "crypto" / "packing" / "__init__.py").open("a") as file:
        file.write("\n# another version\n")
    with dask_processes(tmp_path, free_port(), workers=1) as dask:
        cluster = Cluster(dask.address, 2, time.monotonic)
        wait_for(cluster, 1)
        with capture_logs() as logs:
            stranger = dask.start_worker(other)
            while not logs:
                assert cluster.slots() == 1
                time.sleep(0.1)
            found = list(cluster.ordered(own_number, ((number,) for number in range(20))))
        cluster.close()
    assert {process for _, process in found} == {str(dask.workers[0].pid)} != {str(stranger.pid)}
    (named,) = logs
    assert named["event"] == "a Dask worker has other code than this Data Owner, and is not used"
    assert named["worker"].startswith("tcp://127.0.0.1:") and named["expected"] == code_version() != named["found"]


def test_a_part_that_reaches_other_code_is_refused_there() -> None:
    assert cluster_module._on_worker(code_version, code_version(), own_number, (3,))[0] == "value"
    assert cluster_module._on_worker(code_version, "0.1.0 (older)", own_number, (3,)) == ("version", code_version())


@pytest.mark.slow
def test_a_local_cluster_computes_and_lets_nobody_else_in(tmp_path: Path) -> None:
    from distributed.comm import connect

    async def asked(address: str) -> object:
        comm = await connect(address, timeout=5)
        await comm.write({"op": "identity", "reply": True})
        return await comm.read()

    cluster = Cluster("dask://local", 2, time.monotonic)
    try:
        assert cluster.slots() == 2
        found = list(cluster.ordered(own_number, ((number,) for number in range(10))))
        assert [number for number, _ in found] == list(range(10))
        assert own_number(0)[1] not in {process for _, process in found}
        assert cluster._processes is not None
        address = cluster._processes.scheduler_address
        assert address.startswith("tls://127.0.0.1:")
        for reached in (address, address.replace("tls://", "tcp://")):
            with pytest.raises((OSError, RuntimeError, TypeError, ValueError)):
                asyncio.run(asked(reached))
    finally:
        cluster.close()
    assert cluster.slots() == 0


@pytest.mark.parametrize("address", ["dask://local", "dask://scheduler:8786", "dask://10.0.0.7:1", "dask://[::1]:8786"])
def test_addresses_of_clusters(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize(
    "address", ["dask://", "dask://scheduler", "dask://scheduler:0", "dask://s:99999", "dask:local", "dask://a b:1"]
)
def test_what_is_no_address_is_refused_with_what_to_write(address: str) -> None:
    with pytest.raises(ValueError, match="write dask://HOST:PORT of a Dask scheduler, or dask://local"):
        check_address(address)


def test_records_that_would_go_out_in_the_clear_are_known(monkeypatch) -> None:
    import dask.config

    assert cluster_module.is_open("dask://scheduler:8786") and cluster_module.is_open("dask://10.0.0.7:8786")
    assert not any(map(cluster_module.is_open, ("dask://local", "dask://localhost:8786", "dask://127.0.0.1:8786")))
    with dask.config.set({"distributed.comm.tls.ca-file": "ca.pem"}):
        assert not cluster_module.is_open("dask://scheduler:8786")
        assert cluster_module.scheduler_address("dask://scheduler:8786") == "tls://scheduler:8786"
