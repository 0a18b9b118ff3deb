"""Requests through the services: found, asked, talked about, decided, and turned into the job that was approved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.release.audit import DecisionRecord, verify_records
from fedtrain.simulation.federation import Federation, Party, federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import spec_of

OWNERS = ("clinic-a", "clinic-b", "clinic-c")
CARD = {"title": "Stays", "tags": ["stays"], "columns": "none"}
BY_HAND = OwnerPolicy.for_loopback(2).model_copy(update={"approval": "by_hand"})


def table(folder: Path, number: int) -> Path:
    path = folder / f"{number}.csv"
    rows = [f"{20 + at},{(at % 5) - 2},{at % 50}" for at in range(number, number + 30 + number)]
    path.write_text("\n".join(["age,dose,days", *rows]) + "\n")
    return path


def play(folder: Path, scene: Callable[[Federation], Awaitable[None]], policy: OwnerPolicy = BY_HAND) -> None:
    async def run() -> None:
        tables = {name: table(folder, at) for at, name in enumerate(OWNERS)}
        async with federation(folder, tables, allow_small_keys=True, owner_policy=policy) as parties:
            for owner in parties.data_owners:
                put = await owner.http.put("/datasets/default/card", json=CARD)
                assert put.status_code == 200, put.text
            await scene(parties)

    asyncio.run(run())


def spec(**training: Any) -> dict[str, Any]:
    terms = {"optimizer": "newton", "rounds": "auto", "min_data_owners": 2, **training}
    return spec_of(**terms).model_dump(mode="json", exclude_none=True)


async def asked(parties: Federation, **fields: Any) -> dict[str, Any]:
    cards = (await parties.model_owner.get("/catalogue", tag="stays"))["cards"]
    body = {"title": "stay", "purpose": "plan beds", "spec": spec(), "datasets": [card["id"] for card in cards]}
    made: dict[str, Any] = await parties.model_owner.post("/requests", body | fields)
    return made


async def refused(code: Code, call: Awaitable[object]) -> Problem:
    with pytest.raises(Problem) as caught:
        await call
    assert caught.value.code is code, caught.value.detail
    return caught.value


async def job_at(owner: Party, job_id: str) -> dict[str, Any]:
    detail: dict[str, Any] = await owner.get(f"/models/{job_id}")
    return detail


def test_a_request_is_found_talked_about_approved_and_becomes_one_job(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        acme, (ana, bea, cid) = parties.model_owner, parties.data_owners
        request = await asked(parties)
        path = f"/requests/{request['id']}"
        assert [one["decision"] for one in request["owners"]] == [None, None, None]

        # What an owner's people see, in words.
        (line,) = (await ana.get("/requests"))["requests"]
        assert line["waits"] and line["title"] == "stay"
        view = await ana.get(path)
        words = view["asked"]
        assert words["purpose"] == "plan beds" and words["predicts"] == "days"
        assert [one.split(",")[0] for one in words["columns"]] == ["age", "dose"]
        assert "clinic-b" in words["who_else"] and "clinic-a" not in words["who_else"]
        assert "sums a decrypted round" in words["leaves"]
        assert "by hand" in words["policy"]

        # Questions and answers are everybody's.
        await ana.post(f"{path}/messages", {"text": "Which wards?\nAnd who reads it?"})
        await acme.post(f"{path}/messages", {"text": "All of them."})
        thread = (await bea.get(path))["thread"]
        assert [(one["name"], one["text"][:12]) for one in thread] == [
            ("clinic-a", "Which wards?"),
            ("model-owner", "All of them."),
        ]

        not_yet = await refused(Code.REQUEST_NOT_APPROVED, acme.post("/models", {"request": request["id"]}))
        assert "clinic-a has not decided" in not_yet.detail
        await ana.post(
            f"{path}/approve", {"conditions": {"max_rounds": 5, "until": "2999-01-01T00:00:00Z"}, "by": "ana"}
        )
        await cid.post(f"{path}/decline", {"reason": "Not for beds.", "by": "cid"})
        await bea.post(f"{path}/approve", {})
        shown = await acme.get(path)
        found = {one["name"]: (one["decision"], one["reason"], one["departs"]) for one in shown["owners"]}
        assert found == {
            "clinic-a": ("approved", None, []),
            "clinic-b": ("approved", None, []),
            "clinic-c": ("declined", "Not for beds.", []),
        }

        # The approval of the request is that of the job, though the policy wants every job approved by hand.
        model = await acme.post("/models", {"request": request["id"]})
        ended = await parties.wait(model["id"])
        assert (ended["status"], ended["request"]) == ("FINISHED", request["id"])
        assert {one["name"] for one in ended["owners"]} == {"clinic-a", "clinic-b"}
        assert (await acme.get("/requests"))["requests"][0]["models"] == [model["id"]]
        declined = await job_at(cid, model["id"])
        assert (declined["code"], declined["request"]) == ("denied", request["id"])

        # An approval is of one job.
        again = await acme.post("/models", {"request": request["id"]})
        assert (await parties.wait(again["id"]))["status"] == "FAILED"
        detail = await job_at(ana, again["id"])
        assert detail["code"] == "approval-differs" and f"request: job {model['id']}" in detail["reason"]

        # Who decided what is in each owner's audit.
        for owner, kind, by in ((ana, "request_approved", "ana"), (cid, "request_declined", "cid")):
            records = parts_of(owner).store.audit()
            verify_records(records)
            (decision,) = [one for one in records if isinstance(one, DecisionRecord)]
            assert (decision.decision, decision.by, decision.request) == (kind, by, request["id"])
            assert decision.job_id is None and "stay" in decision.about
        assert (await cid.get("/audit"))["records"][0]["reason"] == "Not for beds."

    play(tmp_path, scene)


def parts_of(owner: Party) -> Any:
    return owner.app.state.parts


@pytest.mark.slow
def test_a_job_waits_for_who_has_not_decided_and_conditions_are_kept(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        acme, (ana, bea, cid) = parties.model_owner, parties.data_owners
        request = await asked(parties, spec=spec(optimizer="conjugate_gradient", rounds=5))
        path = f"/requests/{request['id']}"
        over = await refused(
            Code.INVALID_REQUEST, ana.post(f"{path}/approve", {"conditions": {"until": "2020-01-01T00:00:00Z"}})
        )
        assert "conditions.until" in over.detail
        await ana.post(f"{path}/approve", {"conditions": {"max_rounds": 3}})
        await bea.post(f"{path}/approve", {})

        problem = await refused(Code.APPROVAL_DIFFERS, acme.post("/models", {"request": request["id"]}))
        assert "training.rounds: clinic-a: 5 rounds are more than the 3" in problem.detail
        for wrong in ({"rounds": 0}, {"round": 3}, {"epsilon": 1.0}):
            await refused(Code.INVALID_REQUEST, acme.post("/models", {"request": request["id"], **wrong}))
        await refused(Code.REQUEST_NOT_FOUND, acme.post("/models", {"request": "0f" * 32}))

        model = await acme.post("/models", {"request": request["id"], "rounds": 3})
        async with asyncio.timeout(60):
            while (waits := (await cid.get("/models") or [{"waits_because": None}])[0]["waits_because"]) is None:
                await asyncio.sleep(0.02)
        assert "about which nobody here has decided" in waits
        await cid.post(f"{path}/approve", {})
        ended = await parties.wait(model["id"])
        assert ended["status"] == "FINISHED" and ended["rounds"] == 3
        assert {one["name"] for one in ended["owners"]} == set(OWNERS)

    play(tmp_path, scene)


@pytest.mark.slow
def test_what_cannot_be_asked_is_refused_by_field(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        cards = [card["id"] for card in (await parties.model_owner.get("/catalogue"))["cards"]]
        for field, fields in {
            "datasets.1": {"datasets": [cards[0], "0f" * 32]},
            "datasets": {"datasets": cards[:1]},
            "title": {"title": "two\nlines"},
            "purpose": {"purpose": ""},
            "spec.purpose": {"spec": spec() | {"purpose": "sell beds"}},
        }.items():
            problem = await refused(Code.INVALID_REQUEST, asked(parties, **fields))
            errors: Any = problem.extra["errors"]
            assert errors[0]["field"] == field
        twice = await refused(Code.INVALID_REQUEST, asked(parties, datasets=[cards[0], cards[0]]))
        assert "asked twice" in twice.detail
        other = await refused(Code.INVALID_REQUEST, asked(parties, spec=spec() | {"dataset": "stroke"}))
        assert "'stroke'" in other.detail
        await refused(Code.INVALID_SPEC, asked(parties, spec={"model_type": "ORACLE"}))
        request = await asked(parties)
        owner = parties.data_owners[0]
        path = f"/requests/{request['id']}"
        await refused(Code.INVALID_REQUEST, owner.post(f"{path}/messages", {"text": "a" * 2001}))
        await refused(Code.INVALID_REQUEST, owner.post(f"{path}/approve", {"conditions": {"rounds": 3}}))
        await refused(Code.REQUEST_NOT_FOUND, owner.post(f"/requests/{'0f' * 32}/approve", {}))

    play(tmp_path, scene)


def test_a_job_that_is_cancelled_after_its_first_rounds_gives_no_approval_back(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        acme, (ana, bea, cid) = parties.model_owner, parties.data_owners
        long = spec(optimizer="gradient_descent", rounds=500, tolerance=0.0)
        request = await asked(parties, spec=long)
        for owner in (ana, bea):
            await owner.post(f"/requests/{request['id']}/approve", {})
        await cid.post(f"/requests/{request['id']}/decline", {})
        first = await acme.post("/models", {"request": request["id"]})
        async with asyncio.timeout(60):
            while not (await acme.get(f"/models/{first['id']}"))["round"]:
                await asyncio.sleep(0.02)
        assert (await acme.http.delete(f"/models/{first['id']}")).is_success
        async with asyncio.timeout(60):
            while any([(await job_at(owner, first["id"]))["status"] != "CANCELLED" for owner in (ana, bea)]):
                await asyncio.sleep(0.02)
        again = await acme.post("/models", {"request": request["id"]})
        assert (await parties.wait(again["id"]))["status"] == "FAILED"
        for owner in (ana, bea):
            assert f"job {first['id']} was let in by it" in (await job_at(owner, again["id"]))["reason"]

    play(tmp_path, scene)


def test_of_two_jobs_that_come_at_once_each_owner_lets_one_in(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        acme, owners = parties.model_owner, parties.data_owners
        request = await asked(parties)
        for owner in owners:
            await owner.post(f"/requests/{request['id']}/approve", {})
        body = {"request": request["id"]}
        both = await asyncio.gather(acme.post("/models", body), acme.post("/models", body))
        async with asyncio.timeout(60):
            for model in both:
                await parties.wait(model["id"])
        for owner in owners:
            codes = [one["code"] for one in await owner.get("/models")]
            assert codes.count("approval-differs") == 1 and len(codes) == 2

    play(tmp_path, scene)


@pytest.mark.parametrize("refusing", ["say", "one_request"])
def test_an_owner_decides_whatever_the_facilitator_takes_or_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusing: str
) -> None:
    async def scene(parties: Federation) -> None:
        ana = parties.data_owners[0]
        request = await asked(parties)
        path = f"/requests/{request['id']}"
        await ana.post(f"{path}/approve", {})
        agent = parts_of(ana).requests

        async def refuses(*_: object) -> None:
            raise Problem(Code.RATE_LIMITED, "No more words.")

        def own(shown: Any) -> Any:
            return next(one for one in shown["owners"] if one["name"] == "clinic-a")

        monkeypatch.setattr(agent.requests.carrier, refusing, refuses)
        declined = own(await ana.post(f"{path}/decline", {"reason": "Not now."}))
        assert (declined["decision"], declined["reason"]) == ("declined", "Not now.")
        (line,) = (await ana.get("/requests"))["requests"]
        assert own(line)["decision"] == "declined" or refusing == "one_request"
        monkeypatch.undo()
        assert own(await ana.get(path))["decision"] == "declined"
        assert own(await parties.model_owner.get(path))["decision"] == "declined", "it is told once it can be"

    play(tmp_path, scene)
