"""The owner's policy: its file, its defaults, its pins."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.protocol.loopback import is_loopback
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import NOW, identity_of
from tests.harness.three_services import three_services

CONSORTIUM = identity_of("consortium")
HOSPITAL = identity_of("hospital")

FILE = f"""
least_roster = 4
min_rows = 50
min_cell = 0
weights = ["encrypted"]
max_reencrypt_every = 8
approval = "by_hand"

[trust]
model_owners = ["{HOSPITAL.party_id}"]

[[datasets]]
name = "default"
model_owners = ["{HOSPITAL.party_id}"]
"""


def test_a_policy_file_says_all_of_it() -> None:
    policy = OwnerPolicy.from_toml(FILE)
    assert (policy.least_roster, policy.min_rows, policy.min_cell, policy.max_reencrypt_every) == (4, 50, 0, 8)
    assert policy.approval == "by_hand" and not policy.any_model_owner and not policy.adopt_first_encoding
    assert (
        policy.doubt(HOSPITAL.party_id, None, NOW) is None and policy.doubt(CONSORTIUM.party_id, None, NOW) is not None
    )
    assert policy.offers("default", HOSPITAL.party_id)
    assert not policy.offers("default", CONSORTIUM.party_id) and not policy.offers("other", HOSPITAL.party_id)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("least_rooster = 3", "least_rooster"),
        ("least_roster = 0", "least_roster"),
        ('approval = "sometimes"', "approval"),
        ("least_roster = ", "not TOML"),
        ('[trust]\nmodel_owners = ["short"]', "trust.model_owners.0"),
    ],
)
def test_a_policy_file_with_a_mistake_is_refused_by_the_fields_name(text: str, what: str) -> None:
    with pytest.raises(Problem) as caught:
        OwnerPolicy.from_toml(text)
    assert caught.value.code is Code.INVALID_REQUEST and what in caught.value.detail


def test_strict_is_the_default_and_loopback_is_open() -> None:
    strict, loopback = OwnerPolicy(), OwnerPolicy.for_loopback()
    assert strict.doubt(HOSPITAL.party_id, None, NOW) is not None and not strict.adopt_first_encoding
    assert loopback.doubt(HOSPITAL.party_id, None, NOW) is None and loopback.adopt_first_encoding
    assert (loopback.least_roster, loopback.min_cell, OwnerPolicy.for_loopback(1).least_roster) == (3, 10, 1)


def test_settings_choose_the_policy(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(FILE)
    assert DataOwnerSettings(state_dir=tmp_path).policy() == OwnerPolicy.for_loopback()
    assert DataOwnerSettings(state_dir=tmp_path, host="10.1.2.3").policy() == OwnerPolicy()
    assert DataOwnerSettings(state_dir=tmp_path, least_roster=1).policy().least_roster == 1
    assert DataOwnerSettings(state_dir=tmp_path, policy_file=file).policy().least_roster == 4
    with pytest.raises(Problem, match="cannot be read"):
        DataOwnerSettings(state_dir=tmp_path, policy_file=tmp_path / "none.toml").policy()


def test_a_policy_in_the_state_folder_is_read_unless_the_settings_name_another(tmp_path: Path) -> None:
    own, other = tmp_path / "policy.toml", tmp_path / "other.toml"
    alone = DataOwnerSettings(state_dir=tmp_path)
    assert alone.policy() == OwnerPolicy.for_loopback()
    assert (
        alone.policy_told() == f"no file, the default for loopback, open until somebody is pinned; {own} would be read"
    )
    own.write_text(FILE)
    other.write_text("least_roster = 7")
    assert alone.policy().least_roster == 4 and alone.policy_told() == str(own)
    named = DataOwnerSettings(state_dir=tmp_path, policy_file=other)
    assert named.policy().least_roster == 7
    assert named.policy_told() == f"{other}; {own} is not read, since the settings name another file"
    assert DataOwnerSettings(state_dir=tmp_path, policy_file=own).policy_told() == str(own)


@pytest.mark.anyio
async def test_the_log_says_at_the_start_which_policy_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "data-owner").mkdir(mode=0o700)
    own = tmp_path / "data-owner" / "policy.toml"
    own.write_text(FILE)
    with capture_logs() as lines:
        async with three_services(tmp_path):
            pass
    assert [line["file"] for line in lines if line["event"] == "policy"] == [str(own)]


@pytest.mark.parametrize("text", ["least_rooster = 4", "least_roster = [", None], ids=["field", "TOML", "folder"])
def test_a_policy_in_the_state_folder_that_cannot_be_used_is_not_passed_over(tmp_path: Path, text: str | None) -> None:
    own = tmp_path / "policy.toml"
    own.mkdir() if text is None else own.write_text(text)
    with pytest.raises(Problem, match=str(own)):
        DataOwnerSettings(state_dir=tmp_path).policy()


def test_schema_is_taken_for_schema_file(tmp_path: Path) -> None:
    settings = DataOwnerSettings.model_validate({"state_dir": tmp_path, "schema": tmp_path / "schema.json"})
    assert settings.schema_file == tmp_path / "schema.json"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("owner.example", False)],  # noqa: S104
)
def test_loopback_is_only_what_this_machine_alone_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
