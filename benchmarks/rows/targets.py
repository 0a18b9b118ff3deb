"""Targets of the benchmarks, and whether they are met: from the rows alone, so that no figure is copied by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.rows.tables import markdown, number

Rows = Sequence[Mapping[str, Any]]
KEY_BITS = 2048


@dataclass(frozen=True)
class Target:
    """`measured` is to be at least `wanted`, or at most where `at_most`. NaN: was not measured."""

    claim: str
    wanted: float
    measured: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """False where it was not measured."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


def targets(results: Mapping[str, Any]) -> list[Target]:
    """Every target whose benchmark is in `results`, rows by benchmark; at 2,048 bits, one core each unless said."""
    found: list[Target] = []
    for name, of_benchmark in _OF.items():
        if name in results:
            found += of_benchmark(results[name])
    return found


def table(found: Iterable[Target]) -> str:
    """As Markdown, those that are not met in bold."""
    lines = []
    for target in found:
        measured = "not measured" if math.isnan(target.measured) else number(target.measured)
        sign = "≤" if target.at_most else "≥"
        met = "yes" if target.met else "**no**"
        lines.append([target.claim, f"{sign} {number(target.wanted)}", measured, met])
    return markdown(["what", "target", "measured", "met"], lines)


def _gradient(rows: Rows) -> list[Target]:
    def seconds(count: int, d: int) -> float:
        return _worst(
            (row["seconds"] for row in _of(rows, "gradient") if _shape(row) == (count, d)), largest_is_worst=True
        )

    def against_phe(count: int, d: int) -> float:
        return _worst(row["ratio"] for row in _of(rows, "gradient", "phe") if _shape(row) == (count, d))

    # At both key sizes and every shape.
    ckks = _worst(row["ratio"] for row in rows if row["name"] == "gradient" and _is_ckks(row))
    return [
        Target("gradient (353, 11), times phe", 250, against_phe(353, 11)),
        Target("gradient (10,000, 100), times phe", 4000, against_phe(10_000, 100)),
        Target("gradient of any size at any key size, times CKKS", 1, ckks),
        Target("gradient (100,000, 100), of (10,000, 100)", 1.2, seconds(100_000, 100) / seconds(10_000, 100), True),
    ]


def _encrypt(rows: Rows) -> list[Target]:
    found = [
        Target(f"packed {name}, times phe", wanted, _worst(r["ratio"] for r in _of(rows, f"packed {name}", "phe")))
        for name, wanted in (("encryption", 2500), ("decryption", 250), ("addition", 80))
    ]
    packed = _of(rows, "packed encryption")
    for peer, wanted in (("sf-heu", 200), ("pypaillier", 20)):
        measured = _worst(row["ratio"] for row in packed if row["peer"] == peer)
        found.append(Target(f"packed encryption, times {peer}", wanted, measured))
    one_by_one = _worst(row["ratio"] for row in _of(rows, "encryption one by one", "sf-heu"))
    found.append(Target("one value a ciphertext, times sf-heu", 1, one_by_one))
    ckks = _worst(
        (
            row["sizes"]["bytes_a_value"] / row["sizes"]["peer_bytes_a_value"]
            for row in packed
            if str(row["peer"]).startswith("tenseal 8192")
        ),
        largest_is_worst=True,
    )
    found.append(Target("bytes a value, of tenseal's default", 1 / 3, ckks, True))
    for name in ("encryption", "decryption"):
        measured = _worst(row["ratio"] for row in _of(rows, f"packed {name}, all cores"))
        found.append(Target(f"packed {name}, all cores, times one, by the clock", 1.8, measured))
    for row in (row for row in rows if row["name"].startswith("FLASHE")):
        found.append(Target(f"{row['name']}, times as published", 1, row["ratio"]))
    return found


def _floor(rows: Rows) -> list[Target]:
    by_gmpy2 = [row for row in rows if row["sizes"]["engine"] == "gmpy2"]
    slowest = _worst((1 / row["ratio"] for row in by_gmpy2), largest_is_worst=True)
    found = [Target("slowest operation of gmpy2 at any key size, times its floor", 1.5, slowest, True)]
    for name, wanted, d in _KERNELS:
        of_name = [r for r in rows if r["name"].startswith(name) and r["sizes"]["engine"] == "native"]
        of_name = [row for row in of_name if row["sizes"].get("d") == d]
        if of_name:
            times = _worst(row["ratio"] for row in of_name if row["peer"] == "gmpy2")
            floors = _worst((1 / row["ratio"] for row in of_name if row["peer"] == "floor"), largest_is_worst=True)
            found.append(Target(f"kernel: {name} at any key size, times gmpy2", wanted, times))
            found.append(Target(f"kernel: {name} at any key size, times its floor", 1.5, floors, True))
    return found


#: What the kernel is held to: the operation's name begins so, times gmpy2, and d where it has one.
_KERNELS: Final = (
    ("decryption", 5.0, None),
    ("fixed-base powers", 4.0, None),
    ("matrix", 4.0, 100),
    ("re-randomisers", 5.0, None),
)


def _round(rows: Rows) -> list[Target]:
    of_ten = (1 / row["ratio"] for row in _of(rows, "round") if (row["sizes"]["owners"], row["sizes"]["d"]) == (10, 11))
    return [Target("a round of 10 owners at d = 11, of its compute", 3, _worst(of_ten, largest_is_worst=True), True)]


def _scaling(rows: Rows) -> list[Target]:
    streamed = {row["sizes"]["rows"]: row for row in rows if row["name"] == "moments from Parquet, once a job"}
    if not streamed:
        return []
    most = streamed[max(streamed)]
    tenth = streamed.get(max(streamed) // 10, most)
    growth = most["sizes"]["peak_mib"] / tenth["sizes"]["peak_mib"]
    return [
        Target("rows of Parquet a second into moments, d = 30", 1e6, most["sizes"]["rows"] / most["seconds"]),
        Target("peak memory of ten times the rows, of a tenth", 1.1, growth, True),
    ]


def _protection(rows: Rows) -> list[Target]:
    return [Target("masks, signatures, checks, % of a round", 15, rows[0]["sizes"]["added_percent"], True)]


def _plan(cases: Mapping[str, Any]) -> list[Target]:
    ratios = (max(ratio, 1 / ratio) for case in cases.values() for ratio in case["ratios"].values())
    return [Target("plan and run, worst factor between them", 2, _worst(ratios, largest_is_worst=True), True)]


_OF: Final[Mapping[str, Callable[[Any], list[Target]]]] = {
    "gradient": _gradient,
    "encrypt": _encrypt,
    "floor": _floor,
    "round": _round,
    "scaling": _scaling,
    "protection": _protection,
    "plan": _plan,
}


def _of(rows: Rows, name: str, peer: str | None = None) -> list[Mapping[str, Any]]:
    return [row for row in rows if (row["name"], row["key_bits"]) == (name, KEY_BITS) and peer in (None, row["peer"])]


def _is_ckks(row: Mapping[str, Any]) -> bool:
    return str(row["peer"]).startswith("tenseal")


def _shape(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["sizes"]["rows"], row["sizes"]["d"]


def _worst(values: Iterable[float], *, largest_is_worst: bool = False) -> float:
    """NaN for none."""
    kept = list(values)
    return (max(kept) if largest_is_worst else min(kept)) if kept else math.nan
