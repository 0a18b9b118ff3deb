"""Seconds until a job's page is drawn: `python -m benchmarks.pages [--owners 200] [--rounds 1000] [--repeats 5]`.

The built pages in Chromium, whose service answers at once with a job of so many owners and rounds: what is measured is
the browser, from opening the address until both curves and every owner's row are painted. Exit status 1 where the
median is a second or more. Needs Chromium and `pip install playwright`.
"""

from __future__ import annotations

import functools
import json
import shutil
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any, Final

import typer

BUILT: Final = Path(__file__).resolve().parents[1] / "fedtrain" / "service" / "pages" / "built"
MOST_S: Final = 1.0
_JOB: Final = "0f" * 16
_SESSION: Final[dict[str, Any]] = {
    **{"access": "open", "session": False, "looks": True, "decides": False, "may": []},
    **{"accounts": False, "organisation": False, "account": None, "role": None},
}
_DRAWN: Final = """(owners) =>
    document.querySelectorAll('main tr').length >= owners && document.querySelectorAll('main canvas').length >= 2
    && document.querySelectorAll('main td path').length >= owners ? performance.now() : false"""


def job(owners: int, rounds: int) -> dict[str, Any]:
    """Return what a Model Owner says of a job in its last round, as far as the page reads it."""
    parties = [{"party": f"{at:064x}", "name": f"clinic-{at}"} for at in range(owners)]
    history = [{"round": at, "loss": 100 / (at + 1), "gradient": 0.99**at} for at in range(rounds)]
    return {
        "id": _JOB,
        "name": "stay in hospital",
        "status": "IN_PROGRESS",
        "phase": "TRAINING",
        "round": rounds - 1,
        "rounds": rounds,
        "owners": parties,
        "waiting_for": [{**one, "since": "2026-01-12T09:30:05.120Z"} for one in parties[:3]],
        "history": history,
        "loss_is": "mean squared error on the training rows",
        "on_dropout": "wait",
        "leak": {"numbers_decrypted": 11, "of": 77, "holds": "as long as the protocol is followed"},
        "optimizer": "conjugate_gradient",
        "remarks": [],
        "declined": [],
        "release_refused": [],
        "not_signed_off": None,
        "ended_at": None,
    }


class _Service(SimpleHTTPRequestHandler):
    """The built files, and the few answers that a job's page asks for."""

    def __init__(self, *arguments: Any, answers: dict[str, Any]) -> None:
        self._answers = answers
        super().__init__(*arguments, directory=str(BUILT))

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].strip("/")
        if path.endswith("/events"):
            self._answer("text/event-stream", b"retry: 600000\n\n")
        elif path in self._answers:
            self._answer("application/json", json.dumps(self._answers[path]).encode())
        else:
            super().do_GET()

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the figures are what is printed."""


@contextmanager
def serving(owners: int, rounds: int) -> Iterator[str]:
    """Serve the pages on a free port, and yield their address."""
    answers = {
        "identity": {
            "role": "model-owner",
            "name": "model-owner",
            "party_id": "3b" * 32,
            "version": "",
            "protocol": "",
        },
        "session": _SESSION,
        f"models/{_JOB}": job(owners, rounds),
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Service, answers=answers))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main(
    owners: Annotated[int, typer.Option(min=1)] = 200,
    rounds: Annotated[int, typer.Option(min=60)] = 1000,
    repeats: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Open the page so many times, each in a browser context of its own, with nothing cached."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with serving(owners, rounds) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        took = []
        for _ in range(repeats):
            page = browser.new_context().new_page()
            page.goto(f"{url}/#/model-owner/job/{_JOB}")
            drawn_ms = page.wait_for_function(_DRAWN, arg=owners).json_value()
            took.append(float(drawn_ms) / 1000)
            elements = page.evaluate("document.querySelectorAll('*').length")
            page.context.close()
        browser.close()
    median = statistics.median(took)
    typer.echo(
        f"{owners} owners, {rounds:,} rounds: drawn after {median:.2f} s, at most {max(took):.2f} s, "
        f"{elements:,} elements"
    )
    if median >= MOST_S:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
