"""A person's decisions on a shared machine: whoever has no token decides nothing, whoever started the service does."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedtrain.cli.jobs.client import Service
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.vault.backup import back_up
from fedtrain.service.web.decision_token import DecisionToken, file_name, pick_up
from fedtrain.spec.problems import Code, Problem

ROOT = Path(__file__).resolve().parents[3]
JOB = "0" * 32


def test_a_token_lies_readable_for_its_user_alone_and_earlier_ones_are_gone(tmp_path: Path) -> None:
    old = DecisionToken(tmp_path).publish("127.0.0.1", 5000)
    token = DecisionToken(tmp_path)
    path = token.publish("127.0.0.1", 5001)
    assert not old.exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == token.value + "\n"
    assert token.fits(f"Bearer {token.value}")


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Bearer x", "Bearer é\ud800"])
def test_no_other_token_fits(tmp_path: Path, shown: str) -> None:
    token = DecisionToken(tmp_path)
    assert not token.fits(shown)
    assert not token.fits(f"Bearer {DecisionToken(tmp_path).value}")
    assert not token.fits(token.value)


def test_the_same_user_picks_the_token_up(tmp_path: Path) -> None:
    for address in ("127.0.0.1", "::1"):
        token = DecisionToken(tmp_path)
        path = token.publish(address, 5000)
        assert pick_up(str(path), address, 5000) == token.value


def test_a_service_that_names_the_file_of_another_address_is_not_sent_it(tmp_path: Path) -> None:
    path = str(DecisionToken(tmp_path).publish("127.0.0.1", 5000))
    assert pick_up(path, "127.0.0.1", 6000) is None
    assert pick_up(path, "::1", 5000) is None


def test_a_service_that_leads_to_another_secret_by_a_link_is_not_sent_it(tmp_path: Path) -> None:
    real = DecisionToken(tmp_path).publish("127.0.0.1", 5000)
    link = tmp_path / file_name("127.0.0.1", 6000)
    link.symlink_to(real)
    assert pick_up(str(link), "127.0.0.1", 6000) is None


@pytest.mark.parametrize(
    "content", ["fedtrain_0123456789ab_" + "a" * 43, "", "fedtrain_decision_short", "-----BEGIN KEY"]
)
def test_what_is_no_decision_token_is_not_sent(tmp_path: Path, content: str) -> None:
    path = tmp_path / file_name("127.0.0.1", 5000)
    path.write_text(content)
    path.chmod(0o600)
    assert pick_up(str(path), "127.0.0.1", 5000) is None


def test_a_file_that_others_may_read_is_not_sent(tmp_path: Path) -> None:
    path = DecisionToken(tmp_path).publish("127.0.0.1", 5000)
    path.chmod(0o644)
    assert pick_up(str(path), "127.0.0.1", 5000) is None


def test_a_file_of_another_user_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DecisionToken(tmp_path).publish("127.0.0.1", 5000)
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    assert pick_up(str(path), "127.0.0.1", 5000) is None


@pytest.mark.parametrize("named", [None, 7, "", "/nowhere/decision-127.0.0.1-5000.token", "a\0b", ["x"]])
def test_what_is_no_file_is_nothing(named: Any) -> None:
    assert pick_up(named, "127.0.0.1", 5000) is None


def test_a_backup_leaves_it_out(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    (folder).mkdir()
    (folder / "identity.key").write_bytes(b"k" * 32)
    (folder / "identity.key").chmod(0o600)
    DecisionToken(folder).publish("127.0.0.1", 5000)
    taken = back_up(folder, tmp_path / "a.bak", SystemClock(), None)
    assert set(taken.listing.files) == {"identity.key"}


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A Data Owner as somebody starts it on a shared machine: its address and its state folder."""
    folder = tmp_path_factory.mktemp("owner")
    command = ["data-owner", "--port", "0", "--state-dir", str(folder / "state"), "--facilitator", "http://127.0.0.1:1"]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "fedtrain.cli.main", *command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "FEDTRAIN_WORKERS": "1"},
            stdout=output,
            stderr=output,
        )
    try:
        while "listening" not in log.read_text():
            assert process.poll() is None, log.read_text()
        line = next(line for line in log.read_text().splitlines() if "listening" in line)
        yield line.rpartition("url=")[2], folder / "state"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/models/{JOB}/approve", b""),
        (f"/models/{JOB}/deny", b'{"reason": "no"}'),
        (f"/models/{JOB}/resume", b""),
        ("/datasets", b'{"path": "a.csv"}'),
        ("/score", b'{"model_id": "' + JOB.encode() + b'", "rows": [[1]]}'),
    ],
)
@pytest.mark.parametrize("shown", [{}, {"Authorization": "Bearer x"}, {"Fedtrain-Party": "ab" * 32}])
def test_another_user_of_the_machine_decides_nothing(
    owner: tuple[str, Path], path: str, body: bytes, shown: dict[str, str]
) -> None:
    headers = {"Content-Type": "application/json", **shown}
    refused = httpx.post(owner[0] + path, content=body, headers=headers, trust_env=False, timeout=3600)
    assert (refused.status_code, refused.json()["type"]) == (401, "/problems/unauthenticated")
    (file,) = owner[1].glob("decision-*.token")
    assert refused.json()["token_file"] == str(file) and str(file) in refused.json()["detail"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_upload_of_another_user_is_refused(owner: tuple[str, Path]) -> None:
    url, headers = owner[0] + "/datasets?name=theirs", {"Content-Type": "text/csv"}
    refused = httpx.post(url, content=b"a,b\n1,2\n", headers=headers, trust_env=False, timeout=3600)
    assert refused.status_code == 401
    assert httpx.get(owner[0] + "/datasets", trust_env=False, timeout=3600).json() == []


def test_who_may_read_the_state_folder_decides_by_hand(owner: tuple[str, Path]) -> None:
    (file,) = owner[1].glob("decision-*.token")
    shown = {"Authorization": f"Bearer {file.read_text().strip()}"}
    url = f"{owner[0]}/models/{JOB}/approve"
    assert httpx.post(url, headers=shown, trust_env=False, timeout=3600).status_code == 404  # let in: no such job


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_command_of_the_same_user_shows_the_token_by_itself(owner: tuple[str, Path], name: str) -> None:
    with Service(owner[0].replace("127.0.0.1", name)) as service:
        with pytest.raises(Problem) as refused:
            service.post(f"/models/{JOB}/approve", {})
        assert refused.value.code is Code.MODEL_NOT_FOUND  # let in: there is no such job
        with pytest.raises(Problem) as denied:
            service.post(f"/models/{JOB}/deny", {"reason": "no"})
        assert denied.value.code is Code.MODEL_NOT_FOUND


def test_the_command_of_another_user_does_not(owner: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: owner[1].stat().st_uid + 1)
    with Service(owner[0]) as service, pytest.raises(Problem) as refused:
        service.post(f"/models/{JOB}/approve", {})
    assert refused.value.code is Code.UNAUTHENTICATED
