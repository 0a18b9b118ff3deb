"""The browser verifies an owner's audit as `fedtrain audit` does: releases, decisions, and what privacy was spent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from playwright.sync_api import Page

from fedtrain.data_owner.release.audit import NO_RECORD, AuditEntry, AuditRecord, chained, verify_records
from fedtrain.data_owner.routes.audit import Audit
from fedtrain.data_owner.store.records import Decision, DecisionKind, Release, Spending, SpendingKind
from fedtrain.spec.problems import Problem
from tests.pages.conftest import Parties, Watched

pytestmark = pytest.mark.slow
JOB, VERSION = "0f" * 16, "9f" * 32
WHEN = "2026-05-04T12:00:00.000Z"
#: Numbers that languages write in different ways: whole ones, small ones, large ones, and ones of many digits.
REALS = (0.0, 1.0, 1e-06, 1e-05, 0.0001, 1e16, 1e22, 123456789012345680.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308)


def spent(real: float, kind: SpendingKind = SpendingKind.BOOKED) -> Spending:
    return Spending(
        job_id=JOB, kind=kind, share="5a" * 32, dataset="stays", version=VERSION, rho=real, epsilon=real, delta=real,
        spent_at=WHEN,
    )  # fmt: skip


def chain(entries: Sequence[AuditEntry]) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    for entry in entries:
        records.append(chained(entry, len(records), records[-1].hash if records else NO_RECORD))
    return records


RECORDS = chain(
    [
        Decision(job_id=JOB, decision=DecisionKind.APPROVED, decided_at=WHEN, about=("Zürich \U0001f3e5\x7f",)),
        *(spent(real, kind) for real, kind in zip(REALS, [*SpendingKind] * len(REALS), strict=False)),
        Release(
            job_id=JOB, round=0, kind="moments", numbers=9, recipient="3b" * 32, dataset="stays", version=VERSION,
            released_at=WHEN,
        ),
    ]
)  # fmt: skip


def shown(parties: Parties, watched: Watched, records: Sequence[AuditRecord]) -> Page:
    """The releases of an owner whose service answers with these records, in its own encoding."""
    body = Audit(head=records[-1].hash, records=list(records)).model_dump_json()
    page = watched.page(parties.urls["owner-a"])
    page.route("**/audit", lambda route: route.fulfill(body=body, content_type="application/json"))
    page.goto(f"{parties.urls['owner-a']}/#/data-owner/releases")
    page.locator("main .note").wait_for()
    return page


def test_a_chain_that_holds_has_the_head_that_the_command_prints(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    page = shown(finished[0], watched, RECORDS)
    assert page.locator(".note.good code").inner_text() == verify_records(RECORDS)
    rows = page.get_by_role("row").all_inner_texts()
    assert len(rows) == 1 + len(RECORDS)
    assert "Invalid" not in " ".join(rows) and all("4 May 2026" in row for row in rows[1:])
    assert any("privacy given back" in row and "of stays: epsilon 1e-05 at delta 1e-05" in row for row in rows)


@pytest.mark.parametrize("at", [1, 5, len(RECORDS) - 1])
def test_one_altered_record_is_found_as_the_command_finds_it(
    finished: tuple[Parties, str], watched: Watched, at: int
) -> None:
    changed = {"epsilon": 2.0, "delta": 1e-07} if isinstance(RECORDS[at], Spending) else {"numbers": 8}
    altered = [*RECORDS[:at], RECORDS[at].model_copy(update=changed), *RECORDS[at + 1 :]]
    with pytest.raises(Problem, match=f"Audit record {at}:"):
        verify_records(altered)
    page = shown(finished[0], watched, altered)
    assert page.locator(".note.bad").inner_text().startswith(f"Record {at} does not hold")
