"""Services as child processes: started, waited for, and all stopped, each with whatever it started itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from fedtrain.cli.output import Failure

STOP_WAIT_S = 2.0
READY_WAIT_S = 600.0
_PUT_OFF = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AIRPLAY_HINT = " (on macOS by AirPlay Receiver: System Settings, General, AirDrop & Handoff)"


@dataclass
class Child:
    """One service: its name to a person, its address, its log."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def last_words(self) -> str:
        """Return the last line of the log that says something."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].removeprefix("fedtrain: ") if lines else "it said nothing"


def check_port_free(port: int, host: str = "127.0.0.1") -> None:
    """Raises Failure, in one line, when something listens on the port already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            hint = AIRPLAY_HINT if port == 5000 else ""
            raise Failure(
                f"port {port} is taken{hint}: stop what uses it, or choose another ({error.strerror})"
            ) from None


@dataclass
class Children:
    """The services that this process started. Each leads a session of its own, so that a stop reaches its workers."""

    started: list[Child] = field(default_factory=list)

    def start(self, name: str, port: int, log: Path, arguments: Sequence[str]) -> Child:
        """Start `fedtrain ARGUMENTS` with its output in `log`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, _undisturbed():
            process = subprocess.Popen(  # noqa: S603 - this very program, with arguments of our own
                [sys.executable, "-P", "-m", "fedtrain.cli.main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            child = Child(name, port, log, process)
            self.started.append(child)
        return child

    def wait_ready(self) -> None:
        """Return when every service answers GET /readyz with 200. Raises Failure that quotes one that ended."""
        deadline = time.monotonic() + READY_WAIT_S
        for child in self.started:
            while not _is_ready(child):
                self.check_alive()
                if time.monotonic() > deadline:
                    raise Failure(f"the service {child.name} is not ready after {READY_WAIT_S:.0f} s: see {child.log}")
                time.sleep(0.1)

    def check_alive(self) -> None:
        """Raises Failure that quotes the log of a service that has ended."""
        for child in self.started:
            if child.process.poll() is not None:
                raise Failure(f"the service {child.name} has ended: {child.last_words()}")

    def stop(self) -> None:
        """Stop all: first as asked, and after STOP_WAIT_S by force."""
        stop_groups([child.process.pid for child in self.started if child.process.poll() is None])
        for child in self.started:
            child.process.wait()
        self.started.clear()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Within the block, put off the signals that handlers in Python are there for: they are raised at its end.

    A process that is started and not noted yet would be stopped by nobody.
    """
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _PUT_OFF}
    for number, handler in handlers.items():
        if callable(handler):  # a new process ignores what is ignored here, and takes the rest as it comes
            signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
        for one in dict.fromkeys(came):
            signal.raise_signal(one)


def _is_ready(child: Child) -> bool:
    try:
        return httpx.get(child.url + "/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def stop_groups(pids: Sequence[int]) -> None:
    """Stop process groups: SIGTERM to all at once, SIGKILL to those that are left after STOP_WAIT_S."""
    for pid in pids:
        _signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_WAIT_S
    while time.monotonic() < deadline and any(_is_alive(pid) for pid in pids):
        time.sleep(0.05)
    for pid in pids:
        _signal_group(pid, signal.SIGKILL)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # it is gone (macOS: a group of which only a zombie is left)


def _is_alive(pid: int) -> bool:
    try:
        # A child of ours that has ended stays in the table until it is waited for.
        ended, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        ended = 0
    if ended == pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_service(pid: int) -> bool:
    """Say whether that process is one that `Children.start` started, and not another that got its number later."""
    shown = subprocess.run(  # noqa: S603
        ["ps", "-ww", "-p", str(pid), "-o", "command="],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return "-m fedtrain.cli.main" in shown.stdout
