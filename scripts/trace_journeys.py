#!/usr/bin/env python3
"""Print the files that a job passes, journey by journey, from a real job with all parties in this process.

    .venv/bin/python scripts/trace_journeys.py

A file is passed when one of its functions is called between a journey's first call and the return of its last one, on
any thread. docs/architecture.md has the journeys.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from fedtrain import simulate

ROOT = Path(__file__).resolve().parents[1]
ROWS = "\n".join(f"{x / 4},{3 * x / 4 + (x % 5) / 10}" for x in range(40))
SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"col_idx": 0, "type": "continuous", "range": [0, 10]}],
        "target": {"col_idx": 1, "range": [0, 40]},
    },
    "training": {"optimizer": "newton", "min_data_owners": 2, "max_data_owners": 2, "key_bits": 2048},
}


@dataclass
class Journey:
    """From the first call of `begins` to the return of `ends`: each is a file's end and a function's name."""

    title: str
    begins: tuple[str, str]
    ends: tuple[str, str]
    files: list[str] = field(default_factory=list)
    state: str = "waits"


JOURNEYS = [
    Journey(
        "a row, until it is decrypted",
        ("data_owner/data/frozen/moments_freezer.py", "freeze_job"),
        ("model_owner/sums/opening.py", "open_sum"),
    ),
    Journey(
        "POST /models, until JOIN",
        ("model_owner/routes/models.py", "deploy"),
        ("data_owner/data/frozen/moments_freezer.py", "freeze_job"),
    ),
    Journey(
        "an answer, until it is in the log",
        ("data_owner/release/answer.py", "compute_answer"),
        ("facilitator/round.py", "_sum"),
    ),
    Journey(
        "a decrypted sum, until the next request",
        ("model_owner/sums/opening.py", "open_sum"),
        ("facilitator/round.py", "_ask_owners"),
    ),
]


def trace(frame: FrameType, event: str, _argument: Any) -> None:
    """Note a call or return, as `sys.setprofile` tells of it."""
    path = frame.f_code.co_filename
    if not path.startswith(str(ROOT)) or "/.venv/" in path:
        return
    file = str(Path(path).relative_to(ROOT)).removeprefix("fedtrain/")
    name = (file, frame.f_code.co_name)
    for journey in JOURNEYS:
        if event == "call" and journey.state == "waits" and name == journey.begins:
            journey.state = "goes on"
        if event == "call" and journey.state == "goes on" and file not in journey.files:
            journey.files.append(file)
        if event == "return" and journey.state == "goes on" and name == journey.ends:
            journey.state = "ended"


def main() -> None:
    """Run the job and print the journeys. Raises SystemExit where it does not finish."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = [Path(folder) / f"{name}.csv" for name in ("a", "b")]
        for table in tables:
            table.write_text(f"{ROWS}\n")
        threading.setprofile(trace)
        sys.setprofile(trace)
        outcome = simulate(SPEC, tables)
        sys.setprofile(None)
        threading.setprofile(None)
    if outcome.model["status"] != "FINISHED":
        raise SystemExit(f"the job ended {outcome.model['status']}")
    for journey in JOURNEYS:
        sys.stdout.write(f"{journey.title}: {len(journey.files)} files ({journey.state})\n")
        for file in journey.files:
            sys.stdout.write(f"    {file}\n")


if __name__ == "__main__":
    main()
