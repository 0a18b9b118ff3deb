"""Noise and the release it is bound to: the same release has one noise for ever, and nothing else has any of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedtrain.data_owner.methods.answers import Places
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.noised_release import NoiseKey
from fedtrain.methods.noised_moments import NoiseTerms, noise_terms
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import Acceptance
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import NOISE_KEY_FILE, SecretFileError
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

TABLE = SummedTable(dataset="clinic", version="a1" * 32, rows=40, encoding="b2" * 32, whole="c3" * 32)


def key_in(folder: Path, byte: int = 7) -> NoiseKey:
    return NoiseKey(folder, KeyFiles(folder), lambda count: bytes([byte]) * count)


def spec(*, classes: bool = False, max_rows: int = 10_000, **privacy: Any) -> ModelSpec:
    target: dict[str, Any] = {"col_idx": 1, "categories": [0, 1]} if classes else {"col_idx": 1, "range": [0, 100]}
    return ModelSpec.model_validate(
        {
            "model_type": "LOGISTIC_REGRESSION" if classes else "LINEAR_REGRESSION",
            "data_props": {
                "features": [{"col_idx": 0, "type": "continuous", "range": [0, 10]}],
                "target": target,
            },
            "training": {"optimizer": "newton", "max_rows": max_rows},
            "privacy": {"epsilon": 1.0, "delta": 1e-6, "row_bound": 2.0, **privacy},
        }
    )


def terms(of: ModelSpec) -> NoiseTerms:
    found = noise_terms(plan_spec(of))
    assert found is not None
    return found


def share_of(
    key: NoiseKey,
    table: SummedTable = TABLE,
    of: ModelSpec | None = None,
    outputs: tuple[int, ...] = (0,),
    encoding: str = "d4" * 32,
) -> str:
    of = of or spec()
    return key.share(table, of, terms(of), Places([0, 1], list(outputs), encoding))


def accepted(party: int, share: str | None) -> Acceptance:
    return Acceptance(
        manifest_hash="0" * 64,
        party=f"{party:02x}" * 32,
        name=f"clinic-{party}",
        mask_key=f"{party:02x}" * 32,
        moments_hash="1" * 64,
        noise_share=share,
    )


def test_the_same_share_on_the_same_roster_is_the_same_release_after_a_restart(tmp_path: Path) -> None:
    key = key_in(tmp_path)
    own = share_of(key)
    roster = [accepted(1, own), accepted(2, "ee" * 32)]
    first = key.release(own, roster, terms(spec()))
    again = key_in(tmp_path, byte=9)  # the file is there: nothing new is drawn
    assert share_of(again) == own
    assert again.release(own, roster, terms(spec())) == first
    assert first.seed.hex() not in repr(first)


@pytest.mark.parametrize(
    ("table", "of", "outputs"),
    [
        (TABLE.model_copy(update={"version": "a2" * 32}), spec(), (0,)),
        (TABLE.model_copy(update={"encoding": "b3" * 32}), spec(), (0,)),
        (TABLE.model_copy(update={"whole": "c4" * 32}), spec(), (0,)),
        (TABLE, spec(epsilon=0.5), (0,)),
        (TABLE, spec(delta=1e-7), (0,)),
        (TABLE, spec(row_bound=2.5), (0,)),
        (TABLE, spec(honest_owners=1), (0,)),
        (TABLE, spec(max_rows=9_999), (0,)),
        (TABLE, spec(epsilon=None, noise_multiplier=5.0), (0,)),
        (TABLE, spec(classes=True), (0,)),
        (TABLE, spec(), (1,)),
        (TABLE, spec(), (0, 1)),
    ],
)
def test_whatever_the_numbers_or_the_claim_depend_on_makes_another_share(
    tmp_path: Path, table: SummedTable, of: ModelSpec, outputs: tuple[int, ...]
) -> None:
    key = key_in(tmp_path)
    own, other = share_of(key), share_of(key, table, of, outputs)
    assert other != own
    assert (
        key.release(other, [accepted(1, other)], terms(spec())).seed
        != key.release(own, [accepted(1, own)], terms(spec())).seed
    )


def test_another_roster_or_another_owners_share_is_another_release_with_noise_of_its_own(tmp_path: Path) -> None:
    key = key_in(tmp_path)
    own = share_of(key)
    rosters = [
        [accepted(1, own), accepted(2, "ee" * 32)],
        [accepted(1, own), accepted(2, "ef" * 32)],  # its table changed
        [accepted(1, own), accepted(3, "ee" * 32)],
        [accepted(1, own), accepted(2, "ee" * 32), accepted(3, "dd" * 32)],
    ]
    releases = [key.release(own, roster, terms(spec())) for roster in rosters]
    assert len({release.name for release in releases}) == len(rosters)
    assert len({release.seed for release in releases}) == len(rosters)


def test_columns_in_other_roles_make_another_share(tmp_path: Path) -> None:
    key = key_in(tmp_path)
    assert share_of(key, encoding="d5" * 32) != share_of(key)


def test_another_key_makes_other_noise_of_the_same_data(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = key_in(tmp_path), key_in(tmp_path / "other", byte=8)
    assert share_of(first) != share_of(second)
    names = {share_of(key) for key in (first, second)}
    assert names.isdisjoint({TABLE.version, TABLE.encoding, TABLE.whole})


def test_a_roster_that_lacks_a_share_or_has_another_of_this_owner_is_refused(tmp_path: Path) -> None:
    key = key_in(tmp_path)
    own = share_of(key)
    for roster in ([accepted(1, own), accepted(2, None)], [accepted(1, "dd" * 32), accepted(2, "ee" * 32)]):
        with pytest.raises(Problem) as caught:
            key.release(own, roster, terms(spec()))
        assert caught.value.code is Code.ROSTER_INVALID


def test_a_key_of_another_length_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / NOISE_KEY_FILE
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(SecretFileError, match="restore it"):
        share_of(key_in(tmp_path))


def test_terms_that_would_draw_other_noise_make_another_share(tmp_path: Path) -> None:
    key, of = key_in(tmp_path), spec()
    wider = replace(terms(of), variance=terms(of).variance + 1)
    assert key.share(TABLE, of, wider, Places([0, 1], [0], "d4" * 32)) != share_of(key)
