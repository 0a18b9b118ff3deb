"""Savings of a Dask cluster for an owner: its table's moments, and products over an encrypted vector.

python -m benchmarks.cluster [--json] [--quick]

By the clock, against one process on one core, with a scheduler and workers of one thread each on this machine: more of
them than it has cores save nothing, and what else runs on it counts. So each row has processor seconds, too: of the
owner, the part that no worker takes off it, and of all workers, their start included. Moments: of a Parquet file in 40
row groups, 29 features and a target, both parts of the split; the most memory that the owner's process has had; and
once more with a worker killed on the way. Every row's result is compared, to the bit, with that of one process.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gmpy2 import mpz
from rich.console import Console

from benchmarks.fixtures.dask_processes import ONE_CORE, dask_processes
from benchmarks.fixtures.jobs import key_pair, spec_of
from benchmarks.rows.measure import Row, main
from benchmarks.scaling import TABLE_DIMENSIONS, peak_mib, write_parquet
from fedtrain.crypto import Engine, LocalEngine
from fedtrain.crypto.engine.dask import DaskEngine
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not
from fedtrain.data_owner.data.cluster import Cluster
from fedtrain.data_owner.data.moments import Moments
from fedtrain.data_owner.data.partitions import ClusterReducer
from fedtrain.data_owner.data.reduction import ReduceTable, Reduction, reduce_here
from fedtrain.data_owner.data.rows.ids import RowSpool
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.tabular.reading.read import open_declared_table

ROWS = (1_000_000, 10_000_000)
COLUMNS = (25, 50, 100, 200, 400)
WORKERS = (1, 2)
QUICK = ((40_000,), (10, 20), (2,))
PARTS = 40
KEY_BITS = 2048
#: Of an owner's exact moments, as the default plan has them.
EXPONENT_BITS = 136
_REDUCE = "from benchmarks.cluster import print_reduced; print_reduced({path!r}, {address!r})"


def measure(
    quick: bool,
    notes: Console,
    sizes: tuple[Sequence[int], Sequence[int], Sequence[int]] | None = None,
    key_bits: int = KEY_BITS,
) -> Iterable[Row]:
    rows, columns, workers = sizes or (QUICK if quick else (ROWS, COLUMNS, WORKERS))
    notes.print(f"moments, then products; {os.cpu_count()} cores here")
    with tempfile.TemporaryDirectory(prefix="fedtrain-bench-") as folder:
        for count in rows:
            path = write_parquet(Path(folder) / f"{count}.parquet", count, TABLE_DIMENSIONS, -(-count // PARTS))
            yield from moments_rows(path, count, workers)
            path.unlink()
    yield from product_rows(columns, workers, key_bits)


def moments_rows(path: Path, rows: int, workers: Sequence[int]) -> Iterator[Row]:
    alone = _Running(path, None).wait_for()
    shape: dict[str, float | int | str] = {"clock": "wall", "rows": rows, "d": TABLE_DIMENSIONS}
    yield Row("moments, one process", {**shape, **alone.shown()}, 0, alone.seconds)
    for count in workers:
        with tempfile.TemporaryDirectory() as folder, dask_processes(Path(folder), _free_port(), count) as dask:
            found = _Running(path, dask.address).wait_for()
            assert found.digest == alone.digest, "the cluster's moments are others"
            sizes = {**shape, "workers": count, **found.shown(), "workers_cpu_s": dask.processor_seconds()}
            yield Row("moments on a cluster", sizes, 0, found.seconds, "one process", alone.seconds)
    with tempfile.TemporaryDirectory() as folder, dask_processes(Path(folder), _free_port(), 2) as dask:
        running = _Running(path, dask.address)
        time.sleep(alone.seconds / 4)
        dask.kill(dask.workers[0])
        found = running.wait_for()
        assert found.digest == alone.digest, "the moments are others after a worker was killed"
        sizes = {**shape, "workers": 2, **found.shown()}
        yield Row("moments, a worker killed on the way", sizes, 0, found.seconds, "one process", alone.seconds)


def product_rows(columns: Sequence[int], workers: Sequence[int], key_bits: int) -> Iterator[Row]:
    """(d, d) exponents of EXPONENT_BITS over d residues mod n²."""
    n = mpz(key_pair(key_bits).public_key.n)
    modulus = n * n
    near: Engine = NativeEngine() if why_not() is None else LocalEngine()
    draw = np.random.default_rng(1)
    work = {}
    for d in columns:
        bases = [mpz(int.from_bytes(draw.bytes(key_bits // 4))) % modulus for _ in range(d)]
        rows = [[int.from_bytes(draw.bytes(EXPONENT_BITS // 8 - 1)) for _ in range(d)] for _ in range(d)]
        work[d] = (bases, rows, EXPONENT_BITS, modulus)
    alone = {d: _timed(near, work[d]) for d in columns}
    for count in workers:
        with tempfile.TemporaryDirectory() as folder, dask_processes(Path(folder), _free_port(), count) as dask:
            cluster = Cluster(dask.address, count, time.monotonic)
            _wait_for(cluster, count)
            engine = DaskEngine(near, cluster)
            for d in columns:
                engine.multi_exponentiate(*work[d])  # a worker's first call loads its arithmetic
                before = dask.processor_seconds()
                seconds, owner_cpu_s, residues = _timed(engine, work[d])
                workers_cpu_s = dask.processor_seconds() - before
                own_seconds, own_cpu_s, own = alone[d]
                assert residues == own, "the cluster's residues are others"
                shape: dict[str, float | int | str] = {"clock": "wall", "d": d, "workers": count}
                shape |= {
                    "alone_cpu_s": own_cpu_s,
                    "owner_cpu_s": owner_cpu_s,
                    "workers_cpu_s": round(workers_cpu_s, 3),
                }
                yield Row("matrix times vector on a cluster", shape, key_bits, seconds, "one core", own_seconds)
            cluster.close()


def _timed(engine: Engine, work: tuple[Any, ...]) -> tuple[float, float, list[mpz]]:
    """Seconds by the clock, processor seconds of this process, and the residues."""
    began, began_cpu = time.perf_counter(), time.process_time()
    residues = engine.multi_exponentiate(*work)
    return time.perf_counter() - began, round(time.process_time() - began_cpu, 3), residues


def reduction_of(path: Path) -> Reduction:
    spec = spec_of(TABLE_DIMENSIONS, KEY_BITS)
    props = spec.data_props
    table = open_declared_table(path, props)
    split = ValidationSplit(0.2, b"s" * 32)
    return Reduction(table.columns, props, props, spec.model_type, spec.training.scaling, split, b"k" * 32)


def print_reduced(path: str, address: str | None) -> None:
    """JSON: seconds by the clock, MiB of this process at most, a hash of the result."""
    reduction = reduction_of(Path(path))
    table = open_declared_table(path, reduction.schema)
    reduce: ReduceTable = reduce_here
    cluster = None
    if address is not None:
        cluster = Cluster(address, 1, time.monotonic)
        _wait_for(cluster, 1)
        reduce = ClusterReducer(cluster)
    print("begun", flush=True)
    began, began_cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder, RowSpool(Path(folder)) as spool:
        reduced = reduce(reduction, table, spool.add)
        rows = spool.rows().name
    seconds, owner_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    if cluster is not None:
        cluster.close()
    peak = peak_mib()
    digest = hashlib.sha256(_content(reduced.moments) + rows.encode()).hexdigest()
    print(json.dumps({"seconds": seconds, "owner_cpu_s": owner_cpu_s, "peak_mib": peak, "digest": digest}))


@dataclass(frozen=True)
class _Found:
    seconds: float
    owner_cpu_s: float
    peak_mib: int
    digest: str

    def shown(self) -> dict[str, float | int | str]:
        return {"owner_cpu_s": round(self.owner_cpu_s, 1), "peak_mib": self.peak_mib}


class _Running:
    """Another process that reduces a table, once it has begun to."""

    def __init__(self, path: Path, address: str | None) -> None:
        command = [sys.executable, "-c", _REDUCE.format(path=str(path), address=address)]
        environment = {**os.environ, **ONE_CORE}
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
        self._lines = iter(self._process.stdout or ())
        while "begun" not in next(self._lines, "begun"):
            pass

    def wait_for(self) -> _Found:
        told = list(self._lines)
        if self._process.wait() != 0:
            raise RuntimeError("a table could not be reduced: see above")
        return _Found(**json.loads(told[-1]))


def _wait_for(cluster: Cluster, slots: int) -> None:
    while cluster.slots() < slots:
        time.sleep(0.1)


def _content(moments: Moments) -> bytes:
    numbers = (*moments.xtx.ravel(), *moments.xty.ravel(), *moments.yty, moments.rows)
    return ",".join(map(str, numbers)).encode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main(__doc__, measure)
