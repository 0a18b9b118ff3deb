"""`fedtrain approve | deny | audit | budget | policy check` against a Data Owner's own service."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app as command
from fedtrain.crypto import LocalEngine
from fedtrain.data_owner import job as j
from fedtrain.data_owner.app import create_app
from fedtrain.data_owner.data.datasets import register
from fedtrain.data_owner.job import KeepAnswer, Outcome
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.round import step
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.data_owner.store.records import Release, Spending, SpendingKind
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.privacy.accounting import rho_of
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.vault.tokens import Scope, new_token, write_tokens
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Problem
from tests.harness.data_owner.owner_bench import (
    JOB_ID,
    NOW,
    at_work,
    facts_after,
    facts_of,
    offered,
    opening_entry,
    owner_of,
    request_of,
    spec_of,
)

BY_HAND = OwnerPolicy.for_loopback().model_copy(update={"approval": "by_hand"})


class Direct:
    """Calls the running application where the command would open a connection."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.base_url = "http://owner.invalid"

    def __enter__(self) -> Direct:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def get(self, path: str, **params: str) -> Any:
        return self._answer(self.client.get(path, params=params))

    def post(self, path: str, body: object) -> Any:
        return self._answer(self.client.post(path, json=body))

    def _answer(self, response: httpx.Response) -> Any:
        if response.is_error:
            raise Problem.from_dict(response.json(), response.status_code)
        return response.json()


@contextmanager
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str | None = None) -> Iterator[Any]:
    """A Data Owner's application, which the command calls with `token` where there is one."""

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    with ThreadPoolExecutor(2) as executor:
        settings = DataOwnerSettings(state_dir=tmp_path / "owner", data_dir=tmp_path, allow_small_keys=True)
        service = create_app(
            settings,
            clock=SystemClock(),
            executor=executor,
            transport=httpx.MockTransport(away),
            policy=BY_HAND,
            engine=LocalEngine(),
        )
        with TestClient(service) as client:
            client.headers["Authorization"] = f"Bearer {token or service.state.gate.decisions.value}"
            monkeypatch.setattr("fedtrain.cli.jobs.client.Service", lambda _url: Direct(client))
            yield service


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Data Owner's application, started; its Facilitator is away."""
    with started(tmp_path, monkeypatch) as service:
        yield service


def waiting(service: Any) -> JobState:
    """A job that waits for a person, in the service's store."""
    state, effects = step(owner_of(policy=BY_HAND), offered(), j.Offered({"default": facts_of()}), NOW)
    assert effects == ()
    kept: JobState = service.state.parts.store.open_job(state)
    return kept


def run(*arguments: object, answer: str | None = None) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], input=answer)


def document(output: str) -> Any:
    """The command's JSON; the service, which runs in this process too, logs before and after it."""
    return json.JSONDecoder().raw_decode(output[output.index("{\n") :])[0]


def test_approve_shows_the_job_and_lets_it_in(owner: Any) -> None:
    waiting(owner)
    done = run("approve", JOB_ID[:6], "--yes")
    assert done.exit_code == 0, done.output
    for shown in ("model-owner", "5 rounds", "512-bit key", "of 9 that there are", "approved by hand", "approved"):
        assert shown in done.output
    state = owner.state.parts.store.job(JOB_ID)
    assert state.approved and state.waits_because is None


def test_approve_shows_what_is_signed_for_and_what_happens_next(owner: Any) -> None:
    told = {
        "name": "stay",
        "purpose": "how long patients stay",
        "data_props": {
            "features": [
                {"name": "age", "type": "continuous", "range": [18, 100], "description": "in years\x1b[2J\u202e"},
                {"name": "smoker", "type": "nominal", "categories": ["no", "yes"]},
            ],
            "target": {"name": "days", "range": [0, 60]},
        },
    }
    spec = ModelSpec.model_validate({**spec_of().model_dump(mode="json", exclude_none=True), **told})
    facts = facts_of(columns=("age", "smoker", "days"))
    state, _ = step(owner_of(policy=BY_HAND), offered(spec), j.Offered({"default": facts}), NOW)
    owner.state.parts.store.open_job(state)
    shown_first = run("approve", "--json").output
    listed = json.JSONDecoder().raw_decode(shown_first[shown_first.index("[\n") :])[0]
    done = run("approve", "stay", "--yes")
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    for shown in (
        "name stay",
        "purpose how long patients stay",
        "model linear regression, by conjugate gradient, at most 5 rounds",
        "predicts days, number 0 to 60",
        "from column age, continuous 18 to 100: in years�[2J�",
        "from column smoker, nominal no or yes",
        "who else 3 to 8 owners in all; who they are is fixed when all have answered",
    ):
        assert shown in lines, done.output
    assert "is approved. This owner freezes its sums and joins" in done.output
    assert listed[0]["columns"] == ["age, continuous 18 to 100: in years\x1b[2J\u202e", "smoker, nominal no or yes"]


