"""Jobs that open sums on their way, whose finished model others get once people of every owner have signed that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app as command
from fedtrain.data_owner.policy.rules import OwnerPolicy, ReleasePolicy
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.release import ReleaseStatement
from fedtrain.protocol.documents.signed import JobEnd, SignedDocument, sign_document
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.simulation.federation import Federation, Party, federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import spec_of
from tests.harness.networks.small_trainer import LinearTrainer
from tests.jobs.test_network_job import spec_of as network_spec

OWNERS = ("clinic-a", "clinic-b", "clinic-c")


def tables(folder: Path) -> dict[str, Path]:
    found = {}
    for at, name in enumerate(OWNERS):
        path = found[name] = folder / f"{name}.csv"
        rows = [f"{20 + row},{(row % 5) - 2},{row % 50}" for row in range(at, at + 30 + at)]
        path.write_text("\n".join(["age,dose,days", *rows]) + "\n")
    return found


def spec() -> dict[str, Any]:
    found = spec_of(release="sign_off", optimizer="conjugate_gradient", rounds="auto", tolerance=1e-3)
    return found.model_dump(mode="json", exclude_none=True)


def run_with(folder: Path, play: Callable[[Federation, str], Any], people: int = 1) -> None:
    """Train the model, wait until all owners' people are asked, and go on with `play`."""
    policy = OwnerPolicy.for_loopback().model_copy(update={"release": ReleasePolicy(people=people)})

    async def run() -> None:
        async with federation(folder, tables(folder), allow_small_keys=True, owner_policy=policy) as parties:
            job_id = await parties.deploy(spec())
            model = await asyncio.wait_for(parties.wait(job_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            await until_all_are_asked(parties, job_id)
            await play(parties, job_id)

    asyncio.run(run())


async def until_all_are_asked(parties: Federation, job_id: str) -> None:
    for owner in parties.data_owners:
        while (await owner.get(f"/models/{job_id}"))["sign_off"] != "waits":
            await asyncio.sleep(0.02)


async def decided(owner: Party, job_id: str, decision: str = "sign_off", **body: Any) -> dict[str, Any]:
    await owner.post(f"/models/{job_id}/sign-off", {"decision": decision, **body})
    statement: dict[str, Any] = await owner.get(f"/models/{job_id}/sign-off/statement")
    return statement


async def hand_in(parties: Federation, job_id: str, statement: dict[str, Any]) -> dict[str, Any]:
    model: dict[str, Any] = await parties.model_owner.post(f"/models/{job_id}/sign-offs", statement)
    return model


async def refused(call: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        await call
    return raised.value


async def kept_from_others(parties: Federation, job_id: str) -> str:
    """Assert that others do not get the model, and return why."""
    export = await refused(parties.model_owner.get_bytes(f"/models/{job_id}/export", format="json"))
    scoring = await refused(parties.model_owner.post(f"/models/{job_id}/scoring", {}))
    assert (export.code, scoring.code) == (Code.NOT_SIGNED_OFF, Code.NOT_SIGNED_OFF)
    assert "no export" in export.detail
    assert "no private scoring" in scoring.detail
    return export.detail


async def said(party: Party, *arguments: str) -> Result:
    """Let a person at a party's terminal call the command."""
    loop = asyncio.get_running_loop()

    class Direct:
        """Calls the running application where the command would open a connection."""

        def __init__(self, _url: str) -> None:
            self.base_url = "http://party.invalid"

        def __enter__(self) -> Direct:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def get(self, path: str) -> Any:
            return asyncio.run_coroutine_threadsafe(party.get(path), loop).result()

        def post(self, path: str, body: object) -> Any:
            return asyncio.run_coroutine_threadsafe(party.post(path, body), loop).result()

    def run() -> Result:
        with mock.patch("fedtrain.cli.jobs.client.Service", Direct):
            return CliRunner().invoke(command, arguments)

    return await asyncio.to_thread(run)


@pytest.mark.slow
def test_others_get_the_model_with_the_last_owners_statement_and_not_before(tmp_path: Path) -> None:
    async def play(parties: Federation, job_id: str) -> None:
        first, second, third = parties.data_owners
        model = await parties.model_owner.get(f"/models/{job_id}")
        assert model["not_signed_off"] == list(OWNERS)
        assert model["coefficients"]  # its own people's
        assert model["history"]
        row = {"model_id": job_id, "rows": [[30, 1]]}
        assert len((await parties.model_owner.post("/prediction", row))["values"]) == 1
        assert (await parties.model_owner.get(f"/models/{job_id}/spec"))["release"] == "sign_off"
        assert "clinic-a, clinic-b, clinic-c have not signed it off yet" in await kept_from_others(parties, job_id)

        # Two people of each owner, of whom one is none yet.
        early = await refused(decided(first, job_id, by="ana"))
        assert (early.code, "not decided" in early.detail) == (Code.WRONG_STATE, True)
        again = await refused(decided(first, job_id, by="ana"))
        assert (again.code, "ana has signed it before" in again.detail) == (Code.SIGN_OFF_INVALID, True)
        stranger = await first.http.post(
            f"/models/{job_id}/sign-off", json={"decision": "sign_off"}, headers={"Authorization": "Bearer none"}
        )
        assert stranger.status_code == 401
        statement = await decided(first, job_id, by="bea")
        assert statement == await first.get(f"/models/{job_id}/sign-off/statement")
        assert ReleaseStatement.model_validate_json(statement["document"]).people == ("ana", "bea")
        stranger = await parties.model_owner.http.post(
            f"/models/{job_id}/sign-offs", json=statement, headers={"Authorization": "Bearer none"}
        )
        assert stranger.status_code == 401
        assert (await hand_in(parties, job_id, statement))["not_signed_off"] == ["clinic-b", "clinic-c"]
        twice = await refused(hand_in(parties, job_id, statement))
        assert (twice.code, "clinic-a is here already" in twice.detail) == (Code.SIGN_OFF_INVALID, True)

        # By the commands.
        await second.post(f"/models/{job_id}/sign-off", {"decision": "sign_off", "by": "ana"})
        file = tmp_path / "clinic-b.json"
        listed = await said(second, "sign-off")
        assert job_id in listed.output, listed.output
        shown = await said(second, "sign-off", job_id, "--by", "bea", "--out", str(file), "--yes")
        words = " ".join(shown.output.split())
        assert (shown.exit_code, "rests on the Model Owner's word" in words) == (0, True), shown.output
        assert (await said(second, "sign-off", job_id, "--out", str(file))).exit_code == 0  # the same once more
        taken = await said(parties.model_owner, "release", str(file))
        assert "not signed off yet by clinic-c" in taken.output, taken.output
        assert "clinic-c have not signed it off yet" in await kept_from_others(parties, job_id)

        await third.post(f"/models/{job_id}/sign-off", {"decision": "sign_off", "by": "ana"})
        last = await decided(third, job_id, by="bea")
        await attacks(parties, job_id, last)
        assert "clinic-c have not signed it off yet" in await kept_from_others(parties, job_id)
        model = await hand_in(parties, job_id, last)
        assert (model["not_signed_off"], model["release_refused"]) == ([], [])
        export = json.loads(await parties.model_owner.get_bytes(f"/models/{job_id}/export", format="json"))
        assert export["model_type"] == "LINEAR_REGRESSION"
        assert (await parties.model_owner.post(f"/models/{job_id}/scoring", {}))["allowed"] is True

    run_with(tmp_path, play, people=2)


async def attacks(parties: Federation, job_id: str, good: dict[str, Any]) -> None:
    """Hand in all that is not the statement of the owner that is missing; each is refused by its name."""
    third = parties.data_owners[2]
    identity = load_identity(third.state_dir)
    model_owner = load_identity(parties.model_owner.state_dir)
    honest = ReleaseStatement.model_validate_json(good["document"])
    released = good["document"].replace('"released"', '"refused"')

    def changed(**changes: Any) -> SignedDocument:
        return sign_document(honest.model_copy(update=changes), identity)

    elsewhere = "is about job"
    tried: list[tuple[SignedDocument, Code, str]] = [
        (SignedDocument(**{**good, "document": released}), Code.BAD_SIGNATURE, ""),
        (SignedDocument(**{**good, "document": good["document"].replace("bea", "eva")}), Code.BAD_SIGNATURE, ""),
        (sign_document(honest, model_owner), Code.SIGN_OFF_INVALID, "signed it"),
        (
            sign_document(honest.model_copy(update={"party": model_owner.party_id}), model_owner),
            Code.SIGN_OFF_INVALID,
            "is not on the roster",
        ),
        (changed(job_id="0" * 32), Code.SIGN_OFF_INVALID, elsewhere),
        (changed(manifest_hash="00" * 32), Code.SIGN_OFF_INVALID, elsewhere),
        (changed(roster_hash="00" * 32), Code.SIGN_OFF_INVALID, elsewhere),
        (changed(log_head="00" * 32), Code.SIGN_OFF_INVALID, "whose log ends with 0000"),
        (changed(decision="refused"), Code.MALFORMED_MESSAGE, "why"),
        (sign_document(OtherKind(**honest.model_dump()), identity), Code.BAD_SIGNATURE, ""),
    ]
    for statement, code, words in tried:
        problem = await refused(hand_in(parties, job_id, statement.model_dump()))
        assert (problem.code, words in problem.detail) == (code, True), problem.detail


class OtherKind(ReleaseStatement):
    """The same text as a document of another kind, whose name its signature covers."""


@pytest.mark.slow
def test_a_refusal_keeps_the_model_from_others_for_good(tmp_path: Path) -> None:
    async def play(parties: Federation, job_id: str) -> None:
        first, *others = parties.data_owners
        refusal = await decided(first, job_id, "refuse", by="ana", why="the purpose has changed")
        late = await refused(decided(first, job_id))
        assert late.code is Code.WRONG_STATE
        state = await first.get(f"/models/{job_id}")
        assert (state["phase"], state["sign_off"], state["waits_because"]) == ("FINISHED", "refused", None)
        for other in others:
            await hand_in(parties, job_id, await decided(other, job_id))
        assert "clinic-a have not signed" in await kept_from_others(parties, job_id)
        model = await hand_in(parties, job_id, refusal)
        assert model["release_refused"] == [{"name": "clinic-a", "why": "the purpose has changed"}]
        assert model["status"] == "FINISHED"
        assert "clinic-a refused that (the purpose has changed)" in await kept_from_others(parties, job_id)
        honest = ReleaseStatement.model_validate_json(refusal["document"])
        changed = honest.model_copy(update={"decision": "released", "why": None})
        second = sign_document(changed, load_identity(first.state_dir)).model_dump()
        problem = await refused(hand_in(parties, job_id, second))
        assert (problem.code, "decides once" in problem.detail) == (Code.SIGN_OFF_INVALID, True)
        assert "clinic-a refused that" in await kept_from_others(parties, job_id)
        decisions = [one for one in (await first.get("/audit"))["records"] if one.get("decision")]
        assert [(one["decision"], one["by"]) for one in decisions] == [("sign_off_refused", "ana")]

    run_with(tmp_path, play)


@pytest.mark.slow
def test_a_network_waits_for_its_owners_people_too(tmp_path: Path) -> None:
    async def run() -> None:
        settings = {"least_roster": 1, "share_weights": True}
        paths = {}
        for at in range(3):
            path = paths[f"owner-{at}"] = tmp_path / f"{at}.csv"
            path.write_text("\n".join(f"{row % 10},{row % 7},{row % 3},{row % 20}" for row in range(30 + at)) + "\n")
        async with federation(
            tmp_path, paths, allow_small_keys=True, owner_settings=settings, trainer=LinearTrainer()
        ) as parties:
            job_id = await parties.deploy({**network_spec(rounds=2), "release": "sign_off"})
            model = await asyncio.wait_for(parties.wait(job_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            await until_all_are_asked(parties, job_id)
            path = f"/models/{job_id}/export"
            assert (await refused(parties.model_owner.get_bytes(path))).code is Code.NOT_SIGNED_OFF
            for owner in parties.data_owners:
                await hand_in(parties, job_id, await decided(owner, job_id))
            assert json.loads(await parties.model_owner.get_bytes(path))["weights"]

    asyncio.run(run())


def test_a_refusal_has_a_reason_and_nothing_else_has() -> None:
    about: dict[str, Any] = dict.fromkeys(("manifest_hash", "roster_hash", "log_head"), "00" * 32)
    about |= {"party": Identity.generate().party_id, "job_id": "0" * 32, "people": ("ana",)}
    for wrong in ({"decision": "refused"}, {"decision": "released", "why": "as agreed"}):
        with pytest.raises(ValueError, match="a refusal has a reason"):
            ReleaseStatement(**about, **wrong)


def test_an_end_tells_the_log_only_where_owners_release() -> None:
    """The tasks of all other jobs keep their bytes."""
    end = JobEnd(job_id="0" * 32, status="FINISHED")
    assert "log_head" not in end.model_dump_json()
    assert JobEnd.model_validate_json(JobEnd(**{**end.model_dump(), "log_head": "0a" * 32}).model_dump_json()).log_head


def test_the_consent_says_on_whose_word_it_rests() -> None:
    from fedtrain.planning.plans import sign_off_in_words

    assert "rests on the Model Owner's word" in (sign_off_in_words(spec_of(release="sign_off")) or "")
    assert "opens only once" in (sign_off_in_words(spec_of(release="sign_off", optimizer="newton")) or "")
    assert sign_off_in_words(spec_of()) is None
