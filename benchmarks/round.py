"""A whole job through the real services on localhost: what a round takes, and where that goes.

python -m benchmarks.round [--json] [--quick]

Every party is a process of its own that computes on one core (workers 1) and talks HTTP to the Facilitator. "compute"
is the arithmetic alone, of all parties together, measured here on one core with the parties' own functions,
re-randomisers included: `ratio` of the row "round" is compute / seconds. Processor time is each service's own count
between its first and its last round. "Waiting" is what is left of a round when all that processor time is spread over
the cores. "Store writes" are by the clock, all services of a role together: from asking for the write lock to the
commit. "/healthz" is how long a service's event loop lets a caller wait meanwhile.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console

from benchmarks.fixtures.engines import engine_here
from benchmarks.fixtures.jobs import LEAST_KEY_BITS, Bench, bench_of, key_pair, moments_from, spec_of, table_of
from benchmarks.rows.measure import Row, main, processor_seconds
from fedtrain.cli.services.metrics import sum_by_name
from fedtrain.cli.services.processes import Children
from fedtrain.crypto import KeyHolderEncryptor, encrypt_array, key_id, sum_vectors
from fedtrain.data_owner.release.answer import compute_answer
from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundRequest, from_cbor, to_cbor

# (owners, d, rounds)
SIZES = ((2, 11, 20), (10, 11, 20), (50, 11, 10), (2, 100, 8), (10, 100, 6), (50, 100, 3))
QUICK_SIZES = ((2, 11, 8),)
KEY_BITS = 2048
ROWS = 400
REPEATS = 3
FIRST_PORT = 18_080
PROBE_EVERY_S = 0.02
POLL_S = 0.1
ENDED = frozenset({"FINISHED", "FAILED", "CANCELLED"})


def measure(
    quick: bool, notes: Console, sizes: Sequence[tuple[int, int, int]] | None = None, key_bits: int = KEY_BITS
) -> Iterable[Row]:
    for owners, d, rounds in sizes or (QUICK_SIZES if quick else SIZES):
        notes.print(f"starting {owners + 2} services")
        with tempfile.TemporaryDirectory(prefix="fedtrain-bench-") as folder:
            run = run_job(Path(folder), owners, d, rounds, key_bits)
        yield from rows_of(run, owners, d, key_bits)


@dataclass
class Run:
    """A job as it went: seconds a round; by role, processor seconds a round, /healthz waits, and seconds a round of
    the stores' writes."""

    seconds: float
    processor: dict[str, float]
    waits: dict[str, list[float]] = field(default_factory=dict)
    store_writes: dict[str, float] = field(default_factory=dict)


def rows_of(run: Run, owners: int, d: int, key_bits: int) -> Iterable[Row]:
    sizes: dict[str, float | int | str] = {"owners": owners, "d": d}
    compute = arithmetic(owners, d, key_bits)
    serialising = compute.pop("serialising")
    yield Row("round", {**sizes, "clock": "wall"}, key_bits, run.seconds, "compute", sum(compute.values()))
    for what, seconds in compute.items():
        yield Row(f"round: {what}", sizes, key_bits, seconds)
    yield Row("round: serialising", sizes, key_bits, serialising)
    total = sum(run.processor.values())
    for role, seconds in run.processor.items():
        yield Row(f"round: processor time, {role}", sizes, key_bits, seconds)
    rest = max(0.0, total - sum(compute.values()) - serialising)
    yield Row("round: HTTP, store and the rest", sizes, key_bits, rest)
    cores = os.cpu_count() or 1
    yield Row("round: waiting", {**sizes, "clock": "wall"}, key_bits, max(0.0, run.seconds - total / cores))
    for role, seconds in run.store_writes.items():
        yield Row(f"round: store writes, {role}", {**sizes, "clock": "wall"}, key_bits, seconds)
    for role, waits in run.waits.items():
        ordered = sorted(waits)
        for label, at in (("median", 0.5), ("99 of 100", 0.99)):
            wait = ordered[min(len(ordered) - 1, int(at * len(ordered)))]
            more: dict[str, float | int | str] = {
                "service": role,
                "requests": len(waits),
                "clock": "wall",
                "which": label,
            }
            yield Row("/healthz under load", {**sizes, **more}, key_bits, wait)


