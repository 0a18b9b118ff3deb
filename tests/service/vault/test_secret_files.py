"""Secrets on disk: whole or not at all, for their owner only."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from fedtrain.protocol.documents.identity import Identity, verify
from fedtrain.service.vault import secret_files
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.secret_files import SecretFileError, delete_secret, read_secret, write_secret


def test_a_secret_comes_back_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "job"
    before = os.umask(0)
    try:
        write_secret(path, b"secret")
    finally:
        os.umask(before)
    assert read_secret(path) == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o610])
def test_a_secret_that_others_could_read_or_change_is_refused_with_the_command_that_helps(
    tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "key"
    write_secret(path, b"hunter2")
    path.chmod(mode)
    with pytest.raises(SecretFileError, match=f"chmod 600 {path}") as caught:
        read_secret(path)
    assert "hunter2" not in str(caught.value)


def test_a_missing_secret_and_one_that_is_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_secret(tmp_path / "key")
    (tmp_path / "null").symlink_to(os.devnull)
    with pytest.raises(SecretFileError, match="not a regular file"):
        read_secret(tmp_path / "null")


def test_a_secret_is_replaced_whole_and_kept_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    write_secret(path, b"old")
    write_secret(path, b"new")
    assert read_secret(path) == b"new"

    def full(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(secret_files.os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_secret(path, b"newer")
    assert read_secret(path) == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_that_must_be_new_does_not_replace_another(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret(path, b"first", replace=False)
    with pytest.raises(FileExistsError):
        write_secret(path, b"second", replace=False)
    assert read_secret(path) == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_deleted_secret_is_gone_and_may_be_deleted_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_secret(path, b"secret")
    delete_secret(path)
    assert not path.exists()
    delete_secret(path)
    delete_secret(tmp_path / "nowhere" / "key")


def test_an_identity_is_made_once_and_signs_the_same_after_a_restart(tmp_path: Path) -> None:
    first, second = load_or_create_identity(tmp_path / "state"), load_or_create_identity(tmp_path / "state")
    assert first.party_id == second.party_id
    verify(first.party_id, "tag", b"body", second.sign("tag", b"body"))
    assert stat.S_IMODE((tmp_path / "state" / "identity.key").stat().st_mode) == 0o600
    assert load_or_create_identity(tmp_path / "other").party_id != first.party_id


def test_processes_that_start_together_get_one_identity(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_or_create_identity(tmp_path).party_id)) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1


def test_an_identity_file_of_another_length_or_mode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "identity.key"
    write_secret(path, Identity.generate().private_bytes()[:31])
    with pytest.raises(SecretFileError, match="31 bytes instead of 32"):
        load_or_create_identity(tmp_path)
    write_secret(path, Identity.generate().private_bytes())
    path.chmod(0o644)
    with pytest.raises(SecretFileError, match="chmod 600"):
        load_or_create_identity(tmp_path)
