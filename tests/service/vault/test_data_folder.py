"""A request names a file of the data folder, and nothing else on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrain.service.vault.data_folder import file_in
from fedtrain.spec.problems import Code, Problem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "year").mkdir(parents=True)
    (data / "year" / "records.csv").write_text("a\n1\n")
    (tmp_path / "secret.csv").write_text("a\n2\n")
    (data / "link.csv").symlink_to(tmp_path / "secret.csv")
    return data


def test_a_file_below_the_folder_is_found(folder: Path) -> None:
    assert file_in(folder, "year/../year/records.csv") == (folder / "year" / "records.csv").resolve()


@pytest.mark.parametrize(
    "given",
    ["../secret.csv", "/etc/passwd", "link.csv", "year", ".", "nothing.csv", "0" * 4096, "a\x00b", "a/" * 3000],
    ids=["above", "absolute", "link-out", "folder", "root", "missing", "too-long", "nul", "too-deep"],
)
def test_anything_else_is_refused_by_field(folder: Path, given: str) -> None:
    with pytest.raises(Problem) as refused:
        file_in(folder, given)
    assert refused.value.code is Code.INVALID_REQUEST
    assert refused.value.extra["errors"][0]["field"] == "path"  # type: ignore[index]
    assert len(refused.value.detail) < 1000
