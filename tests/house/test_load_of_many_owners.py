"""Many owners at one Facilitator, and several jobs at once: all is there, and memory stays. And that it would show."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load import DIMENSIONS, Load, Seen, quantiles, run
from tests.harness.free_ports import free_port

# What the first round leaves to be filled later: pools of connections, SQLite's own cache, the allocator's slack.
SLACK_MIB = 12


def all_there(load: Load, folder: Path) -> Seen:
    seen = run(folder, load, free_port)
    assert seen.statuses == {"FINISHED": load.jobs}
    assert len(seen.accepted) == load.jobs * load.owners * (load.rounds + 1)
    assert (seen.lost, seen.incomplete_sums) == (0, 0)
    # On a busy machine a connection may take longer than its client waits, which then tries again; no more than that.
    patience = ("Timeout", "tried again")
    assert [failed for failed in seen.failures if not any(word in failed for word in patience)] == []
    return seen


@pytest.mark.slow
def test_30_owners_at_one_facilitator_lose_nothing_and_its_memory_stays(tmp_path: Path) -> None:
    seen = all_there(Load(owners=30, rounds=6, jobs=1, key_bits=512), tmp_path)
    first, most = seen.memory
    assert most < 1.1 * first + SLACK_MIB
    found = seen.to_dict()
    assert found["d"] == DIMENSIONS and found["answers"] == 210
    assert 0 < found["put_result_s"]["median"] <= found["put_result_s"]["most"]
    assert found["wake_s"]["median"] > 0 and found["healthz_s"]["p99"] > 0


@pytest.mark.slow
def test_5_jobs_at_once_end_with_every_answer_in_its_own_log(tmp_path: Path) -> None:
    seen = all_there(Load(owners=4, rounds=4, jobs=5, key_bits=512), tmp_path)
    per_job = [{answer["answer_hash"] for line in log for answer in line["answers"]} for log in seen.logged]
    assert [len(answers) for answers in per_job] == [20] * 5
    assert len(set.union(*per_job)) == 100


def test_what_went_wrong_is_counted() -> None:
    fine = seen_of(["a1", "b1", "a2", "b2"])
    assert (fine.lost, fine.incomplete_sums, fine.failures) == (0, 0, {})
    assert seen_of(["a1", "b1", "a2", "b2", "c2"]).lost == 1  # confirmed, and in no sum
    assert seen_of(["a1", "b1", "a2"]).lost == 1  # in a sum, and nobody's
    short = seen_of(["a1", "b1", "a2", "b2"], Load(owners=3, rounds=1, jobs=1, key_bits=512))
    assert short.incomplete_sums == 2
    assert seen_of(["a1", "b1", "a2", "b2"], Load(owners=2, rounds=2, jobs=1, key_bits=512)).incomplete_sums == 1
    fine.served = Counter({200: 9, 409: 1, 429: 2, 503: 1})
    fine.tried_again = 4
    fine.owners[0]["failed"] += ["PUT /tasks: ReadTimeout()"] * 2
    assert fine.failures == {
        "status 429": 2,
        "status 503": 1,
        "PUT /tasks: ReadTimeout()": 2,
        "tried again by the Model Owner": 4,
    }


def test_memory_is_compared_from_the_end_of_the_first_round() -> None:
    seen = seen_of([])
    seen.memory_by_round = {0: 300.0, 1: 100.0, 2: 130.0, 4: 120.0}
    assert seen.memory == (100.0, 130.0)


def test_quantiles_are_values_that_were_seen() -> None:
    assert quantiles(range(1, 101)) == {"median": 51, "p95": 96, "p99": 100, "most": 100}
    assert quantiles([0.25]) == dict.fromkeys(("median", "p95", "p99", "most"), 0.25)


def seen_of(accepted: list[str], load: Load | None = None) -> Seen:
    """Two sums of two owners each are in the log: the counts, and one round."""
    sums: list[list[str]] = [[], ["a1", "b1"], ["a2", "b2"]]
    log: list[dict[str, Any]] = [{"answers": [{"answer_hash": answer} for answer in answers]} for answers in sums]
    owners = [{"accepted": accepted, "failed": []}]
    return Seen(load or Load(owners=2, rounds=1, jobs=1, key_bits=512), owners=owners, logged=[log])
