"""Private keys at rest: sealed under a passphrase or a key file, opened by nothing else, converted without a loss."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fedtrain.service.vault import key_files, secret_files
from fedtrain.service.vault.identity_file import load_identity, load_or_create_identity
from fedtrain.service.vault.key_files import (
    MASTER_FILE,
    KeyFiles,
    KeySecret,
    change_secret,
    decrypt_keys,
    encrypt_keys,
    key_paths,
    open_key_files,
    seal_open_keys,
)
from fedtrain.service.vault.secret_files import SEALED, SecretFileError, read_secret, write_secret

NAMES = ("identity.key", "keys/aa.json", "keys/aa.x25519", "keys/aa.sealing.x25519", "scoring-keys/aa.json")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase that is as quickly tried as it is checked: for tests alone."""
    monkeypatch.setattr(key_files, "SCRYPT_N", 2**4)


def passphrase(folder: Path, text: str = "correct horse battery", name: str = "passphrase") -> KeySecret:
    path = folder / name
    write_secret(path, text.encode() + b"\n")
    secret = KeySecret.read(path, None)
    assert secret is not None
    return secret


def key_file(folder: Path, filler: int = 7) -> KeySecret:
    path = folder / f"key-{filler}"
    write_secret(path, bytes([filler]) * 32)
    secret = KeySecret.read(None, path)
    assert secret is not None
    return secret


@pytest.fixture(params=[passphrase, key_file], ids=["passphrase", "key file"])
def secret(request: pytest.FixtureRequest, tmp_path: Path) -> KeySecret:
    make: Callable[[Path], KeySecret] = request.param
    return make(tmp_path)


