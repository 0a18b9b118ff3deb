"""A setting that cannot be is told after what a person has to correct: the option, the variable, the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.cli.output import Failure
from fedtrain.cli.services.parties import settings_of
from fedtrain.cli.services.state_folder import party_settings
from fedtrain.protocol.states import Role
from fedtrain.service.vault.identity_file import load_or_create_identity


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FEDTRAIN_")]:
        monkeypatch.delenv(name)


def refusal(role: Role, **options: object) -> str:
    with pytest.raises(Failure) as refused:
        settings_of(role, options)
    return str(refused.value)


def party_file(folder: Path, text: str) -> Path:
    path = folder / "party.toml"
    path.write_text(text)
    return path


def test_a_setting_that_is_none_is_told_with_its_file_and_what_was_meant(tmp_path: Path) -> None:
    path = party_file(tmp_path, "prot = 1\n")
    said = refusal(Role.DATA_OWNER, state_dir=tmp_path)
    assert said == f"{path}: prot: there is no such setting: is port meant?"
    path.write_text("port = 1\n")
    assert settings_of(Role.DATA_OWNER, {"state_dir": tmp_path}).port == 1


def test_the_folder_may_be_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = party_file(tmp_path, "zzz = 1\n")
    monkeypatch.setenv("FEDTRAIN_STATE_DIR", str(tmp_path))
    assert refusal(Role.FACILITATOR) == f"{path}: zzz: there is no such setting"


def test_the_source_that_counts_is_the_one_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = party_file(tmp_path, "port = 70000\n")
    assert refusal(Role.MODEL_OWNER, state_dir=tmp_path).startswith(f"{path}: port: ")
    monkeypatch.setenv("FEDTRAIN_PORT", "many")
    assert refusal(Role.MODEL_OWNER, state_dir=tmp_path).startswith("FEDTRAIN_PORT: ")
    assert refusal(Role.MODEL_OWNER, state_dir=tmp_path, port=-1).startswith("--port: ")


def test_every_wrong_setting_is_named_and_no_value_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDTRAIN_WORKERS", "hunter2")
    said = refusal(Role.DATA_OWNER, state_dir=tmp_path, log_level="loud", facilitator="ftp://x")
    for source in ("FEDTRAIN_WORKERS: ", "--log-level: ", "--facilitator: "):
        assert said.count(source) == 1
    assert "hunter2" not in said


def test_the_schemas_short_name_is_found_in_the_file(tmp_path: Path) -> None:
    path = party_file(tmp_path, "schema = 3\n")
    assert refusal(Role.DATA_OWNER, state_dir=tmp_path).startswith(f"{path}: schema: ")


def test_commands_that_are_given_a_state_folder_name_its_file_too(tmp_path: Path) -> None:
    path = party_file(tmp_path, "host = 3\n")
    with pytest.raises(Failure) as refused:
        party_settings(tmp_path, None, None)
    assert str(refused.value).startswith(f"{path}: host: ")


def test_prune_names_the_file_and_changes_nothing(tmp_path: Path) -> None:
    load_or_create_identity(tmp_path)
    path = party_file(tmp_path, "host = 3\n")
    command = ["prune", "--older-than", "0", "--role", "data-owner", "--state-dir", str(tmp_path)]
    there = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert f"{path}: host: " in "".join(done.output.splitlines())
    # A store that is named needs no settings, and the same settings mended lead to their own.
    elsewhere = CliRunner().invoke(app, [*command, "--database-url", f"sqlite:///{tmp_path}/none.sqlite3"])
    path.write_text("host = '127.0.0.1'\n")
    own = CliRunner().invoke(app, command)
    for done, store in ((elsewhere, "none.sqlite3"), (own, "state.sqlite3")):
        assert done.exit_code == 1
        said = "".join(done.output.splitlines())
        assert "there is no store at" in said and f"{tmp_path}/{store}" in said
    assert sorted(tmp_path.iterdir()) == there
