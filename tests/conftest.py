"""Fixtures shared by every test folder."""

from __future__ import annotations

import pytest
from hypothesis import settings
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from crypto.keys import generate_keypair

# No test has a time limit: a busy machine must not turn a right answer into a failure.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def small_keypair() -> tuple[PaillierPublicKey, PaillierPrivateKey]:
    """A 512-bit key pair: fast, and fit for tests only."""
    return generate_keypair(512, allow_small=True)
