"""`fedtrain demo`: the whole system on this machine, with an example's data, as real processes on real ports.

An example is a folder with `model.json`, `make_data.py OUT_DIR` (writes test.csv and one more .csv per Data Owner, or
test.parquet and others of that kind) and
`compare.py DATA_DIR --prediction FILE --json` (the federated model beside one trained on all records in one place, and
beside the best that a single owner could train); `policy.toml`, where it has one, is the policy of every Data Owner.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, print_json, print_table

MARKER = "demo.json"
_TABLES = (".csv", ".parquet")
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")
INTERRUPTED = 130  # what shells give a command that Ctrl-C ended


def demo(
    example: Annotated[Path, typer.Argument(help="The example's folder.")],
    keep: Annotated[bool, typer.Option("--keep", help="Leave the services up at the end; --stop ends them.")] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the services that --keep left up, and nothing else.")
    ] = False,
    facilitator_port: Annotated[int, typer.Option(help="The Facilitator's port.")] = 8080,
    model_owner_port: Annotated[int, typer.Option(help="The Model Owner's port.")] = 9090,
    data_owner_port: Annotated[int, typer.Option(help="The first Data Owner's port; the others follow it.")] = 5000,
    spec: Annotated[Path | None, typer.Option(help="Another model spec than the example's.")] = None,
    state_dir: Annotated[Path, typer.Option(help="Where data, state and logs go.")] = Path(".fedtrain/demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Start all parties, train the example's model, show what came out, and stop everything."""
    from fedtrain.cli.services.processes import Children

    if stop:
        _stop_kept(state_dir)
        return
    _clear(state_dir)
    children = Children()
    finished = interrupted = False
    # SIGINT too: a shell that starts this in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        parties = _Parties(example, state_dir, spec or example / "model.json")
        parties.start(children, facilitator_port, model_owner_port, data_owner_port)
        outcome = _train(parties)
        if as_json:
            print_json(outcome)
        else:
            _show(outcome)
        finished = True
        if keep:
            _say_kept(parties, state_dir)
    except KeyboardInterrupt:
        interrupted = True
        raise typer.Exit(INTERRUPTED) from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half of them running
        if not (finished and keep):
            children.stop()
            if finished:
                shutil.rmtree(state_dir)
            elif state_dir.exists():
                (state_dir / MARKER).write_text("{}")  # the logs stay until the next run
        if interrupted:
            left = f"state and logs are in {state_dir}, until the next run" if state_dir.exists() else "no state either"
            sys.stderr.write(f"fedtrain: stopped; nothing is left running; {left}\n")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class _Parties:
    """The example's parties: their data, their processes, their addresses."""

    def __init__(self, example: Path, folder: Path, spec: Path) -> None:
        if not (example / "make_data.py").is_file():
            raise Failure(f"{example}: not an example folder, it has no make_data.py")
        self.example, self.folder, self.spec = example, folder, spec
        self.facilitator = self.model_owner = ""
        self.addresses: dict[str, str] = {}

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self, children: Any, facilitator_port: int, model_owner_port: int, data_owner_port: int) -> None:
        """Write the data and start every service, each with a state folder and a log of its own."""
        from fedtrain.cli.services.processes import check_port_free

        for port in (facilitator_port, model_owner_port):
            check_port_free(port)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / MARKER).write_text("{}")
        _run_script(self.example / "make_data.py", self.data)
        found = sorted(path for path in self.data.iterdir() if path.suffix in _TABLES)
        tables = [path for path in found if path.stem != "test"]
        test = next((path for path in found if path.stem == "test"), None)
        if test is None:
            raise Failure(f"{self.example / 'make_data.py'}: wrote no test.csv and no test.parquet")
        for offset in range(len(tables)):
            check_port_free(data_owner_port + offset)
        self.facilitator = f"http://127.0.0.1:{facilitator_port}"
        self.model_owner = f"http://127.0.0.1:{model_owner_port}"
        ports = {table.stem: data_owner_port + offset for offset, table in enumerate(tables)}
        self._provision(model_owner_port, ports)
        own = ["--facilitator", self.facilitator]
        self._start(children, "facilitator", "facilitator", facilitator_port)
        for table in tables:
            self._start(children, "data-owner", table.stem, ports[table.stem], "--data", str(table.absolute()), *own)
        test_data = ("--test-data", str(test.absolute()))
        self._start(children, "model-owner", "model-owner", model_owner_port, *test_data, *own)
        pids = [child.process.pid for child in children.started]
        (self.folder / MARKER).write_text(json.dumps({"pids": pids}))
        children.wait_ready()
        self._wait_registered(children, len(tables))

    def _provision(self, model_owner_port: int, data_owner_ports: dict[str, int]) -> None:
        """Make the parties as `fedtrain provision` makes those of any consortium; they know each other by its word."""
        from fedtrain.cli.trust.consortium import ConsortiumFile
        from fedtrain.cli.trust.provisioning import provision
        from fedtrain.service.runtime.settings import PARTY_FILE

        consortium = {
            "name": "demo",
            "facilitator": {"url": self.facilitator},
            "model_owner": [{"name": "model-owner", "port": model_owner_port}],
            "data_owner": [{"name": name, "port": port} for name, port in data_owner_ports.items()],
        }
        parties = provision(ConsortiumFile.model_validate(consortium), self.folder / "parties")
        # What each owner's people would have to decide: what the example's policy says and why, and to let weights be
        # seen, which no policy does unless it is said.
        policy = self.example / "policy.toml"
        decided = [f"policy_file = {json.dumps(str(policy.absolute()))}\n"] if policy.is_file() else []
        decided += ["share_weights = true\n"] if _shares_weights(self.spec) else []
        for party in parties:
            if party.role == "data-owner":
                with (party.folder / PARTY_FILE).open("a") as settings:
                    settings.writelines(decided)

    def _start(self, children: Any, role: str, name: str, port: int, *more: str) -> None:
        """Start a provisioned party. Its folder says all of this too, but a FEDTRAIN_* of the shell would go before."""
        state = str((self.folder / "parties" / name).absolute())
        arguments = [role, "--name", name, "--port", str(port), "--state-dir", state, *more]
        child = children.start(name, port, self.folder / f"{name}.log", arguments)
        self.addresses[name] = child.url

    def _wait_registered(self, children: Any, owners: int) -> None:
        """The Facilitator asks those that are registered when a job comes, so the job comes after them."""
        import time

        from fedtrain.cli.jobs.client import Service

        with Service(self.facilitator) as service:
            while len(_listed(service.get("/data-owners"), "data_owners")) < owners:
                children.check_alive()
                time.sleep(0.1)


