"""This machine's unit costs, measured at first use and kept in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from fedtrain.crypto.engine.native.engine import why_not
from fedtrain.planning.unit_costs import EngineName, UnitCosts, measure_unit_costs

FILE = "unit_costs.json"


def default_folder() -> Path:
    """A person's cache folder (XDG Base Directory): $XDG_CACHE_HOME/fedtrain, else ~/.cache/fedtrain."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fedtrain"


def unit_costs(
    folder: Path,
    modulus_bits: int,
    monotonic: Callable[[], float],
    *,
    choice: str = "auto",
    again: bool = False,
) -> UnitCosts:
    """Return what is kept for keys of that size and the engine in use, measured now where there is nothing, or `again`.

    Blocks for some hundredths of a second when it measures. A file that cannot be written is gone without.
    """
    engine: EngineName = "gmpy2" if choice == "gmpy2" or why_not() is not None else "native"
    path = folder / FILE
    known = _read(path)
    entry = None if again else known.get((engine, modulus_bits))
    if entry is None:
        entry = measure_unit_costs(modulus_bits, monotonic, engine)
        _write(path, {**known, (engine, modulus_bits): entry})
    return entry


def _read(path: Path) -> dict[tuple[EngineName, int], UnitCosts]:
    """Return what the file holds that can be used; a broken file is measured anew."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        costs = [UnitCosts(**entry) for entry in document["unit_costs"]]
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return {(cost.engine, cost.modulus_bits): cost for cost in costs if _plausible(cost)}


def _plausible(cost: UnitCosts) -> bool:
    seconds = (cost.multiplication_s, cost.half_multiplication_s, cost.gmpy2_multiplication_s)
    return all(isinstance(value, float) and 0 < value < 1 for value in seconds)


def _write(path: Path, costs: dict[tuple[EngineName, int], UnitCosts]) -> None:
    text = json.dumps({"unit_costs": [asdict(cost) for cost in costs.values()]}, indent=2) + "\n"
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(mode=0o600)  # it may lie in a state folder, where nothing is for others
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError:
        # Without a folder to write to it is measured at every start, which takes no longer than a few rounds.
        return
