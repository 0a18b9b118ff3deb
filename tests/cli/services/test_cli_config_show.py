"""`fedtrain config show`: where each setting comes from, nothing secret, and variables that nobody reads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fedtrain.cli.main import app
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.settings import FacilitatorSettings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("FEDTRAIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        app(["config", "show", *words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0
    (settings,) = json.loads(out)["settings"].values()
    return {setting.pop("setting"): setting for setting in settings}


def test_each_setting_with_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bank-a"
    folder.mkdir()
    (folder / "party.toml").write_text(
        'name = "bank-a"\nport = 5001\ntoken_file = "facilitator.token"\nschema = "s.json"\n'
    )
    monkeypatch.setenv("FEDTRAIN_PORT", "5002")
    settings = shown(capsys, "data-owner", "--state-dir", str(folder))
    assert settings.keys() == DataOwnerSettings.model_fields.keys()
    assert settings["state_dir"] == {"value": str(folder), "source": "command line"}
    assert settings["port"] == {"value": 5002, "source": "environment, FEDTRAIN_PORT"}
    assert settings["name"] == {"value": "bank-a", "source": "party.toml"}
    assert settings["schema_file"] == {"value": str(folder / "s.json"), "source": "party.toml"}
    assert settings["host"] == {"value": "127.0.0.1", "source": "default"}
    # A path is no secret, and one in the file starts at its folder.
    assert settings["token_file"] == {"value": str(folder / "facilitator.token"), "source": "party.toml"}


def test_a_webhooks_address_whose_path_may_be_a_secret_is_shown_by_its_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "party.toml").write_text(
        '[notify.webhook]\nurl = "https://hooks.example.org/T0/s3cret"\nsecret_file = "hook.secret"\n'
    )
    told = shown(capsys, "model-owner", "--state-dir", str(tmp_path))["notify"]
    assert told["source"] == "party.toml" and "s3cret" not in str(told)
    assert told["value"]["webhook"] == {"url": "https://hooks.example.org/***", "secret_file": "hook.secret"}
    (tmp_path / "party.toml").write_text("[notify.webhook]\nurl = 'http://hooks.example.org/s3cret'\n")
    code, _, err = run(capsys, "model-owner", "--state-dir", str(tmp_path))
    assert code != 0 and len(err.splitlines()) == 1
    assert "party.toml: notify: webhook.url: " in err and "use https" in err and "webhook.secret_file: " in err
    code, _, err = run(capsys, "facilitator", "--state-dir", str(tmp_path))
    assert code != 0 and "no such setting" in err  # a Facilitator tells nobody


def test_the_folder_that_a_service_would_take_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "facilitator")["state_dir"] == {"value": ".fedtrain/facilitator", "source": "default"}
    assert shown(capsys, "facilitator", "--name", "north")["state_dir"]["value"] == ".fedtrain/north"


def test_a_password_is_not_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDTRAIN_DATABASE_URL", "postgresql://anna:s3cret@db.example/x?sslpassword=hush")
    for words in (("facilitator",), ("facilitator", "--json")):
        _, out, err = run(capsys, *words)
        assert "db.example" in out
        assert "s3cret" not in out + err
        assert "hush" not in out + err


def test_without_a_role_all_three_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--json")
    assert list(json.loads(out)["settings"]) == ["facilitator", "model-owner", "data-owner"]
    code, _, err = run(capsys, "--state-dir", "x")
    assert (code, "say which kind" in err) == (1, True)


def test_a_variable_that_nobody_reads_is_named_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDTRAIN_PROT", "5000")
    monkeypatch.setenv("FEDTRAIN_COLOUR_OF_THE_SKY", "blue")
    monkeypatch.setenv("FEDTRAIN_TEST_DATA", "test.csv")  # another role's
    _, out, err = run(capsys, "data-owner")
    assert "FEDTRAIN_PROT is in the environment and is no setting: is FEDTRAIN_PORT meant?" in err
    assert "FEDTRAIN_COLOUR_OF_THE_SKY is in the environment and is no setting\n" in err
    assert "FEDTRAIN_TEST_DATA" not in err + out
    _, out, _ = run(capsys, "data-owner", "--json")
    assert json.loads(out)["unknown"] == {"FEDTRAIN_COLOUR_OF_THE_SKY": None, "FEDTRAIN_PROT": "FEDTRAIN_PORT"}


def test_the_variables_that_the_command_reads_are_known() -> None:
    from fedtrain.cli.services.config import unknown_variables

    own = ("FEDTRAIN_DEBUG", "FEDTRAIN_MODEL_OWNER", "FEDTRAIN_DATA_OWNER", "FEDTRAIN_SCHEMA_FILE")
    assert unknown_variables(dict.fromkeys(own, "x")) == {}


@pytest.mark.parametrize(
    ("file", "told"),
    [("port = 70000\n", "port"), ("prot = 1\n", "prot"), ("port = \n", "is not TOML")],
    ids=["value", "name", "syntax"],
)
def test_a_file_that_no_service_would_start_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, told: str
) -> None:
    (tmp_path / "party.toml").write_text(file)
    code, out, err = run(capsys, "facilitator", "--state-dir", str(tmp_path))
    assert (code, out) == (1, "")
    assert told in err
    assert err.count("\n") == 1


def test_the_table_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "facilitator")
    for name in FacilitatorSettings.model_fields:
        assert f"\n {name} " in out
