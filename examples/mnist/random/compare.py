"""Handwritten digits, with all digits at each owner: a federated network beside pooled, and a single owner.

    python examples/mnist/random/compare.py DATA_DIR [--prediction FILE] [--json]

reads what make_data.py wrote; FILE is what GET /prediction answered. examples/network_comparison.py says what is
compared.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from network_comparison import main

if __name__ == "__main__":
    main(Path(__file__).resolve().parent, "Compare what the parties could reach.")
