"""Accounts, their passwords, and the failures that lock who guesses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import argon2
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from fedtrain.facilitator.store import Store
from fedtrain.service.people import passwords
from fedtrain.service.people.permissions import PersonRole
from fedtrain.service.people.sign_in import LOCKED_S, MOST_OF_A_NAME, MOST_OF_AN_ADDRESS, People
from fedtrain.service.people.tables import accounts, sign_in_failures
from fedtrain.service.store.database import sqlite_url
from fedtrain.spec.problems import Code, Problem

RIGHT, OTHER = "correct horse battery", "staple in the haystack"
HERE, THERE = "192.0.2.7", "192.0.2.8"


class Day:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 5, 4, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def wait(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def day() -> Day:
    return Day()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    store = Store(sqlite_url(tmp_path / "state.sqlite3"))
    yield store.engine
    store.close()


@pytest.fixture
def people(engine: Engine, day: Day) -> People:
    found = People(engine, day)
    assert not found.accounts.any()
    found.accounts.add("Ana", PersonRole.OWNER, RIGHT, day.now())
    return found


def refused(code: Code, act: object, *given: object) -> Problem:
    with pytest.raises(Problem) as caught:
        act(*given)  # type: ignore[operator]
    assert caught.value.code is code
    return caught.value


def test_the_name_and_password_sign_in_and_no_other_does(people: People) -> None:
    assert people.sign_in("ana", RIGHT, HERE).name == "Ana"
    for name, password in (("ana", OTHER), ("bob", RIGHT), ("ana", RIGHT + " "), ("ana", ""), ("", RIGHT)):
        refused(Code.UNAUTHENTICATED, people.sign_in, name, password, HERE)


def test_a_password_is_kept_as_argon2id_with_a_salt_of_its_own_at_full_cost(
    people: People, engine: Engine, day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_hasher", argon2.PasswordHasher)
    people.accounts.add("Bob", PersonRole.AUDITOR, RIGHT, day.now())
    with engine.connect() as connection:
        kept = connection.execute(sa.select(accounts.c.password).order_by(accounts.c.key)).scalars().all()
    assert kept[1].startswith("$argon2id$v=19$m=65536,t=3,p=4$") and RIGHT not in kept[1]
    assert kept[0].rsplit("$", 2)[1] != kept[1].rsplit("$", 2)[1]
    assert people.sign_in("bob", RIGHT, HERE).name == "Bob"


@pytest.mark.parametrize("password", ["short", "x" * 300, "aaaaaaaaaaaaaaaa", "a long name of mine"])
def test_a_password_that_is_none_is_refused(people: People, day: Day, password: str) -> None:
    problem = refused(
        Code.INVALID_REQUEST, people.accounts.add, "A long name of mine", PersonRole.ADMIN, password, day.now()
    )
    assert password not in problem.detail
    assert len(people.accounts.all()) == 1


@pytest.mark.parametrize("name", ["", " ana2", "a\nb", "x" * 101, "ANA", "ﬁ" * 100 + "x", "\ufdfa" * 30])
def test_a_name_that_is_none_or_anothers_is_refused(people: People, day: Day, name: str) -> None:
    refused(Code.INVALID_REQUEST, people.accounts.add, name, PersonRole.ADMIN, RIGHT, day.now())


def test_the_first_account_is_an_owners_and_the_last_owner_stays_one(engine: Engine, day: Day) -> None:
    people = People(engine, day)
    refused(Code.INVALID_REQUEST, people.accounts.add, "eve", PersonRole.AUDITOR, RIGHT, day.now())
    people.accounts.add("ana", PersonRole.OWNER, RIGHT, day.now())
    assert "last owner" in refused(Code.INVALID_REQUEST, people.accounts.set_disabled, "ana", True).detail
    refused(Code.INVALID_REQUEST, people.accounts.set_role, "ana", PersonRole.ADMIN)
    people.accounts.add("bob", PersonRole.OWNER, RIGHT, day.now())
    assert people.accounts.set_disabled("ana", True).disabled
    refused(Code.INVALID_REQUEST, people.accounts.set_role, "bob", PersonRole.ADMIN)


def test_a_change_of_role_or_password_and_disabling_end_what_was_opened_before(people: People, day: Day) -> None:
    people.accounts.add("bob", PersonRole.AUDITOR, RIGHT, day.now())
    for change in (
        lambda: people.accounts.set_role("bob", PersonRole.ADMIN),
        lambda: people.accounts.set_password("bob", OTHER),
        lambda: people.accounts.set_disabled("bob", True),
    ):
        before = next(one for one in people.accounts.all() if one.name == "bob")
        assert people.accounts.holding(before.id, before.epoch) == before
        change()
        assert people.accounts.holding(before.id, before.epoch) is None
    disabled = next(one for one in people.accounts.all() if one.name == "bob")
    assert people.accounts.holding(disabled.id, disabled.epoch) is None
    refused(Code.UNAUTHENTICATED, people.sign_in, "bob", OTHER, HERE)


@pytest.mark.parametrize("name", ["ana", "nobody"])
def test_who_guesses_is_locked_out_in_the_same_words_whether_there_is_such_an_account(
    people: People, day: Day, name: str
) -> None:
    wrong = {refused(Code.UNAUTHENTICATED, people.sign_in, name, OTHER, HERE).detail for _ in range(MOST_OF_A_NAME)}
    assert wrong == {"The name or the password is not right, or the account is disabled."}
    locked = refused(Code.RATE_LIMITED, people.sign_in, name, RIGHT, THERE)
    assert locked.detail.endswith(f"{LOCKED_S} s.") and locked.extra["retry_after_s"] == LOCKED_S
    assert name not in locked.detail
    day.wait(LOCKED_S - 1)
    refused(Code.RATE_LIMITED, people.sign_in, name, RIGHT, THERE)
    day.wait(1)
    if name == "ana":
        assert people.sign_in("ana", RIGHT, HERE).name == "Ana"
    else:
        refused(Code.UNAUTHENTICATED, people.sign_in, name, RIGHT, HERE)


def test_no_password_is_looked_at_while_locked_and_as_much_is_done_for_no_account(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str | None] = []
    fits = passwords.fits

    def watched(password: str, encoded: str | None) -> bool:
        looked.append(encoded)
        return fits(password, encoded)

    monkeypatch.setattr("fedtrain.service.people.accounts.fits", watched)
    for _ in range(MOST_OF_A_NAME):
        refused(Code.UNAUTHENTICATED, people.sign_in, "nobody", OTHER, HERE)
    assert looked == [None] * MOST_OF_A_NAME  # for which `fits` computes the hash of nobody's password
    refused(Code.RATE_LIMITED, people.sign_in, "nobody", OTHER, HERE)
    assert len(looked) == MOST_OF_A_NAME


def test_the_lock_outlives_the_process_and_is_opened_by_who_runs_it(people: People, engine: Engine, day: Day) -> None:
    for _ in range(MOST_OF_A_NAME):
        refused(Code.UNAUTHENTICATED, people.sign_in, "ana", OTHER, HERE)
    again = People(engine, day)
    refused(Code.RATE_LIMITED, again.sign_in, "ana", RIGHT, HERE)
    again.unlock("ANA")
    assert again.sign_in("ana", RIGHT, HERE).name == "Ana"


def test_an_address_that_tries_many_names_is_locked_and_another_is_not(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedtrain.service.people.accounts.fits", lambda *_: False)
    for index in range(MOST_OF_AN_ADDRESS):
        refused(Code.UNAUTHENTICATED, people.sign_in, f"name-{index}", OTHER, f"2001:db8::{index}")
    refused(Code.RATE_LIMITED, people.sign_in, "ana", RIGHT, "2001:db8::ffff")  # of the same /64
    monkeypatch.setattr("fedtrain.service.people.accounts.fits", passwords.fits)
    assert people.sign_in("ana", RIGHT, "2001:db8:0:1::1").name == "Ana"


def test_guesses_at_one_time_are_all_counted(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedtrain.service.people.accounts.fits", lambda *_: False)

    def guess(_: int) -> Code:
        return refused_with(people)

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(guess, range(24)))
    assert codes.count(Code.UNAUTHENTICATED) == MOST_OF_A_NAME
    assert codes.count(Code.RATE_LIMITED) == 24 - MOST_OF_A_NAME


def refused_with(people: People) -> Code:
    with pytest.raises(Problem) as caught:
        people.sign_in("ana", OTHER, HERE)
    return caught.value.code


def test_failures_are_forgotten_and_names_are_not_kept_in_words(people: People, engine: Engine, day: Day) -> None:
    refused(Code.UNAUTHENTICATED, people.sign_in, "my-password-by-mistake", OTHER, HERE)
    with engine.connect() as connection:
        keys = connection.execute(sa.select(sign_in_failures.c.key)).scalars().all()
    assert len(keys) == 2 and not any("mistake" in key for key in keys)
    day.wait(LOCKED_S)
    people.sign_in("ana", RIGHT, THERE)
    with engine.connect() as connection:
        assert f"address {HERE}" not in connection.execute(sa.select(sign_in_failures.c.key)).scalars().all()


def test_the_organisations_people_have_the_role_that_it_says(people: People, day: Day) -> None:
    issuer = "https://sso.clinic.example"
    first = people.accounts.from_organisation(issuer, "17", "eve", PersonRole.AUDITOR, day.now())
    assert people.accounts.from_organisation(issuer, "17", "eve", PersonRole.AUDITOR, day.now()) == first
    changed = people.accounts.from_organisation(issuer, "17", "eve", PersonRole.ADMIN, day.now())
    assert (changed.id, changed.role) == (first.id, PersonRole.ADMIN) and changed.epoch > first.epoch
    # Neither another subject nor another issuer gets at an account by its name.
    for who in ((issuer, "18", "eve"), ("https://other.example", "17", "Eve"), (issuer, "19", "ANA")):
        refused(Code.FORBIDDEN, people.accounts.from_organisation, *who, PersonRole.OWNER, day.now())
    refused(Code.UNAUTHENTICATED, people.sign_in, "eve", RIGHT, HERE)
    refused(Code.INVALID_REQUEST, people.accounts.set_password, "eve", RIGHT)
    people.accounts.set_disabled("eve", True)
    assert (
        "disabled"
        in refused(
            Code.FORBIDDEN, people.accounts.from_organisation, issuer, "17", "eve", PersonRole.ADMIN, day.now()
        ).detail
    )
