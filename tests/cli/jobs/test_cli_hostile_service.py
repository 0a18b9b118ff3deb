"""A service that answers a person's command without end, or with what unpacks without end: told, in flat memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

MOST_MB = 250  # measured: some 140
ENDLESS_BYTES = 600 << 20
_ASK = """
import json, sys
from fedtrain.cli.jobs.client import Service
from fedtrain.cli.output import Failure

told = None
try:
    with Service(sys.argv[1]) as service:
        if sys.argv[2] == "events":
            for event in service.events("/events"):
                pass
        else:
            service.get("/" + sys.argv[2])
except Failure as error:
    told = str(error)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"told": told, "mb": int(peak.split()[1]) / 1000}))
"""


@contextmanager
def hostile() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500 if self.path == "/problem" else 200)
            self.send_header("Content-Type", "text/event-stream" if self.path == "/events" else "application/json")
            if self.path == "/packed":
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            with suppress(OSError):  # whoever asked has hung up
                if self.path == "/packed":
                    packed = zlib.compressobj(9, wbits=31)
                    for _ in range(ENDLESS_BYTES >> 20):
                        self.wfile.write(packed.compress(b" " * (1 << 20)))
                    self.wfile.write(packed.flush())
                    return
                for _ in range(ENDLESS_BYTES >> 20):
                    self.wfile.write(b" " * (1 << 20))

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("answer", "more than 67,108,864 bytes"),
        ("problem", "more than 1,048,576 bytes"),
        ("events", "more than 67,108,864 bytes"),
        ("packed", "packed as 'gzip'"),
    ],
)
def test_an_answer_without_end_is_told_in_flat_memory(path: str, why: str) -> None:
    with hostile() as url:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FEDTRAIN_")}
        ran = subprocess.run(
            [sys.executable, "-c", _ASK, url, path], capture_output=True, text=True, env=environment, check=True
        )
    answer = json.loads(ran.stdout)
    assert answer["told"] is not None
    assert why in answer["told"]
    assert f"{url}/{path}" in answer["told"]
    assert answer["mb"] < MOST_MB
