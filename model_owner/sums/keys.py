"""Private keys: one pair a job, each in a 0600 file of its own, until the job ends."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from phe.paillier import PaillierPrivateKey

from fedtrain.crypto import (
    CryptoError,
    Engine,
    KeyHolderEncryptor,
    PoolFiller,
    generate_keypair,
    private_key_from_dict,
    private_key_to_dict,
)
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import SecretFileError, delete_secret
from fedtrain.spec.problems import Code, Problem

T = TypeVar("T")
#: Jobs at once; beyond that, keys are read and tables made again at every round. 5 MiB each at 2048 bits, 11 at 3072.
_KEPT_IN_MEMORY = 32


class KeyRing:
    """The private keys in `folder`. Any thread may share it; making a key and the first encryption take long.

    `filler`: makes nonces for jobs that ask ahead, once it is started.
    """

    def __init__(self, folder: Path, files: KeyFiles, engine: Engine, *, allow_small: bool = False) -> None:
        self._folder = folder
        self._files = files
        self._engine = engine
        self._allow_small = allow_small
        self.filler: PoolFiller[str] = PoolFiller(engine)
        self._lock = threading.Lock()
        # A key is checked for primality when it is read, and an encryptor's tables cost about as much as a round.
        self._loaded: OrderedDict[str, PaillierPrivateKey] = OrderedDict()
        self._encryptors: OrderedDict[str, KeyHolderEncryptor] = OrderedDict()

    def make(self, job_id: str, modulus_bits: int) -> PaillierPrivateKey:
        """Return the job's key, made now unless an interrupted start has made it. Raises crypto.KeyTooSmall."""
        if self._path(job_id).exists():
            return self.load(job_id)
        _, private_key = generate_keypair(modulus_bits, allow_small=self._allow_small)
        self._files.write(self._path(job_id), json.dumps(private_key_to_dict(private_key)).encode(), replace=False)
        return private_key

    def load(self, job_id: str) -> PaillierPrivateKey:
        """Return the job's key. Raises FileNotFoundError, SecretFileError, crypto.MalformedKey."""
        return self._kept(
            self._loaded, job_id, lambda: private_key_from_dict(json.loads(self._files.read(self._path(job_id))))
        )

    def encryptor(self, job_id: str, expected_count: Callable[[], int], ahead: int = 0) -> KeyHolderEncryptor:
        """Return the job's encryptor, its tables cut for `expected_count()` ciphertexts in all. Raises as `load`.

        `ahead`: so many nonces are made for its next request while nothing else is computed.
        """
        encryptor = self._kept(
            self._encryptors,
            job_id,
            lambda: KeyHolderEncryptor(self.load(job_id), self._engine, expected_count()),
        )
        with self._lock:
            if ahead and self._encryptors.get(job_id) is encryptor:
                self.filler.raised(job_id, lambda: encryptor.pool, ahead)
        return encryptor

    def _kept(self, kept: OrderedDict[str, T], job_id: str, make: Callable[[], T]) -> T:
        with self._lock:
            if job_id in kept:
                kept.move_to_end(job_id)
                return kept[job_id]
        made = make()
        with self._lock:
            if self._path(job_id).exists():  # else it was destroyed meanwhile, and is nobody's to find here
                kept[job_id] = made
            while len(kept) > _KEPT_IN_MEMORY:
                oldest, _ = kept.popitem(last=False)
                self.filler.drop(oldest)
        return made

    def jobs(self) -> list[str]:
        """Ids of the jobs that have a key."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def destroy(self, job_id: str) -> None:
        """Delete the job's key, if there is one. Only after the job has ended."""
        delete_secret(self._path(job_id))  # first: what is read of it from here on is not kept
        with self._lock:
            self._loaded.pop(job_id, None)
            self._encryptors.pop(job_id, None)
            self.filler.drop(job_id)

    def _path(self, job_id: str) -> Path:
        return self._folder / f"{job_id}.json"


def private_key_of(keys: KeyRing, job_id: str) -> PaillierPrivateKey:
    """Return the job's key. Raises Problem(INTERNAL) where it cannot be used."""
    return _usable(job_id, lambda: keys.load(job_id))


def encryptor_of(keys: KeyRing, job_id: str, expected_count: Callable[[], int], ahead: int) -> KeyHolderEncryptor:
    """Return the job's encryptor, as `KeyRing.encryptor`. Raises Problem(INTERNAL) where its key cannot be used."""
    return _usable(job_id, lambda: keys.encryptor(job_id, expected_count, ahead))


def _usable(job_id: str, get: Callable[[], T]) -> T:
    try:
        return get()
    except (OSError, SecretFileError, CryptoError, ValueError) as error:
        why = str(error) if isinstance(error, SecretFileError) else type(error).__name__
        raise Problem(Code.INTERNAL, f"The private key of job {job_id} cannot be used: {why}.") from None
