"""Benchmarks at sizes that measure nothing: they run, check what they compute, and keep the shape of their rows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from gmpy2 import mpz
from rich.console import Console

from benchmarks import encrypt, floor, gradient, protection, scaling
from benchmarks import round as round_
from benchmarks.fixtures import peers
from benchmarks.fixtures.engines import NATIVE, engines
from benchmarks.fixtures.peers import Phe
from benchmarks.rows import counts
from benchmarks.rows.measure import Row, main
from benchmarks.rows.tables import TABLES, number
from fedtrain.crypto import FixedBaseTable

KEYS = {"name", "sizes", "key_bits", "seconds", "peer", "peer_seconds", "ratio", "extrapolated"}
QUIET = Console(quiet=True)
SMALL_KEY = 512


@pytest.fixture(autouse=True)
def phe_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers that are optional need large keys, or are not there."""
    monkeypatch.setattr(peers, "installed", lambda name: name == "phe")
    monkeypatch.setattr(gradient, "installed", lambda name: name == "phe")
    monkeypatch.setattr(gradient, "LEAST_S", 0)


def check(rows: Iterable[Row]) -> list[Row]:
    rows = list(rows)
    for row in rows:
        assert set(row.to_dict()) == KEYS
        assert json.loads(json.dumps(row.to_dict())) == row.to_dict()
        assert row.seconds > 0
        assert (row.peer is None) == (row.peer_seconds is None) == (row.ratio is None)
    return rows


def test_gradient_rows() -> None:
    rows = check(gradient.measure(True, QUIET, sizes=[(6, 3)], key_sizes=[SMALL_KEY]))
    peers = [
        ("moments, once a job", None),
        ("gradient", "floor"),
        ("gradient", "phe"),
        ("gradient, factors ahead", "phe"),
    ]
    assert [(row.name, row.peer) for row in rows] == peers
    assert rows[2].sizes == {"rows": 6, "d": 3}
    assert not rows[2].extrapolated


def test_a_peer_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Phe.gradient
    monkeypatch.setattr(Phe, "gradient", lambda self, X, y, weights: honest(self, X, y + 1, weights))
    with pytest.raises(AssertionError, match="phe computed another gradient"):
        list(gradient.measure(True, QUIET, sizes=[(6, 3)], key_sizes=[SMALL_KEY]))


def test_encrypt_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encrypt, "all_cores", lambda bench: ())
    monkeypatch.setattr(encrypt, "PEER_VALUES", 4)
    monkeypatch.setattr(encrypt, "EXPECTED_ONE_BY_ONE", 4)
    rows = check(encrypt.measure(True, QUIET, count=40, key_sizes=[SMALL_KEY]))
    names = [(row.name, row.peer, row.extrapolated) for row in rows]
    packed = [f"packed {what}" for what in ("encryption", "decryption", "addition")]
    assert names[:6] == [*((name, "floor", False) for name in packed), *((name, "phe", True) for name in packed)]
    assert ("encryption one by one", "floor", False) in names
    # 15 slots of 32 bits in 510, so 3 ciphertexts of 128 bytes.
    assert rows[0].sizes["bytes_a_value"] == round(3 * 128 / 40, 2)


def test_multiplications_are_counted_as_they_are_made() -> None:
    """A table of 4-bit windows over 10 bits has 3 positions of 16 entries; a power by it is 2 products."""
    table = FixedBaseTable(mpz(3), mpz(1009), 10, 4)
    assert counts.table_entries(table) == counts.Count(mpz(1009), 48)
    assert counts.fixed_base_powers(table, 5) == counts.Count(mpz(1009), 10)
    assert counts.powers(2, 60, mpz(1009)) == counts.Count(mpz(1009), 20, 120)


def test_the_floor_is_the_sum_of_its_counts_at_the_cost_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "cost_of_one", lambda modulus, engine: (float(modulus), 0.5))
    assert counts.floor_seconds([counts.Count(mpz(2), 10, 4), counts.Count(mpz(3), 1)]) == 10 * 2 + 4 * 0.5 + 3


