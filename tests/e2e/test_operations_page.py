"""docs/operations.md, played: its files written and its commands run as they stand there, each in a machine's folder.

What a comment before a block says: `file: MACHINE/NAME` is written, `run: MACHINES` is run to its end,
`stopped: MACHINES` too, while the service is stopped, and `serve: MACHINES` stays. The machines are folders here:
ports are others, and the Facilitator is called localhost.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fedtrain.service.vault.identity_file import load_identity
from tests.harness.free_ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"<!-- (file|run|stopped|serve): ([^>]+) -->\n```\w+\n(.*?)```", re.DOTALL)
BANKS = ("bank-a", "bank-b", "bank-c")
COLUMNS = {
    "features": [{"name": "income", "type": "continuous", "range": [-1, 1]}],
    "target": {"name": "loss", "range": [-4, 4]},
}
# A key that protects nothing, for speed.
SPEC = {"model_type": "LINEAR_REGRESSION", "data_props": COLUMNS, "training": {"key_bits": 512, "max_rows": 1000}}


@dataclass
class Machines:
    """A folder for each machine, what runs in it, and the page's variables."""

    folder: Path
    facilitator_port: int = field(default_factory=free_port)
    ports: dict[str, int] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    serving: dict[str, tuple[str, subprocess.Popen[bytes]]] = field(default_factory=dict)

    def of(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            path.mkdir()
            self.ports[name] = free_port()
        return path

    def _environment(self, name: str) -> dict[str, str]:
        # Nor the shell's proxies: all machines are this one.
        dropped = ("FEDTRAIN_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(dropped)}
        own = {"PATH": f"{self.folder / 'bin'}:{kept['PATH']}", "PYTHONPATH": str(ROOT), "PARTY": name}
        own |= {"FEDTRAIN_WORKERS": "1", "FEDTRAIN_ALLOW_SMALL_KEYS": "1"}
        if name != "facilitator":
            own |= {"FEDTRAIN_PORT": str(self.ports[name])}
            own |= {"FEDTRAIN_MODEL_OWNER": f"http://127.0.0.1:{self.ports[name]}"}
        return kept | own | self.variables

    def _here(self, text: str) -> str:
        return text.replace("facilitator.example:8443", f"localhost:{self.facilitator_port}")

    def write(self, name: str, text: str) -> None:
        machine, _, file = name.partition("/")
        (self.of(machine) / file).write_text(self._here(text))

    def run(self, name: str, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self._here(commands)],
            cwd=self.of(name),
            env=self._environment(name),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"on {name}:\n{commands}\n{done.stdout}{done.stderr}{self.logs()}"
        return done.stdout

    def serve(self, name: str, command: str) -> None:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", "exec " + self._here(command)],
                cwd=self.of(name),
                env=self._environment(name),
                stdout=output,
                stderr=output,
            )
        self.serving[name] = (command, process)
        while b"listening" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)

    def stop(self, name: str) -> str:
        command, process = self.serving.pop(name)
        process.terminate()
        assert process.wait() == 0
        return command

    def restart(self, name: str) -> None:
        self.serve(name, self.stop(name))

    def logs(self) -> str:
        return "".join(f"\n--- {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "fedtrain"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fedtrain.cli.main "$@"\n')
    command.chmod(0o755)
    made = Machines(tmp_path)
    yield made
    for name in list(made.serving):
        made.stop(name)


def _rows(seed: int) -> str:
    values = [((index * 37 + seed * 11) % 97) / 48.5 - 1 for index in range(60)]
    return "income,loss\n" + "".join(f"{x!r},{2 * x + 0.5!r}\n" for x in values)


def _give_data(machines: Machines) -> None:
    for seed, bank in enumerate(BANKS):
        machines.write(f"{bank}/records.csv", _rows(seed))
        machines.write(f"{bank}/schema.json", json.dumps(COLUMNS))
    machines.write("acme/test.csv", _rows(9))
    machines.write("acme/model.json", json.dumps(SPEC))


def _hand_over(machines: Machines, name: str) -> None:
    """Carry files as people do: requests to the organiser, and answers to whom they are for."""
    organiser = machines.of("organiser")
    if name != "organiser":
        for request in machines.of(name).glob("*.request.json"):
            shutil.copy(request, organiser)
        return
    for answer in (organiser / "parties").glob("*.admission.json"):
        shutil.copy(answer, machines.of(answer.name.removesuffix(".admission.json")))
    machines.variables["CONSORTIUM"] = load_identity(organiser / "parties" / "consortium").party_id
    machines.variables["BANK_A"] = load_identity(machines.of("bank-a") / "bank-a").party_id


def _wait_registered(machines: Machines, commands: str) -> None:
    while len(json.loads(machines.run("facilitator", commands))) < len(BANKS):
        assert all(process.poll() is None for _, process in machines.serving.values()), machines.logs()
        time.sleep(0.1)


@pytest.mark.slow
def test_the_page_is_played_from_nothing_to_a_second_job_with_renewed_keys(machines: Machines) -> None:
    _give_data(machines)
    deploying = listing = ""
    for kind, where, text in BLOCK.findall(PAGE):
        for name in where.split(", "):
            if kind == "file":
                machines.write(name, text)
            elif kind == "serve":
                machines.serve(name, text)
            elif text.strip().endswith("/data-owners"):
                listing = text
                _wait_registered(machines, listing)
            else:
                if kind == "stopped":
                    machines.stop(name)
                said = machines.run(name, text)
                if "fedtrain deploy" in text:
                    deploying = text
                    assert "FINISHED" in said
                if "-X DELETE" in text:  # bank-a has not left: it comes back by itself
                    _wait_registered(machines, listing)
                if "token list" in text:
                    _put_the_new_token_in_place(machines, said)
                if name == "bank-b" and "identity accept" in text and name in machines.serving:
                    machines.restart(name)
                _hand_over(machines, name)
    assert "FINISHED" in machines.run("acme", deploying)


def _put_the_new_token_in_place(machines: Machines, listed: str) -> None:
    """Return what the page says in words: bank-a takes the new token and restarts; the old one's id is in the list."""
    ids = re.findall(r"^\W*([0-9a-f]{12})\b.*bank-a", listed, re.MULTILINE)
    assert len(ids) == 2, listed
    machines.variables["OLD_TOKEN"] = ids[0]
    shutil.copy(machines.of("facilitator") / "bank-a.token", machines.of("bank-a") / "bank-a" / "facilitator.token")
    machines.restart("bank-a")


def test_every_block_of_the_page_is_played_or_is_for_a_machine_that_is_not_here() -> None:
    """systemd, a database's server, containers and a cluster are not on every machine that runs the tests."""
    played = [text for _, _, text in BLOCK.findall(PAGE)]
    others = [text for text in re.findall(r"```\w+\n(.*?)```", PAGE, re.DOTALL) if text not in played]
    assert len(played) >= 18
    assert [
        next(word for word in ("systemctl", "createuser", "docker", "kubectl", "dask") if word in text)
        for text in others
    ]
    assert len(others) == 5
