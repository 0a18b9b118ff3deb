"""No decision asks for the time; and each import rule sees an import that breaks it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from itertools import chain, pairwise
from pathlib import Path

import grimp
import pytest
from grimp import ImportGraph

ROOT = Path(__file__).resolve().parents[2]
PARTIES = ("data_owner", "facilitator", "model_owner")
CORE = [
    path for floor in ("spec", "planning", "protocol") for path in sorted((ROOT / "fedtrain" / floor).rglob("*.py"))
]
ROUNDS = [ROOT / party / "round.py" for party in PARTIES]
TELLS_THE_TIME = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime"}


def calls_for_the_time(source: str) -> list[str]:
    return [
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TELLS_THE_TIME
    ]


@pytest.mark.parametrize("path", [*CORE, *ROUNDS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_time_is_handed_in(path: Path) -> None:
    """`clock.now()` in fedtrain/protocol/clock.py reads the clock that it is handed."""
    assert calls_for_the_time(path.read_text(encoding="utf-8")) == (["now"] if path.name == "clock.py" else [])


@pytest.mark.parametrize("source", ["datetime.now(UTC)", "x = datetime.datetime.utcnow()", "time.monotonic() - 1"])
def test_a_call_for_the_time_is_seen(source: str) -> None:
    assert calls_for_the_time(source)


# Imports between our own files


def graph() -> ImportGraph:
    """Return who imports whom, imports for types alone included; a copy that a test may change."""
    return grimp.build_graph("fedtrain", exclude_type_checking_imports=False)


def circles(imports: ImportGraph) -> set[str]:
    """Return the files that import each other, directly or in a circle, and those on a way between two circles.

    The front door, fedtrain itself, is no file of these: it names what lies behind it.
    """
    files = imports.modules - {"fedtrain"}
    imported = {file: imports.find_modules_directly_imported_by(file) & files for file in files}
    # Taking off what imports nothing that is left, or is imported by nothing, again and again, leaves the circles.
    while True:
        wanted = set().union(*(imported[file] for file in files))
        left = {file for file in files if imported[file] & files and file in wanted}
        if left == files:
            return files
        files, imported = left, {file: imported[file] & left for file in left}


def test_no_two_files_import_each_other_nor_in_a_circle() -> None:
    assert circles(graph()) == set()


def test_a_circle_of_three_is_seen() -> None:
    planted = graph()
    for importer, imported in pairwise(
        ("fedtrain.spec.problems", "fedtrain.spec.shown_text", "fedtrain.spec.problems")
    ):
        planted.add_import(importer=importer, imported=imported)
    assert circles(planted)


CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
#: By how a contract's name begins: a file, and a line in it that the contract forbids.
PLANTED = [
    ("crypto imports nothing", "crypto/masks.py", "import fedtrain.spec.problems"),
    ("floors", "tabular/check.py", "import fedtrain.protocol"),
    ("floors", "facilitator/status.py", "import fedtrain.data_owner"),
    ("floors", "planning/plans.py", "import fedtrain.protocol"),
    ("what is agreed", "methods/none.py", "import sqlalchemy"),
    ("what is agreed", "data_owner/round.py", "import time"),
]


def broken(folder: Path, file: str, line: str) -> set[str]:
    """Return the contracts that do not hold in a small house of the same rooms, with one line in one file."""
    listed = [
        contract.get(part, []) for contract in CONTRACTS for part in ("source_modules", "forbidden_modules", "layers")
    ]
    named = [name for entry in chain(*listed) for name in entry.split(" | ") if name.startswith("fedtrain.")]
    for name in [*named, f"fedtrain.{file.removesuffix('.py').replace('/', '.')}", "fedtrain.spec.problems"]:
        room = folder.joinpath(*name.split(".")[:-1])
        room.mkdir(parents=True, exist_ok=True)
        for above in (room, *room.relative_to(folder).parents):
            (folder / above / "__init__.py").touch()
        if not room.joinpath(name.split(".")[-1]).is_dir():
            room.joinpath(name.split(".")[-1] + ".py").touch()
    (folder / "fedtrain" / file).write_text(f"{line}\n")
    command = [Path(sys.executable).with_name("lint-imports"), "--config", ROOT / "pyproject.toml", "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return {contract["name"] for contract in CONTRACTS if f"{contract['name']} BROKEN" in done.stdout}


@pytest.mark.parametrize(("contract", "file", "line"), PLANTED)
def test_a_contract_fails_on_an_import_that_breaks_it(tmp_path: Path, contract: str, file: str, line: str) -> None:
    assert [name[: len(contract)] for name in broken(tmp_path, file, line)] == [contract]


def test_every_contract_is_shown_to_fail_and_none_does_without_such_an_import(tmp_path: Path) -> None:
    shown = {contract["name"] for contract in CONTRACTS for name, _, _ in PLANTED if contract["name"].startswith(name)}
    assert shown == {contract["name"] for contract in CONTRACTS}
    assert broken(tmp_path, "cli/main.py", "import fedtrain.crypto") == set()


FULLER = {
    "crypto/engine/native",  # one concern a C file, and its header
}


def test_a_folder_has_at_most_a_dozen_files_beside_a_party_s_own() -> None:
    """A party's folder has its rooms and a handful of files at the door, and may have a few more."""
    folders = [folder for top in (*PARTIES, "crypto", "fedtrain") for folder in [ROOT / top, *(ROOT / top).rglob("*")]]
    many = {
        str(folder.relative_to(ROOT)): len(files)
        for folder in folders
        if folder.is_dir()
        and len(files := [f for f in folder.iterdir() if f.suffix in {".py", ".c", ".h"} and f.stem != "__init__"]) > 12
    }
    assert set(many) <= FULLER, many
