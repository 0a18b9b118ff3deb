"""Rows of measurements: how they are taken, and how they are shown."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TypeVar

from rich.console import Console
from rich.table import Table

_T = TypeVar("_T")

#: More than this a peer is not waited for: it does a slice of the work, and the row says so.
LONGEST_S = 60.0


@dataclass(frozen=True)
class Row:
    """One measurement. `ratio` is peer_seconds / seconds: above 1, ours is the faster.

    `seconds` are of one core's processor time, those of all threads added up, unless `sizes` has "clock": "wall".
    `extrapolated`: the peer did a slice of the work, and its time was scaled to all of it.
    """

    name: str
    sizes: dict[str, float | int | str]
    key_bits: int
    seconds: float
    peer: str | None = None
    peer_seconds: float | None = None
    extrapolated: bool = False

    @property
    def ratio(self) -> float | None:
        return None if self.peer_seconds is None else self.peer_seconds / self.seconds

    def to_dict(self) -> dict[str, object]:
        """JSON types only."""
        fields = asdict(self)
        extrapolated = fields.pop("extrapolated")
        return {**fields, "ratio": self.ratio, "extrapolated": extrapolated}


def processor_seconds(call: Callable[[], _T], repeats: int = 1) -> tuple[float, _T]:
    """Median processor seconds of this process, and the last result.

    Processor time, because what else runs on the machine then does not count, and because a peer that starts
    threads is held against equal cores.
    """
    return _median(call, repeats, time.process_time)


def wall_seconds(call: Callable[[], _T], repeats: int = 1) -> tuple[float, _T]:
    """Median seconds by the clock, and the last result."""
    return _median(call, repeats, time.perf_counter)


def _median(call: Callable[[], _T], repeats: int, clock: Callable[[], float]) -> tuple[float, _T]:
    spent = []
    for _ in range(repeats):
        began = clock()
        result = call()
        spent.append(clock() - began)
    return statistics.median(spent), result


Measure = Callable[..., Iterable[Row]]


def main(
    doc: str | None, measure: Measure, arguments: list[str] | None = None, *, takes_key_sizes: bool = False
) -> None:
    """`--json` for scripts, `--quick` for small sizes, `--key-bits` where `measure` takes `key_sizes`.

    Rows are shown as they come.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print a list of rows as JSON, and nothing else")
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not a figure")
    if takes_key_sizes:
        parser.add_argument("--key-bits", type=int, action="append", help="only keys of this size")
    options = parser.parse_args(arguments)
    more = {"key_sizes": options.key_bits} if takes_key_sizes and options.key_bits else {}
    notes = Console(stderr=True, highlight=False)
    rows = []
    with _output_to_errors():
        for row in measure(options.quick, notes, **more):
            rows.append(row)
            notes.print(line(row), markup=False)
    if options.json:
        print(json.dumps([row.to_dict() for row in rows], indent=1))
        return
    Console(width=160).print(table(rows))


@contextmanager
def _output_to_errors() -> Iterator[None]:
    """Some peers log on standard output, below Python; that is for the rows alone."""
    sys.stdout.flush()
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(output, 1)
        os.close(output)


def line(row: Row) -> str:
    """One row in one line, for whoever watches."""
    beside = "" if row.ratio is None else f", {row.peer} {row.peer_seconds:.4g} s, ratio {row.ratio:.4g}"
    return f"{row.name} {sizes_text(row)} {row.key_bits}: {row.seconds:.4g} s{beside}"


def sizes_text(row: Row) -> str:
    return ", ".join(
        f"{name} {size:,}" if isinstance(size, int) else f"{name} {size}" for name, size in row.sizes.items()
    )


def table(rows: Iterable[Row]) -> Table:
    """The rows for people; ≈ marks what was extrapolated."""
    shown = Table("what", "sizes", "key bits", "seconds", "against", "its seconds", "ratio", box=None)
    for row in rows:
        about = "≈ " if row.extrapolated else ""
        beside = (
            ("", "", "") if row.ratio is None else (str(row.peer), f"{about}{row.peer_seconds:.4g}", f"{row.ratio:.4g}")
        )
        shown.add_row(row.name, sizes_text(row), str(row.key_bits), f"{row.seconds:.4g}", *beside)
    return shown