def test_approve_in_json_has_the_same_and_what_happens_next(owner: Any) -> None:
    waiting(owner)
    answer = document(run("approve", JOB_ID, "--yes", "--json").output)
    assert answer["consent"]["columns"] and answer["consent"]["purpose"].startswith("not said")
    assert "training begins by itself" in answer["next"]


def test_approve_without_a_job_lists_those_that_wait(owner: Any) -> None:
    assert "no job waits" in run("approve").output
    waiting(owner)
    done = run("approve")
    assert done.exit_code == 0 and JOB_ID in done.output
    assert owner.state.parts.store.job(JOB_ID).waits_because is not None


def test_approve_without_anybody_to_ask_approves_nothing(owner: Any) -> None:
    waiting(owner)
    done = run("approve", JOB_ID)
    assert done.exit_code == 1 and "--yes" in done.output
    assert owner.state.parts.store.job(JOB_ID).waits_because is not None


def test_approve_shows_the_risk_that_a_job_waits_for(owner: Any) -> None:
    state = waiting(owner)
    risky = state.model_copy(update={"risks": ("Job cdcdcdcd… was over 4 owners.",)})
    owner.state.parts.store.commit(state, Outcome(risky))
    done = run("approve", JOB_ID, "--yes")
    assert "risk  Job cdcdcdcd… was over 4 owners." in done.output
    assert owner.state.parts.store.job(JOB_ID).risks_taken == risky.risks
    listed = " ".join(run("audit").output.split())
    assert "risks taken" in listed and "Job cdcdcdcd… was over 4 owners." in listed
    assert "1 records, 0 numbers, 1 decisions of people; the chain holds" in listed


def test_deny_keeps_the_reason_here(owner: Any) -> None:
    waiting(owner)
    done = run("deny", JOB_ID, "--reason", "not this quarter", "--json")
    assert done.exit_code == 0 and document(done.output)["id"] == JOB_ID
    assert owner.state.parts.store.job(JOB_ID).refusal.detail == "not this quarter"
    again = run("deny", JOB_ID, "--reason", "twice")
    assert again.exit_code == 1 and "nothing to decide" in again.output
    (record,) = document(run("audit", "--json").output)["records"]
    assert (record["decision"], record["reason"], record["token_id"]) == ("denied", "not this quarter", None)
    assert "Because: not this quarter" in run("audit").output


