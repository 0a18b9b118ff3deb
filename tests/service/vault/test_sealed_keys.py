"""Services whose private keys are encrypted at rest: a job, and what is refused without the secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.service.vault import key_files
from fedtrain.service.vault.key_files import KeySecret, key_paths
from fedtrain.service.vault.secret_files import SEALED, write_secret
from tests.harness import one_process
from tests.harness.one_process import run_job, training
from tests.harness.restored_logs import restored_logs

CLI = CliRunner()


@pytest.fixture
def passphrase_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(key_files, "SCRYPT_N", 2**4)  # quick, for tests alone
    write_secret(tmp_path / "passphrase", b"correct horse battery\n")
    return tmp_path / "passphrase"


def fedtrain(*arguments: str | Path) -> str:
    done = CLI.invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def refused(*arguments: str | Path) -> str:
    with restored_logs():  # a service's command sends the process's log to a stream that is closed when it ends
        done = CLI.invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_job_over_sealed_keys_ends_and_no_key_lies_open(
    tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDTRAIN_KEY_PASSPHRASE_FILE", str(passphrase_file))
    written: list[Path] = []
    write = key_files.write_secret

    def noting(path: Path, secret: bytes, **options: Any) -> None:
        written.append(path)
        assert path.name == key_files.MASTER_FILE or secret.startswith(SEALED), path
        write(path, secret, **options)

    monkeypatch.setattr(key_files, "write_secret", noting)
    monkeypatch.setattr(one_process, "give_salts_to", lambda *_: None)  # each owner draws its own, and seals them
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": 0, "type": "continuous", "range": [0, 10]}],
            "target": {"col_idx": 1, "range": [0, 30]},
        },
        "training": training(2, optimizer="newton"),
    }
    rows = [[float(x), 3.0 * x] for x in range(10)]
    (tmp_path / "parties").mkdir()
    outcome = run_job(tmp_path / "parties", spec, [rows[:5], rows[5:]], rows)
    assert outcome["model"]["status"] == "FINISHED", outcome
    kinds = {path.name if path.parent.name != "keys" else path.suffix for path in written}
    assert kinds == {"identity.key", "master.key", "rows.key", ".json", ".x25519"}
    for name in ("facilitator", "model-owner", "owner-0", "owner-1"):
        paths = key_paths(tmp_path / "parties" / name)
        assert paths and all(path.read_bytes().startswith(SEALED) for path in paths)


@pytest.mark.slow
def test_the_command_encrypts_rotates_and_decrypts_a_folder(tmp_path: Path, passphrase_file: Path) -> None:
    folder, new = tmp_path / "clinic-a", tmp_path / "key"
    write_secret(new, bytes(range(32)))
    party = json.loads(fedtrain("identity", "--state-dir", folder, "--json"))["party_id"]
    old_one, new_one = ("--key-passphrase-file", passphrase_file), ("--key-file", new)

    assert "1 private keys" in fedtrain("identity", "encrypt", "--state-dir", folder, *old_one)
    assert "are encrypted: give" in refused("identity", "--state-dir", folder)
    assert party in fedtrain("identity", "--state-dir", folder, *old_one)
    assert "name the new secret" in refused("identity", "rotate", "--state-dir", folder, *old_one)
    fedtrain("identity", "rotate", "--state-dir", folder, *old_one, "--new-key-file", new)
    assert "under a key file" in refused("identity", "--state-dir", folder, *old_one)
    assert party in fedtrain("identity", "--state-dir", folder, *new_one)
    fedtrain("identity", "decrypt", "--state-dir", folder, *new_one)
    assert party in fedtrain("identity", "--state-dir", folder)
    assert "name what to encrypt under" in refused("identity", "encrypt", "--state-dir", folder)


@pytest.mark.parametrize("role", ["facilitator", "data-owner", "model-owner"])
def test_a_service_does_not_start_without_its_keys_secret(role: str, tmp_path: Path, passphrase_file: Path) -> None:
    folder = tmp_path / "party"
    fedtrain("identity", "--state-dir", folder, "--key-passphrase-file", passphrase_file)
    assert "are encrypted: give" in refused(role, "--state-dir", folder, "--port", "0")
    write_secret(tmp_path / "wrong", b"incorrect horse battery")
    told = refused(role, "--state-dir", folder, "--port", "0", "--key-passphrase-file", tmp_path / "wrong")
    assert "is not the one" in told and "horse" not in told
    both = refused(role, "--state-dir", folder, "--key-passphrase-file", passphrase_file, "--key-file", passphrase_file)
    assert "both given" in both


def test_a_command_that_needs_the_identity_takes_the_secret(tmp_path: Path, passphrase_file: Path) -> None:
    folder = tmp_path / "party"
    fedtrain("identity", "--state-dir", folder, "--key-passphrase-file", passphrase_file)
    verify = ("verify", "0" * 32, "--state-dir", folder, "--facilitator", "http://127.0.0.1:9")
    assert "are encrypted: give" in refused(*verify)
    assert "127.0.0.1:9" in refused(*verify, "--key-passphrase-file", passphrase_file)
    assert KeySecret.read(passphrase_file, None) is not None


def test_a_backup_holds_the_keys_sealed_and_restored_they_open_with_the_same_secret(
    tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDTRAIN_DATABASE_URL", "postgresql://party@db/store")
    folder, archive, secret = tmp_path / "party", tmp_path / "archive", ("--key-passphrase-file", passphrase_file)
    party = fedtrain("identity", "--state-dir", folder, *secret).split()[0]
    fedtrain("backup", archive, "--state-dir", folder)
    fedtrain("restore", archive, "--state-dir", tmp_path / "restored")
    assert "are encrypted: give" in refused("identity", "--state-dir", tmp_path / "restored")
    assert party in fedtrain("identity", "--state-dir", tmp_path / "restored", *secret)