@pytest.fixture
def party(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """A state folder with keys of each kind, as they are, and what they hold."""
    folder = tmp_path / "party"
    load_or_create_identity(folder)
    for number, name in enumerate(NAMES[1:]):
        write_secret(folder / name, bytes([number]) * 40)
    write_secret(folder / "keys" / "aa.answered", b"0 counts 11\n")
    return folder, {name: read_secret(folder / name) for name in NAMES}


def held(folder: Path, secret: KeySecret) -> dict[str, bytes]:
    files = open_key_files(folder, secret)
    return {name: files.read(folder / name) for name in NAMES}


def test_a_party_begun_with_a_secret_has_its_keys_sealed_from_the_first(tmp_path: Path, secret: KeySecret) -> None:
    folder = tmp_path / "party"
    files = open_key_files(folder, secret)
    identity = load_or_create_identity(folder, files)
    files.write(folder / "keys" / "aa.json", b"the private key")
    assert files.sealed and load_identity(folder, open_key_files(folder, secret)).party_id == identity.party_id
    assert open_key_files(folder, secret).read(folder / "keys" / "aa.json") == b"the private key"
    for path in (folder / "identity.key", folder / "keys" / "aa.json", folder / MASTER_FILE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert identity.private_bytes() not in path.read_bytes() and b"the private key" not in path.read_bytes()


def test_without_the_secret_nothing_opens_and_the_line_says_what_to_give(tmp_path: Path, secret: KeySecret) -> None:
    folder = tmp_path / "party"
    load_or_create_identity(folder, open_key_files(folder, secret))
    for call in (lambda: open_key_files(folder, None), lambda: load_identity(folder)):
        with pytest.raises(SecretFileError, match=r"--key-passphrase-file .*--key-file"):
            call()


def test_another_secret_is_refused_and_nothing_is_lost(tmp_path: Path, party: tuple[Path, dict[str, bytes]]) -> None:
    folder, keys = party
    right = passphrase(tmp_path)
    encrypt_keys(folder, right)
    wrong = passphrase(tmp_path, "incorrect horse battery", "wrong")
    for call in (
        lambda: open_key_files(folder, wrong),
        lambda: encrypt_keys(folder, wrong),
        lambda: decrypt_keys(folder, wrong),
        lambda: change_secret(folder, wrong, wrong),
    ):
        with pytest.raises(SecretFileError, match="is not the one"):
            call()
    with pytest.raises(SecretFileError, match=r"sealed under a passphrase, and .* is a key file"):
        open_key_files(folder, key_file(tmp_path))
    assert held(folder, right) == keys


def test_a_folder_is_encrypted_and_decrypted_again(party: tuple[Path, dict[str, bytes]], secret: KeySecret) -> None:
    folder, keys = party
    assert encrypt_keys(folder, secret) == len(NAMES)
    assert all((folder / name).read_bytes().startswith(SEALED) for name in NAMES)
    assert (folder / "keys" / "aa.answered").read_bytes() == b"0 counts 11\n"
    assert held(folder, secret) == keys
    assert encrypt_keys(folder, secret) == 0
    assert decrypt_keys(folder, secret) == len(NAMES)
    assert not (folder / MASTER_FILE).exists()
    assert {name: read_secret(folder / name) for name in NAMES} == keys
    with pytest.raises(SecretFileError, match="are not encrypted"):
        decrypt_keys(folder, secret)


def test_a_folder_that_is_not_encrypted_is_not_taken_for_one(
    party: tuple[Path, dict[str, bytes]], secret: KeySecret, tmp_path: Path
) -> None:
    folder, keys = party
    with pytest.raises(SecretFileError, match="run fedtrain identity encrypt"):
        open_key_files(folder, secret)
    with pytest.raises(SecretFileError, match="are not encrypted"):
        change_secret(folder, secret, secret)
    with pytest.raises(SecretFileError, match="state folder of a party"):
        encrypt_keys(tmp_path / "nowhere", secret)
    assert {name: read_secret(folder / name) for name in NAMES} == keys


def test_after_a_change_the_new_secret_opens_and_the_old_one_does_not(
    party: tuple[Path, dict[str, bytes]], tmp_path: Path, secret: KeySecret
) -> None:
    folder, keys = party
    new = passphrase(tmp_path, "another horse battery", "new")
    encrypt_keys(folder, secret)
    change_secret(folder, secret, new)
    assert held(folder, new) == keys
    with pytest.raises(SecretFileError):
        open_key_files(folder, secret)


def test_encrypting_deletes_the_copies_that_a_crash_left_of_plain_keys(
    party: tuple[Path, dict[str, bytes]], secret: KeySecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, keys = party
    (folder / ".note").write_text("the operator's own")
    with monkeypatch.context() as power:  # which fails between the write and whatever follows it
        power.setattr(Path, "unlink", lambda *_arguments, **_options: None)
        for name in ("identity.key", "keys/bb.json", "scoring-keys/bb.json"):
            with pytest.raises(OSError, match="power"):
                power.setattr(Path, "replace", _fails)
                write_secret(folder / name, keys["identity.key"])

    def plain() -> list[Path]:
        return [path for path in folder.rglob("*") if path.is_file() and keys["identity.key"] in path.read_bytes()]

    assert len(plain()) == 4
    encrypt_keys(folder, secret)
    assert plain() == []
    assert held(folder, secret) == keys
    assert (folder / ".note").exists()


def _fails(*_arguments: object) -> None:
    raise OSError("power")


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("moment", ["before it is in place", "once it is in place"])
@pytest.mark.parametrize("writes", range(7))
@pytest.mark.parametrize("work", ["encrypt", "decrypt", "rotate"])
def test_killed_at_any_write_every_key_opens_and_the_work_can_be_done_again(
    party: tuple[Path, dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    work: str,
    writes: int,
    moment: str,
) -> None:
    folder, keys = party
    old, new = passphrase(tmp_path), passphrase(tmp_path, "another horse battery", "new")
    if work != "encrypt":
        encrypt_keys(folder, old)
    do: dict[str, Callable[[], object]] = {
        "encrypt": lambda: encrypt_keys(folder, old),
        "decrypt": lambda: decrypt_keys(folder, old),
        "rotate": lambda: change_secret(folder, old, new),
    }
    left = writes

    def dying(function: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object, **options: object) -> None:
            nonlocal left
            left -= 1
            if left < 0 and moment.startswith("before"):
                raise Killed
            function(*arguments, **options)
            if left < 0:
                raise Killed

        return call

    killed = False
    with monkeypatch.context() as patched:
        patched.setattr(key_files, "write_secret", dying(write_secret))
        patched.setattr(key_files, "delete_secret", dying(secret_files.delete_secret))
        try:
            do[work]()
        except Killed:
            killed = True
    assert killed == (writes < {"encrypt": 6, "decrypt": 6, "rotate": 1}[work])
    assert _opens_somehow(folder, old, new) == keys
    if killed and work == "encrypt":
        encrypt_keys(folder, old)
        assert held(folder, old) == keys and all(path.read_bytes().startswith(SEALED) for path in key_paths(folder))
    if killed and work == "decrypt" and (folder / MASTER_FILE).exists():
        decrypt_keys(folder, old)
        assert {name: read_secret(folder / name) for name in NAMES} == keys


def _opens_somehow(folder: Path, *secrets: KeySecret) -> dict[str, bytes]:
    """Return what a service reads that is given one of the secrets, or none where nothing is sealed."""
    if not (folder / MASTER_FILE).exists():
        return {name: read_secret(folder / name) for name in NAMES}
    for secret in secrets:
        try:
            return held(folder, secret)
        except SecretFileError:
            continue
    raise AssertionError("no secret opens it")


def test_a_sealed_key_that_was_altered_moved_or_copied_does_not_open(
    party: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    folder, _ = party
    secret = passphrase(tmp_path)
    encrypt_keys(folder, secret)
    files = open_key_files(folder, secret)
    path = folder / "keys" / "aa.json"
    sealed = path.read_bytes()
    (folder / "keys" / "bb.json").write_bytes(sealed)
    (folder / "keys" / "bb.json").chmod(0o600)
    with pytest.raises(SecretFileError, match="altered, moved"):
        files.read(folder / "keys" / "bb.json")
    for damaged in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:-1], sealed[: len(SEALED) + 3]):
        path.write_bytes(damaged)
        with pytest.raises(SecretFileError, match="altered, moved"):
            files.read(path)


def test_a_master_key_that_is_gone_or_damaged_is_told_of_in_one_line(
    party: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    folder, _ = party
    secret = passphrase(tmp_path)
    encrypt_keys(folder, secret)
    master = (folder / MASTER_FILE).read_bytes()
    document = json.loads(master)
    for damaged in (b"", b"[]", b'{"kind": 1}', *(json.dumps(document | bad).encode() for bad in _DAMAGE)):
        (folder / MASTER_FILE).write_bytes(damaged)
        with pytest.raises(SecretFileError, match="damaged, or of a newer version"):
            open_key_files(folder, secret)
    (folder / MASTER_FILE).unlink()
    with pytest.raises(SecretFileError, match="nothing opens without it"):
        open_key_files(folder, secret)


_DAMAGE = [{"version": 2}, {"n": 2**30}, {"n": 3}, {"r": 1000}, {"salt": "zz"}, {"box": "00"}, {"n": None}]


def test_files_that_hold_no_secret_are_refused(tmp_path: Path) -> None:
    for content, said in ((b"short\n", "passphrase of 5 bytes"), (b"", "passphrase of 0 bytes")):
        write_secret(tmp_path / "file", content)
        with pytest.raises(SecretFileError, match=said):
            KeySecret.read(tmp_path / "file", None)
    write_secret(tmp_path / "file", bytes(31))
    with pytest.raises(SecretFileError, match="holds 31 bytes"):
        KeySecret.read(None, tmp_path / "file")
    with pytest.raises(SecretFileError, match="both given"):
        KeySecret.read(tmp_path / "file", tmp_path / "file")
    with pytest.raises(SecretFileError, match="is not there"):
        KeySecret.read(tmp_path / "nowhere", None)
    write_secret(tmp_path / "file", bytes(32))
    (tmp_path / "file").chmod(0o640)
    with pytest.raises(SecretFileError, match="chmod 600"):
        KeySecret.read(None, tmp_path / "file")
    assert KeySecret.read(None, None) is None


def test_a_secret_is_in_no_repr(tmp_path: Path) -> None:
    assert "horse" not in repr(passphrase(tmp_path))


def test_a_key_read_where_keys_are_not_sealed_is_what_was_written(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path)
    files.write(tmp_path / "keys" / "aa.json", b"key")
    assert not files.sealed and files.read(tmp_path / "keys" / "aa.json") == b"key"
    with pytest.raises(FileExistsError):
        files.write(tmp_path / "keys" / "aa.json", b"other", replace=False)


def test_keys_that_lie_open_among_sealed_ones_are_sealed_and_read_the_same(
    party: tuple[Path, dict[str, bytes]], secret: KeySecret
) -> None:
    folder, keys = party
    encrypt_keys(folder, secret)
    assert seal_open_keys(folder, secret) == 0
    for name in NAMES[2:4]:
        write_secret(folder / name, keys[name])
    assert seal_open_keys(folder, secret) == 2
    assert all(path.read_bytes().startswith(SEALED) for path in key_paths(folder)) and held(folder, secret) == keys


def test_no_key_is_sealed_in_a_folder_that_is_not_without_a_secret_and_under_another(
    party: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    folder, keys = party
    assert seal_open_keys(folder, passphrase(tmp_path)) == 0
    assert {name: read_secret(folder / name) for name in NAMES} == keys
    encrypt_keys(folder, passphrase(tmp_path))
    write_secret(folder / "keys" / "aa.json", keys["keys/aa.json"])
    assert seal_open_keys(folder, None) == 0
    with pytest.raises(SecretFileError, match="is not the one"):
        seal_open_keys(folder, passphrase(tmp_path, "incorrect horse battery", "other"))
    assert read_secret(folder / "keys" / "aa.json") == keys["keys/aa.json"]
