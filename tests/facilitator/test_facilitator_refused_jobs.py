"""Registrations and manifests that are refused, each by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrain.protocol.documents.signed import Registration, sign_document
from fedtrain.protocol.messages.tasks import JSON_TYPE
from fedtrain.spec.problems import PROBLEM_JSON, Code
from tests.harness.facilitator.fake_parties import Facilitator
from tests.harness.facilitator.machine_bench import small_spec
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.facilitator.scenes import counting, refusal, with_facilitator


def test_a_party_registers_only_itself_with_its_own_signature(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        owner, other = facilitator.owner("clinic-a"), facilitator.owner("clinic-b")
        await owner.register("default", "stroke-2025")
        listed = await owner.client.data_owners()
        assert [(entry["name"], entry["datasets"]) for entry in listed] == [("clinic-a", ["default", "stroke-2025"])]
        async with facilitator.client as client:
            answer = await client.put(
                f"/data-owners/{owner.party_id}", json={}, headers={"Fedtrain-Party": other.party_id}
            )
            assert (answer.status_code, answer.headers["content-type"]) == (403, PROBLEM_JSON)
            answer = await client.put(
                f"/data-owners/{owner.party_id}",
                json={"document": "{}", "signer": owner.party_id, "signature": "00" * 64},
                headers={"Fedtrain-Party": owner.party_id},
            )
            assert answer.json()["type"].endswith("/bad-signature")

    with_facilitator(tmp_path, play)


def test_only_owners_of_the_jobs_dataset_are_asked_also_if_they_register_later(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        stroke, other, late = (facilitator.owner(name) for name in ("stroke", "other", "late"))
        await stroke.register("stroke-2025")
        await other.register("default")
        model_owner = facilitator.model_owner()
        await model_owner.deploy(model_owner.manifest(small_spec(dataset="stroke-2025")))
        await late.register("default", "stroke-2025")
        assert [len((await owner.client.tasks(wait_s=0, after=0)).tasks) for owner in (stroke, other, late)] == [
            1,
            0,
            1,
        ]
        await late.register("stroke-2025")
        assert len((await late.client.tasks(wait_s=0, after=0)).tasks) == 1

    with_facilitator(tmp_path, play)


def test_the_same_manifest_twice_is_one_job_and_another_under_its_id_is_refused(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        model_owner = facilitator.model_owner()
        job_id = "12" * 16
        manifest = model_owner.manifest(job_id=job_id)
        await model_owner.deploy(manifest)
        await model_owner.deploy(manifest)
        assert len(await model_owner.client.models()) == 1
        other = model_owner.manifest(job_id=job_id, created_at="2026-01-12T09:00:01.000Z")
        assert (await refusal(model_owner.deploy(other))).code is Code.JOB_EXISTS

    with_facilitator(tmp_path, play)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model_owner": "77" * 32}, Code.MALFORMED_MESSAGE),
        ({"protocol": "2.0"}, Code.PROTOCOL_VERSION),
        ({"plan": {"slot_bits": 12}}, Code.PLAN_DIFFERS),
        ({"modulus": "0a" * 64}, Code.MALFORMED_KEY),
        ({"key_proof": ()}, Code.MALFORMED_KEY),
        ({"nonce": "0e" * 32}, Code.MALFORMED_KEY),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(tmp_path: Path, changes: dict[str, object], code: Code) -> None:
    async def play(facilitator: Facilitator) -> None:
        model_owner = facilitator.model_owner()
        assert (await refusal(model_owner.deploy(model_owner.manifest(**changes)))).code is code  # type: ignore[arg-type]
        assert await model_owner.client.models() == []

    with_facilitator(tmp_path, play)


def test_a_manifest_of_another_id_signer_or_text_is_refused(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        model_owner, stranger = facilitator.model_owner(), facilitator.model_owner("stranger")
        manifest = model_owner.manifest()
        assert (await refusal(model_owner.client.post_manifest("12" * 16, manifest))).code is Code.MALFORMED_MESSAGE
        assert (await refusal(stranger.deploy(manifest))).code is Code.BAD_SIGNATURE
        altered = manifest.model_copy(update={"document": manifest.document.replace("1000", "1001")})
        assert (await refusal(model_owner.deploy(altered))).code is Code.BAD_SIGNATURE

    with_facilitator(tmp_path, play)


def test_small_keys_are_refused_unless_the_setting_allows_them(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        model_owner = facilitator.model_owner()
        assert (await refusal(model_owner.deploy(model_owner.manifest()))).code is Code.MALFORMED_KEY

    with_facilitator(tmp_path, play, allow_small_keys=False)


def test_an_unknown_model_is_not_found_on_any_route(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        client = facilitator.model_owner().client
        unknown = "ab" * 16
        for call in (
            client.model(unknown),
            client.cancel(unknown, "why not"),
            client.roster(unknown),
            client.log(unknown),
            client.log_entry(unknown, 0, ROOMY),
            client.blob(unknown, "cd" * 32, ROOMY),
        ):
            assert (await refusal(call)).code is Code.MODEL_NOT_FOUND

    with_facilitator(tmp_path, play)


def test_only_the_jobs_model_owner_cancels_it(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator)
        assert (await refusal(scene.owners[0].client.cancel(scene.job_id, "mine"))).code is Code.FORBIDDEN
        await scene.model_owner.client.cancel(scene.job_id, "wrong spec")
        view = await scene.model_owner.client.model(scene.job_id)
        assert (view["status"], view["code"], view["reason"]) == ("CANCELLED", "cancelled", "wrong spec")
        await scene.model_owner.client.cancel(scene.job_id, "wrong spec")

    with_facilitator(tmp_path, play)


def test_a_malformed_id_in_an_address_is_named(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        async with facilitator.client as client:
            answer = await client.get("/models/not-an-id")
            assert answer.status_code == 422 and answer.json()["errors"][0]["field"] == "job_id"

    with_facilitator(tmp_path, play)


def test_an_owner_signs_for_itself_even_where_the_signature_of_another_holds(tmp_path: Path) -> None:
    async def play(facilitator: Facilitator) -> None:
        owner, other = facilitator.owner("clinic-a"), facilitator.owner("clinic-b")
        await other.register()
        registration = (await other.client.data_owners())[0]
        assert registration["party"] == other.party_id
        borrowed = Registration(party=other.party_id, name="clinic-b", datasets=("default",))
        async with facilitator.client as client:
            answer = await client.put(
                f"/data-owners/{owner.party_id}",
                content=sign_document(borrowed, owner.identity).model_dump_json(),
                headers={"Fedtrain-Party": owner.party_id, "Content-Type": JSON_TYPE},
            )
            assert answer.json()["type"].endswith("/malformed-message")

    with_facilitator(tmp_path, play)
