"""Many Data Owners at one Facilitator: does a job end, is anything lost, does memory grow?

python -m benchmarks.load [--json] [--owners 200] [--rounds 20] [--jobs 1] [--key-bits 512] [--processes 2]

Facilitator and Model Owner are the services as `fedtrain` starts them, each a process of its own on a real socket, with
the default store and its syncs. The owners are the service's own applications, many in a process. An answer counts as
lost when it was confirmed and is not in the log. "/healthz" is how long the Facilitator's event loop lets callers wait.
Memory is the Facilitator's resident set; times are by the clock, of a machine that does all of this at once.

Keys are small, for two cores to do the work of 200 owners; an answer is as long as under a large one, whose slots are
more a ciphertext.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from benchmarks.fixtures.jobs import LEAST_KEY_BITS, spec_of
from benchmarks.round import Probe
from fedtrain.cli.services.metrics import sum_by_name
from fedtrain.cli.services.processes import Child, Children
from fedtrain.spec.model_spec import ModelSpec

DIMENSIONS = 11
SAMPLE_EVERY_S = 1.0
PROBE_EVERY_S = 0.2
ENDED = frozenset({"FINISHED", "FAILED", "CANCELLED"})
_REQUESTS = re.compile(r'^fedtrain_http_requests_total\{.*status="(\d+)".*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """Amount of work at once: each of `jobs` has every owner on its roster and so many rounds."""

    owners: int
    rounds: int
    jobs: int
    key_bits: int
    processes: int = 2


@dataclass
class Seen:
    """Measurements. Seconds by the clock unless said otherwise; memory in MiB, at the last look of each round.

    `round` is that of the job that is furthest behind.
    """

    load: Load
    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    facilitator_processor_s: float = 0.0
    memory_by_round: dict[int, float] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    owners: list[dict[str, Any]] = field(default_factory=list)
    logged: list[list[dict[str, Any]]] = field(default_factory=list)
    served: Counter[int] = field(default_factory=Counter)
    tried_again: int = 0

    @property
    def accepted(self) -> list[str]:
        return [answer for tally in self.owners for answer in tally["accepted"]]

    @property
    def in_log(self) -> set[str]:
        return {answer["answer_hash"] for log in self.logged for line in log for answer in line["answers"]}

    @property
    def lost(self) -> int:
        """Answers that were confirmed and are in no sum, and places in a sum that nobody answered for."""
        return len(set(self.accepted) ^ self.in_log)

    @property
    def incomplete_sums(self) -> int:
        """Sums that are missing, or that another number of owners than all of them went into."""
        complete = sum(len(line["answers"]) == self.load.owners for log in self.logged for line in log[1:])
        return self.load.jobs * (self.load.rounds + 1) - complete

    @property
    def failures(self) -> Counter[str]:
        """Requests that failed: status 5xx or 429, no answer, or tried again by the Model Owner."""
        refused = {f"status {status}": count for status, count in self.served.items() if status >= 500 or status == 429}
        found = Counter(refused)
        found.update(failed for tally in self.owners for failed in tally["failed"])
        if self.tried_again:
            found["tried again by the Model Owner"] = self.tried_again
        return found

    @property
    def memory(self) -> tuple[float, float]:
        """MiB at the end of the first round, and the most after it."""
        first = min(number for number in self.memory_by_round if number >= 1)
        return self.memory_by_round[first], max(mib for at, mib in self.memory_by_round.items() if at >= first)

    def to_dict(self) -> dict[str, Any]:
        first, most = self.memory
        return {
            "owners": self.load.owners,
            "rounds": self.load.rounds,
            "jobs": self.load.jobs,
            "key_bits": self.load.key_bits,
            "d": DIMENSIONS,
            "statuses": dict(self.statuses),
            "answers": len(self.accepted),
            "lost": self.lost,
            "incomplete_sums": self.incomplete_sums,
            "failed_requests": dict(self.failures),
            "requests": dict(sum((Counter(tally["requests"]) for tally in self.owners), Counter())),
            "seconds": round(self.seconds, 1),
            "facilitator_processor_s": round(self.facilitator_processor_s, 1),
            "facilitator_ms_an_answer": round(1000 * self.facilitator_processor_s / len(self.accepted), 2),
            "memory_first_round_mib": first,
            "memory_most_mib": most,
            "memory_by_round_mib": self.memory_by_round,
            "wake_s": quantiles(wake for tally in self.owners for wake in tally["wakes"]),
            "put_result_s": quantiles(put for tally in self.owners for put in tally["puts"]),
            "healthz_s": quantiles(self.waits),
        }


def quantiles(seconds: Iterable[float]) -> dict[str, float]:
    """Median, 95 and 99 of 100, and the most."""
    ordered = sorted(seconds)
    places = {"median": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(at * len(ordered)))], 4) for name, at in places.items()}


def free_port() -> int:
    """A port of loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(folder: Path, load: Load, port: Callable[[], int] = free_port) -> Seen:
    """Start everything, train, and stop it all again. `port` gives each service its own.

    Raises RuntimeError for a job that is refused.
    """
    services, processes = Children(), []
    try:
        facilitator = _start(services, folder, load, "facilitator", port())
        model_owner = _start(services, folder, load, "model-owner", port(), "--facilitator", facilitator.url)
        services.wait_ready()
        processes = [_start_owners(facilitator.url, folder, load, numbers) for numbers in _shares(load)]
        _wait_registered(services, facilitator, processes, load.owners)
        seen = _train(facilitator, model_owner, load)
        seen.owners = [_stop_owners(process) for process in processes]
        log = model_owner.log.read_text(errors="replace")
        seen.tried_again = log.count("trying again") + log.count("facilitator not reached")
        return seen
    finally:
        for process in processes:
            process.kill()
            process.wait()
        services.stop()


