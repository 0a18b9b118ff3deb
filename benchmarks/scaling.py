"""Cost of a round against rows, columns and owners.

python -m benchmarks.scaling [--json] [--quick] [--plot docs/scaling.png]

Rows: an owner's moments, streamed from a Parquet file of 29 features and a target, once a job, with the most memory
that the process has had; and its answer to a round, which does not depend on them. Columns: its answer at d. Owners:
its masks, the Facilitator's sum.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from rich.console import Console

from benchmarks.fixtures.engines import engine_here
from benchmarks.fixtures.jobs import bench_of, key_pair, moments_from, spec_of, table_of
from benchmarks.rows.measure import Row, main, processor_seconds
from fedtrain.crypto import sum_of_masks, sum_vectors
from fedtrain.data_owner.data.moments import Moments, moments_of
from fedtrain.data_owner.release.answer import compute_answer
from fedtrain.protocol.messages.rounds import RoundAnswer, from_cbor
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.reading.read import open_table

KEY_BITS = 2048
ROWS = (1_000, 10_000, 100_000, 1_000_000)
COLUMNS = (10, 20, 50, 100, 200, 400)
OWNERS = (2, 5, 10, 20, 50, 100)
QUICK = ((1_000, 10_000), (10, 20), (2, 5))
TABLE_DIMENSIONS = 30
OWNERS_DIMENSIONS = 100
FEW_ROWS = 400
REPEATS = 3
PARQUET_ROWS = 100_000
_PEAK = "from benchmarks.scaling import print_peak; print_peak({path!r}, {d})"


def measure(
    quick: bool,
    notes: Console,
    sizes: tuple[Sequence[int], Sequence[int], Sequence[int]] | None = None,
    key_bits: int = KEY_BITS,
    owners_dimensions: int = OWNERS_DIMENSIONS,
) -> Iterable[Row]:
    rows, columns, owners = sizes or (QUICK if quick else (ROWS, COLUMNS, OWNERS))
    notes.print("rows, then columns, then owners")
    yield from against_rows(rows, key_bits)
    yield from against_columns(columns, key_bits)
    yield from against_owners(owners, key_bits, owners_dimensions)


def against_rows(sizes: Sequence[int], key_bits: int) -> Iterable[Row]:
    private_key = key_pair(key_bits)
    with tempfile.TemporaryDirectory(prefix="fedtrain-bench-") as folder:
        for rows in sizes:
            path = write_parquet(Path(folder) / f"{rows}.parquet", rows, TABLE_DIMENSIONS)
            seconds, moments = processor_seconds(lambda path=path: stream_moments(path, TABLE_DIMENSIONS), REPEATS)
            peak = int(_in_another_process(path))
            shape: dict[str, float | int | str] = {"rows": rows, "d": TABLE_DIMENSIONS}
            yield Row("moments from Parquet, once a job", {**shape, "peak_mib": peak}, 0, seconds)
            bench = bench_of(moments, private_key)
            seconds, _ = processor_seconds(lambda b=bench: compute_answer(b.job, b.request, b.request_hash), REPEATS)
            yield Row("answer against rows", shape, key_bits, seconds)


def against_columns(sizes: Sequence[int], key_bits: int) -> Iterable[Row]:
    private_key = key_pair(key_bits)
    for d in sizes:
        bench = bench_of(moments_from(table_of(FEW_ROWS, d)), private_key)
        seconds, _ = processor_seconds(lambda b=bench: compute_answer(b.job, b.request, b.request_hash))
        yield Row("answer against columns", {"rows": FEW_ROWS, "d": d}, key_bits, seconds)


def against_owners(sizes: Sequence[int], key_bits: int, d: int) -> Iterable[Row]:
    private_key = key_pair(key_bits)
    bench = bench_of(moments_from(table_of(FEW_ROWS, d)), private_key, max(sizes))
    job, n = bench.job, bench.job.modulus
    answer = compute_answer(job, bench.request, bench.request_hash)
    vector = from_cbor(answer.body, RoundAnswer).vector.open(n)
    own_id = bytes.fromhex(job.identity.party_id)
    for owners in sizes:
        shape: dict[str, float | int | str] = {"owners": owners, "d": d}
        peers = dict(list(job.peers.items())[: owners - 1])
        count = len(vector.ciphertexts)
        seconds, _ = processor_seconds(
            lambda p=peers, c=count: sum_of_masks(own_id, job.mask_key, p, ("benchmark",), c, n), REPEATS
        )
        yield Row("masks of an owner", shape, key_bits, seconds)
        vectors = [vector] * owners
        seconds, _ = processor_seconds(lambda v=vectors: sum_vectors(v, n, engine_here(), 0), REPEATS)
        yield Row("sum by the Facilitator", shape, key_bits, seconds)


def write_parquet(path: Path, rows: int, dimensions: int, group_rows: int = PARQUET_ROWS) -> Path:
    """Features x0… in [0, 1] and y in [−1, 1], float64, in row groups of `group_rows`."""
    source = np.random.default_rng(rows)
    names = [*(f"x{j}" for j in range(dimensions - 1)), "y"]
    schema = pa.schema([(name, pa.float64()) for name in names])
    with pa.parquet.ParquetWriter(str(path), schema) as writer:
        for start in range(0, rows, group_rows):
            count = min(group_rows, rows - start)
            writer.write_table(pa.table([source.uniform(0, 1, count) for _ in names], schema=schema))
    return path


def stream_moments(path: Path, dimensions: int) -> Moments:
    """As a Data Owner reduces its table when it joins a job."""
    encoder = Encoder.of_spec(spec_of(dimensions, KEY_BITS))
    batches = encoder.encode_all(open_table(path).batches(encoder.columns))
    return moments_of(batches, encoder.feature_bounds, np.full(encoder.outputs, encoder.target_bound))


def print_peak(path: str, dimensions: int) -> None:
    """MiB, of this process, after streaming a table."""
    stream_moments(Path(path), dimensions)
    print(peak_mib())


def peak_mib() -> int:
    """The most memory that this process has had since its program started.

    Not getrusage's on Linux: there it counts the parent's memory at the fork too, as it was before the program started.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) >> 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _in_another_process(path: Path) -> str:
    code = _PEAK.format(path=str(path), d=TABLE_DIMENSIONS)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own code


def plot(rows: Iterable[Row], path: Path) -> None:
    """Three panels, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = (
        ("rows", ("moments from Parquet, once a job", "answer against rows")),
        ("d", ("answer against columns",)),
        ("owners", ("masks of an owner", "sum by the Facilitator")),
    )
    rows = list(rows)
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for axis, (size, names) in zip(axes, panels, strict=True):
        for name in names:
            points = [(row.sizes[size], row.seconds) for row in rows if row.name == name]
            axis.plot(*zip(*points, strict=True), marker="o", label=name)
        axis.set(xscale="log", yscale="log", xlabel=size, ylabel="seconds on one core")
        axis.grid(visible=True, which="both", alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=110)


def _measure_and_plot(path: Path) -> None:
    seen: list[Row] = []

    def measured(quick: bool, notes: Console) -> Iterable[Row]:
        for row in measure(quick, notes):
            seen.append(row)
            yield row

    main(__doc__, measured, [argument for argument in sys.argv[1:] if argument not in ("--plot", str(path))])
    plot(seen, path)


if __name__ == "__main__":
    if "--plot" in sys.argv[:-1]:
        _measure_and_plot(Path(sys.argv[sys.argv.index("--plot") + 1]))
    else:
        main(__doc__, measure)