def arithmetic(owners: int, d: int, key_bits: int) -> dict[str, float]:
    """Processor seconds of one round's arithmetic by party, all owners together, and of its serialising."""
    bench = bench_of(moments_from(table_of(ROWS, d)), key_pair(key_bits), owners)
    job, request = bench.job, bench.request
    answer_s, answer = processor_seconds(lambda: compute_answer(job, request, bench.request_hash), REPEATS)
    bodies = (answer.body,) * owners
    body = to_cbor(request)
    add_s, _ = processor_seconds(lambda: add_answers(job.modulus, bench.budget, body, bodies, engine_here()), REPEATS)
    step_s, _ = processor_seconds(lambda: _model_owners_turn(bench, bodies), REPEATS)
    read_s, read = processor_seconds(lambda: from_cbor(answer.body, RoundAnswer), REPEATS)
    write_s, _ = processor_seconds(lambda: to_cbor(read), REPEATS)
    request_s, _ = processor_seconds(lambda: from_cbor(to_cbor(request), RoundRequest), REPEATS)
    return {
        "compute of the Data Owners": owners * answer_s,
        "compute of the Facilitator": add_s,
        "compute of the Model Owner": step_s,
        # Read by the Facilitator as it comes, and by the Model Owner; the request by every owner.
        "serialising": owners * (2 * read_s + write_s + request_s),
    }


def _model_owners_turn(bench: Bench, bodies: Sequence[bytes]) -> None:
    """Signatures, the product again, decryption, and the next weights; masks are left in, which costs the same."""
    modulus, engine = bench.job.modulus, engine_here()
    answers = [from_cbor(body, RoundAnswer) for body in bodies]
    for answer in answers:
        answer.check_signature()
    total = sum_vectors([answer.vector.open(modulus) for answer in answers], modulus, engine, 0)
    engine.crt_decrypt(total.ciphertexts, bench.private_key)
    step = bench.budget.steps[0]
    encryptor = _encryptors.setdefault(modulus, KeyHolderEncryptor(bench.private_key, engine))
    encrypt_array(
        bench.weights,
        bench.budget.weights_layout,
        step.weight_fraction_bits,
        step.weight_bound,
        encryptor,
        key_id(modulus),
    )


# Its tables are built once a job.
_encryptors: dict[int, KeyHolderEncryptor] = {}


def run_job(folder: Path, owners: int, d: int, rounds: int, key_bits: int) -> Run:
    """Start every service, train for so many rounds, and stop them all again."""
    environment = {"FEDTRAIN_WORKERS": "1", "FEDTRAIN_LEAST_ROSTER": "1", "FEDTRAIN_LOG_LEVEL": "warning"}
    if key_bits < LEAST_KEY_BITS:
        environment["FEDTRAIN_ALLOW_SMALL_KEYS"] = "true"
    children = Children()
    with environment_of(environment):
        try:
            urls = start_services(children, folder, owners, d, FIRST_PORT)
            spec = spec_of(
                d,
                key_bits,
                optimizer="gradient_descent",
                rounds=rounds,
                tolerance=1e-300,
                min_data_owners=owners,
                max_data_owners=owners,
            )
            return _train(urls, spec.model_dump(mode="json", exclude_unset=True))
        finally:
            children.stop()


