"""The whole set, one after the other, and docs/performance.md with what they measured.

python -m benchmarks.all [--only gradient --only floor] [--quick] [--results DIR] [--page docs/performance.md]

Some twenty minutes on two cores with nothing else to do. Each benchmark runs in a process of its own; its JSON is kept
as DIR/NAME.json, and what is there from before stays unless it runs again. Tables go to standard output, and with
--page into that page, between its markers; what a table's benchmark did not yield stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from benchmarks.rows import targets
from benchmarks.rows.tables import TABLES

#: In this order; those that take --quick do so with --quick.
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "floor": (),
    "gradient": (),
    "encrypt": (),
    "scaling": ("--plot", "docs/scaling.png"),
    "protection": (),
    "round": (),
    "plan": (),
    "network": (),
}
WITHOUT_QUICK: Final = frozenset({"plan"})
_PACKAGES = ("gmpy2", "phe", "sf-heu", "pypaillier", "tenseal")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and write. The exit status: 0, or 1 where a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(COMMANDS), help="only this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not figures")
    parser.add_argument("--results", type=Path, default=Path("build/benchmarks"), help="where the JSON is kept")
    parser.add_argument("--page", type=Path, help="the page whose tables are replaced")
    parser.add_argument("--no-run", action="store_true", help="run nothing: tables of what is kept")
    options = parser.parse_args(arguments)
    if options.quick and options.page is not None:
        parser.error("--quick measures nothing that belongs on a page: leave out one of --quick and --page")
    options.results.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in () if options.no_run else options.only or COMMANDS:
        if not _run(name, options.results / f"{name}.json", options.quick):
            failed.append(name)
    results = kept(options.results)
    sections = sections_of(results)
    for name, text in sections.items():
        print(f"## {name}\n\n{text}\n")
    if options.page is not None:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(replaced(page, sections), encoding="utf-8")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, path: Path, quick: bool) -> bool:
    """Run one benchmark and keep its JSON; whether it ended well. What it says about itself goes to standard error."""
    small = ("--quick",) if quick and name not in WITHOUT_QUICK else ()
    more = () if quick else COMMANDS[name]
    print(f"benchmarks.{name}", file=sys.stderr, flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *small, *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own modules
    print(f"benchmarks.{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    if done.returncode != 0:
        return False
    json.loads(done.stdout)
    path.write_text(done.stdout, encoding="utf-8")
    return True


def kept(folder: Path) -> dict[str, Any]:
    """Return what the benchmarks printed, by name, of those whose results are in the folder."""
    paths = {name: folder / f"{name}.json" for name in COMMANDS}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}


def sections_of(results: Mapping[str, Any]) -> dict[str, str]:
    """Markdown by the name of its markers: a section a benchmark, the targets, and what it was measured on."""
    sections = {name: TABLES[name](rows) for name, rows in results.items()}
    return {**sections, "targets": targets.table(targets.targets(results)), "machine": machine()}


def replaced(page: str, sections: Mapping[str, str]) -> str:
    """The page with each section between its markers. Raises ValueError for a marker that is not there once."""
    for name, text in sections.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
            raise ValueError(f"the page needs {begin} and after it {end}, each once")
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}"
    return page


def machine() -> str:
    """Say what this runs on, in a sentence."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].split(":", 1)[1].strip() if names else processor
    packages = ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    return f"{os.cpu_count()} cores of {processor}; Python {platform.python_version()}, {packages}."


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
