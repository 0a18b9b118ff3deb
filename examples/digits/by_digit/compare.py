"""Digits by handwriting, where no owner has all: federated beside pooled, and beside the best single owner.

    python examples/digits/by_digit/compare.py DATA_DIR [--prediction FILE] [--json]

reads what make_data.py wrote; FILE is what GET /prediction answered. examples/comparison.py says what is compared.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from comparison import main

if __name__ == "__main__":
    main(Path(__file__).resolve().parent, "Compare what the parties could reach.")
