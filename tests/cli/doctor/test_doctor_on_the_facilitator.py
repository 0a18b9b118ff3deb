"""The doctor's word on a Facilitator that is reached, and of each way in which it is not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response

from fedtrain.cli.trust.certificates import make_ca
from fedtrain.protocol.states import Role
from fedtrain.service.health.finding import Level
from fedtrain.service.runtime.tls import server_context
from fedtrain.service.vault.identity_file import load_identity, load_or_create_identity
from fedtrain.service.vault.secret_files import write_secret
from fedtrain.service.vault.tokens import read_tokens, write_tokens
from fedtrain.service.vault.trust_file import Pin, write_pins
from fedtrain.service.web.responses import problem_response
from fedtrain.spec.problems import Code, Problem
from tests.harness.certificates import issue
from tests.harness.clinic import Clinic, diagnose, levels, served


@pytest.mark.parametrize(("name", "role"), [("bank-a", Role.DATA_OWNER), ("acme", Role.MODEL_OWNER)])
def test_a_provisioned_party_has_nothing_to_mend(clinic: Clinic, name: str, role: Role, tmp_path: Path) -> None:
    found = diagnose(clinic.copy_of(name, tmp_path), role)
    assert levels(found, Level.FAIL) == {}
    assert {"facilitator", "facilitator's version", "facilitator's certificate", "clock", "token"} <= found.keys()
    assert found["token"].found.endswith("facilitator.token is taken")
    assert found["facilitator"].level is Level.OK


def test_a_facilitator_is_not_asked_for_a_facilitator(clinic: Clinic) -> None:
    found = diagnose(clinic.folder / "facilitator", Role.FACILITATOR)
    assert levels(found, Level.FAIL) == {}
    assert not {"facilitator", "token", "clock", "membership"} & found.keys()


def test_a_closed_port(clinic: Clinic, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"https://127.0.0.1:{closed.getsockname()[1]}"
    found = diagnose(clinic.copy_of("bank-a", tmp_path), facilitator=url)
    assert found["facilitator"].level is Level.FAIL
    assert f"nothing answers at {url}" in found["facilitator"].found
    assert "clock" not in found


def test_another_ca(clinic: Clinic, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    state_dir = clinic.copy_of("bank-a", tmp_path)
    write_secret(state_dir / "tls" / "ca.pem", make_ca("another", now, now + timedelta(days=90)).certificate)
    found = diagnose(state_dir)["facilitator"]
    assert (found.level, "certificate is not believed" in found.found) == (Level.FAIL, True)
    assert "ca_file" in found.remedy


@contextmanager
def stand_in(
    folder: Path, clinic: Clinic, *, hosts: tuple[str, ...] = ("127.0.0.1",), ends_in: timedelta, asks: bool = False
) -> Iterator[str]:
    """A service with a certificate of the consortium's CA that is as told; `asks`: clients for one, too."""
    from fedtrain.cli.trust.certificates import Pair

    own = clinic.folder / "consortium"
    ca = Pair((own / "ca.pem").read_bytes(), (own / "ca.key.pem").read_bytes())
    now = datetime.now(UTC)
    pair = issue(ca, "stand-in", hosts, now - timedelta(days=60), now + ends_in)
    write_secret(folder / "stand-in.pem", pair.certificate)
    write_secret(folder / "stand-in.key", pair.key)
    app = FastAPI()

    @app.get("/identity")
    def identity() -> dict[str, str]:
        party_id = load_identity(clinic.folder / "facilitator").party_id
        return {"role": "facilitator", "party_id": party_id, "name": "stand-in", "protocol": "1.0", "version": "0.1.0"}

    listener = socket.create_server(("127.0.0.1", 0))
    tls = server_context(folder / "stand-in.pem", folder / "stand-in.key", own / "ca.pem" if asks else None)
    with served(app, listener, tls):
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


