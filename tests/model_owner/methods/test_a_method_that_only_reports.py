"""A method whose result is no set of coefficients: one line in the registry, and its job ends and is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from fedtrain.model_owner import methods
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.methods.method import Finished, JobFacts, Method, Opened, Taken
from fedtrain.model_owner.results.fitted import Array, TrainedModel
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_facilitator import FakeFacilitator
from tests.harness.model_owner.peers import spec_document
from tests.harness.model_owner.running import Running, running


class Counting(Method):
    """Ends with the first sum: how many rows there are, as a histogram of one bin."""

    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        assert learning is None
        rows = int(opened.values.ravel()[0]) >> job.plan.round(opened.kind).answer.fraction_bits
        counts = Array.of(np.array([[[float(rows)]]]))
        model = TrainedModel(arrays={"counts": counts}, report={"histogram": {"x0": [rows]}})
        end = Finished(model, True, "every row is counted")
        return Taken(Learning(), end, opened.round, 1, rows_total=rows)


async def refused(party: Running, method: str, path: str, **arguments: object) -> Problem:
    with pytest.raises(Problem) as caught:
        await party.call(method, path, **arguments)
    return caught.value


def test_it_finishes_is_shown_and_refuses_predictions_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(methods._OWN, "LINEAR_REGRESSION", Counting())  # type: ignore[attr-defined]
    table = tmp_path / "test.csv"
    table.write_text("x0,x1,x2,y\n1,1,1,50\n")

    async def scenario() -> None:
        facilitator = FakeFacilitator()
        async with running(tmp_path / "state", facilitator, test_data=table) as party:
            model_id = await party.deploy(spec_document())
            model = await party.ended(model_id)
            assert model["status"] == "FINISHED", model["reason"]
            assert model["histogram"] == {"x0": [sum(facilitator.sizes)]}
            assert model["rows_total"] == sum(facilitator.sizes)
            assert (model["converged"], model["reason"]) == (True, "every row is counted")
            assert model["coefficients"] is None
            assert model["remarks"] == []
            assert "nothing is minimised" in model["loss_is"]
            events = await party.http.get(f"/models/{model_id}/events")
            assert '"status": "FINISHED"' in events.text
            for method, path, arguments in (
                ("GET", "/prediction", {}),
                ("GET", f"/prediction?model_id={model_id}", {}),
                ("POST", "/prediction", {"json": {"rows": [[1, 1, 1]]}}),
                ("POST", f"/models/{model_id}/scoring", {"json": {}}),
            ):
                problem = await refused(party, method, path, **arguments)
                assert problem.code is Code.NO_PREDICTIONS
                assert "LINEAR_REGRESSION" in problem.detail
            exported = await party.call("GET", f"/models/{model_id}/export")
            assert exported["arrays"] == {"counts": [[[float(sum(facilitator.sizes))]]]}
            assert exported["histogram"] == model["histogram"]
            for chosen in ("onnx", "sklearn"):
                problem = await refused(party, "GET", f"/models/{model_id}/export?format={chosen}")
                assert problem.code is Code.INVALID_REQUEST
                assert "use json" in problem.detail

    asyncio.run(scenario())
