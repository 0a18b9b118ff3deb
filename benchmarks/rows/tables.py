"""The tables of docs/performance.md, from the rows that the benchmarks print as JSON. Pure: rows in, Markdown out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

Rows = Sequence[Mapping[str, Any]]


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    digits = max(0, 3 - len(str(int(abs(value))))) if abs(value) >= 1 else 3
    text = f"{value:,.{digits}f}" if abs(value) >= 0.1 else f"{value:.{_places(value)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places(value: float) -> int:
    """Decimal places that leave three significant digits of a number below 0.1."""
    places = 3
    while abs(value) * 10**places < 100 and places < 12:
        places += 1
    return places


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; every cell as it is."""
    shown = [list(header), ["---"] * len(header), *(list(line) for line in lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in shown)


def _against(row: Mapping[str, Any]) -> str:
    about = "≈ " if row["extrapolated"] else ""
    return f"{about}{number(row['peer_seconds'])} s, {number(row['ratio'])}×"


def _key_sizes(rows: Rows) -> list[int]:
    return sorted({row["key_bits"] for row in rows if row["key_bits"]})


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def gradient(rows: Rows) -> str:
    """A table for each key size: a line for each shape, a column for each peer."""
    tables = []
    for bits in _key_sizes(rows):
        chosen = [row for row in rows if row["name"] == "gradient" and row["key_bits"] == bits]
        peers = _unique(row["peer"] for row in chosen)
        lines = []
        for shape in _unique((row["sizes"]["rows"], row["sizes"]["d"]) for row in chosen):
            of_shape = {row["peer"]: row for row in chosen if (row["sizes"]["rows"], row["sizes"]["d"]) == shape}
            ours = number(min(row["seconds"] for row in of_shape.values()))
            cells = (_against(of_shape[peer]) if peer in of_shape else "" for peer in peers)
            lines.append([f"{shape[0]:,}, {shape[1]}", ours, *cells])
        tables.append(markdown([f"{bits} bits: rows, d", "ours, s", *peers], lines))
    once = [row for row in rows if row["name"].startswith("moments")]
    reduced = ([f"{row['sizes']['rows']:,}, {row['sizes']['d']}", number(row["seconds"])] for row in once)
    return "\n\n".join([*tables, markdown(["once a job: rows, d", "moments, s"], reduced)])


def encrypt(rows: Rows) -> str:
    """For each key size: packed operations, one value a ciphertext, one core against all."""
    tables = []
    for bits in _key_sizes(rows):
        of_size = [row for row in rows if row["key_bits"] == bits]
        packed = [row for row in of_size if "bytes_a_value" in row["sizes"]]
        peers = _unique(row["peer"] for row in packed)
        lines = []
        for name in _unique(row["name"] for row in packed):
            by_peer = {row["peer"]: row for row in packed if row["name"] == name}
            ours = next(iter(by_peer.values()))["seconds"]
            lines.append([name.removeprefix("packed "), number(ours), *(_against(by_peer[peer]) for peer in peers)])
        first = {peer: next(row for row in packed if row["peer"] == peer)["sizes"] for peer in peers}
        ours = number(packed[0]["sizes"]["bytes_a_value"])
        theirs = (first[peer].get("peer_bytes_a_value") for peer in peers)
        lines.append(["bytes a value", ours, *("" if one is None else number(one) for one in theirs)])
        tables.append(markdown([f"{bits} bits", "ours, s", *peers], lines))
        tables.append(_one_by_one([row for row in of_size if row["name"] == "encryption one by one"], bits))
        cores = [row for row in of_size if row["name"].endswith("all cores")]
        split = (
            [row["name"].removesuffix(", all cores"), *map(number, (row["peer_seconds"], row["seconds"], row["ratio"]))]
            for row in cores
        )
        if cores:
            header = [f"{bits} bits, by the clock", "one core, s", "all cores, s", "times as fast"]
            tables.append(markdown(header, split))
        published = [row for row in of_size if row["name"].startswith("FLASHE")]
        if published:
            lines = [[row["name"], number(row["seconds"]), _against(row)] for row in published]
            tables.append(markdown([f"{bits} bits, by the clock", "ours, s", "as published"], lines))
    return "\n\n".join(tables)


def _one_by_one(rows: Rows, bits: int) -> str:
    peers = _unique(row["peer"] for row in rows)
    lines = []
    for who in _unique(row["sizes"]["by"] for row in rows):
        by_peer = {row["peer"]: row for row in rows if row["sizes"]["by"] == who}
        ours = next(iter(by_peer.values()))
        each = 1000 * ours["seconds"] / ours["sizes"]["ciphertexts"]
        lines.append([who, number(each), *(f"{number(by_peer[peer]['ratio'])}×" for peer in peers)])
    return markdown([f"{bits} bits, one value a ciphertext", "ours, ms each", *peers], lines)


def floor(rows: Rows) -> str:
    """A table for each engine, a line for each operation: milliseconds, floor and their ratio at each key size, and how
    many times as long gmpy2 takes where both were measured."""
    sizes, tables = _key_sizes(rows), []

    def label(row: Mapping[str, Any]) -> str:
        kept = {name: size for name, size in row["sizes"].items() if name in ("d", "powers", "ciphertexts")}
        return f"{row['name']} ({', '.join(f'{name} {size}' for name, size in kept.items())})"

    for engine in _unique(row["sizes"]["engine"] for row in rows):
        of_engine = [row for row in rows if row["sizes"]["engine"] == engine]
        by_label = {(label(row), row["key_bits"], row["peer"]): row for row in of_engine}
        peers = [peer for peer in _unique(row["peer"] for row in of_engine) if peer != "floor"]
        lines = []
        for name in _unique(label(row) for row in of_engine):
            cells = []
            for bits in sizes:
                row = by_label[name, bits, "floor"]
                cells += [number(1000 * row["seconds"]), number(1000 * row["peer_seconds"]), number(row["ratio"])]
                cells += [f"{number(by_label[name, bits, peer]['ratio'])}×" for peer in peers]
            lines.append([name, *cells])
        header = (text for bits in sizes for text in (f"{bits}: ms", "floor", "ratio", *peers))
        tables.append(markdown([f"by {engine}", *header], lines))
    return "\n\n".join(tables)


def round_(rows: Rows) -> str:
    """A line for each number of owners and d."""
    lines = []
    for owners, d in _unique((row["sizes"]["owners"], row["sizes"]["d"]) for row in rows):
        of_job = [row for row in rows if (row["sizes"]["owners"], row["sizes"]["d"]) == (owners, d)]
        by_name = {row["name"]: row for row in of_job}
        waits = {
            which: [r["seconds"] for r in of_job if r["name"].startswith("/healthz") and r["sizes"]["which"] == which]
            for which in ("median", "99 of 100")
        }
        whole = by_name["round"]
        writes = [row["seconds"] for row in of_job if row["name"].startswith("round: store writes")]
        lines.append(
            [
                f"{owners}, {d}",
                *map(number, (whole["seconds"], whole["peer_seconds"], 1 / whole["ratio"])),
                number(by_name["round: serialising"]["seconds"]),
                number(by_name["round: HTTP, store and the rest"]["seconds"]),
                number(by_name["round: waiting"]["seconds"]),
                number(sum(writes)) if writes else "",
                *(_range_ms(seconds) for seconds in waits.values()),
            ]
        )
    header = "owners, d|a round, by the clock, s|compute, s|round / compute|serialising, s|HTTP, store and the rest, s"
    more = "waiting, s|store writes of all, by the clock, s|/healthz, median|99 of 100"
    return markdown([*header.split("|"), *more.split("|")], lines)


def _range_ms(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    least, most = (f"{1000 * value:.0f}" for value in (min(seconds), max(seconds)))
    return f"{least} ms" if least == most else f"{least} to {most} ms"


def scaling(rows: Rows) -> str:
    """Rows, columns and owners: a table each."""

    def named(name: str) -> Rows:
        return [row for row in rows if row["name"] == name]

    answers = {row["sizes"]["rows"]: row["seconds"] for row in named("answer against rows")}
    by_rows = (
        [
            f"{row['sizes']['rows']:,}",
            number(row["seconds"]),
            number(row["sizes"]["rows"] / row["seconds"]),
            str(row["sizes"]["peak_mib"]),
            number(answers[row["sizes"]["rows"]]),
        ]
        for row in named("moments from Parquet, once a job")
    )
    columns = ([str(row["sizes"]["d"]), number(row["seconds"])] for row in named("answer against columns"))
    sums = {row["sizes"]["owners"]: row["seconds"] for row in named("sum by the Facilitator")}
    owners = (
        [str(row["sizes"]["owners"]), number(1000 * row["seconds"]), number(1000 * sums[row["sizes"]["owners"]])]
        for row in named("masks of an owner")
    )
    return "\n\n".join(
        [
            markdown(["rows, d = 30", "moments, s", "rows a second", "peak memory, MiB", "an answer, s"], by_rows),
            markdown(["d", "an answer, s"], columns),
            markdown(["owners, d = 100", "masks of an owner, ms", "the Facilitator's sum, ms"], owners),
        ]
    )


def protection(rows: Rows) -> str:
    """The bare round, what is added to it, and of what that consists."""
    whole, *parts = rows
    lines = [["the bare round", number(whole["peer_seconds"])]]
    lines += [[row["name"].removeprefix("added: "), number(row["seconds"])] for row in parts if "added:" in row["name"]]
    lines.append(["**added, of the bare round**", f"**{whole['sizes']['added_percent']}%**"])
    return markdown(["", "seconds"], lines)


def plan(cases: Mapping[str, Any]) -> str:
    """Planned and measured, of each job: processor seconds a round, and the Model Owner's bytes."""
    seconds, counted = [], []
    for name, case in cases.items():
        planned, measured = case["planned"], case["measured"]
        parties = ("data_owner_a_round", "facilitator_a_round", "model_owner_a_round")
        pairs = (f"{number(planned['seconds'][p])} → {number(measured['seconds'][p])} s" for p in parties)
        worst = max(case["ratios"].values(), key=lambda ratio: max(ratio, 1 / ratio))
        seconds.append([name, *pairs, number(worst), number(measured["wall_s_a_round"])])
        ways = (
            f"{planned['bytes']['model_owner'][way]:,}, {measured[f'model_owner_bytes_{way}']:,}"
            for way in ("sent", "received")
        )
        counted.append([name, str(measured["rounds"]), *ways])
    header = "job|Data Owner, planned → measured|Facilitator|Model Owner|worst ratio|a round, by the clock, s"
    again = "job|rounds|Model Owner sends, planned and counted|receives, planned and counted"
    return f"{markdown(header.split('|'), seconds)}\n\n{markdown(again.split('|'), counted)}"


def network(rows: Rows) -> str:
    """A line for each part of a round, a column for each number of weights: seconds, and the most memory."""
    weights = _unique(row["sizes"]["weights"] for row in rows if row["name"] == "the round")
    lines = []
    for name, engine in _unique((row["name"], row["sizes"].get("engine")) for row in rows):
        found = {
            row["sizes"]["weights"]: row for row in rows if (row["name"], row["sizes"].get("engine")) == (name, engine)
        }
        label = name if engine in (None, "kernel") else f"{name}, by {engine}"
        if found.keys().isdisjoint(weights):
            continue  # of a network that no round was measured of
        lines.append([label, *(_with_memory(found[size]) if size in found else "" for size in weights)])
    each = {row["sizes"]["weights"]: row["sizes"]["bytes a weight"] for row in rows if row["name"] == "the round"}
    lines.append(["bytes an owner sends, a weight", *(number(each[size]) for size in weights)])
    bits = ", ".join(map(str, _key_sizes(rows)))
    return markdown([f"{bits} bits: part of a round", *(f"{size:,} weights" for size in weights)], lines)


def _with_memory(row: Mapping[str, Any]) -> str:
    clock = " by the clock" if row["sizes"].get("clock") == "wall" else ""
    peak = row["sizes"].get("peak_mib")
    return f"{number(row['seconds'])} s{clock}" + ("" if peak is None else f", {peak:,} MiB")


TABLES: Final[Mapping[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "gradient": gradient,
        "encrypt": encrypt,
        "floor": floor,
        "round": round_,
        "scaling": scaling,
        "protection": protection,
        "plan": plan,
        "network": network,
    }
)
