"""`fedtrain identity`, `trust` and `token`: what they write, who may read it, and what they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app
from fedtrain.protocol.documents.identity import Identity
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.service.vault.secret_files import IDENTITY_FILE
from fedtrain.service.vault.tokens import TOKENS_FILE, Scope, find_token, read_tokens
from fedtrain.service.vault.trust_file import TRUST_FILE, read_pins

KEY, OTHER = Identity.generate().party_id, Identity.generate().party_id


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def assert_refused(done: Result, *words: str) -> None:
    assert done.exit_code != 0 and len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_identity_is_made_once_readable_for_its_owner_alone_and_printed(tmp_path: Path) -> None:
    folder = tmp_path / "bank-a"
    first = json.loads(run("identity", "--state-dir", folder, "--json").stdout)
    again = json.loads(run("identity", "--state-dir", folder, "--json").stdout)
    assert first == again == {"party_id": load_identity(folder).party_id, "name": "bank-a", "state_dir": str(folder)}
    assert (folder / IDENTITY_FILE).stat().st_mode & 0o777 == 0o600
    assert first["party_id"] in run("identity", "--state-dir", folder).stdout


def test_an_identity_that_others_may_read_is_refused(tmp_path: Path) -> None:
    run("identity", "--state-dir", tmp_path)
    (tmp_path / IDENTITY_FILE).chmod(0o644)
    assert_refused(run("identity", "--state-dir", tmp_path), "chmod 600")


def test_keys_that_are_encrypted_already_are_said_to_be(tmp_path: Path) -> None:
    folder, key = tmp_path / "bank-a", tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    run("identity", "--state-dir", folder)
    first = run("identity", "encrypt", "--state-dir", folder, "--key-file", key)
    assert "1 private keys" in first.stdout and "already" not in first.stdout
    second = run("identity", "encrypt", "--state-dir", folder, "--key-file", key)
    assert second.exit_code == 0
    assert "are already encrypted" in second.stdout and "0 private keys" not in second.stdout
    key.write_bytes(bytes(32))
    assert_refused(run("identity", "encrypt", "--state-dir", folder, "--key-file", key))


def test_the_role_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed = json.loads(run("identity", "--role", "model-owner", "--json").stdout)
    assert printed["party_id"] == load_identity(tmp_path / ".fedtrain" / "model-owner").party_id
    assert run("identity", "--role", "nobody").exit_code != 0


def test_trust_pins_lists_and_unpins(tmp_path: Path) -> None:
    pin = ("--state-dir", tmp_path, "--name", "acme")
    assert run("trust", KEY, "--role", "model-owner", *pin).exit_code == 0
    assert run("trust", KEY.upper(), "--role", "consortium", *pin).exit_code == 0
    assert run("trust", OTHER, "--role", "data-owner", "--state-dir", tmp_path, "--name", "bank-b").exit_code == 0
    assert (tmp_path / TRUST_FILE).stat().st_mode & 0o777 == 0o600
    listed = json.loads(run("trust", "--list", "--json", "--state-dir", tmp_path).stdout)
    assert [(one["role"], one["name"], one["key"]) for one in listed] == [
        ("consortium", "acme", KEY),
        ("data-owner", "bank-b", OTHER),
        ("model-owner", "acme", KEY),
    ]
    assert run("trust", KEY, "--remove", "--role", "consortium", "--state-dir", tmp_path).exit_code == 0
    assert [pin.role for pin in read_pins(tmp_path)] == ["data-owner", "model-owner"]
    assert run("trust", OTHER, "--remove", "--state-dir", tmp_path).exit_code == 0
    assert [pin.key for pin in read_pins(tmp_path)] == [KEY]


def test_pinning_again_renames_and_does_not_double(tmp_path: Path) -> None:
    for name in ("acme", "acme-2"):
        run("trust", KEY, "--role", "model-owner", "--name", name, "--state-dir", tmp_path)
    assert [(pin.name, pin.role) for pin in read_pins(tmp_path)] == [("acme-2", "model-owner")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trust", "abc", "--role", "model-owner", "--name", "x"), ("no party id", "fedtrain identity")),
        (("trust", KEY, "--name", "x"), ("--role",)),
        (("trust", KEY, "--role", "model-owner"), ("--name",)),
        (("trust", KEY, "--role", "king", "--name", "x"), ("king", "consortium")),
        (("trust", KEY, "--role", "model-owner", "--name", "a b"), ("name",)),
        (("trust", KEY, "--remove"), ("not pinned",)),
        (("trust",), ("KEY", "--list")),
    ],
)
def test_trust_refuses_in_one_line_and_writes_nothing(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert_refused(run(*arguments, "--state-dir", tmp_path), *words)
    assert not (tmp_path / TRUST_FILE).exists()


def test_a_trust_list_with_a_mistake_is_refused_and_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / TRUST_FILE
    file.write_text('[[pin]]\nkey = "short"\nrole = "consortium"\nname = "x"\n')
    file.chmod(0o600)
    before = file.read_bytes()
    done = run("trust", KEY, "--role", "model-owner", "--name", "acme", "--state-dir", tmp_path)
    assert_refused(done, TRUST_FILE, "pin.0.key")
    assert file.read_bytes() == before


def test_a_token_is_printed_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    done = run("token", "create", "--state-dir", tmp_path, "--name", "page", "--scope", "read")
    token = done.stdout.strip()
    (record,) = read_tokens(tmp_path)
    assert find_token([record], token) == record and record.scope is Scope.READ
    assert record.id in done.stderr and "from its next start on" in done.stderr
    listed = run("token", "list", "--state-dir", tmp_path)
    assert record.id in listed.stdout and "valid" in listed.stdout
    for text in (listed.stdout, (tmp_path / TOKENS_FILE).read_text(), done.stderr):
        assert token not in text and token.split("_", 2)[2] not in text


def test_a_party_token_goes_to_a_private_file_and_not_to_the_screen(tmp_path: Path) -> None:
    out = tmp_path / "out" / "bank-a.token"
    state = tmp_path / "facilitator"
    state.mkdir()
    party = ("--scope", "party", "--party", KEY, "--role", "data-owner")
    done = run("token", "create", "--state-dir", state, "--name", "bank-a", *party, "--out", out)
    (record,) = read_tokens(state)
    assert (record.party, record.role) == (KEY, "data-owner")
    assert find_token([record], out.read_text().strip()) == record
    assert out.stat().st_mode & 0o777 == 0o600 and out.read_text().strip() not in done.output


def test_revoking_ends_one_token_and_only_once(tmp_path: Path) -> None:
    tokens = [
        run("token", "create", "--state-dir", tmp_path, "--name", name, "--scope", "admin").stdout.strip()
        for name in ("leaver", "stayer")
    ]
    leaver, stayer = read_tokens(tmp_path)
    assert run("token", "revoke", leaver.id, "--state-dir", tmp_path).exit_code == 0
    records = read_tokens(tmp_path)
    assert find_token(records, tokens[0]) is None
    assert find_token(records, tokens[1]) == stayer
    assert_refused(run("token", "revoke", leaver.id, "--state-dir", tmp_path), "no valid token", "fedtrain token list")


def test_importing_a_list_adds_what_is_new_and_leaves_revoked_what_either_list_revoked(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()

    def made(folder: Path, name: str) -> str:
        return run("token", "create", "--state-dir", folder, "--name", name, "--scope", "read").stdout.strip()

    shared = {name: made(here, name) for name in ("stays", "revoked-here", "revoked-there")}
    ids = {record.name: record.id for record in read_tokens(here)}
    shutil.copytree(here, there)
    only_here, only_there = made(here, "only-here"), made(there, "only-there")
    run("token", "revoke", ids["revoked-here"], "--state-dir", here)
    run("token", "revoke", ids["revoked-there"], "--state-dir", there)
    assert run("token", "import", there, "--state-dir", here).exit_code == 0
    records = read_tokens(here)
    assert len(records) == 5
    valid = [find_token(records, token) is not None for token in (*shared.values(), only_here, only_there)]
    assert valid == [True, False, False, True, True]
    assert (here / TOKENS_FILE).stat().st_mode & 0o777 == 0o600
    run("token", "import", there, "--state-dir", here)
    assert read_tokens(here) == records


def test_importing_what_is_no_list_of_this_service_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    assert_refused(run("token", "import", there, "--state-dir", here), TOKENS_FILE, str(there))
    run("token", "create", "--state-dir", there, "--name", "x", "--scope", "read")
    assert_refused(run("token", "import", there, "--state-dir", here), TOKENS_FILE, str(here))
    shutil.copy(there / TOKENS_FILE, here / TOKENS_FILE)
    written = (there / TOKENS_FILE).read_text()
    forged = written.replace(read_tokens(there)[0].sha256, "0" * 64)
    (there / TOKENS_FILE).write_text(forged)
    assert_refused(run("token", "import", there, "--state-dir", here), "two services")
    assert (here / TOKENS_FILE).read_text() == written


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--scope", "party"), "--party"),
        (("--scope", "party", "--party", KEY), "--role"),
        (("--scope", "read", "--party", KEY, "--role", "data-owner"), "party"),
        (("--scope", "everything"), "everything"),
        (("--scope", "party", "--party", "abc", "--role", "data-owner"), "party"),
        (("--scope", "party", "--party", KEY, "--role", "facilitator"), "role"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    assert_refused(run("token", "create", "--state-dir", tmp_path, "--name", "x", *arguments), word)
    assert not (tmp_path / TOKENS_FILE).exists()


def test_a_token_for_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = run("token", "create", "--state-dir", tmp_path / "none", "--name", "x", "--scope", "read")
    assert_refused(done, "no state folder")
