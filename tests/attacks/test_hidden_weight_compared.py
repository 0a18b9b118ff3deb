"""An owner multiplies its answer by Enc(w₀)^K: whether the job ends is one comparison with a hidden weight.

Nothing stops it from altering its own answer. What is held here: others cannot tell by the end what went wrong, and
the Model Owner's people see whose jobs end so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gmpy2
import pytest

from fedtrain.cli.jobs.commands import print_model
from fedtrain.data_owner.release import answer as release
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.simulation.federation import federation
from tests.harness.attackers.job_material import HEADER, props, rows, write_table

pytestmark = pytest.mark.anyio
SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {**props(), "decimal": "."},
    "training": {
        "key_bits": 512, "max_rows": 1000, "max_data_owners": 8, "rounds": 2, "optimizer": "gradient_descent",
    },
}  # fmt: skip
DIVERGING = {**SPEC, "training": {**SPEC["training"], "learning_rate": 1e9, "rounds": 40}}  # type: ignore[dict-item]
EVES_ROWS = 61


@pytest.fixture
def dishonest(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int | None]]:
    """An exponent e with which the owner of EVES_ROWS rows multiplies its answer by Enc(w₀)^(2^e)."""
    given: dict[str, int | None] = {"e": None}
    honest, opened = release._masked, release.open_weights
    weights: dict[int, Any] = {}

    def remembered(job: Any, request: Any) -> Any:
        weights[id(job)] = opened(job, request)
        return weights[id(job)]

    def masked(job: Any, asked: Any, vector: Any) -> Any:
        own_rows = job.data.training.rows
        if given["e"] is not None and (asked.kind, asked.round, own_rows) == (RoundKind.GRADIENT, 2, EVES_ROWS):
            square = gmpy2.mpz(job.modulus) ** 2
            factor = gmpy2.powmod(weights[id(job)].ciphertexts[0], 1 << given["e"], square)
            vector = replace(vector, ciphertexts=(vector.ciphertexts[0] * factor % square, *vector.ciphertexts[1:]))
        return honest(job, asked, vector)

    monkeypatch.setattr(release, "open_weights", remembered)
    monkeypatch.setattr(release, "_masked", masked)
    yield given


@pytest.mark.slow
async def test_others_see_one_end_whatever_went_wrong_and_the_model_owner_whose_jobs_end_so(
    tmp_path: Path, dishonest: dict[str, int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    tables = {}
    for index, name in enumerate(("ana", "bea", "eve")):
        content = rows(EVES_ROWS if name == "eve" else 60, index)
        tables[name] = write_table(tmp_path / f"{name}.csv", content, HEADER)
    async with federation(tmp_path / "state", tables, allow_small_keys=True) as parties:
        seen: list[dict[str, Any]] = []
        for spec, exponent, code in ((SPEC, 176, "sum-out-of-bound"), (DIVERGING, None, "diverged")):
            dishonest["e"] = exponent
            model_id = await parties.deploy(spec)
            model = await parties.wait(model_id)
            assert (model["status"], model["code"]) == ("FAILED", code)
            assert {one["name"]: (one["jobs"], one["ended_so"]) for one in model["may_have_caused"]} == dict.fromkeys(
                tables, (len(seen) + 1, len(seen) + 1)
            )
            print_model(model)
            jobs = "its one job here ended so" if not seen else "2 of its 2 jobs here ended so"
            assert f"may have caused it: ana ({jobs}), bea ({jobs}), eve ({jobs})\n" in capsys.readouterr().out
            told = await _ended(parties.facilitator, model_id)
            seen.append({name: told[name] for name in ("status", "code", "reason")})
            for owner in parties.data_owners:
                view = await _ended(owner, model_id)
                assert {name: view[name] for name in ("status", "code", "reason")} == seen[-1]
        assert seen[0] == seen[1]
        assert seen[0]["code"] == "sums-unusable"
        # The comparison itself stays: with a smaller exponent the very same job goes through.
        dishonest["e"] = 1
        honest = await parties.wait(await parties.deploy(SPEC))
        assert honest["status"] == "FINISHED"
        assert honest["may_have_caused"] == []
        print_model(honest)
        assert "may have caused it" not in capsys.readouterr().out


async def _ended(owner: Any, model_id: str) -> dict[str, Any]:
    while True:
        view: dict[str, Any] = await owner.get(f"/models/{model_id}")
        if view["status"] in ("FAILED", "FINISHED", "CANCELLED"):
            return view
        await asyncio.sleep(0.05)
