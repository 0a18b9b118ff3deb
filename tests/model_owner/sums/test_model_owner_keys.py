"""Private keys in the state folder: made once, private, gone when the job is over."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fedtrain.crypto import KeyTooSmall, LocalEngine, MalformedKey, decrypt
from fedtrain.model_owner.sums.keys import KeyRing
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import SecretFileError

JOB = "0f4b6d1c9e7a4c52b8d3a6e5f1029384"


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys", KeyFiles(tmp_path), LocalEngine(), allow_small=True)


def test_a_key_is_made_once_and_for_its_owner_alone(ring: KeyRing, tmp_path: Path) -> None:
    made = ring.make(JOB, 512)
    assert made.public_key.n.bit_length() == 512
    assert ring.make(JOB, 512).public_key == made.public_key
    assert ring.load(JOB).public_key == made.public_key
    path = tmp_path / "keys" / f"{JOB}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_small_key_needs_permission(tmp_path: Path) -> None:
    with pytest.raises(KeyTooSmall):
        KeyRing(tmp_path, KeyFiles(tmp_path), LocalEngine()).make(JOB, 512)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_others_can_read_is_refused(ring: KeyRing, tmp_path: Path) -> None:
    ring.make(JOB, 512)
    (tmp_path / "keys" / f"{JOB}.json").chmod(0o644)
    with pytest.raises(SecretFileError, match="chmod 600"):
        ring.load(JOB)


def test_a_damaged_key_is_refused_without_being_shown(ring: KeyRing, tmp_path: Path) -> None:
    ring.make(JOB, 512)
    path = tmp_path / "keys" / f"{JOB}.json"
    path.write_text('{"p": "123456789abcdef1", "q": "123456789abcdef1"}')
    with pytest.raises(MalformedKey) as caught:
        ring.load(JOB)
    assert "123456789abcdef1" not in str(caught.value)


def test_the_encryptor_is_kept_and_its_ciphertexts_decrypt(ring: KeyRing) -> None:
    private_key = ring.make(JOB, 512)
    encryptor = ring.encryptor(JOB, lambda: 20)
    assert ring.encryptor(JOB, lambda: 20) is encryptor
    n = int(private_key.public_key.n)
    assert decrypt(encryptor.encrypt([-5, 7]), private_key, LocalEngine()) == [n - 5, 7]


def test_a_destroyed_key_is_gone(ring: KeyRing, tmp_path: Path) -> None:
    ring.make(JOB, 512)
    ring.encryptor(JOB, lambda: 20)
    ring.destroy(JOB)
    assert list((tmp_path / "keys").iterdir()) == []
    with pytest.raises(FileNotFoundError):
        ring.encryptor(JOB, lambda: 20)
    ring.destroy(JOB)
