"""An owner that is killed (SIGKILL) at each of its writes, and a store that is set back: no more opened than booked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fedtrain.data_owner.release import ledger as ledger_module
from fedtrain.data_owner.release.audit import verify_records
from fedtrain.privacy.cost import total
from fedtrain.service.vault.secret_files import read_lines
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.killed_ledger import (
    ANSWERED,
    BEFORE,
    BUDGET,
    DATABASE,
    JOB,
    RELEASE,
    RESERVED,
    TABLE,
    TERMS,
    Owner,
)

#: Writes, and halves of writes, of a job from its reservation until its first numbers are sent.
POINTS = 26
OTHER_JOB, OTHER_SHARE = "0d" * 16, "0e" * 32


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folders that killed owners left."""
    folder = tmp_path_factory.mktemp("killed")
    subprocess.run(
        [sys.executable, "-m", "tests.harness.data_owner.killed_ledger", str(folder)], check=True, timeout=300
    )
    return folder


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "compute_answer", lambda *_: ANSWERED)


def sent(folder: Path) -> set[bytes]:
    return set(read_lines(folder / "sent"))


def is_spent(owner: Owner) -> bool:
    """Say whether the budget, which covers one release, refuses another job's."""
    try:
        owner.reserve(OTHER_JOB, OTHER_SHARE)
    except Problem as problem:
        assert problem.code is Code.BUDGET_SPENT
        return True
    return False


def copy_of(left: Path, point: int, store: str | None, folder: Path) -> Path:
    """Return a copy of what a killed owner left, with an older store where one is named."""
    state = folder / "state"
    shutil.copytree(left / str(point), state)
    if store is not None:
        for file in state.glob(f"{DATABASE}*"):
            file.unlink()
        shutil.copy(left / store, state / DATABASE)
    return state


def test_owners_were_killed_at_every_point_and_one_was_not(left: Path) -> None:
    assert sorted(int(one.name) for one in left.iterdir() if one.name.isdigit()) == list(range(1, POINTS + 2))
    assert sent(left / "1") == set() and sent(left / str(POINTS + 1)) == {RELEASE.encode()}


@pytest.mark.slow
@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("store", [None, BEFORE, RESERVED])
@pytest.mark.parametrize("point", range(1, POINTS + 2))
def test_what_was_opened_is_booked_wherever_the_owner_was_killed(
    left: Path, point: int, store: str | None, tmp_path: Path
) -> None:
    state = copy_of(left, point, store, tmp_path)
    owner = Owner(state)
    account = owner.spendings.account(TABLE, BUDGET)
    assert len(sent(state)) * TERMS.rho <= total(account.costs()).rho <= TERMS.rho
    assert {name.encode() for name in account.booked} >= sent(state)
    if sent(state) or account.booked:
        assert is_spent(owner)

    # The job goes on: the same release is told, and costs what it costs.
    owner.join_and_answer()
    account = owner.spendings.account(TABLE, BUDGET)
    assert sent(state) == {RELEASE.encode()} == {name.encode() for name in account.booked}
    assert total(account.costs()).rho == TERMS.rho
    assert is_spent(owner)
    owner.spendings.give_back(JOB.job_id)
    assert is_spent(owner)
    assert owner.spendings.forgotten() == 0
    verify_records(owner.store.audit())
    owner.store.close()


@pytest.mark.parametrize("store", [None, BEFORE])
@pytest.mark.parametrize("point", range(1, POINTS + 2))
def test_a_job_that_never_goes_on_gives_back_what_was_not_booked_and_no_more(
    left: Path, point: int, store: str | None, tmp_path: Path
) -> None:
    state = copy_of(left, point, store, tmp_path)
    owner = Owner(state)
    owner.spendings.give_back(JOB.job_id)
    booked = bool(owner.spendings.account(TABLE, BUDGET).booked)
    assert booked or not sent(state)
    assert is_spent(owner) == booked
    owner.store.close()
