"""A person is shown everything that a job asks: the page and the command print the same lines of the service."""

from __future__ import annotations

from typing import Any

import pytest

from fedtrain.cli.owner.consent import print_consent
from fedtrain.data_owner import job as j
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.round import step
from fedtrain.data_owner.routes.asked import Asked, Leak
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.data_owner.owner_bench import NOW, facts_of, manifest_of, offered, owner_of, spec_of

AUDITOR = "cd" * 32


def asked(*, min_cell: int = 10, **more: object) -> Asked:
    """A job's terms whose spec says `more`; it waits for a person."""
    by_hand = OwnerPolicy.for_loopback().model_copy(update={"approval": "by_hand"})
    state, _ = step(owner_of(policy=by_hand), offered(), j.Offered({"default": facts_of()}), NOW)
    spec: dict[str, Any] = {**spec_of().model_dump(mode="json", exclude_none=True), **more}
    manifest = Manifest.model_validate_json(manifest_of(spec_of()).document)
    manifest = manifest.model_copy(update={"spec": ModelSpec.model_validate(spec)})
    state = state.model_copy(update={"risks": ("A risk.",)})
    return Asked.of(
        state, manifest, Leak(numbers_per_round=3, rounds_at_most=5, numbers_in_all_moments=9), (), min_cell
    )


def test_the_privacy_that_is_claimed_and_who_may_audit_are_among_it() -> None:
    training = {**spec_of().training.model_dump(mode="json", exclude_none=True), "optimizer": "newton"}
    claim = {"epsilon": 1.5, "delta": 1e-6, "row_bound": 2.0, "honest_owners": 2}
    found = asked(privacy=claim, auditors=[AUDITOR], training=training)
    assert found.privacy is not None
    assert "epsilon 1.5 at delta 1e-06 for each record, as long as 2 owners" in found.privacy
    assert found.auditors == [AUDITOR]
    assert found.key.startswith("512-bit key, bits_available ")
    assert found.model == "linear regression, by newton, at most 5 rounds"
    assert found.leaves is not None and "3 sums a decrypted round, at most 5 rounds, of 9" in found.leaves


@pytest.mark.parametrize("min_cell", [0, 1])
def test_a_policy_to_which_one_row_is_enough_is_told_that_extremes_are_told(min_cell: int) -> None:
    column = {"name": "age", "type": "discrete", "range": [0, 200]}
    ranges = {
        "model_type": "RANGES",
        "data_props": {"features": [column]},
        "training": {"key_bits": 512, "max_data_owners": 3},
        "network": None,
    }
    found, usual = asked(min_cell=min_cell, **ranges), asked(**ranges)
    assert found.leaves is not None and usual.leaves is not None
    assert f"min_cell is {min_cell}, so that one row is enough" in found.leaves
    assert "nothing of fewer" not in found.leaves
    assert "nothing of fewer rows than min_cell, which is 10" in usual.leaves


def test_of_a_result_that_is_signed_off_it_says_so() -> None:
    training = {**spec_of().training.model_dump(mode="json", exclude_none=True), "optimizer": "newton"}
    found, without = asked(release="sign_off", training=training), asked(training=training)
    assert found.leaves is not None and found.leaves.endswith("this one too, have signed the result off")
    assert without.leaves is not None and "signed" not in without.leaves


def test_what_there_is_none_of_is_said_to_be_none() -> None:
    found = asked()
    assert (found.privacy, found.auditors, found.earlier_jobs) == (None, [], [])
    assert found.purpose.startswith("not said: ask its Model Owner")


def test_the_command_prints_every_line_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    shown = asked(auditors=[AUDITOR], name="stay").model_dump()
    print_consent(shown)
    printed = capsys.readouterr().out
    lines = [line for said in shown.values() if said for line in (said if isinstance(said, list) else [said])]
    assert len(lines) > 15
    assert [line for line in lines if str(line) not in printed.replace("\n", "")] == []


def test_the_command_tells_of_the_columns_that_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    shown = asked().model_dump() | {"columns": [f"c{at}" for at in range(43)], "risks": [f"r{at}" for at in range(43)]}
    print_consent(shown)
    lines = capsys.readouterr().out.splitlines()
    assert sum("from column" in line for line in lines) == 40
    assert any("and 3 columns more" in line for line in lines)
    assert sum("risk" in line for line in lines) == 43