def test_an_expired_certificate(clinic: Clinic, tmp_path: Path) -> None:
    state_dir = clinic.copy_of("bank-a", tmp_path)
    with stand_in(tmp_path, clinic, ends_in=-timedelta(days=1)) as url:
        found = diagnose(state_dir, facilitator=url)["facilitator"]
    assert (found.level, "expired" in found.found) == (Level.FAIL, True)
    assert "renew" in found.remedy


def test_a_certificate_that_soon_ends(clinic: Clinic, tmp_path: Path) -> None:
    state_dir = clinic.copy_of("bank-a", tmp_path)
    with stand_in(tmp_path, clinic, ends_in=timedelta(days=10)) as url:
        found = diagnose(state_dir, facilitator=url)["facilitator's certificate"]
    assert (found.level, "ends in 9 days" in found.found) == (Level.WARN, True)


def test_a_certificate_for_another_name(clinic: Clinic, tmp_path: Path) -> None:
    state_dir = clinic.copy_of("bank-a", tmp_path)
    with stand_in(tmp_path, clinic, hosts=("elsewhere.example",), ends_in=timedelta(days=90)) as url:
        found = diagnose(state_dir, facilitator=url)["facilitator"]
    assert found.level is Level.FAIL
    assert "by a name that its certificate is for" in found.remedy


def test_a_facilitator_that_asks_for_a_certificate(clinic: Clinic, tmp_path: Path) -> None:
    state_dir = clinic.copy_of("bank-a", tmp_path)
    with stand_in(tmp_path, clinic, ends_in=timedelta(days=90), asks=True) as url:
        assert diagnose(state_dir, facilitator=url)["facilitator"].level is Level.OK
        lines = (state_dir / "party.toml").read_text().splitlines()
        write_secret(state_dir / "party.toml", "\n".join(line for line in lines if "client_" not in line).encode())
        found = diagnose(state_dir, facilitator=url)["facilitator"]
    assert found.level is Level.FAIL
    assert "client_cert" in found.remedy


def test_http_where_it_speaks_https(clinic: Clinic, tmp_path: Path) -> None:
    found = diagnose(clinic.copy_of("bank-a", tmp_path), facilitator=clinic.url.replace("https", "http"))["facilitator"]
    assert (found.level, "http and https are not mixed up" in found.remedy) == (Level.FAIL, True)


def test_a_revoked_token(clinic: Clinic, tmp_path: Path) -> None:
    service = clinic.folder / "facilitator"
    kept = read_tokens(service)
    write_tokens(service, [one.model_copy(update={"revoked_at": datetime.now(UTC)}) for one in kept])
    try:
        found = diagnose(clinic.copy_of("bank-a", tmp_path))["token"]
    finally:
        write_tokens(service, kept)
    assert (found.level, "may have been revoked" in found.found) == (Level.FAIL, True)
    assert "fedtrain token create" in found.remedy


def test_no_token_where_one_is_asked_for(clinic: Clinic, tmp_path: Path) -> None:
    state_dir = clinic.copy_of("bank-a", tmp_path)
    lines = (state_dir / "party.toml").read_text().splitlines()
    write_secret(state_dir / "party.toml", "\n".join(line for line in lines if "token_file" not in line).encode())
    found = diagnose(state_dir)["token"]
    assert (found.level, found.found) == (Level.FAIL, "the Facilitator asks for a token")


def test_another_party_s_token(clinic: Clinic, tmp_path: Path) -> None:
    state_dir = clinic.copy_of("bank-a", tmp_path)
    write_secret(state_dir / "facilitator.token", (clinic.folder / "bank-b" / "facilitator.token").read_bytes())
    found = diagnose(state_dir)["token"]
    assert (found.level, "bank-b" in found.found) == (Level.FAIL, True)


