"""Print, party by party, what the play has left there; the same goes to outcome.json.

    python what_each_saw.py "HOSPITALS" "MODEL OWNERS"

reads what play.sh has asked each party's service, NAME.requests.json and the like, in the working directory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def said(name: str, what: str) -> Any:
    """Return what the service of that party answered."""
    return json.loads(Path(f"{name}.{what}.json").read_text())


def hospital(name: str) -> dict[str, object]:
    """Return the row of a Data Owner: what it was asked, what it decided, what left it, what that cost."""
    requests = said(name, "requests")["requests"]
    own = {one["title"]: owner["decision"] for one in requests for owner in one["owners"] if owner["name"] == name}
    return {
        "party": name,
        "requests": ", ".join(f"{title} {decision}" for title, decision in sorted(own.items())),
        "models": ", ".join(one["phase"] for one in said(name, "models")),
        "numbers told": sum(one["released"]["numbers"] for one in said(name, "models")),
        "epsilon spent": round(sum(one["epsilon_spent"] for one in said(name, "budget")["datasets"]), 4),
        "audit records": len(said(name, "audit")["records"]),
    }


def model_owner(name: str) -> dict[str, object]:
    """Return the row of a Model Owner: which cards it found, whom it asked, what it got."""
    requests = said(name, "requests")["requests"]
    return {
        "party": name,
        "cards found": len(said(name, "cards")["cards"]),
        "requests": ", ".join(f"{one['title']}: {one['approved']} of {len(one['owners'])}" for one in requests),
        "models": ", ".join(one["status"] for one in said(name, "models")) or "none",
    }


def print_rows(rows: list[dict[str, object]]) -> None:
    """Print rows that have the same columns."""
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    print()
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit('usage: what_each_saw.py "HOSPITALS" "MODEL OWNERS"')
    hospitals = [hospital(name) for name in sys.argv[1].split()]
    model_owners = [model_owner(name) for name in sys.argv[2].split()]
    prediction = json.loads(Path("prediction.json").read_text())
    print_rows(hospitals)
    print_rows(model_owners)
    print(f"\nThe institute's model: cost {prediction['cost']:.3f}, r2 {prediction['metrics']['r2']:.3f}")
    found = {"hospitals": hospitals, "model_owners": model_owners, "metrics": prediction["metrics"]}
    Path("outcome.json").write_text(json.dumps(found, indent=1) + "\n")
