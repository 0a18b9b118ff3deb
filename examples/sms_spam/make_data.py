"""Write the SMS Spam Collection as a test set for the Model Owner and the tables of two Data Owners.

    python examples/sms_spam/make_data.py OUT_DIR [--from FILE]

FILE has a message a line: ham or spam, a tab, the text. Without it, SMSSpamCollection beside this script is taken, and
where that is not there either the collection is fetched from the UCI Machine Learning Repository (no. 228, CC BY 4.0)
and held against its checksum. One message in five is in test.csv; the others are worker-a.csv's and worker-b.csv's.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from splitting import random_split, write_tables  # noqa: E402 - it stands above this folder

URL = "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip"
SHA256 = "1587ea43e58e82b14ff1f5425c88e17f8496bfcdb67a583dbff9eefaf9963ce3"
MEMBER = "SMSSpamCollection"
TEST_SHARE = 0.2
SHARES = {"worker-a.csv": 0.5, "worker-b.csv": 0.5}
SEED = 20240607
TIMEOUT_S = 60


def fetched() -> str:
    """The collection's text. Ends the script where it cannot be fetched, or is not what the checksum is of."""
    advice = f"fetch it elsewhere, and put its file {MEMBER} beside this script, or name it with --from"
    try:
        with urllib.request.urlopen(URL, timeout=TIMEOUT_S) as answer:
            archive = answer.read()
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"{URL} cannot be fetched ({error}): {advice}")
    if hashlib.sha256(archive).hexdigest() != SHA256:
        sys.exit(f"{URL} is not the file that it was, by its SHA-256: {advice}")
    with zipfile.ZipFile(io.BytesIO(archive)) as content:
        return content.read(MEMBER).decode()


def messages(text: str, name: str) -> list[tuple[str, str]]:
    """(text, label) a line. Ends the script at a line that is none."""
    found = []
    for number, line in enumerate(text.rstrip("\n").split("\n"), start=1):
        label, tab, message = line.partition("\t")
        if label not in ("ham", "spam") or not tab or not message.strip():
            sys.exit(f"{name}: line {number} is not ham or spam, a tab and a text")
        found.append((message, label))
    return found


def write_data(folder: Path, source: Path | None = None) -> list[Path]:
    """Write the three files into `folder`, which is made if need be, and return their paths."""
    beside = HERE / MEMBER
    path = source or (beside if beside.is_file() else None)
    rows = messages(fetched() if path is None else path.read_text(encoding="utf-8"), str(path or URL))
    split = random_split(len(rows), round(TEST_SHARE * len(rows)), SHARES, SEED)
    return write_tables(folder, ["text", "label"], rows, split)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the SMS Spam Collection as tables.")
    parser.add_argument("folder", type=Path, help="where the tables go")
    parser.add_argument("--from", dest="source", type=Path, help="the collection as a file, in place of fetching it")
    arguments = parser.parse_args()
    for written in write_data(arguments.folder, arguments.source):
        print(f"{written}: written")