def _start(services: Children, folder: Path, load: Load, role: str, port: int, *more: str) -> Child:
    state_dir = folder / role
    state_dir.mkdir()
    small = str(load.key_bits < LEAST_KEY_BITS).lower()
    (state_dir / "party.toml").write_text(f'workers = 1\nlog_level = "warning"\nallow_small_keys = {small}\n')
    arguments = [role, "--name", role, "--port", str(port), "--state-dir", str(state_dir), *more]
    return services.start(role, port, folder / f"{role}.log", arguments)


def _shares(load: Load) -> Sequence[range]:
    bounds = [load.owners * part // load.processes for part in range(load.processes + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds)]


def _start_owners(facilitator: str, folder: Path, load: Load, numbers: range) -> subprocess.Popen[str]:
    small = "small" if load.key_bits < LEAST_KEY_BITS else "full"
    shape = [str(numbers.start), str(len(numbers)), str(DIMENSIONS - 1), small]
    command = [sys.executable, "-m", "benchmarks.fixtures.load_owners", facilitator, str(folder), *shape]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own


def _stop_owners(process: subprocess.Popen[str]) -> dict[str, Any]:
    tally: dict[str, Any] = json.loads(process.communicate()[0])
    return tally


def _wait_registered(
    services: Children, facilitator: Child, processes: Sequence[subprocess.Popen[str]], owners: int
) -> None:
    while len(_get(facilitator, "/data-owners")) < owners:
        services.check_alive()
        if any(process.poll() is not None for process in processes):
            raise RuntimeError("a process of Data Owners ended before all were registered")
        time.sleep(SAMPLE_EVERY_S)


def spec(load: Load) -> ModelSpec:
    """Every owner, every round: it does not stop for a small gradient."""
    everyone = {"min_data_owners": load.owners, "max_data_owners": load.owners}
    rounds = {"optimizer": "gradient_descent", "rounds": load.rounds, "tolerance": 1e-300, "round_timeout_s": 3600}
    return spec_of(DIMENSIONS, load.key_bits, **everyone, **rounds)


def _train(facilitator: Child, model_owner: Child, load: Load) -> Seen:
    # The probe's own pauses are too short here: its requests would be a good part of the load.
    probe = Probe(facilitator.url, lambda _: time.sleep(PROBE_EVERY_S))
    seen, began = Seen(load), time.perf_counter()
    document = spec(load).model_dump(mode="json", exclude_unset=True)
    jobs = [_post(model_owner, document) for _ in range(load.jobs)]
    running, rounds, before_s = set(jobs), dict.fromkeys(jobs, 0), _processor_s(facilitator)
    probe.start()
    while running:
        for job in sorted(running):
            state = _get(model_owner, f"/models/{job}")
            rounds[job] = state["round"] or 0
            if state["status"] in ENDED:
                running.discard(job)
                seen.statuses[state["status"]] += 1
        seen.memory_by_round[min(rounds.values())] = memory_mib(facilitator.process.pid)
        time.sleep(SAMPLE_EVERY_S)
    seen.seconds = time.perf_counter() - began
    seen.waits = probe.stop()
    seen.facilitator_processor_s = _processor_s(facilitator) - before_s
    seen.logged = [_get(facilitator, f"/models/{job}/log") for job in jobs]
    for status, count in _REQUESTS.findall(_page(facilitator)):
        seen.served[int(status)] += round(float(count))
    return seen


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)  # noqa: S603, S607
    return round(int(shown.stdout) / 1024, 1)


def _post(model_owner: Child, document: dict[str, Any]) -> str:
    answer = httpx.post(f"{model_owner.url}/models", json=document, timeout=120, trust_env=False)
    if answer.is_error:
        raise RuntimeError(f"the job was refused: {answer.text}")
    return str(answer.json()["id"])


def _get(service: Child, path: str) -> Any:
    return httpx.get(service.url + path, timeout=120, trust_env=False).raise_for_status().json()


def _page(service: Child) -> str:
    return httpx.get(f"{service.url}/metrics", timeout=120, trust_env=False).raise_for_status().text


def _processor_s(service: Child) -> float:
    return sum_by_name(_page(service))["fedtrain_cpu_seconds_total"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")
    for name, default in (("owners", 200), ("rounds", 20), ("jobs", 1), ("key-bits", 512), ("processes", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = vars(parser.parse_args())
    as_json = chosen.pop("json")
    with tempfile.TemporaryDirectory(prefix="fedtrain-load-") as folder:
        found = run(Path(folder), Load(**chosen)).to_dict()
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        print(f"{name:<28}{value}")


if __name__ == "__main__":
    main()
