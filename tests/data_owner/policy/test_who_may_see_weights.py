"""Owners that may be shown weights: none unless its people say so, in the policy or in the settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedtrain.cli.simulate.demo import _Parties
from fedtrain.data_owner.routes.asked import weights_in_words
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.spec.training import Training

ROOT = Path(__file__).resolve().parents[3]


def test_an_owner_is_shown_no_weights_unless_its_settings_or_policy_say_so(tmp_path: Path) -> None:
    assert DataOwnerSettings().policy().weights == ("encrypted",)
    assert DataOwnerSettings(host="192.0.2.1").policy().weights == ("encrypted",)
    assert "shared_with_owners" in DataOwnerSettings(share_weights=True).policy().weights
    policy = tmp_path / "policy.toml"
    policy.write_text('weights = ["encrypted", "shared_with_owners"]\nmin_rows = 40\n')
    assert "shared_with_owners" in DataOwnerSettings(policy_file=policy).policy().weights
    policy.write_text("min_rows = 40\n")
    assert DataOwnerSettings(policy_file=policy).policy().weights == ("encrypted",)
    # The setting changes this and nothing else.
    strict = DataOwnerSettings(policy_file=policy)
    loosened = DataOwnerSettings(policy_file=policy, share_weights=True)
    assert loosened.policy().model_copy(update={"weights": strict.policy().weights}) == strict.policy()


@pytest.mark.parametrize(("model", "shares"), [("model.json", False), ("model_shared.json", True)])
def test_the_demo_shares_weights_where_its_spec_does(tmp_path: Path, model: str, shares: bool) -> None:
    example = ROOT / "examples" / "digits"
    parties = _Parties(example, tmp_path, example / model)
    parties.facilitator = "http://127.0.0.1:8080"
    parties._provision(9090, {"owner-a": 5000, "owner-b": 5001})
    for name, expected in (("owner-a", shares), ("owner-b", shares), ("model-owner", False), ("facilitator", False)):
        settings = (tmp_path / "parties" / name / "party.toml").read_text()
        assert ("share_weights = true" in settings) is expected


@pytest.mark.parametrize(
    ("weights", "says"), [("encrypted", "every 4 rounds"), ("shared_with_owners", "single out a row")]
)
def test_who_approves_by_hand_is_told_what_it_means(weights: str, says: str) -> None:
    training = Training.model_validate({"weights": weights, "reencrypt_every": 4, "optimizer": "gradient_descent"})
    assert says in weights_in_words(training)


def test_both_digits_specs_train_on_the_same_columns() -> None:
    documents = [
        json.loads((ROOT / "examples" / "digits" / name).read_text()) for name in ("model.json", "model_shared.json")
    ]
    assert documents[0]["data_props"] == documents[1]["data_props"]
    assert documents[0]["training"]["l2"] == documents[1]["training"]["l2"]
