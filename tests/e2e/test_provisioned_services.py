"""Provisioned parties as processes on real ports: mutual TLS, tokens, and a registration that gets through."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from fedtrain.cli.jobs.client import Service
from fedtrain.cli.trust.consortium import ConsortiumFile
from fedtrain.cli.trust.provisioning import ProvisionedParty, provision
from fedtrain.client.tls import client_context
from fedtrain.service.vault.secret_files import SecretFileError, write_secret
from fedtrain.spec.problems import Code, Problem
from tests.harness.free_ports import free_port

Parties = dict[str, ProvisionedParty]


@pytest.fixture
def url() -> str:
    return f"https://localhost:{free_port()}"


@pytest.fixture
def parties(tmp_path: Path, url: str) -> Parties:
    consortium = ConsortiumFile.model_validate(
        {
            "name": "lenders",
            "facilitator": {"url": url, "mutual_tls": True},
            "model_owner": [{"name": "acme", "port": free_port()}],
            "data_owner": [{"name": "bank-a", "port": free_port()}],
        }
    )
    return {party.name: party for party in provision(consortium, tmp_path / "out")}


@contextmanager
def _service(party: ProvisionedParty, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FEDTRAIN_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "fedtrain.cli.main", party.role, "--state-dir", str(party.folder)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**clean, "FEDTRAIN_WORKERS": "1"},
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], log: Path) -> None:
    while b"listening" not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)


def _as(party: ProvisionedParty, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line call in that party's name."""
    monkeypatch.setenv("FEDTRAIN_TOKEN_FILE", str(party.folder / token))
    monkeypatch.setenv("FEDTRAIN_CA_FILE", str(party.folder / "tls/ca.pem"))
    monkeypatch.setenv("FEDTRAIN_CLIENT_CERT", str(party.folder / "tls/cert.pem"))
    monkeypatch.setenv("FEDTRAIN_CLIENT_KEY", str(party.folder / "tls/key.pem"))


def test_provisioned_parties_meet_over_mutual_tls_and_strangers_do_not_get_in(
    tmp_path: Path, url: str, parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = {name: tmp_path / f"{name}.log" for name in parties}
    facilitator, bank = parties["facilitator"], parties["bank-a"]
    with (
        _service(facilitator, logs["facilitator"]) as first,
        _service(bank, logs["bank-a"]) as second,
    ):
        _wait_until_listening(first, logs["facilitator"])
        _as(facilitator, "admin.token", monkeypatch)
        with Service(url) as service:
            while not (registered := service.get("/data-owners")):
                assert second.poll() is None, logs["bank-a"].read_text()
                time.sleep(0.05)
            assert [one["party"] for one in registered] == [bank.party_id]
            assert service.get("/readyz")["access"] == "token"
        _as(bank, "identity.key", monkeypatch)
        with pytest.raises(SecretFileError, match="holds no token"):
            Service(url)
        write_secret(bank.folder / "made-up.token", b"fedtrain_0123456789ab_made-up")
        _as(bank, "made-up.token", monkeypatch)
        with Service(url) as service, pytest.raises(Problem) as caught:
            service.get("/data-owners")
        assert caught.value.code is Code.UNAUTHENTICATED
        without_certificate = httpx.Client(verify=client_context(bank.folder / "tls/ca.pem"), trust_env=False)
        with without_certificate as http, pytest.raises(httpx.TransportError):
            http.get(f"{url}/healthz")
        with pytest.raises(httpx.TransportError):
            httpx.get(url.replace("https", "http") + "/healthz", trust_env=False)
    said = b"".join(log.read_bytes() for log in logs.values() if log.exists())
    for party in parties.values():
        for file in party.folder.glob("*.token"):
            assert file.read_bytes().strip() not in said


def test_a_party_that_finds_another_facilitator_than_the_provisioned_one_does_not_register(
    tmp_path: Path, url: str, parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, facilitator = parties["bank-a"], parties["facilitator"]
    settings = bank.folder / "party.toml"
    settings.write_text(settings.read_text().replace(facilitator.party_id, parties["acme"].party_id))
    logs = {name: tmp_path / f"{name}.log" for name in parties}
    with (
        _service(facilitator, logs["facilitator"]) as first,
        _service(bank, logs["bank-a"]) as second,
    ):
        _wait_until_listening(first, logs["facilitator"])
        while b"pinned is" not in logs["bank-a"].read_bytes():
            assert second.poll() is None, logs["bank-a"].read_text()
            time.sleep(0.05)
        _as(facilitator, "admin.token", monkeypatch)
        with Service(url) as service:
            assert service.get("/data-owners") == []
