"""Finished networks at the owners that trained them: predicted with there, and trained on as copies that stay."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedtrain.data_owner.scoring import given_models
from fedtrain.model_owner.giving import Giving
from fedtrain.neural import Progress, TrainingResult, TrainingTask
from fedtrain.protocol.messages.given_model import ASK_TAG, ModelAsk
from fedtrain.protocol.messages.rounds import SignedBytes, from_cbor, to_cbor
from fedtrain.protocol.messages.scoring import ScoringReply
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.simulation.federation import Federation, Party
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.networks.small_trainer import HeldTrainer, LinearTrainer
from tests.harness.one_process import give_salts
from tests.jobs.test_network_job import ROWS, running, spec_of, weights_of

ROW = [[2.0, 4.0, 6.0]]


class OncePoisoned(LinearTrainer):
    """Diverges where a copy is trained at a rate that no job here has."""

    def train(self, task: TrainingTask, progress: Progress | None = None) -> TrainingResult:
        if task.settings.learning_rate == 1e6:
            raise Problem(Code.DIVERGED, "In local training the loss became no finite number.")
        return super().train(task, progress)


def giving_spec(**more: Any) -> dict[str, Any]:
    return spec_of(rounds=2, evaluate_every=1) | {"give_model": "owners"} | more


async def refused(call: Awaitable[Any]) -> Problem:
    with pytest.raises(Problem) as raised:
        await call
    return raised.value


async def until_over(owner: Party, job_id: str) -> None:
    async with asyncio.timeout(60):
        while (await owner.get(f"/models/{job_id}"))["phase"] != "FINISHED":
            await asyncio.sleep(0.02)


def run(folder: Path, play: Callable[[Federation, str], Awaitable[None]], spec: dict[str, Any], **more: Any) -> None:
    async def job() -> None:
        give_salts(folder, len(ROWS))
        async with running(folder, **{"trainer": OncePoisoned(), **more}) as parties:
            job_id = await parties.deploy(spec)
            model = await asyncio.wait_for(parties.wait(job_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            for owner in parties.data_owners:
                await until_over(owner, job_id)
            await play(parties, job_id)

    asyncio.run(job())


async def exported(parties: Federation, job_id: str) -> Any:
    answer = await parties.model_owner.http.get(f"/models/{job_id}/export", params={"format": "json"})
    return weights_of(answer.raise_for_status().json())


def value_of(weights: Any) -> float:
    scaled = (np.array(ROW) - 5) / 5
    return float((scaled @ weights["scores.weight"].astype(np.float64).T + weights["scores.bias"])[0, 0]) * 20


def test_owners_predict_by_the_network_and_train_copies_that_nobody_else_is_sent(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def play(parties: Federation, job_id: str) -> None:
        owner, other = parties.data_owners[:2]
        asked = (await owner.get(f"/models/{job_id}"))["asked"]
        assert "the finished network is given to this owner" in asked["weights"]
        weights = await exported(parties, job_id)
        by_network = await owner.post(f"/models/{job_id}/prediction", {"rows": ROW})
        assert by_network["values"] == pytest.approx([value_of(weights)], rel=1e-5)
        of_dataset = await owner.post(f"/models/{job_id}/prediction", {"dataset": "default"})
        assert len(of_dataset["values"]) == ROWS[0]
        no_rows = await owner.post(f"/models/{job_id}/prediction", {"rows": []})
        assert no_rows["values"] == []

        none = await refused(owner.post(f"/models/{job_id}/prediction", {"rows": ROW, "personal": True}))
        assert none.code is Code.NO_PERSONAL_MODEL
        copy = await owner.post(f"/models/{job_id}/personal", {"epochs": 50, "learning_rate": 0.2, "by": "ana"})
        assert copy["part"] == "validation" and copy["loss_after"] < copy["loss_before"]
        file = Path(copy["file"])
        assert hashlib.sha256(file.read_bytes()).hexdigest() == copy["hash"] == file.stem.removeprefix("personal-")
        assert file.is_relative_to(owner.state_dir) and file.stat().st_mode & 0o077 == 0
        personal = load_file(file)
        by_copy = await owner.post(f"/models/{job_id}/prediction", {"rows": ROW, "personal": True})
        assert by_copy["values"] == pytest.approx([value_of(personal)], rel=1e-5)
        assert abs(value_of(personal) - value_of(weights)) > 1e-3
        assert not list((owner.state_dir / "moments").glob("*personal*")), "records are there for the training alone"

        # Once more, and a training that diverges: what there was is kept until there is something better.
        diverged = await refused(owner.post(f"/models/{job_id}/personal", {"learning_rate": 1e6}))
        assert diverged.code is Code.DIVERGED
        assert file.is_file()
        again = await owner.post(f"/models/{job_id}/personal", {"epochs": 2})
        assert (again["hash"] != copy["hash"], file.exists()) == (True, False)

        audit = (await owner.get("/audit"))["records"]
        copies = [record for record in audit if record.get("decision") == "personalised"]
        assert [record["result"] for record in copies] == [copy["hash"], again["hash"]]
        assert (copies[0]["by"], copies[0]["dataset"], copies[0]["job_id"]) == ("ana", "default", job_id)
        assert all(record.get("decision") != "personalised" for record in (await other.get("/audit"))["records"])
        everything = b"".join(heard)
        assert f"/models/{job_id}".encode() in everything, "the line is tapped"
        for kept in (weights, personal):
            for order in ("<f4", ">f4", "<f8", ">f8"):
                assert kept["scores.weight"].astype(order).tobytes() not in everything

    run(tmp_path, play, giving_spec(), wiretap=heard.append)


@pytest.mark.slow
def test_a_file_that_was_altered_is_not_used(tmp_path: Path) -> None:
    async def play(parties: Federation, job_id: str) -> None:
        owner = parties.data_owners[0]
        await owner.post(f"/models/{job_id}/prediction", {"rows": ROW})
        (file,) = (owner.state_dir / "models" / job_id).iterdir()
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        assert (await refused(owner.post(f"/models/{job_id}/prediction", {"rows": ROW}))).code is Code.INVALID_DATA
        file.unlink()
        assert len((await owner.post(f"/models/{job_id}/prediction", {"rows": ROW}))["values"]) == 1

    run(tmp_path, play, giving_spec())


def test_what_no_spec_gives_and_what_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    async def play(parties: Federation, job_id: str) -> None:
        owner = parties.data_owners[0]
        for path, body in (("prediction", {"rows": ROW}), ("personal", {})):
            assert (await refused(owner.post(f"/models/{job_id}/{path}", body))).code is Code.MODEL_NOT_GIVEN
            assert (await refused(owner.post(f"/models/{'0' * 32}/{path}", body))).code is Code.MODEL_NOT_FOUND
        answer = await asked_of(parties, job_id, owner)
        assert answer.code == Code.MODEL_NOT_GIVEN.slug, "whatever an owner's own software holds back"

    run(tmp_path, play, spec_of(rounds=1))


def test_a_network_in_training_is_not_given_yet(tmp_path: Path) -> None:
    trainer = HeldTrainer()

    async def job() -> None:
        async with running(tmp_path, trainer=trainer) as parties:
            job_id = await parties.deploy(giving_spec())
            try:
                await asyncio.to_thread(trainer.begun.wait, 60)
                call = parties.data_owners[0].post(f"/models/{job_id}/prediction", {"rows": ROW})
                assert (await refused(call)).code is Code.MODEL_NOT_FINISHED
                answer = await asked_of(parties, job_id, parties.data_owners[0])
                assert answer.code == Code.MODEL_NOT_FINISHED.slug
            finally:
                trainer.let_go()

    asyncio.run(job())


@pytest.mark.slow
def test_it_is_given_once_all_owners_have_released_it_and_not_before(tmp_path: Path) -> None:
    async def play(parties: Federation, job_id: str) -> None:
        owner = parties.data_owners[0]
        early = await refused(owner.post(f"/models/{job_id}/prediction", {"rows": ROW}))
        assert (early.code, "have not signed it off yet" in early.detail) == (Code.NOT_SIGNED_OFF, True)
        for each in parties.data_owners:
            async with asyncio.timeout(60):
                while (await each.get(f"/models/{job_id}"))["sign_off"] != "waits":
                    await asyncio.sleep(0.02)
            await each.post(f"/models/{job_id}/sign-off", {"decision": "sign_off"})
            statement = await each.get(f"/models/{job_id}/sign-off/statement")
            await parties.model_owner.post(f"/models/{job_id}/sign-offs", statement)
        assert len((await owner.post(f"/models/{job_id}/prediction", {"rows": ROW}))["values"]) == 1

    run(tmp_path, play, giving_spec(release="sign_off"))


async def asked_of(parties: Federation, job_id: str, asking: Party, claims: Party | None = None) -> Any:
    """Return the Model Owner's reply to an ask that `asking` signed, and that comes from `claims`."""
    identity = load_or_create_identity(asking.state_dir)
    sender = identity.party_id if claims is None else load_or_create_identity(claims.state_dir).party_id
    ask = ModelAsk(model_id=job_id, sealing_key="5e" * 32, nonce="ab" * 32)
    signed = SignedBytes.sign(to_cbor(ask), ASK_TAG, identity)
    desk = parties.model_owner.app.state.desk
    owner = load_or_create_identity(parties.model_owner.state_dir)
    header = TaskHeader(
        id="0" * 32, kind=TaskKind.MODEL, sender=sender, recipient=owner.party_id, job_id=job_id, key="k",
        created_at="2026-01-12T09:00:00Z", sequence=1,
    )  # fmt: skip
    giving = Giving(owner, desk.store, None)  # type: ignore[arg-type] # the loop's own threads
    answer = await giving.on_model(header, to_cbor(signed))
    assert answer is not None
    return from_cbor(answer.body, ScoringReply)


