"""The doctor's word on the machine, the state folder, the database and TLS files: each thing spoilt for real."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from fedtrain.cli.doctor.rules import check_policy
from fedtrain.cli.doctor.store import check_store
from fedtrain.cli.doctor.table import check_data
from fedtrain.cli.trust.certificates import make_ca
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.facilitator.store import Store as FacilitatorStore
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.trust import vouch
from fedtrain.protocol.states import Role
from fedtrain.service.health.certificates import check_certificates
from fedtrain.service.health.finding import Finding, Level
from fedtrain.service.health.folder import check_folder
from fedtrain.service.health.machine import check_machine
from fedtrain.service.health.trust import check_trust
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.store.database_url import read_url
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.key_files import KeySecret, encrypt_keys
from fedtrain.service.vault.secret_files import write_secret
from fedtrain.service.vault.trust_file import Pin, write_membership, write_pins
from tests.harness.certificates import issue
from tests.harness.postgresql import PostgreSql

NOW = datetime.now(UTC)


def settings_in(folder: Path, **more: object) -> DataOwnerSettings:
    return DataOwnerSettings(state_dir=folder, **more)


def by_check(findings: object) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}  # type: ignore[attr-defined]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "party"
    made.mkdir(mode=0o700)
    load_or_create_identity(made)
    return made


# The machine


def test_gmpy2_that_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert by_check(check_machine(settings_in(folder), {}))["gmpy2"].level is Level.OK
    monkeypatch.setitem(sys.modules, "gmpy2", None)
    assert by_check(check_machine(settings_in(folder), {}))["gmpy2"].level is Level.FAIL


@pytest.mark.parametrize(("workers", "level"), [(4, Level.OK), (5, Level.WARN), (1, Level.WARN), (2, Level.OK)])
def test_workers_and_cores(folder: Path, workers: int, level: Level) -> None:
    assert by_check(check_machine(settings_in(folder, workers=workers), {}, cores=4))["workers"].level is level


def test_one_worker_is_right_on_one_core(folder: Path) -> None:
    assert by_check(check_machine(settings_in(folder, workers=1), {}, cores=1))["workers"].level is Level.OK


@pytest.mark.parametrize(("host", "level"), [("127.0.0.1", Level.WARN), ("0.0.0.0", Level.FAIL)])  # noqa: S104
def test_small_keys(folder: Path, host: str, level: Level) -> None:
    assert by_check(check_machine(settings_in(folder), {}))["small keys"].level is Level.OK
    found = by_check(check_machine(settings_in(folder, allow_small_keys=True, host=host), {}))["small keys"]
    assert found.level is level


def test_a_variable_that_nobody_reads(folder: Path) -> None:
    assert "environment" not in by_check(check_machine(settings_in(folder), {}))
    found = by_check(check_machine(settings_in(folder), {"FEDTRAIN_PROT": "FEDTRAIN_PORT"}))["environment"]
    assert (found.level, "FEDTRAIN_PORT" in found.remedy) == (Level.WARN, True)


def test_the_policy_and_which_file_it_is(folder: Path) -> None:
    found = by_check(check_policy(settings_in(folder)))["policy"]
    assert found.level is Level.OK and "no file" in found.found
    own, other = folder / "policy.toml", folder / "other.toml"
    own.write_text("least_roster = 4")
    other.write_text("least_roster = 5")
    found = by_check(check_policy(settings_in(folder)))["policy"]
    assert (found.level, found.found) == (Level.OK, str(own))
    found = by_check(check_policy(settings_in(folder, policy_file=other)))["policy"]
    assert found.level is Level.WARN and f"{own} is not read" in found.found
    own.write_text("least_roster = none")
    found = by_check(check_policy(settings_in(folder)))["policy"]
    assert found.level is Level.FAIL and str(own) in found.found


# The state folder


def test_a_folder_as_it_should_be(folder: Path) -> None:
    found = by_check(check_folder(settings_in(folder), fail_below_bytes=0, warn_below_bytes=0))
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert sorted(path.name for path in folder.iterdir()) == ["identity.key"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    found = list(check_folder(settings_in(tmp_path / "none")))
    assert [(finding.check, finding.level) for finding in found] == [("state folder", Level.FAIL)]


def test_a_folder_that_takes_no_files() -> None:
    # Permissions would not stop root; this file system takes no files from anybody.
    found = by_check(check_folder(settings_in(Path("/proc/self"))))
    assert found["state folder"].level is Level.FAIL
    assert "cannot be written to" in found["state folder"].found


def test_what_goes_while_it_is_looked_at_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "kept").touch(mode=0o640)
    real = os.walk
    monkeypatch.setattr(
        "fedtrain.service.health.folder.os.walk", lambda top: [*real(top), (f"{folder}/gone", [], ["answer"])]
    )
    found = by_check(check_folder(settings_in(folder)))["permissions"]
    assert found.level is Level.FAIL
    assert "kept (0640)" in found.found and "gone" not in found.found


@pytest.mark.parametrize(
    ("fail_below", "warn_below", "level"), [(1 << 60, 1 << 60, Level.FAIL), (0, 1 << 60, Level.WARN)]
)
def test_a_disk_that_is_almost_full(folder: Path, fail_below: int, warn_below: int, level: Level) -> None:
    found = by_check(check_folder(settings_in(folder), fail_below_bytes=fail_below, warn_below_bytes=warn_below))
    assert (found["disk"].level, "GB free" in found["disk"].found) == (level, True)


@pytest.mark.parametrize("name", ["identity.key", "keys/job.json", "moments/a.npz", "tokens.toml"])
def test_a_secret_that_others_may_read(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(mode=0o700, exist_ok=True)
    (folder / name).touch()
    (folder / name).chmod(0o640)
    found = by_check(check_folder(settings_in(folder)))["permissions"]
    assert found.level is Level.FAIL
    assert f"{folder / name} (0640)" in found.found
    assert "chmod" in found.remedy


def test_a_token_elsewhere_that_others_may_read(folder: Path, tmp_path: Path) -> None:
    token = tmp_path / "facilitator.token"
    token.write_text("fedtrain_x")
    token.chmod(0o644)
    found = by_check(check_folder(settings_in(folder, token_file=token)))["permissions"]
    assert (found.level, str(token) in found.found) == (Level.FAIL, True)


def test_a_folder_whose_names_others_see(folder: Path) -> None:
    folder.chmod(0o755)
    assert by_check(check_folder(settings_in(folder)))["permissions"].level is Level.WARN


def test_an_identity_that_is_broken_or_not_there_yet(folder: Path) -> None:
    write_secret(folder / "identity.key", b"short")
    assert by_check(check_folder(settings_in(folder)))["identity"].level is Level.FAIL
    (folder / "identity.key").unlink()
    assert by_check(check_folder(settings_in(folder)))["identity"].level is Level.WARN


def test_keys_that_are_encrypted_with_and_without_their_passphrase(folder: Path) -> None:
    passphrase = folder.parent / "passphrase"
    write_secret(passphrase, b"correct horse battery staple")
    secret = KeySecret.read(passphrase, None)
    assert secret is not None
    encrypt_keys(folder, secret)
    assert by_check(check_folder(settings_in(folder)))["identity"].level is Level.FAIL
    opened = settings_in(folder, key_passphrase_file=passphrase)
    found = by_check(check_folder(opened))["identity"]
    assert (found.level, found.found.endswith("private keys are encrypted")) == (Level.OK, True)
    assert by_check(check_trust(opened, Role.DATA_OWNER, NOW))["membership"].level is Level.OK
    passphrase.chmod(0o644)
    found = by_check(check_folder(opened))["permissions"]
    assert (found.level, str(passphrase) in found.found) == (Level.FAIL, True)


# The database


def store_of(folder: Path) -> Path:
    OwnerStore(sqlite_url(folder / "state.sqlite3")).close()
    return folder / "state.sqlite3"


def checked(folder: Path, **more: object) -> dict[str, Finding]:
    return by_check(check_store(settings_in(folder, **more), Role.DATA_OWNER))


def test_a_store_that_is_right_and_one_that_is_not_there_yet(folder: Path) -> None:
    assert checked(folder)["database"].level is Level.WARN
    store_of(folder)
    found = checked(folder)
    assert {check: finding.level for check, finding in found.items()} == {"revision": Level.OK, "database": Level.OK}


def test_a_store_of_another_party(folder: Path) -> None:
    FacilitatorStore(sqlite_url(folder / "state.sqlite3")).close()
    found = by_check(check_store(settings_in(folder), Role.DATA_OWNER))["revision"]
    assert (found.level, "not the store of a data-owner" in found.found) == (Level.FAIL, True)


@pytest.mark.parametrize(("revision", "level"), [("9999", Level.FAIL), ("0001", Level.WARN)], ids=["newer", "older"])
def test_a_store_of_another_version(folder: Path, revision: str, level: Level) -> None:
    FacilitatorStore(sqlite_url(folder / "state.sqlite3")).close()
    with sqlite3.connect(folder / "state.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    found = by_check(check_store(settings_in(folder), Role.FACILITATOR))["revision"]
    assert (found.level, revision in found.found) == (level, True)


def test_a_store_that_is_no_database(folder: Path) -> None:
    write_secret(folder / "state.sqlite3", b"no database at all" * 100)
    found = checked(folder)["database"]
    assert (found.level, "cannot be opened" in found.found) == (Level.FAIL, True)


def test_a_store_that_another_process_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedtrain.cli.doctor.store._BUSY_TIMEOUT_S", 0.05)
    path = store_of(folder)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        found = checked(folder)["database"]
    finally:
        holder.close()
    assert (found.level, "takes no writes" in found.found) == (Level.FAIL, True)
    assert checked(folder)["database"].level is Level.OK


def test_a_server_that_is_away_and_a_password_that_is_not_shown(folder: Path) -> None:
    found = checked(folder, database_url="postgresql://anna:s3cret@127.0.0.1:1/x")["database"]
    assert found.level is Level.FAIL
    assert "s3cret" not in found.found
    assert "start the server" in found.remedy
    assert checked(folder, database_url="mysql://x")["database"].level is Level.FAIL


# TLS and callers


def tls_files(folder: Path, *, ends_in: timedelta) -> dict[str, Path]:
    ca = make_ca("own", NOW - timedelta(days=90), NOW + timedelta(days=900))
    pair = issue(ca, "party", ["127.0.0.1"], NOW - timedelta(days=80), NOW + ends_in)
    files = {"tls_cert": folder / "cert.pem", "tls_key": folder / "key.pem", "ca_file": folder / "ca.pem"}
    for path, content in zip(files.values(), (pair.certificate, pair.key, ca.certificate), strict=True):
        write_secret(path, content)
    return files


@pytest.mark.parametrize(
    ("days", "level"), [(400, Level.OK), (20, Level.WARN), (-1, Level.FAIL)], ids=["long", "soon", "over"]
)
def test_a_party_s_own_certificate(folder: Path, days: int, level: Level) -> None:
    found = by_check(check_certificates(settings_in(folder, **tls_files(folder, ends_in=timedelta(days=days))), NOW))
    assert found["own certificate"].level is level
    assert found["CA"].level is Level.OK


def test_a_certificate_from_the_future(folder: Path) -> None:
    settings = settings_in(folder, **tls_files(folder, ends_in=timedelta(days=400)))
    found = by_check(check_certificates(settings, NOW - timedelta(days=100)))["own certificate"]
    assert (found.level, "clock" in found.remedy) == (Level.FAIL, True)


def test_a_key_that_others_may_read_and_one_that_is_not_there(folder: Path) -> None:
    files = tls_files(folder, ends_in=timedelta(days=400))
    files["tls_key"].chmod(0o644)
    assert "chmod 600" in by_check(check_certificates(settings_in(folder, **files), NOW))["TLS files"].found
    files["tls_key"].unlink()
    assert by_check(check_certificates(settings_in(folder, **files), NOW))["TLS files"].level is Level.FAIL


def test_a_port_that_others_reach_without_a_token(folder: Path) -> None:
    found = by_check(check_certificates(settings_in(folder, host="0.0.0.0"), NOW))["callers"]  # noqa: S104
    assert (found.level, "no token" in found.found, "no TLS" in found.found) == (Level.FAIL, True, True)
    assert by_check(check_certificates(settings_in(folder), NOW))["callers"].level is Level.OK


# Trust


def trusted(folder: Path, now: datetime = NOW, **more: object) -> dict[str, Finding]:
    return by_check(check_trust(settings_in(folder, **more), Role.DATA_OWNER, now))


def test_nobody_is_pinned(folder: Path) -> None:
    assert trusted(folder)["trust"].level is Level.WARN
    found = trusted(folder, host="0.0.0.0")["trust"]  # noqa: S104
    assert (found.level, "every job will be declined" in found.found) == (Level.FAIL, True)


def test_pins_that_know_no_model_owner(folder: Path) -> None:
    write_pins(folder, [Pin(key="ab" * 32, role="data-owner", name="bank-b")])
    assert trusted(folder)["trust"].level is Level.FAIL
    write_pins(folder, [Pin(key="ab" * 32, role="model-owner", name="acme")])
    found = trusted(folder)["trust"]
    assert (found.level, "acme" in found.found) == (Level.OK, True)


def test_a_trust_list_that_cannot_be_read(folder: Path) -> None:
    write_secret(folder / "trust.toml", b"[[pin")
    assert trusted(folder)["trust"].level is Level.FAIL


@pytest.mark.parametrize(("days", "level"), [(400, Level.OK), (20, Level.WARN), (-1, Level.FAIL)])
def test_a_membership(folder: Path, days: int, level: Level) -> None:
    party_id = load_or_create_identity(folder).party_id
    word = vouch(Identity.generate(), party_id, "data-owner", "bank-a", NOW + timedelta(days=days))
    write_membership(folder, word)
    assert trusted(folder)["membership"].level is level


def test_another_party_s_membership(folder: Path) -> None:
    write_membership(folder, vouch(Identity.generate(), "cd" * 32, "data-owner", "b", NOW + timedelta(days=400)))
    assert trusted(folder)["trust"].level is Level.FAIL


def test_a_model_owner_s_folder_is_no_data_owner_s(folder: Path) -> None:
    party_id = load_or_create_identity(folder).party_id
    write_membership(folder, vouch(Identity.generate(), party_id, "model-owner", "m", NOW + timedelta(days=400)))
    found = trusted(folder)["trust"]
    assert (found.level, "state folder of the model-owner m" in found.found) == (Level.FAIL, True)


# The command


def test_the_command_prints_json_and_its_exit_code_tells(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fedtrain.cli.main import app

    monkeypatch.chdir(tmp_path)
    store_of(folder)

    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            app(["doctor", *words])
        return int(ended.value.code or 0), capsys.readouterr().out

    code, out = run("facilitator", "--state-dir", str(folder), "--json")
    assert {finding["level"] for finding in json.loads(out)} <= {"ok", "warn", "fail"}
    closed = ("data-owner", "--state-dir", str(folder), "--facilitator", "http://127.0.0.1:1")
    code, out = run(*closed, "--json")
    failed = {finding["check"]: finding for finding in json.loads(out) if finding["level"] == "fail"}
    assert (code, set(failed)) == (1, {"facilitator"})
    code, out = run(*closed)
    assert code == 1
    assert "→ see that it is started" in out
    assert "1 to mend" in out


@pytest.mark.slow
def test_a_store_on_postgresql(folder: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    assert checked(folder, database_url=url)["revision"].level is Level.WARN  # nothing in it yet
    OwnerStore(url).close()
    found = checked(folder, database_url=url)
    assert {check: finding.level for check, finding in found.items()} == {"revision": Level.OK, "database": Level.OK}
    engine = sa.create_engine(read_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = connection.scalar(sa.text("SELECT current_database()"))
        connection.execute(sa.text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    engine.dispose()
    found = checked(folder, database_url=url)["database"]
    assert (found.level, "takes no writes" in found.found) == (Level.FAIL, True)


# The table


SCHEMA = {
    "features": [{"name": "sex", "type": "nominal", "categories": ["F", "M"]}],
    "target": {"name": "days", "range": [0, 60]},
}


def table_finding(folder: Path, rows: list[str], schema: object = SCHEMA) -> Finding:
    (folder / "t.csv").write_text("\n".join(["sex,days", *rows]) + "\n")
    (folder / "schema.json").write_text(json.dumps(schema))
    settings = settings_in(folder, data=folder / "t.csv", schema=folder / "schema.json")
    (finding,) = check_data(settings)
    return finding


def test_a_table_that_fits_its_schema_and_one_of_which_no_value_does(folder: Path) -> None:
    assert table_finding(folder, ["F,1", "M,2"]).level is Level.OK
    wrong = table_finding(folder, ["male,1", "female,99"])
    assert wrong.level is Level.FAIL
    assert "does not fit its schema: sex: record 1 has 'male'; the declared categories are F, M; 1 more" in wrong.found
    assert f"fedtrain check {folder / 'schema.json'} --data {folder / 't.csv'}" in wrong.remedy


def test_a_table_that_raises_questions_is_to_look_at(folder: Path) -> None:
    ages = {"features": [{"name": "sex", "type": "continuous", "range": [0, 5]}], "target": SCHEMA["target"]}
    finding = table_finding(folder, ["1,1", "2,2", "-9,3"], ages)
    assert finding.level is Level.WARN
    assert "1 record has -9, the only value below the range" in finding.found


def test_a_table_or_a_schema_that_cannot_be_read(folder: Path) -> None:
    (finding,) = check_data(settings_in(folder, data=folder / "absent.csv"))
    assert (finding.level, "there is no such file" in finding.found) == (Level.FAIL, True)
    assert table_finding(folder, ["F,1"], {"features": []}).level is Level.FAIL
    (finding,) = check_data(settings_in(folder, data=folder / "t.csv"))
    assert (finding.level, "no schema says what they hold" in finding.found) == (Level.OK, True)
    (finding,) = check_data(settings_in(folder))
    assert finding.level is Level.OK
