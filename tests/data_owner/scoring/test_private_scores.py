"""Scores of rows that nobody is shown, by a model that nobody is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from fedtrain.data_owner.scoring.masked_scores import mask_scores
from fedtrain.simulation.federation import Federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.model_owner.scoring_scenes import FEATURES, make_table, run, started, trained
from tests.harness.one_process import rows_of, training, write_table


def rows(count: int, seed: int = 11) -> list[list[float]]:
    return make_table(count, seed)[:, :FEATURES].tolist()


async def allowed(parties: Federation, model_id: str, **terms: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await parties.model_owner.post(f"/models/{model_id}/scoring", terms)
    return answer


@pytest.mark.slow
def test_private_scores_equal_plaintext_scores(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        await allowed(parties, model_id)
        some = rows(3)
        plain = await parties.model_owner.post("/prediction", {"model_id": model_id, "rows": some})
        private = await parties.data_owners[0].post("/score", {"model_id": model_id, "rows": some})
        np.testing.assert_allclose(private["values"], plain["values"], rtol=1e-6)
        named = [{f"c{j}": value for j, value in enumerate(some[0])}]
        again = await parties.data_owners[1].post("/score", {"model_id": model_id, "rows": named})
        np.testing.assert_allclose(again["values"], plain["values"][:1], rtol=1e-6)

    run(tmp_path, scene)


@pytest.mark.slow
def test_a_dataset_is_scored_without_its_targets(tmp_path: Path) -> None:
    table = make_table(4, seed=12)

    async def scene(parties: Federation, model_id: str) -> None:
        await allowed(parties, model_id)
        owner = parties.data_owners[0]
        text = write_table(tmp_path / "applicants.csv", table[:, :FEATURES].tolist()).read_text()
        headers = {"content-type": "text/csv"}
        (await owner.http.post("/datasets", params={"name": "new"}, content=text, headers=headers)).raise_for_status()
        plain = await parties.model_owner.post(
            "/prediction", {"model_id": model_id, "rows": table[:, :FEATURES].tolist()}
        )
        private = await owner.post("/score", {"model_id": model_id, "dataset": "new"})
        np.testing.assert_allclose(private["values"], plain["values"], rtol=1e-6)
        with pytest.raises(Problem) as refused:
            await owner.post("/score", {"model_id": model_id, "dataset": "absent"})
        assert refused.value.code is Code.DATASET_NOT_FOUND

    run(tmp_path, scene)


@pytest.mark.slow
def test_a_classifier_gives_the_calibrated_probabilities(tmp_path: Path) -> None:
    data = load_breast_cancer()
    order = np.random.default_rng(5).permutation(len(data.target))
    columns, target = data.data[order, :8], data.target[order]
    table = rows_of(columns[:150], np.where(target[:150] == 1, "benign", "malignant").tolist())
    spec = {
        "model_type": "LOGISTIC_REGRESSION",
        "data_props": {
            "features": [
                {"name": f"c{j}", "type": "continuous", "range": [0.0, 1.1 * float(columns[:, j].max())]}
                for j in range(8)
            ],
            "target": {"name": "c8", "categories": ["malignant", "benign"]},
        },
        "training": training(3, optimizer="newton", l2=1.0),
    }

    async def scene(parties: Federation, model_id: str) -> None:
        await allowed(parties, model_id)
        some = columns[200:204].tolist()
        plain = await parties.model_owner.post("/prediction", {"model_id": model_id, "rows": some})
        private = await parties.data_owners[2].post("/score", {"model_id": model_id, "rows": some})
        assert (await parties.model_owner.get("/prediction", model_id=model_id))["calibration"] is not None
        np.testing.assert_allclose(private["values"], plain["values"], atol=1e-6)
        assert private["classes"] == plain["classes"]
        assert private["class_names"] == ["malignant", "benign"]

    run(tmp_path, scene, spec=spec, table=table)


@pytest.mark.slow
def test_nobody_scores_before_the_model_owner_allows_it_or_after_it_forbids_it(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        owner = parties.data_owners[0]
        body = {"model_id": model_id, "rows": rows(1)}
        with pytest.raises(Problem) as refused:
            await owner.post("/score", body)
        assert refused.value.code is Code.SCORING_REFUSED
        await allowed(parties, model_id)
        await owner.post("/score", body)
        (await parties.model_owner.http.delete(f"/models/{model_id}/scoring")).raise_for_status()
        with pytest.raises(Problem) as refused:
            await owner.post("/score", {"model_id": model_id, "rows": rows(1, seed=12)})
        assert refused.value.code is Code.SCORING_REFUSED

    run(tmp_path, scene)


@pytest.mark.slow
def test_only_the_owners_that_are_named_may_score(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        first = (await parties.data_owners[0].get("/identity"))["party_id"]
        await allowed(parties, model_id, data_owners=[first])
        body = {"model_id": model_id, "rows": rows(1)}
        assert len((await parties.data_owners[0].post("/score", body))["values"]) == 1
        with pytest.raises(Problem) as refused:
            await parties.data_owners[1].post("/score", body)
        assert refused.value.code is Code.SCORING_REFUSED

    run(tmp_path, scene)


@pytest.mark.slow
def test_the_quota_counts_bits_of_all_owners_and_holds_over_a_second_permission(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        opened = await allowed(parties, model_id)
        d = FEATURES + 1
        assert opened["quota_bits"] < opened["entropy_bits"]
        assert opened["scores_left"] == d - 1
        first, second, _ = parties.data_owners
        answer = await first.post("/score", {"model_id": model_id, "rows": rows(4)})
        assert answer["scores_left"] == d - 5
        await allowed(parties, model_id)  # does not give back what was spent
        with pytest.raises(Problem) as refused:
            await second.post("/score", {"model_id": model_id, "rows": rows(d - 4)})
        assert refused.value.code is Code.SCORES_USED_UP
        assert len((await second.post("/score", {"model_id": model_id, "rows": rows(d - 5)}))["values"]) == d - 5
        with pytest.raises(Problem) as refused:
            await first.post("/score", {"model_id": model_id, "rows": rows(1, seed=12)})
        assert refused.value.code is Code.SCORES_USED_UP
        stands = await parties.model_owner.get(f"/models/{model_id}/scoring")
        assert (stands["spent_bits"], stands["scores_left"]) == ((d - 1) * stands["bits_per_row"], 0)

    run(tmp_path, scene)


@pytest.mark.slow
def test_no_quota_reaches_what_the_model_can_tell(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        opened = await allowed(parties, model_id, quota_bits=64)
        assert opened["scores_left"] == 2
        with pytest.raises(Problem) as refused:
            await allowed(parties, model_id, quota_bits=opened["entropy_bits"])
        assert refused.value.code is Code.INVALID_REQUEST
        await allowed(parties, model_id, quota_bits=opened["entropy_bits"] - 1)

    run(tmp_path, scene)


@pytest.mark.slow
def test_rows_that_do_not_fit_are_named_and_cost_nothing(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        await allowed(parties, model_id)
        with pytest.raises(Problem) as refused:
            await parties.data_owners[0].post("/score", {"model_id": model_id, "rows": [[1.0, 2.0]]})
        assert refused.value.code is Code.INVALID_ROWS
        with pytest.raises(Problem) as refused:
            await parties.data_owners[0].post("/score", {"model_id": model_id})
        assert refused.value.code is Code.INVALID_REQUEST
        assert (await parties.model_owner.get(f"/models/{model_id}/scoring"))["spent_bits"] == 0

    run(tmp_path, scene)


@pytest.mark.slow
def test_an_owner_scores_with_no_model_owner_that_it_does_not_trust(tmp_path: Path) -> None:
    async def scene(parties: Federation, model_id: str) -> None:
        await allowed(parties, model_id)
        body = {"model_id": model_id, "rows": rows(1)}
        await parties.data_owners[1].post("/score", body)
        for owner in parties.data_owners[:2]:  # one that has not scored yet, and one that trusted it until now
            jobs = owner.app.state.parts.jobs
            jobs.policy = jobs.policy.model_copy(update={"any_model_owner": False})
            with pytest.raises(Problem) as refused:
                await owner.post("/score", body)
            assert refused.value.code is Code.UNTRUSTED_MODEL_OWNER

    run(tmp_path, scene)


def test_a_key_too_small_to_hide_a_score_is_refused_when_scoring_is_allowed(tmp_path: Path) -> None:
    from fedtrain.protocol.messages.scoring import ScorePlan

    plan = ScorePlan.of(np.ones(FEATURES + 1), 2)
    plan.check_capacity(1 << (plan.magnitude_bits + 127))
    with pytest.raises(Problem) as refused:
        plan.check_capacity((1 << (plan.magnitude_bits + 127)) - 1)
    assert refused.value.code is Code.DOES_NOT_FIT


@pytest.mark.slow
def test_the_same_rows_again_are_free_in_whatever_order_and_after_a_restart(tmp_path: Path) -> None:
    some = rows(3, seed=21)

    async def again(parties: Federation, model_id: str) -> dict[str, Any]:
        mixed = [some[1], some[0], some[1]]
        answer: dict[str, Any] = await parties.data_owners[0].post("/score", {"model_id": model_id, "rows": mixed})
        return answer

    async def scene() -> None:
        async with trained(tmp_path) as (parties, model_id):
            await allowed(parties, model_id)
            first = await parties.data_owners[0].post("/score", {"model_id": model_id, "rows": some[:2]})
            repeated = await again(parties, model_id)
            assert repeated["values"] == [first["values"][1], first["values"][0], first["values"][1]]
            assert repeated["scores_left"] is None
            one_more = await parties.data_owners[0].post("/score", {"model_id": model_id, "rows": some})
            assert one_more["values"][:2] == first["values"]
            assert one_more["scores_left"] == first["scores_left"] - 1
            # Another owner was told nothing yet: its rows count.
            other = await parties.data_owners[1].post("/score", {"model_id": model_id, "rows": some[:1]})
            assert other["scores_left"] == one_more["scores_left"] - 1
        async with started(tmp_path) as parties:
            assert (await again(parties, model_id))["values"] == repeated["values"]
            standing = await parties.model_owner.get(f"/models/{model_id}/scoring")
            assert standing["scores_left"] == other["scores_left"]
        kept = tmp_path / "owner-0" / "scores" / f"{model_id}.json"
        assert kept.stat().st_mode & 0o077 == 0

    asyncio.run(scene())


@pytest.mark.slow
def test_more_rows_than_any_quota_allows_are_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def mask(model: Any, X: Any, engine: Any) -> Any:
        computed.append(len(X))
        return mask_scores(model, X, engine)

    monkeypatch.setattr("fedtrain.data_owner.scoring.desk.mask_scores", mask)

    async def scene(parties: Federation, model_id: str) -> None:
        before = await allowed(parties, model_id)
        # d = 7 columns: the largest quota is one bit below seven weights, and as many rows as that holds are taken.
        most = before["scores_left"]
        many = rows(5100, seed=22)
        owner = parties.data_owners[0]
        for count in (5100, most + 1):
            with pytest.raises(Problem) as refused:
                await owner.post("/score", {"model_id": model_id, "rows": many[:count]})
            assert refused.value.code is Code.SCORES_USED_UP
            assert f"{count} rows" in refused.value.detail and str(most) in refused.value.detail
        assert computed == []
        assert (await parties.model_owner.get(f"/models/{model_id}/scoring"))["spent_bits"] == 0
        # The same row any number of times is one row.
        told = await owner.post("/score", {"model_id": model_id, "rows": [many[0]] * 5000})
        assert computed == [1] and len(set(told["values"])) == 1
        await owner.post("/score", {"model_id": model_id, "rows": many[:most]})
        assert computed == [1, most - 1]

    run(tmp_path, scene)