def test_budget_shows_what_is_spent_and_left_and_what_the_store_forgot(owner: Any, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("age,dose,days\n" + "".join(f"{40 + row % 9},{row % 5},{row % 30}\n" for row in range(40)))
    registered = owner.state.parts
    dataset = register(registered.store, "default", table, None, "2026-03-02T08:30:00.000Z")
    empty = " ".join(run("budget").output.split())
    assert "no end" in empty and "The policy has no [privacy] epsilon and delta" in empty

    booked = Spending(
        job_id=JOB_ID,
        kind=SpendingKind.BOOKED,
        release="3b" * 32,
        share="4c" * 32,
        dataset="default",
        version=dataset.version,
        rho=rho_of(0.5, 1e-6),
        epsilon=0.5,
        delta=1e-6,
        spent_at="2026-03-02T08:30:00.000Z",
    )
    registered.store.spend(lambda _: booked)
    registered.jobs.policy = BY_HAND.model_copy(update={"privacy": PrivacyPolicy(epsilon=1.0, delta=1e-6)})
    shown = document(run("budget", "--json").output)
    (account,) = shown["datasets"]
    assert (account["epsilon_spent"], account["exact"]) == (pytest.approx(0.5), False)
    assert 0.7 < account["epsilon_left"] < 0.9
    printed = " ".join(run("budget").output.split())
    assert f"epsilon 0.5 at delta 1e-06, first told to job {JOB_ID[:8]} on 2026-03-02" in printed
    assert "budget of each record: epsilon 1 at delta 1e-06" in printed and "older copy" not in printed
    assert "privacy booked" in " ".join(run("audit").output.split())

    registered.spendings.told.spend(booked.model_copy(update={"release": "5d" * 32}))
    again = " ".join(run("budget").output.split())
    assert "does not know 1 of the releases" in again
    (account,) = document(run("budget", "--json").output)["datasets"]
    assert len(account["releases"]) == 2


def test_an_unknown_job_is_named(owner: Any) -> None:
    done = run("approve", "ffff", "--yes")
    assert done.exit_code == 1 and "'ffff'" in done.output


def released(service: Any, rounds: int) -> None:
    store = service.state.parts.store
    state = store.open_job(offered())
    for number in range(rounds):
        facts = facts_after(_compute(), number, RoundKind.GRADIENT if number else RoundKind.COUNTS)
        release = Release(
            job_id=JOB_ID,
            round=number,
            kind=facts.kind,
            numbers=3,
            recipient="ee" * 32,
            dataset="default",
            version="da" * 32,
            released_at="2026-03-02T08:30:00.000Z",
        )
        store.commit(state, Outcome(state, (KeepAnswer(facts, b"answer", release),)))


def _compute() -> Any:
    state = at_work()
    assert state.roster is not None
    return request_of(state, opening_entry(state.manifest_hash, state.roster.hash))


def test_audit_prints_and_verifies_what_was_released(owner: Any) -> None:
    assert "0 records" in run("audit").output
    released(owner, 3)
    done = run("audit")
    assert done.exit_code == 0 and "3 records, 9 numbers; the chain holds" in done.output
    head = document(run("audit", "--json").output)["head"]
    assert run("audit", "--head", head).exit_code == 0
    lost = run("audit", "--head", "77" * 32)
    assert lost.exit_code == 1 and "noted head" in lost.output


def test_the_audit_says_whose_token_a_decision_was_taken_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_dir = tmp_path / "owner"
    state_dir.mkdir(mode=0o700)
    token, record = new_token("officer", Scope.ADMIN, NOW)
    write_tokens(state_dir, [record])
    with started(tmp_path, monkeypatch, token) as service:
        waiting(service)
        assert run("approve", JOB_ID, "--yes").exit_code == 0
        assert f"token {record.id}" in run("audit").output
        assert token not in run("audit", "--json").output


def test_audit_fails_where_a_record_was_altered(owner: Any, tmp_path: Path) -> None:
    released(owner, 3)
    connection = sqlite3.connect(tmp_path / "owner" / "state.sqlite3")
    with connection:
        connection.execute("UPDATE releases SET numbers = 1 WHERE round = 1")
    connection.close()
    done = run("audit")
    assert done.exit_code == 1 and "Audit record 1" in done.output


# policy check


def test_policy_check_says_what_a_file_allows_and_what_should_give_one_pause(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('least_roster = 2\nmin_cell = 0\napproval = "by_hand"\n')
    done = run("policy", "check", file)
    assert done.exit_code == 0 and "by_hand" in done.output
    assert "least_roster is below 3" in done.output and "min_cell is 0" in done.output
    careful = tmp_path / "careful.toml"
    careful.write_text(f'[trust]\nmodel_owners = ["{"ab" * 32}"]\ndata_owners = ["{"cd" * 32}"]\n')
    shown = json.loads(run("policy", "check", careful, "--json").output)
    assert shown["warnings"] == [] and shown["policy"]["differencing"] == "by_hand"


@pytest.mark.parametrize(
    ("text", "what"),
    [("least_rooster = 3", "least_rooster"), ("min_rows = 0", "min_rows"), ("min_rows = ", "not TOML")],
)
def test_policy_check_names_a_mistake(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    done = run("policy", "check", file)
    assert done.exit_code == 1 and what in done.output


def test_policy_check_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = run("policy", "check", tmp_path / "none.toml")
    assert done.exit_code == 1 and "none.toml" in done.output
