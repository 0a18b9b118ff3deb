"""docs/architecture.md: its picture is the real imports, every file that it names is there, each room is told of."""

from __future__ import annotations

import re
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def imports_between_rooms() -> dict[str, set[str]]:
    graph = grimp.build_graph("fedtrain")
    files = [file.split(".") for file in graph.modules if file.count(".")]
    found: dict[str, set[str]] = {file[1]: set() for file in files}
    for file in files:
        imported = graph.find_modules_directly_imported_by(".".join(file))
        found[file[1]] |= {name.split(".")[1] for name in imported if name.count(".")} - {file[1]}
    return found


def drawn(imports: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return the arrows that are left when those that follow from two others are not drawn."""

    def reached(room: str) -> set[str]:
        return imports[room].union(*(reached(other) for other in imports[room]))

    return {
        (room, other)
        for room, others in imports.items()
        for other in others
        if not any(other in reached(between) for between in others - {other})
    }


def test_the_picture_is_what_imports_what() -> None:
    arrows = set(re.findall(r"^ +(\w+) --> (\w+)$", PAGE, re.MULTILINE))
    assert arrows == drawn(imports_between_rooms())


def test_every_room_has_its_line() -> None:
    assert {room for room in imports_between_rooms() if f"| `{room}`" not in PAGE} == set()


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"`((?:fedtrain|crypto|facilitator|data_owner|model_owner|docs|scripts)/[\w/.]+)`", PAGE))
    assert len(named) > 30
    assert {name for name in named if not (ROOT / name).exists()} == set()
