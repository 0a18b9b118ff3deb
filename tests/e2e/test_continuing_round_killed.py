"""Every party killed within one round that goes on without an owner, after answers and before masks are told."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest
from safetensors.numpy import load

from fedtrain.protocol.evidence.sum_set import SetSignature, SumSet, check_fully_signed
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from tests.e2e.test_network_killed import check
from tests.e2e.test_services_and_curl import deploy, wait_ended, wait_round
from tests.e2e.test_twenty_kills import start_all
from tests.harness.networks.exact_job import ROUNDS, spec, write_begin, write_tables

pytestmark = [pytest.mark.torch, pytest.mark.slow]

#: Of an owner on loopback, with two others that do not collude: with three, two are a quorum.
POLICY = """
any_model_owner = true
adopt_first_encoding = true
min_rows = 1
least_roster = 1
min_cell = 0
weights = ["shared_with_owners"]
differencing = "unchecked"
standing_out = "unchecked"
continue_without_noise = true

[privacy]
colluders = 0
"""


def waiting_for(services: Any, model_id: str, name: str) -> str:
    """Return the phase of the job, once that owner is all it waits for."""
    while True:
        status, seen = services.curl(services.url("facilitator", f"/models/{model_id}"))
        assert status == 200 and seen["ended_at"] is None, seen
        if [one["name"] for one in seen["waiting_for"]] == [name]:
            return str(seen["phase"])
        time.sleep(0.05)


def held_after_the_answers(services: Any, model_id: str) -> str:
    """Hold the round where one owner alone has not signed or told its masks, frozen; return that owner's name."""
    services.hold("clinic-a", on=True)
    if waiting_for(services, model_id, "clinic-a") != "WAITING_FOR_DATA_OWNERS":
        return "clinic-a"
    # It has not answered yet, and all others have: one of them takes its turn.
    services.hold("clinic-b", on=True)
    services.hold("clinic-a", on=False)
    assert waiting_for(services, model_id, "clinic-b") in ("AGREEING", "UNMASKING")
    return "clinic-b"


def test_a_continuing_round_with_every_party_killed_in_it_comes_to_the_same_bits_by_one_set(
    services: Any, tmp_path: Any
) -> None:
    write_begin(services.folder / "model-owner" / "data")
    owners = write_tables(tmp_path)
    for name in owners:
        (services.folder / name).mkdir(mode=0o700)
        (services.folder / name / "policy.toml").write_text(POLICY)
    start_all(services, owners, owners["clinic-a"])
    model_id = deploy(services, spec(on_dropout="continue", keep_rounds=ROUNDS))
    wait_round(services, model_id, 1)
    frozen = held_after_the_answers(services, model_id)
    others = [name for name in owners if name != frozen]
    for name in (*others, "facilitator", "model-owner", frozen):
        assert services.stop(name, signal.SIGKILL) == -signal.SIGKILL
    for name in ("facilitator", "model-owner", *others):
        services.start_again(name)
    assert waiting_for(services, model_id, frozen) in ("AGREEING", "UNMASKING"), "the same round, and the same set"
    services.start_again(frozen)

    ended = wait_ended(services, model_id)
    assert ended["status"] == "FINISHED", ended
    file = services.folder / "model.safetensors"
    address = services.url("model-owner", f"/models/{model_id}/export?format=safetensors")
    assert services.curl("--output", str(file), address)[0] == 200
    check(load(file.read_bytes()))
    check_one_set_a_round(services.folder / "facilitator" / "state.sqlite3", owners=len(owners))


def check_one_set_a_round(store: Any, owners: int) -> None:
    """Every round has a sum, over all owners, and whatever any of them signed in it is the set of that sum."""
    with closing(sqlite3.connect(store)) as connection:
        logged = connection.execute('SELECT entry FROM log_entries ORDER BY "index"').fetchall()
        asked = connection.execute(
            "SELECT t.key, b.content FROM tasks t JOIN blobs b ON b.hash = t.result_hash WHERE t.kind = 'sign_set'"
        ).fetchall()
    entries = {entry.round: entry for (content,) in logged if (entry := from_cbor(content, LogEntry)).answers}
    assert sorted(entries) == list(range(1, ROUNDS + 1))
    for entry in entries.values():
        assert len(entry.answers) == owners and entry.set_signatures is not None
        check_fully_signed(SumSet.of_entry(entry), entry.set_signatures)
    signed: dict[int, list[str]] = {}
    for key, content in asked:
        signed.setdefault(int(key.split("/")[2]), []).append(from_cbor(content, SetSignature).set_hash)
    assert signed == {number: [SumSet.of_entry(entry).hash] * owners for number, entry in entries.items()}
