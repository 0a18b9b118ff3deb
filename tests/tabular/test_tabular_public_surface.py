"""The package offers what it says it offers, and it knows no party."""

from __future__ import annotations

import pickle
import subprocess
import sys

from fedtrain import tabular
from fedtrain.tabular.errors import BadValues


def test_all_names_are_there_and_no_other_is_meant() -> None:
    defined = {name for name in vars(tabular) if name[0].isupper() or name.endswith("_table")}
    assert defined == set(tabular.__all__)


def test_importing_it_imports_no_party() -> None:
    program = (
        "import sys, fedtrain.tabular; print([n for n in sys.modules if '.'.join(n.split('.')[:2]) in sys.argv[1:]])"
    )
    parties = ["fedtrain.data_owner", "fedtrain.model_owner", "fedtrain.facilitator", "fedtrain.cli"]
    found = subprocess.run([sys.executable, "-c", program, *parties], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_errors_cross_process_boundaries_whole() -> None:
    error = BadValues("missing-values", "age: record 3 has no value", column="age", rows=(3,))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 — our own bytes
    assert type(copy) is BadValues
    assert (copy.code, copy.message, copy.column, copy.rows) == (error.code, error.message, error.column, error.rows)
