"""Sets of rows that are put together on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedtrain.data_owner.data.rows.ids import Ids, RowIds, RowSpool


def drawn(rows: int) -> Ids:
    ids = np.random.default_rng(3).integers(0, 2**64, rows, dtype=np.uint64)
    ids[: rows // 4] = ids[rows // 2 : rows // 2 + rows // 4]  # copies
    edges = np.array([0, 1, 2**58 - 1, 2**58, 2**63, 2**64 - 1], dtype=np.uint64)
    return np.concatenate([ids, edges])[: rows + 1]


@pytest.mark.parametrize("rows", [0, 1, 7, 10_000])
def test_what_comes_in_any_order_comes_out_as_the_sorted_set(tmp_path: Path, rows: int) -> None:
    ids = drawn(rows)
    with RowSpool(tmp_path / "new") as spool:
        for begin in range(0, len(ids), 999):
            spool.add(ids[begin : begin + 999])
        spooled, whole = spool.rows(), RowIds.of(ids)
        assert spooled.name == whole.name
        assert spooled.name == whole.name, "it can be read again"
        np.testing.assert_array_equal(spooled.ids, np.sort(ids))
        assert len(spooled) == len(ids)
        even = spooled.without(lambda some: some % np.uint64(2) == 0)
        np.testing.assert_array_equal(even.ids, np.sort(ids[ids % np.uint64(2) == 1]))
        assert max(map(len, spooled.chunks())) <= max(len(ids) // 30, 8), "no piece is a large part of it"


def test_nothing_of_a_spool_has_a_name_on_the_disk(tmp_path: Path) -> None:
    with RowSpool(tmp_path) as spool:
        spool.add(drawn(100))
        assert list(tmp_path.iterdir()) == []
