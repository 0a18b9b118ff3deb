"""Handwritten digits, where no owner has all: a federated network beside pooled, and the best single owner.

    python examples/mnist/compare.py DATA_DIR [--prediction FILE] [--json]

reads what make_data.py wrote; FILE is what GET /prediction answered. examples/network_comparison.py says what is
compared.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from network_comparison import main

if __name__ == "__main__":
    main(Path(__file__).resolve().parent, "Compare what the parties could reach.")