def test_another_facilitator_than_the_pinned_one(clinic: Clinic, tmp_path: Path) -> None:
    found = diagnose(clinic.copy_of("bank-a", tmp_path), facilitator_id="ab" * 32)["facilitator"]
    assert found.level is Level.FAIL
    assert "abababab" in found.found
    assert load_identity(clinic.folder / "facilitator").party_id[:16] in found.found


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def answering(**identity: str) -> FastAPI:
    """A plain service whose /identity says so, and whose clock shows `date_s` seconds after NOON."""
    app = FastAPI()
    off_s = float(identity.pop("date_s", "0"))

    @app.middleware("http")
    async def dated(request: Request, call_next: object) -> Response:
        response: Response = await call_next(request)  # type: ignore[operator]
        response.headers["Date"] = format_datetime(NOON + timedelta(seconds=off_s), usegmt=True)
        return response

    @app.get("/identity")
    def who() -> dict[str, str]:
        return {
            "role": "facilitator",
            "party_id": "cd" * 32,
            "name": "f",
            "protocol": "1.0",
            "version": "0.1.0",
            **identity,
        }

    return app


@contextmanager
def plain(app: FastAPI) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    with served(app, listener, dated=False):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("off_s", "level"), [(0, Level.OK), (-40, Level.WARN), (7200, Level.FAIL), (-7200, Level.FAIL)]
)
def test_clocks_that_differ(tmp_path: Path, off_s: int, level: Level) -> None:
    with plain(answering(date_s=str(off_s))) as url:
        found = diagnose(tmp_path, now=NOON, facilitator=url)["clock"]
    assert found.level is level
    assert bool(found.remedy) == (level is not Level.OK)


@pytest.mark.parametrize(("protocol", "level"), [("1.0", Level.OK), ("1.7", Level.OK), ("2.0", Level.FAIL)])
def test_versions(tmp_path: Path, protocol: str, level: Level) -> None:
    with plain(answering(protocol=protocol)) as url:
        found = diagnose(tmp_path, facilitator=url)["facilitator's version"]
    assert (found.level, protocol in found.found) == (level, True)


def test_a_model_owner_with_a_job_that_is_not_pinned(tmp_path: Path) -> None:
    app = answering()
    known, unknown = "aa" * 32, "bb" * 32

    @app.get("/models")
    def models() -> list[dict[str, object]]:
        parties = ((known, "acme", None), (unknown, "umbrella", None), ("cc" * 32, "gone", "2026-01-01T00:00:00Z"))
        return [{"model_owner": {"party": p, "name": name}, "ended_at": ended} for p, name, ended in parties]

    load_or_create_identity(tmp_path)
    write_pins(tmp_path, [Pin(key=known, role="model-owner", name="acme")])
    with plain(app) as url:
        found = diagnose(tmp_path, now=NOON, facilitator=url)["trust"]
        assert (found.level, "umbrella (bbbbbbbbbbbbbbbb…)" in found.found) == (Level.WARN, True)
        assert f"fedtrain trust {unknown} --role model-owner --name umbrella" in found.remedy
        write_pins(tmp_path, [Pin(key=key, role="model-owner", name="one") for key in (known, unknown)])
        assert diagnose(tmp_path, now=NOON, facilitator=url)["trust"].level is Level.OK


def test_a_facilitator_that_is_not_ready(tmp_path: Path) -> None:
    app = answering()

    @app.get("/readyz")
    def readyz() -> Response:
        return problem_response(Problem(Code.NOT_READY, "store: the disk is full."))

    load_or_create_identity(tmp_path)
    with plain(app) as url:
        found = diagnose(tmp_path, now=NOON, facilitator=url)["facilitator ready"]
    assert (found.level, found.found) == (Level.WARN, "it says: store: the disk is full.")


def test_something_else_at_the_address(tmp_path: Path) -> None:
    with plain(answering(role="model-owner")) as url:
        found = diagnose(tmp_path, facilitator=url)["facilitator"]
    assert (found.level, found.found) == (Level.FAIL, f"{url} is no Facilitator")


def test_the_page_names_every_check(clinic: Clinic, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    named = {name.strip() for row in rows[1:] for name in row.split(",")}
    found = {
        finding
        for role, name in ((Role.DATA_OWNER, "bank-a"), (Role.FACILITATOR, "facilitator"))
        for finding in diagnose(clinic.copy_of(name, tmp_path), role)
    }
    assert len(found) > 15
    assert found <= named
