"""A job's keys: the announced one comes back, one that is lost is told apart from a folder that is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedtrain.data_owner.release.mask_keys import MaskKeys
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.spec.problems import Code, Problem

JOB = "0" * 32


@pytest.fixture
def keys(tmp_path: Path) -> MaskKeys:
    (tmp_path / "keys").mkdir(mode=0o700)
    return MaskKeys(tmp_path / "keys", KeyFiles(tmp_path))


def test_the_announced_key_is_loaded(keys: MaskKeys) -> None:
    public = keys.create(JOB)
    loaded = keys.load(JOB, public).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert loaded.hex() == public


def test_a_key_that_is_gone_is_lost(keys: MaskKeys) -> None:
    public = keys.create(JOB)
    keys.destroy(JOB)
    with pytest.raises(Problem) as lost:
        keys.load(JOB, public)
    assert lost.value.code is Code.OWNER_LOST_ITS_KEY


def test_a_folder_that_is_away_loses_nothing(keys: MaskKeys, tmp_path: Path) -> None:
    public = keys.create(JOB)
    (tmp_path / "keys").rename(tmp_path / "unmounted")
    with pytest.raises(Problem) as away:
        keys.load(JOB, public)
    assert away.value.code is Code.STORE_UNAVAILABLE
    (tmp_path / "unmounted").rename(tmp_path / "keys")
    assert keys.load(JOB, public) is not None
