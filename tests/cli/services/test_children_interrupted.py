"""A service that is being started when the interrupt comes is one of those that are stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# A process of its own: handlers of signals belong to the main thread, and are the whole process's.
SCRIPT = """
import os, signal, subprocess, sys
from pathlib import Path
import fedtrain.cli.services.processes

def interrupted(*arguments, **options):
    process = real([sys.executable, "-c", "import time; time.sleep(60)"], **options)
    os.kill(os.getpid(), number)
    return process

def interrupt(*_):
    raise KeyboardInterrupt

real, fedtrain.cli.services.processes.subprocess.Popen = subprocess.Popen, interrupted
number = signal.Signals[sys.argv[1]]
signal.signal(number, interrupt)
children = fedtrain.cli.services.processes.Children()
try:
    children.start("a", 1, Path(sys.argv[2]), [])
    print("not interrupted")
except KeyboardInterrupt:
    print(len(children.started))
assert signal.getsignal(number) is interrupt
(child,) = children.started
children.stop()
print(child.process.poll() is not None)
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_the_interrupt_comes_once_the_service_is_noted(number: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, number, str(tmp_path / "log")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["1", "True"], done.stderr