@pytest.mark.slow
def test_nobody_but_the_owners_of_the_job_gets_it_and_each_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(parties: Federation, job_id: str) -> None:
        first, second, third = parties.data_owners
        assert (await asked_of(parties, job_id, first)).code is None
        assert (await asked_of(parties, job_id, parties.facilitator)).code == Code.MODEL_NOT_GIVEN.slug
        # The Facilitator hands an owner's ask in as another's.
        assert (await asked_of(parties, job_id, first, claims=second)).code == Code.BAD_SIGNATURE.slug

        # It keeps what one owner was given, and gives it to another, or to the same one again.
        honest, kept = given_models.exchange, list[Any]()

        async def listening(*arguments: Any) -> Any:
            kept.append(await honest(*arguments))
            return kept[-1]

        async def replaying(*_arguments: Any) -> Any:
            return kept[0]

        monkeypatch.setattr(given_models, "exchange", listening)
        await first.post(f"/models/{job_id}/prediction", {"rows": ROW})
        monkeypatch.setattr(given_models, "exchange", replaying)
        for owner in (second, third):
            replayed = await refused(owner.post(f"/models/{job_id}/prediction", {"rows": ROW}))
            assert (replayed.code, "another request" in replayed.detail) == (Code.MALFORMED_MESSAGE, True)
            assert not (owner.state_dir / "models" / job_id).exists()

    run(tmp_path, play, giving_spec())