def test_a_floor_is_that_of_the_engine_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kernel's product where the modulus is a square, by gmpy2's for all others."""
    monkeypatch.setattr(counts, "LOOP", 10)
    monkeypatch.setattr(counts, "product_seconds", lambda root_bits, clock: (root_bits, root_bits / 2))
    square, other = mpz((1 << 511) + 1) ** 2, mpz(1 << 1023) + 1
    assert counts.cost_of_one(square, NATIVE) == (512, 256)
    assert max(counts.cost_of_one(other, NATIVE)) < 1 > max(counts.cost_of_one(square, "gmpy2"))


def test_the_published_case_is_decrypted_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = check(encrypt.flashe_case(QUIET, values=40, key_bits=SMALL_KEY))
    assert [row.peer_seconds for row in rows] == [4.69, 1.69, 2.81]
    assert {row.peer for row in rows} == {"as published"}
    monkeypatch.setattr(encrypt, "sum_vectors", lambda vectors, n, engine: vectors[0])
    with pytest.raises(AssertionError, match="other values"):
        list(encrypt.flashe_case(QUIET, values=40, key_bits=SMALL_KEY))


def test_floor_rows_hold_every_operation_of_the_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "LOOP", 10)
    rows = check(floor.measure(True, QUIET, key_sizes=[SMALL_KEY], dimensions=[3], repeats=1))
    by_engine = [
        (engine, peer) for engine in engines() for peer in (["floor", "gmpy2"] if engine == "native" else ["floor"])
    ]
    assert [(row.sizes["engine"], row.peer) for row in rows] == by_engine * 7
    assert TABLES["floor"]([row.to_dict() for row in rows]).count("| by ") == len(engines())
    assert [row.name.split(":")[0].split(" mod")[0] for row in rows[:: len(by_engine)]] == [
        "matrix × encrypted vector, packed",
        "re-randomisers",
        "fixed-base powers",
        "fixed-base powers",
        "decryption",
        "sum of ten owners",
        "packing by Horner",
    ]


@pytest.mark.slow
def test_scaling_rows_and_the_plot(tmp_path: Path) -> None:
    rows = check(scaling.measure(True, QUIET, ((50, 60), (3, 4), (2, 3)), SMALL_KEY, 4))
    assert [row.sizes["rows"] for row in rows if row.name == "answer against rows"] == [50, 60]
    assert [row.sizes["d"] for row in rows if row.name == "answer against columns"] == [3, 4]
    assert [row.sizes["owners"] for row in rows if row.name == "sum by the Facilitator"] == [2, 3]
    pytest.importorskip("matplotlib")
    scaling.plot(rows, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_protection_rows_are_the_two_parts_of_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "QUICK", (2, 3, SMALL_KEY))
    whole, *parts = check(protection.measure(True, QUIET))
    by_part = {name: [row.seconds for row in parts if row.name.startswith(name)] for name in ("bare", "added")}
    assert whole.seconds == pytest.approx(sum(by_part["added"]))
    assert whole.peer_seconds == pytest.approx(sum(by_part["bare"]))


@pytest.mark.slow
def test_the_memory_of_a_process_is_its_own_and_not_that_of_what_started_it(tmp_path: Path) -> None:
    path = scaling.write_parquet(tmp_path / "few.parquet", 10, scaling.TABLE_DIMENSIONS)
    alone = int(scaling._in_another_process(path))
    held = bytearray(b"1") * (alone << 20)
    assert int(scaling._in_another_process(path)) < alone + 50
    assert len(held) >> 20 == alone


def test_round_rows_divide_a_job_as_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    run = round_.Run(0.5, {"facilitator": 0.1, "data owner": 0.2}, {"facilitator": [i / 1000 for i in range(1, 101)]})
    rows = check(round_.rows_of(run, owners=2, d=3, key_bits=SMALL_KEY))
    by_name = {row.name: row.seconds for row in rows}
    assert by_name["round"] == 0.5
    parts = [by_name[f"round: compute of the {party}"] for party in ("Data Owners", "Facilitator", "Model Owner")]
    assert rows[0].peer_seconds == sum(parts)
    assert by_name["round: processor time, data owner"] == 0.2
    waits = {row.sizes["which"]: row.seconds for row in rows if row.name == "/healthz under load"}
    assert waits == {"median": 0.051, "99 of 100": 0.1}
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    waiting = [row for row in round_.rows_of(run, owners=2, d=3, key_bits=SMALL_KEY) if row.name == "round: waiting"]
    assert [row.seconds for row in waiting] == [pytest.approx(0.5 - 0.3 / 2)]
    assert not [name for name in by_name if "store writes" in name]


def test_the_round_table_shows_waiting_and_the_stores_writes_apart() -> None:
    run = round_.Run(0.5, {"facilitator": 0.1}, {}, {"facilitator": 0.03, "data owner": 0.04})
    found = [row.to_dict() for row in round_.rows_of(run, owners=2, d=3, key_bits=SMALL_KEY)]
    waiting = next(row["seconds"] for row in found if row["name"] == "round: waiting")
    header, _, line = (row.strip("| ").split(" | ") for row in TABLES["round"](found).splitlines())
    cells = dict(zip(header, line, strict=False))  # without /healthz the last cells are empty
    assert (cells["waiting, s"], cells["store writes of all, by the clock, s"]) == (number(waiting), "0.07")
    without = [row for row in found if "store writes" not in row["name"]]
    assert f"| {number(waiting)} |  |" in TABLES["round"](without)


def test_a_ratio_is_how_many_times_as_long_the_peer_takes() -> None:
    assert Row("x", {}, 2048, 2.0, "phe", 10.0).ratio == 5.0
    assert Row("x", {}, 2048, 2.0).ratio is None


@pytest.mark.parametrize("arguments", [["--json"], []])
def test_json_is_alone_on_standard_output_and_people_get_a_table(arguments: list[str], capsys) -> None:
    rows = [Row("sum", {"owners": 3}, 2048, 0.25, "phe", 1.0, extrapolated=True)]
    main("a benchmark", lambda quick, notes: rows, arguments)
    out = capsys.readouterr().out
    if arguments:
        assert json.loads(out) == [rows[0].to_dict()]
    else:
        assert "≈ 1" in out
        assert "owners 3" in out


def test_what_a_peer_writes_below_python_does_not_get_into_the_json(capfd) -> None:
    def measure(quick: bool, notes: Console) -> Iterable[Row]:
        os.write(1, b"[info] a library's own log\n")
        yield Row("sum", {}, 2048, 0.25)

    main("a benchmark", measure, ["--json"])
    out, err = capfd.readouterr()
    assert json.loads(out)[0]["name"] == "sum"
    assert "a library's own log" in err


def test_an_installed_peer_is_found_and_a_missing_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(peers._MODULES, "absent", "there_is_no_such_module")
    assert peers.installed("phe")
    assert not peers.installed("absent")
