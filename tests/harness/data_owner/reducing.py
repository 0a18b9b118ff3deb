"""A table's moments and the hashes of its rows, however it is reduced."""

from __future__ import annotations

import numpy as np

from fedtrain.data_owner.data.reduction import Reduced, ReduceTable, Reduction
from fedtrain.data_owner.data.rows.ids import Ids
from fedtrain.tabular.reading.read import Table


def reduced_with_ids(reduce: ReduceTable, reduction: Reduction, table: Table) -> tuple[Reduced, Ids]:
    """Return the result and (rows,) the hashes, in the order in which they came."""
    ids: list[Ids] = [np.empty(0, dtype=np.uint64)]
    return reduce(reduction, table, ids.append), np.concatenate(ids)