@pytest.mark.slow
def test_nobody_waits_for_another_jobs_model_owner_and_one_network_is_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(parties: Federation, first: str) -> None:
        owner = parties.data_owners[0]
        second = await parties.deploy(giving_spec())
        await asyncio.wait_for(parties.wait(second), 300)
        await until_over(owner, second)
        honest, asking, answered = given_models.exchange, asyncio.Event(), asyncio.Event()
        asked: list[str] = []

        async def held(parts: Any, kind: Any, manifest: Any, *more: Any) -> Any:
            asked.append(manifest.job_id)
            if manifest.job_id == first:
                asking.set()
                await answered.wait()
            return await honest(parts, kind, manifest, *more)

        async def predict(job_id: str) -> None:
            assert len((await owner.post(f"/models/{job_id}/prediction", {"rows": ROW}))["values"]) == 1

        monkeypatch.setattr(given_models, "exchange", held)
        async with asyncio.timeout(60), asyncio.TaskGroup() as waiting:
            for _ in range(2):
                waiting.create_task(predict(first))
            await asking.wait()
            await predict(second)  # fetched
            await predict(second)  # kept
            answered.set()
        assert sorted(asked) == sorted([first, second])

    run(tmp_path, play, giving_spec())


def test_specs_without_it_keep_their_bytes_and_other_models_are_refused_it() -> None:
    assert "give_model" not in ModelSpec.model_validate(spec_of()).model_dump_json()
    assert ModelSpec.model_validate(giving_spec()).model_dump(mode="json")["give_model"] == "owners"
    regression = {name: value for name, value in giving_spec().items() if name != "network"}
    regression |= {"model_type": "LINEAR_REGRESSION", "training": {}}
    with pytest.raises(ValueError, match=r'give_model "owners": networks are given'):
        ModelSpec.model_validate(regression)
