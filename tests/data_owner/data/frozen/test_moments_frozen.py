"""Frozen moments come back bit for bit, are private, and are refused when damaged."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.data_owner.data.frozen.moments_file import (
    FrozenMomentsDamaged,
    FrozenMomentsMissing,
    freeze,
    from_bytes,
    moments_hash,
    thaw,
    to_bytes,
)
from fedtrain.data_owner.data.moments import Moments

SALT = bytes(range(16))


def moments(first: int = -(3 << 80)) -> Moments:
    xtx = np.array([[5 << 80, first], [first, 7]], dtype=object)
    return Moments(9, xtx, np.array([[1], [-(1 << 200)]], dtype=object), np.array([0], dtype=object))


def test_frozen_moments_come_back_and_belong_to_one_user(tmp_path: Path) -> None:
    path = tmp_path / "job.moments"
    freeze(moments(), path)
    assert thaw(path) == moments()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["job.moments"], "no temporary file is left"


def test_freezing_again_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "job.moments"
    freeze(moments(1 << 300), path)
    freeze(moments(1), path)
    assert thaw(path) == moments(1)


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "job.moments"
    freeze(moments(1), path)

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        freeze(moments(2), path)
    assert thaw(path) == moments(1)
    assert len(list(tmp_path.iterdir())) == 1


@given(st.integers(1, 4), st.integers(1, 3), st.data())
def test_any_moments_survive_their_bytes(d: int, k: int, data: st.DataObject) -> None:
    integers = st.integers(-(1 << 130), 1 << 130)
    lower = np.array(data.draw(st.lists(integers, min_size=d * d, max_size=d * d)), dtype=object).reshape(d, d)
    xty = np.array(data.draw(st.lists(integers, min_size=d * k, max_size=d * k)), dtype=object).reshape(d, k)
    yty = np.array(data.draw(st.lists(integers, min_size=k, max_size=k)), dtype=object)
    original = Moments(data.draw(st.integers(0, 10**12)), lower + lower.T, xty, yty)
    assert from_bytes(to_bytes(original)) == original


def test_every_damaged_byte_and_every_truncation_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "job.moments"
    freeze(moments(), path)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(FrozenMomentsDamaged):
            thaw(path)
        path.write_bytes(content[:place])
        with pytest.raises(FrozenMomentsDamaged):
            thaw(path)


def test_content_that_does_not_hold_together_is_refused_though_its_checksum_holds(tmp_path: Path) -> None:
    path = tmp_path / "job.moments"
    for body in (to_bytes(moments())[:-1], to_bytes(moments()) + b"\0", to_bytes(moments())[:25]):
        path.write_bytes(body + hashlib.sha256(body).digest())
        with pytest.raises(FrozenMomentsDamaged, match="hold together"):
            thaw(path)


def test_another_version_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "job.moments"
    freeze(moments(), path)
    content = bytearray(path.read_bytes())
    content[len(b"fedtrain-moments")] = 2
    path.write_bytes(content)
    with pytest.raises(FrozenMomentsDamaged, match="version 2, this program reads 1"):
        thaw(path)


def test_a_file_that_is_gone_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FrozenMomentsMissing, match="no such file"):
        thaw(tmp_path / "absent")


def test_the_hash_commits_to_every_number_and_to_the_salt() -> None:
    other_rows = Moments(8, moments().xtx, moments().xty, moments().yty)
    hashes = {
        moments_hash(moments(), SALT),
        moments_hash(moments(1), SALT),
        moments_hash(other_rows, SALT),
        moments_hash(moments(), SALT[::-1]),
        moments_hash(moments(), SALT + b"\0"),
    }
    assert len(hashes) == 5
    assert moments_hash(moments(), SALT) == moments_hash(moments(), bytes(SALT))


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="15 bytes, at least 16"):
        moments_hash(moments(), SALT[:15])