@contextmanager
def environment_of(variables: Mapping[str, str]) -> Iterator[None]:
    """Start processes with these variables within the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def start_services(children: Children, folder: Path, owners: int, d: int, first_port: int) -> dict[str, list[str]]:
    """Start all parties, at ports in a row; return their URLs by role."""
    facilitator = f"http://127.0.0.1:{first_port}"

    def start(role: str, name: str, port: int, *more: str) -> str:
        arguments = [role, "--name", name, "--port", str(port), "--state-dir", str(folder / name), *more]
        return children.start(name, port, folder / f"{name}.log", arguments).url

    urls = {"facilitator": [start("facilitator", "facilitator", first_port)]}
    urls["model owner"] = [start("model-owner", "model-owner", first_port + 1, "--facilitator", facilitator)]
    urls["data owner"] = []
    for number in range(owners):
        name = f"owner-{number}"
        data = _write_table(folder / f"{name}.csv", d, number)
        more = ("--data", str(data), "--facilitator", facilitator)
        urls["data owner"].append(start("data-owner", name, first_port + 2 + number, *more))
    children.wait_ready()
    while len(_get(facilitator, "/data-owners")) < owners:
        children.check_alive()
        time.sleep(POLL_S)
    return urls


def _write_table(path: Path, d: int, number: int) -> Path:
    source = np.random.default_rng(number)
    X, y = source.uniform(0, 1, (ROWS, d - 1)), source.uniform(-1, 1, ROWS)
    header = ",".join([*(f"x{j}" for j in range(d - 1)), "y"])
    np.savetxt(path, np.column_stack([X, y]), delimiter=",", header=header, comments="", fmt="%.6f")
    return path


def _train(urls: dict[str, list[str]], spec: dict[str, Any]) -> Run:
    model_owner = urls["model owner"][0]
    answer = httpx.post(model_owner + "/models", json=spec, timeout=60, trust_env=False)
    if answer.is_error:
        raise RuntimeError(f"the job was refused: {answer.text}")
    model_id = answer.json()["id"]
    probes = {role: Probe(addresses[-1]) for role, addresses in urls.items()}
    first: tuple[int, float, dict[str, float], dict[str, float]] | None = None
    while True:
        state = _get(model_owner, f"/models/{model_id}")
        now = time.perf_counter()
        if state["status"] in ENDED:
            break
        if first is None and state["round"] >= 1:
            first = (state["round"], now, *_spent(urls))
            for probe in probes.values():
                probe.start()
        time.sleep(POLL_S / 5)
    waits = {role: probe.stop() for role, probe in probes.items()}
    if state["status"] != "FINISHED" or first is None:
        raise RuntimeError(f"the job is {state['status']} after round {state['round']}: {state['reason']}")
    rounds = state["round"] - first[0] + 1
    processor, writes = (
        {role: (after - before[role]) / rounds for role, after in now_spent.items()}
        for before, now_spent in zip(first[2:], _spent(urls), strict=True)
    )
    return Run((now - first[1]) / rounds, processor, waits, writes)


def _spent(urls: dict[str, list[str]]) -> tuple[dict[str, float], dict[str, float]]:
    """Processor seconds so far, and seconds of the stores' writes, each added up by role."""
    processor, writes = {}, {}
    for role, addresses in urls.items():
        pages = [sum_by_name(httpx.get(url + "/metrics", timeout=60, trust_env=False).text) for url in addresses]
        processor[role] = sum(page["fedtrain_cpu_seconds_total"] for page in pages)
        writes[role] = sum(page["fedtrain_store_write_seconds_sum"] for page in pages)
    return processor, writes


def _get(url: str, path: str) -> Any:
    answer = httpx.get(url + path, timeout=60, trust_env=False)
    answer.raise_for_status()
    return answer.json()


class Probe:
    """Asks a service for /healthz again and again, and notes how long each answer takes."""

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url, self._sleep = url, sleep
        self._waits: list[float] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> list[float]:
        """Seconds of each answer."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        return self._waits

    def _ask(self) -> None:
        with closing(httpx.Client(trust_env=False, timeout=60)) as client:
            while not self._stopping.is_set():
                began = time.perf_counter()
                client.get(self._url + "/healthz").raise_for_status()
                self._waits.append(time.perf_counter() - began)
                self._sleep(PROBE_EVERY_S)


if __name__ == "__main__":
    main(__doc__, measure)
