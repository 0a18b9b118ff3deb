"""A Facilitator that puts an owner of its own making on the roster of a Model Owner that knows its owners.

The model would be of records that such an owner made up; where weights are shared with owners, it would see them.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.trust import vouch
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.trust_file import Pin, write_membership, write_pins
from fedtrain.simulation.federation import federation
from tests.harness.attackers.job_material import props, rows, write_table

pytestmark = pytest.mark.slow

KNOWN, MADE_UP = ("a", "b"), "made-up"
CONSORTIUM = Identity.from_private_bytes(b"\7" * 32)


def ended(folder: Path) -> dict[str, Any]:
    """Return how a job of all three owners ended at the Model Owner."""
    tables = {name: write_table(folder / f"{name}.csv", rows(40, at)) for at, name in enumerate((*KNOWN, MADE_UP))}
    training = {"optimizer": "newton", "key_bits": 512, "max_rows": 1000, "max_data_owners": 3}
    spec = {"model_type": "LINEAR_REGRESSION", "data_props": props(), "training": training}

    async def run() -> dict[str, Any]:
        async with federation(folder, tables, allow_small_keys=True) as parties:
            return await parties.wait(await parties.deploy(spec))

    return asyncio.run(run())


def identity_of(folder: Path) -> Identity:
    folder.mkdir(mode=0o700)
    return load_or_create_identity(folder)


def assert_refused(model: dict[str, Any], why: str) -> None:
    assert (model["status"], model["code"], model["round"]) == ("FAILED", "roster-invalid", 0), model
    assert MADE_UP in model["reason"] and why in model["reason"]


def pin(folder: Path, *pins: Pin) -> None:
    (folder / "model-owner").mkdir(mode=0o700)
    write_pins(folder / "model-owner", pins)


def test_an_owner_that_is_not_pinned_ends_the_job_before_anything_is_asked(tmp_path: Path) -> None:
    pins = [Pin(key=identity_of(tmp_path / name).party_id, role="data-owner", name=name) for name in KNOWN]
    pin(tmp_path, *pins)
    assert_refused(ended(tmp_path), "is not pinned")
    last = Pin(key=load_or_create_identity(tmp_path / MADE_UP).party_id, role="data-owner", name=MADE_UP)
    write_pins(tmp_path / "model-owner", [*pins, last])
    assert ended(tmp_path)["status"] == "FINISHED"


def test_an_owner_that_the_consortium_does_not_vouch_for_ends_the_job(tmp_path: Path) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    for name in KNOWN:
        party = identity_of(tmp_path / name).party_id
        write_membership(tmp_path / name, vouch(CONSORTIUM, party, "data-owner", name, until))
    stranger = identity_of(tmp_path / MADE_UP).party_id
    write_membership(tmp_path / MADE_UP, vouch(Identity.generate(), stranger, "data-owner", MADE_UP, until))
    pin(tmp_path, Pin(key=CONSORTIUM.party_id, role="consortium", name="lenders"))
    assert_refused(ended(tmp_path), "no pinned consortium key")


def test_a_model_owner_that_pins_nobody_takes_who_joins_as_on_one_machine(tmp_path: Path) -> None:
    assert ended(tmp_path)["status"] == "FINISHED"
