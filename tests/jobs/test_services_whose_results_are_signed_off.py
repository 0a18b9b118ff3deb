"""Whole jobs through the services whose result waits for people: what they are shown, restarts, refusals, budgets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app as command
from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.rules import OwnerPolicy, ReleasePolicy
from fedtrain.data_owner.release.audit import DecisionRecord, verify_records
from fedtrain.data_owner.store.records import DecisionKind
from fedtrain.service.people.permissions import PersonRole
from fedtrain.simulation.federation import Federation, Party, federation
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import spec_of

OWNERS = ("clinic-a", "clinic-b", "clinic-c")


def table(folder: Path, number: int) -> Path:
    path = folder / f"{number}.csv"
    rows = [f"{20 + at},{(at % 5) - 2},{at % 50}" for at in range(number, number + 30 + number)]
    path.write_text("\n".join(["age,dose,days", *rows]) + "\n")
    return path


def tables(folder: Path) -> dict[str, Path]:
    return {name: table(folder, at) for at, name in enumerate(OWNERS)}


def signed_off(**changes: Any) -> dict[str, Any]:
    spec = spec_of(release="sign_off", optimizer="newton", rounds="auto")
    return spec.model_dump(mode="json", exclude_none=True) | {"name": "stay"} | changes


async def until_all_wait(parties: Federation, job_id: str) -> None:
    for owner in parties.data_owners:
        while [one["sign_off"] for one in await owner.get("/models") if one["id"] == job_id] != ["waits"]:
            await asyncio.sleep(0.02)


async def sign(owner: Party, job_id: str, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await owner.post(f"/models/{job_id}/sign-off", {"decision": "sign_off", **body})
    return answer


async def until_not_signed_off(parties: Federation, job_id: str, names: list[str]) -> dict[str, Any]:
    while True:
        model: dict[str, Any] = await parties.model_owner.get(f"/models/{job_id}")
        if sorted(model["not_signed_off"] or ()) == names:
            return model
        await asyncio.sleep(0.05)


async def refused(call: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        await call
    return raised.value


async def said(owner: Party, *arguments: str) -> Result:
    """Let a person at an owner's terminal call the command."""
    loop = asyncio.get_running_loop()

    class Direct:
        """Calls the running application where the command would open a connection."""

        def __init__(self, _url: str) -> None:
            self.base_url = "http://owner.invalid"

        def __enter__(self) -> Direct:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def get(self, path: str) -> Any:
            return asyncio.run_coroutine_threadsafe(owner.get(path), loop).result()

        def post(self, path: str, body: object) -> Any:
            return asyncio.run_coroutine_threadsafe(owner.post(path, body), loop).result()

    def run() -> Result:
        with mock.patch("fedtrain.cli.jobs.client.Service", Direct):
            return CliRunner().invoke(command, arguments)

    return await asyncio.to_thread(run)


