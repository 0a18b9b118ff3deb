"""examples/consortium/play.sh as a stranger runs it, with small keys for speed: what it leaves at each party."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.harness.free_ports import free_ports

pytestmark = pytest.mark.slow

PLAY = Path(__file__).resolve().parents[2] / "examples" / "consortium" / "play.sh"
APPROVED = ("north", "south", "west", "coast")
HOSPITALS = (*APPROVED, "east")
MODEL_OWNERS = ("institute", "insurer")
PARTIES = ("facilitator", *HOSPITALS, *MODEL_OWNERS)


def play(folder: Path, *, first_port: int) -> subprocess.CompletedProcess[str]:
    """Run the script. What its commands and services import is compiled once and kept, as at a stranger's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FEDTRAIN_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment |= {"FEDTRAIN_ALLOW_SMALL_KEYS": "1", "FEDTRAIN_WORKERS": "1"}
    return subprocess.run(
        [str(PLAY), "--state-dir", str(folder), "--first-port", str(first_port)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a whole play leaves: a state folder for each party, logs, and what each service said."""
    folder = tmp_path_factory.mktemp("consortium") / "state"
    done = play(folder, first_port=free_ports(len(PARTIES)))
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return folder


def said(folder: Path, name: str, what: str) -> Any:
    return json.loads((folder / f"{name}.{what}.json").read_text())


def test_each_hospital_has_decided_for_itself_and_only_those_that_approved_have_told_anything(played: Path) -> None:
    rows = {row["party"]: row for row in json.loads((played / "outcome.json").read_text())["hospitals"]}
    assert set(rows) == set(HOSPITALS)
    for name in APPROVED:
        # Coast's card is not for the insurer, which can therefore not ask it.
        premiums = "" if name == "coast" else "premiums declined, "
        assert rows[name]["requests"] == f"{premiums}stay approved"
        assert rows[name]["models"] == "FINISHED"
        assert rows[name]["numbers told"] > 0
        assert rows[name]["epsilon spent"] == pytest.approx(0.5, abs=0.01)
    assert rows["east"]["requests"] == "premiums declined, stay declined"
    assert rows["east"]["numbers told"] == rows["east"]["epsilon spent"] == 0


def test_the_institute_has_its_model_and_the_insurer_none(played: Path) -> None:
    outcome = json.loads((played / "outcome.json").read_text())
    institute, insurer = outcome["model_owners"]
    assert (institute["cards found"], institute["models"], institute["requests"]) == (5, "FINISHED", "stay: 4 of 5")
    assert (insurer["cards found"], insurer["models"], insurer["requests"]) == (4, "none", "premiums: 0 of 4")
    (request,) = said(played, "institute", "requests")["requests"]
    (model,) = said(played, "institute", "models")
    assert (model["request"], request["models"]) == (request["id"], [model["id"]])
    assert len(json.loads((played / "prediction.json").read_text())["values"]) == 300


def test_what_is_not_for_the_insurer_never_reaches_it(played: Path) -> None:
    coast = next(one["party"] for one in said(played, "institute", "cards")["cards"] if one["name"] == "coast")
    kept = [path for path in (played / "insurer").rglob("*") if path.is_file()]
    for path in (played / "insurer.log", played / "insurer.cards.json", *kept):
        assert coast.encode() not in path.read_bytes()
    assert "stay" not in [one["title"] for one in said(played, "insurer", "requests")["requests"]]


def test_decisions_are_in_each_audit_with_who_took_them(played: Path) -> None:
    for name, by in (("south", "Sam of the data office"), ("east", "Eve")):
        decided = [one for one in said(played, name, "audit")["records"] if one.get("decision")]
        assert by in [one["by"] for one in decided]
    kinds = [one.get("decision") for one in said(played, "north", "audit")["records"]]
    assert {"request_approved", "request_declined", "signed_off"} <= set(kinds)


def test_each_private_key_is_in_its_own_partys_folder_alone(played: Path) -> None:
    keys = {path.relative_to(played).parent.as_posix(): path.read_bytes() for path in played.rglob("identity.key")}
    assert set(keys) == {*PARTIES, "organiser/consortium"}
    assert len(set(keys.values())) == len(keys)


def test_nothing_that_it_started_is_left(played: Path) -> None:
    for name in PARTIES:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int((played / f"{name}.port").read_text()))) != 0
        assert "service stopped" in (played / f"{name}.log").read_text()


def test_a_folder_that_holds_something_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = play(tmp_path, first_port=free_ports(len(PARTIES)))
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
