"""Write the digits of examples/mnist so that every owner has all of them.

python examples/mnist/random/make_data.py OUT_DIR
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(EXAMPLES))

from splitting import main  # noqa: E402 - it stands above this folder


def write_data(folder: Path) -> list[Path]:
    """Write the four files into `folder`, which is made if need be, and return their paths."""
    # Both programs have the same file name, so that this one cannot import the other by it.
    where = importlib.util.spec_from_file_location("mnist_make_data", EXAMPLES / "mnist" / "make_data.py")
    assert where is not None and where.loader is not None  # noqa: S101 - the file stands beside this one
    mnist = importlib.util.module_from_spec(where)
    where.loader.exec_module(mnist)
    paths: list[Path] = mnist.write_data(folder, at_random=True)
    return paths


if __name__ == "__main__":
    main(write_data)