def _shares_weights(spec: Path) -> bool:
    from fedtrain.cli.jobs.client import read_json

    document = read_json(spec)
    if not isinstance(document, dict):
        return False
    training = document.get("training")
    shared = isinstance(training, dict) and training.get("weights") == "shared_with_owners"
    return shared or document.get("model_type") == "NEURAL_NETWORK"


def _listed(answer: Any, key: str) -> list[Any]:
    return list(answer[key] if isinstance(answer, dict) else answer)


def _run_script(script: Path, *arguments: object) -> str:
    from fedtrain.service.runtime.extras import how_to_install

    command = [sys.executable, str(script), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the example's own script
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        missing = _NO_MODULE.fullmatch(last[0])
        raise Failure(f"{script} failed: {(missing and how_to_install(missing[1])) or last[0]}")
    return done.stdout


def _train(parties: _Parties) -> dict[str, Any]:
    from fedtrain.cli.jobs.client import Service, read_json
    from fedtrain.cli.jobs.follow import follow, progress

    with Service(parties.model_owner) as service:
        model = service.post("/models", read_json(parties.spec))
        with progress("training") as show:
            model = follow(service, model["id"], show)
        if model["status"] != "FINISHED":
            raise Failure(
                f"the model is {model['status']}: {model.get('reason') or 'no reason given'} (logs: {parties.folder})"
            )
        prediction = service.get("/prediction", model_id=model["id"])
    answer = parties.folder / "prediction.json"
    answer.write_text(json.dumps(prediction))
    pooled = json.loads(_run_script(parties.example / "compare.py", parties.data, "--prediction", answer, "--json"))
    costs = [_cost_of(name, url) for name, url in parties.addresses.items()]
    return {"model": model, "prediction": prediction, "pooled": pooled, "parties": costs}


def _cost_of(name: str, url: str) -> dict[str, Any]:
    """Return what the job cost one party: bytes on the wire and seconds of processor time."""
    from fedtrain.cli.jobs.client import Service
    from fedtrain.cli.services.metrics import sum_by_name

    with Service(url) as service:
        sums = sum_by_name(service.get_text("/metrics"))
    # To the other parties; what the Facilitator sends them are its answers.
    names = ("fedtrain_sent_bytes_total", "fedtrain_facilitator_sent_bytes_total", "fedtrain_http_sent_bytes_total")
    sent = next(sums[name] for name in names if name in sums)
    return {"party": name, "bytes_sent": int(sent), "cpu_seconds": sums["fedtrain_cpu_seconds_total"]}


def _show(outcome: dict[str, Any]) -> None:
    from fedtrain.cli.jobs.commands import print_prediction

    print_prediction(outcome["prediction"], rows=5)
    compared = outcome["pooled"]
    measures = [name for name in compared["table"][0] if name not in ("trained", "rows")]
    # Ten digits: that the federated and the pooled model agree is to be seen.
    table = [[row["trained"], row["rows"], *(f"{row[name]:.10g}" for name in measures)] for row in compared["table"]]
    console().print(f"\nOn {compared['test_rows']:,} rows of the test set:", markup=False)
    print_table("", ["trained on", "rows", *(name.replace("_", " ") for name in measures)], table)
    console().print()
    rows = [[party["party"], party["bytes_sent"], round(party["cpu_seconds"], 2)] for party in outcome["parties"]]
    print_table("", ["party", "bytes sent", "CPU seconds"], rows)


def _say_kept(parties: _Parties, state_dir: Path) -> None:
    from fedtrain.cli.services.pages import link_to

    lines = [
        f"The services are up; data, state and logs are in {state_dir}. Their pages, by links that hold good once:",
        *(f"  {name}: {link_to(address)}" for name, address in parties.addresses.items()),
        "Or try:",
        f"  curl {parties.model_owner}/prediction",
        f'  curl -H "Content-Type: application/json" -X POST {parties.model_owner}/models --data @{parties.spec}',
        "Stop them with --stop in place of --keep; it deletes that folder too.",
    ]
    sys.stderr.write("\n".join(lines) + "\n")


def _stop_kept(state_dir: Path) -> None:
    from fedtrain.cli.services.processes import is_service, stop_groups

    marker = state_dir / MARKER
    if not marker.exists():
        raise Failure(f"nothing to stop: no services were kept in {state_dir}")
    pids = json.loads(marker.read_text()).get("pids", [])
    stop_groups([pid for pid in pids if is_service(pid)])
    shutil.rmtree(state_dir)


def _clear(state_dir: Path) -> None:
    """Make room for a new run: what an earlier run left there goes, anything else stays and is named."""
    from fedtrain.cli.services.processes import is_service

    marker = state_dir / MARKER
    if marker.exists():
        pids = json.loads(marker.read_text()).get("pids", [])
        if any(is_service(pid) for pid in pids):
            raise Failure(f"the services of an earlier run are still up: stop them with --stop (state in {state_dir})")
        shutil.rmtree(state_dir)
    elif state_dir.exists() and any(state_dir.iterdir()):
        raise Failure(f"{state_dir} holds something that no run of this command left: name another --state-dir")