@pytest.mark.slow
def test_a_result_is_shown_signed_by_two_people_of_each_owner_over_a_restart_and_opens(tmp_path: Path) -> None:
    policy = OwnerPolicy.for_loopback().model_copy(update={"release": ReleasePolicy(people=2)})

    def started() -> Any:
        return federation(tmp_path, tables(tmp_path), allow_small_keys=True, owner_policy=policy)

    async def first() -> str:
        async with started() as parties:
            job_id = await parties.deploy(signed_off())
            await until_all_wait(parties, job_id)
            model = await until_not_signed_off(parties, job_id, list(OWNERS))
            assert (model["status"], model["rows_total"], model["coefficients"]) == ("IN_PROGRESS", None, None)
            assert model["leak"]["numbers_decrypted"] == 0
            shown = await parties.data_owners[0].get(f"/models/{job_id}/sign-off")
            assert {one["name"] for one in shown["owners"]} == set(OWNERS)
            assert (shown["name"], shown["rounds"], shown["numbers"], shown["privacy"]) == ("stay", 1, 10, None)
            assert (shown["verified"]["owners_signed"], shown["people"], shown["missing"]) == (3, 2, 2)
            waiting = (await parties.data_owners[0].get("/models"))[0]["waits_because"]
            assert f"fedtrain sign-off {job_id[:8]}" in waiting
            await sign(parties.data_owners[0], job_id, by="ana", why="as agreed", result=shown["result"])
            return job_id

    async def then(job_id: str) -> None:
        async with started() as parties:
            owner, *others = parties.data_owners
            await until_all_wait(parties, job_id)
            again = await refused(sign(owner, job_id, by="ana"))
            assert (again.code, "ana has signed it before" in again.detail) == (Code.SIGN_OFF_INVALID, True)
            nobody = await refused(sign(owner, job_id))
            assert "wants 2 people" in nobody.detail
            other = await refused(sign(owner, job_id, by="bea", result="00" * 32))
            assert other.code is Code.SIGN_OFF_INVALID
            stranger = await owner.http.post(
                f"/models/{job_id}/sign-off", json={"decision": "sign_off"}, headers={"Authorization": "Bearer none"}
            )
            assert stranger.status_code == 401
            assert (await sign(owner, job_id, by="bea"))["standing"] == "signed_off"
            await until_not_signed_off(parties, job_id, ["clinic-b", "clinic-c"])
            by_command, last = others
            await sign(by_command, job_id, by="ana")
            wrong = await said(by_command, "approve", job_id, "--yes")
            assert (wrong.exit_code, f"fedtrain sign-off {job_id[:8]}" in wrong.output) == (1, True)
            assert job_id in (await said(by_command, "sign-off")).output
            waits = f"(stay) waits to be signed off: fedtrain sign-off {job_id[:8]}"
            assert waits in " ".join((await said(by_command, "inbox")).output.split())
            shown = (await said(by_command, "sign-off", job_id, "--by", "bea")).output
            for part in (
                "stay",
                "1 round, 10 numbers",
                "clinic-a",
                "3 of 3 owners have signed",
                "signed by  ana",
                "--yes",
            ):
                assert part in shown
            done = await said(by_command, "sign-off", job_id[:8], "--by", "bea", "--yes")
            assert (done.exit_code, "signed off. The Model Owner can open" in done.output) == (0, True), done.output
            assert "waits to be signed off" not in (await said(by_command, "inbox")).output
            await signed_by_two_accounts(last, job_id)
            model = await parties.wait(job_id)
            assert (model["status"], model["rows_total"]) == ("FINISHED", 93)
            assert model["not_signed_off"] is None
            records = audit_of(await owner.get("/audit"))
            verify_records(records)
            decisions = [one for one in records if isinstance(one, DecisionRecord)]
            assert [(one.decision.value, one.by, one.reason) for one in decisions] == [
                ("signed_off", "ana", "as agreed"),
                ("signed_off", "bea", None),
            ]
            assert {one.result for one in decisions} == {(await owner.get(f"/models/{job_id}/sign-off"))["result"]}

    asyncio.run(then(asyncio.run(first())))


async def signed_by_two_accounts(owner: Party, job_id: str) -> None:
    """Sign a result off, once this owner's people have accounts: two people are two accounts then."""
    accounts = owner.app.state.sessions.people.accounts
    now = owner.app.state.sessions.people.now()
    browsers = {}
    for name, role in (("ana", PersonRole.OWNER), ("bea", PersonRole.COMPLIANCE_OFFICER), ("eve", PersonRole.AUDITOR)):
        await asyncio.to_thread(accounts.add, name, role, "correct horse battery", now)
        transport = httpx.ASGITransport(owner.app)
        browsers[name] = Party(name, owner.app, httpx.AsyncClient(transport=transport, base_url="http://o"), Path())
        await browsers[name].post("/session", {"name": name, "password": "correct horse battery"})
    stranger = httpx.AsyncClient(transport=httpx.ASGITransport(owner.app), base_url="http://o")
    assert (await stranger.get(f"/models/{job_id}")).status_code == 401  # and so is who only says who it is
    assert (await stranger.get(f"/models/{job_id}", headers={"Fedtrain-Party": "ab" * 32})).status_code == 401
    by_role = await refused(sign(browsers["eve"], job_id))
    assert (by_role.code, "eve has the role auditor" in by_role.detail) == (Code.FORBIDDEN, True)
    nobody = await refused(sign(owner, job_id, by="bea"))  # with the service's own token, and a typed name
    assert (nobody.code, "each signs in with their own" in nobody.detail) == (Code.SIGN_OFF_INVALID, True)
    anothers = await refused(sign(browsers["ana"], job_id, by="bea"))
    assert (anothers.code, "ana is signed in" in anothers.detail) == (Code.SIGN_OFF_INVALID, True)
    assert (await sign(browsers["ana"], job_id, by="Ana"))["missing"] == 1
    again = await refused(sign(browsers["ana"], job_id))
    assert "ana has signed it before" in again.detail
    assert [(one["by"], one["signed_in"]) for one in (await sign(browsers["bea"], job_id))["signed"]] == [
        ("ana", True),
        ("bea", True),
    ]
    records = audit_of(await browsers["eve"].get("/audit"))
    verify_records(records)
    decisions = [one for one in records if isinstance(one, DecisionRecord)]
    assert [one.about for one in decisions if one.decision is DecisionKind.ACCOUNT_ADDED] == [
        ("Account ana.", "Role: owner."),
        ("Account bea.", "Role: compliance-officer."),
        ("Account eve.", "Role: auditor."),
    ]
    signed = [one for one in decisions if one.decision is DecisionKind.SIGNED_OFF]
    assert [(one.by, one.signed_in, one.token_id) for one in signed] == [("ana", True, None), ("bea", True, None)]


