"""Fixtures shared by every test folder."""

from __future__ import annotations

import pytest
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from crypto.keys import generate_keypair


@pytest.fixture(scope="session")
def small_keypair() -> tuple[PaillierPublicKey, PaillierPrivateKey]:
    """A 512-bit key pair: fast, and fit for tests only."""
    return generate_keypair(512, allow_small=True)
