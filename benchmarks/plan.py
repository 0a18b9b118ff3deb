"""The plan's bytes and seconds beside a measured run's: diabetes, and 60 columns, with and without windows.

python -m benchmarks.plan [--json] [--case NAME]

Every party is a process of its own that computes on one core, with default keys of 3,072 bits: what starting workers
takes, once, is in no plan. Seconds are processor seconds from the first training round that is seen under way to the
end, a round. Bytes are those of all messages, as
the parties count them. Linux only: processor time is read from /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sklearn.datasets import load_diabetes

from fedtrain.cli.jobs.plan import plan_document
from fedtrain.cli.services.processes import Child, Children

OWNERS = 3
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_ENDED = ("FINISHED", "FAILED", "CANCELLED")

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "diabetes, conjugate gradient": ("diabetes", {"rounds": 11}),
    "diabetes, momentum, windows of 8": (
        "diabetes",
        {"optimizer": "momentum", "momentum": 0.75, "learning_rate": 0.5, "rounds": 24, "reencrypt_every": 8},
    ),
    "60 columns, gradient descent": ("wide", {"optimizer": "gradient_descent", "rounds": 12}),
    "60 columns, gradient descent, windows of 4": (
        "wide",
        {"optimizer": "gradient_descent", "rounds": 8, "reencrypt_every": 4},
    ),
}


def tables(data: str) -> tuple[np.ndarray, dict[str, Any]]:
    """(rows, columns) with the target last, and its data_props."""
    if data == "diabetes":
        loaded = load_diabetes(scaled=True)
        table = np.column_stack([loaded.data, loaded.target])
        features, target = [-0.2, 0.2], [25, 346]
    else:
        rng = np.random.default_rng(7)
        X = rng.uniform(-1, 1, (3000, 59))
        table = np.column_stack([X, np.clip(X @ rng.uniform(-1, 1, 59) + rng.normal(0, 1, 3000), -40, 40)])
        features, target = [-1, 1], [-40, 40]
    columns = table.shape[1] - 1
    return table, {
        "features": [{"col_idx": i, "type": "continuous", "range": features} for i in range(columns)],
        "target": {"col_idx": columns, "range": target},
    }


def run_case(data: str, training: dict[str, Any]) -> dict[str, Any]:
    """Plan one job, run it, and return both."""
    table, props = tables(data)
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": props,
        "training": {"tolerance": 0.0, "max_rows": 100_000, "max_data_owners": OWNERS, **training},
    }
    plan = plan_document(spec, OWNERS, len(table), again=True)["forecast"]
    measured = _measure(spec, np.array_split(table, OWNERS))
    return {"planned": plan, "measured": measured, "ratios": _ratios(plan, measured)}


def _measure(spec: dict[str, Any], parts: list[np.ndarray]) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fedtrain-benchmark-")))
        children = Children()
        stack.callback(children.stop)
        facilitator, model_owner, owners = _start(children, folder, parts)
        began = time.monotonic()
        model = (
            httpx.post(model_owner.url + "/models", json=spec, timeout=60, trust_env=False).raise_for_status().json()
        )
        parties = {"facilitator": [facilitator], "model_owner": [model_owner], "data_owner": owners}
        first: dict[str, float] = {}
        round_seen = 0
        while True:
            state = _get(facilitator, f"/models/{model['id']}") if round_seen else _known(facilitator, model["id"])
            done = _get(model_owner, f"/models/{model['id']}")
            if done["status"] in _ENDED:
                break
            if not first and (state.get("round") or 0) >= 1:
                first, round_seen = {name: _processor_s(group) for name, group in parties.items()}, state["round"]
                first["wall"] = time.monotonic()
            children.check_alive()
            # Looking costs the parties processor time too: seldom, once the first reading is made.
            time.sleep(10.0 if first else 0.3)
        if done["status"] != "FINISHED":
            raise SystemExit(f"the job is {done['status']}: {done['reason']}")
        rounds = done["round"] - round_seen + 1
        spent = {name: (_processor_s(group) - first[name]) / rounds / len(group) for name, group in parties.items()}
        return {
            "rounds": done["round"],
            "seconds": {f"{name}_a_round": value for name, value in spent.items()},
            "wall_s_a_round": (time.monotonic() - first["wall"]) / rounds,
            "wall_s": time.monotonic() - began,
            "model_owner_bytes_sent": done["bytes_sent"],
            "model_owner_bytes_received": done["bytes_received"],
        }


def _start(children: Children, folder: Path, parts: list[np.ndarray]) -> tuple[Child, Child, list[Child]]:
    ports = _free_ports(2 + len(parts))

    def start(role: str, name: str, port: int, *more: str) -> Child:
        state = folder / name
        state.mkdir(mode=0o700)
        (state / "party.toml").write_text("workers = 1\n")
        named = ["--name", name, "--port", str(port), "--state-dir", str(state)]
        arguments = [role, *named, "--log-level", "warning", *more]
        return children.start(name, port, folder / f"{name}.log", arguments)

    facilitator = start("facilitator", "facilitator", ports[0])
    at = ("--facilitator", facilitator.url)
    owners = []
    for number, part in enumerate(parts):
        path = folder / f"owner-{number}.csv"
        rows = "\n".join(",".join(repr(float(value)) for value in row) for row in part)
        header = ",".join(f"c{index}" for index in range(part.shape[1]))
        path.write_text(f"{header}\n{rows}\n")
        owners.append(start("data-owner", f"owner-{number}", ports[2 + number], "--data", str(path), *at))
    model_owner = start("model-owner", "model-owner", ports[1], *at)
    children.wait_ready()
    while len(_get(facilitator, "/data-owners")) < len(parts):
        children.check_alive()
        time.sleep(0.1)
    return facilitator, model_owner, owners


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _get(child: Child, path: str) -> Any:
    return httpx.get(child.url + path, timeout=60, trust_env=False).raise_for_status().json()


def _known(facilitator: Child, model_id: str) -> dict[str, Any]:
    """The job as the Facilitator sees it; nothing before the manifest is there."""
    answer = httpx.get(f"{facilitator.url}/models/{model_id}", timeout=60, trust_env=False)
    return {} if answer.status_code == 404 else dict(answer.raise_for_status().json())


def _processor_s(children: list[Child]) -> float:
    """Processor seconds of these processes and of all that they started, so far (proc(5))."""
    pids = {child.process.pid for child in children}
    total = 0.0
    by_parent: dict[int, list[tuple[int, float]]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended since it was listed
        seconds = sum(int(field) for field in fields[11:15]) * _TICK_S
        pid, parent = int(path.parent.name), int(fields[1])
        by_parent.setdefault(parent, []).append((pid, seconds))
        if pid in pids:
            total += seconds
    while pids:
        below = [child for pid in pids for child in by_parent.get(pid, [])]
        total += sum(seconds for _, seconds in below)
        pids = {pid for pid, _ in below}
    return total


def _ratios(plan: dict[str, Any], measured: dict[str, Any]) -> dict[str, float]:
    return {name: value / plan["seconds"][name] for name, value in measured["seconds"].items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    parser.add_argument("--case", choices=CASES, action="append", help="only this one; may be repeated")
    arguments = parser.parse_args()
    results = {name: run_case(*CASES[name]) for name in arguments.case or CASES}
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    for name, result in results.items():
        print(name)
        for party, measured in result["measured"]["seconds"].items():
            planned = result["planned"]["seconds"][party]
            print(f"  {party:<22} planned {planned:8.3f} s   measured {measured:8.3f} s")
        for way in ("sent", "received"):
            planned = result["planned"]["bytes"]["model_owner"][way]
            counted = result["measured"][f"model_owner_bytes_{way}"]
            print(f"  model owner {way:<10} planned {planned:>12,}   counted {counted:>12,} with manifest and roster")


if __name__ == "__main__":
    main()