def audit_of(answer: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter

    from fedtrain.data_owner.release.audit import AuditRecord

    return TypeAdapter(list[AuditRecord]).validate_python(answer["records"])


PRIVATE = {"epsilon": 1.0, "delta": 1e-6, "row_bound": 2.0, "honest_owners": 2}


@pytest.mark.slow
@pytest.mark.parametrize("refuses", [True, False])
def test_a_privacy_budget_is_spent_with_the_signature_and_given_back_with_a_refusal(
    tmp_path: Path, refuses: bool
) -> None:
    """Until its key is told, what left is masked for good: nobody has learnt anything that would cost."""
    budget = PrivacyPolicy(epsilon=3.0, delta=1e-6)
    policy = OwnerPolicy.for_loopback().model_copy(update={"privacy": budget})
    spec = signed_off(privacy=PRIVATE)
    spec["training"] = {"optimizer": "newton", "key_bits": 512, "max_rows": 1000, "max_data_owners": 8}

    def of_dataset(answer: dict[str, Any]) -> tuple[int, int]:
        (dataset,) = answer["datasets"]
        return dataset["reserved"], len(dataset["releases"])

    async def run() -> None:
        async with federation(tmp_path, tables(tmp_path), allow_small_keys=True, owner_policy=policy) as parties:
            job_id = await parties.deploy(spec)
            await until_all_wait(parties, job_id)
            owner, *others = parties.data_owners
            shown = await owner.get(f"/models/{job_id}/sign-off")
            assert shown["privacy"]["epsilon"] == 1.0
            assert shown["privacy"]["epsilon_spent"] == pytest.approx(1.0, rel=0.02)
            assert of_dataset(await owner.get("/budget")) == (1, 0)
            if refuses:
                answer = await owner.post(f"/models/{job_id}/sign-off", {"decision": "refuse", "why": "not for this"})
                assert answer["standing"] == "refused"
            for one in parties.data_owners if not refuses else others[:1]:
                await sign(one, job_id)
            model = await parties.wait(job_id)
            if refuses:
                assert (model["status"], model["code"]) == ("FAILED", "sign-off-refused")
                assert model["reason"] == "clinic-a did not sign the result off: not for this"
                await until(owner, lambda answer: of_dataset(answer) == (0, 0))
                ended = await parties.data_owners[2].get(f"/models/{job_id}")
                while ended["phase"] == "JOINED":
                    ended = await parties.data_owners[2].get(f"/models/{job_id}")
                assert (ended["phase"], ended["code"], ended["reason"]) == (
                    "FAILED",
                    "sign-off-refused",
                    model["reason"],
                )
                return
            assert model["status"] == "FINISHED", model
            assert of_dataset(await owner.get("/budget")) == (0, 1)

    async def until(owner: Party, holds: Callable[[dict[str, Any]], bool]) -> None:
        while not holds(await owner.get("/budget")):
            await asyncio.sleep(0.02)

    asyncio.run(run())


def test_a_refusal_without_a_reason_is_refused_itself() -> None:
    from fedtrain.data_owner.routes.sign_offs import SignOffDecision

    with pytest.raises(ValueError, match="why: all parties are told"):
        SignOffDecision(decision="refuse")
    assert ModelSpec.model_validate(signed_off()).signs_off
