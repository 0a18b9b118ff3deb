"""The event loop's thread never computes: an engine that would notice is used by every party of a whole job."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

from fedtrain.crypto import LocalEngine, PublicEncryptor, RerandomiserPool
from fedtrain.simulation.federation import Federation, federation
from tests.harness.one_process import give_salts_to

ROWS = 40


class OffTheLoop(LocalEngine):
    """Raises in a thread that runs an event loop; notes what was called, and what it raised for."""

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.on_the_loop: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        if name.startswith("_") or not callable(attribute):
            return attribute
        self.called.add(name)
        return self._guarded(name, attribute)

    def _guarded(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return method(*arguments, **options)
            self.on_the_loop.append(name)
            raise AssertionError(f"{name} was called on the event loop's thread")

        return guarded


class Held(LocalEngine):
    """Computes a gradient only when it is let go."""

    def __init__(self) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()

    def multi_exponentiate_packed(self, *arguments: Any) -> list[mpz]:
        self.reached.set()
        self.let_go.wait()
        return super().multi_exponentiate_packed(*arguments)


def tables(folder: Path) -> dict[str, Path]:
    paths = {}
    for number in (1, 2):
        rows = [f"{(i * number) % 7 / 7},{i % 5 / 5},{(i + number) % 3}" for i in range(ROWS)]
        paths[f"owner-{number}"] = folder / f"owner-{number}.csv"
        paths[f"owner-{number}"].write_text("a,b,y\n" + "\n".join(rows) + "\n")
    return paths


def spec(**training: Any) -> dict[str, Any]:
    features = [{"name": name, "type": "continuous", "range": [0, 1]} for name in ("a", "b")]
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {"features": features, "target": {"name": "y", "range": [0, 2]}},
        "training": {"key_bits": 512, "max_rows": 1000, "min_data_owners": 2, "max_data_owners": 2, **training},
    }


def classifier(**training: Any) -> dict[str, Any]:
    plain = spec(**training)
    target = {"name": "y", "categories": [0, 1, 2]}
    return {**plain, "model_type": "LOGISTIC_REGRESSION", "data_props": {**plain["data_props"], "target": target}}


def parties_of(folder: Path, engine: LocalEngine, **owner_settings: Any) -> Any:
    paths = tables(folder)
    give_salts_to(folder, paths)
    settings = {"least_roster": 1, **owner_settings}
    return federation(
        folder,
        paths,
        test_data=paths["owner-1"],
        allow_small_keys=True,
        owner_settings=settings,
        engine=engine,
    )


#: What every job needs: re-randomisers of the owners' answers, the sums of those, the decryption.
ALWAYS = {"powers", "product", "crt_decrypt"}
#: And where the weights are encrypted: their encryption, and products of the owners' moments with them.
ENCRYPTED_WEIGHTS = {*ALWAYS, "fixed_base_powers", "multi_exponentiate_packed"}
DESCENT = {"optimizer": "gradient_descent", "rounds": 4}
SHARED = {"weights": "shared_with_owners", "optimizer": "lbfgs", "l2": 1.0, "rounds": 6}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job_spec", "computed"),
    [
        (spec(), ENCRYPTED_WEIGHTS),
        (spec(**DESCENT, reencrypt_every=2), ENCRYPTED_WEIGHTS),
        (spec(optimizer="newton", l2=1.0), ALWAYS),
        (classifier(optimizer="newton", l2=1.0), ALWAYS),
        (spec(**DESCENT, evaluate_every=2), ENCRYPTED_WEIGHTS),
        (classifier(**SHARED), ALWAYS),
    ],
    ids=["plain rounds", "windows", "newton", "newton, classes", "evaluated", "shared weights"],
)
def test_no_party_computes_on_the_event_loops_thread(
    tmp_path: Path, job_spec: dict[str, Any], computed: set[str]
) -> None:
    engine = OffTheLoop()

    async def job() -> tuple[dict[str, Any], dict[str, Any]]:
        async with parties_of(tmp_path, engine, share_weights=True) as parties:
            model_id = await parties.deploy(job_spec)
            model = await parties.wait(model_id)
            assert model["status"] == "FINISHED", (model.get("reason"), engine.on_the_loop)
            await parties.model_owner.post("/prediction", {"model_id": model_id, "rows": [[0.5, 0.5]]})
            return model, await parties.model_owner.get("/prediction", model_id=model_id)

    model, prediction = asyncio.run(job())
    assert engine.on_the_loop == []
    assert len(prediction["values"]) == ROWS
    if "evaluate_every" in job_spec["training"]:
        assert any(row["validation_loss"] is not None for row in model["history"])
    assert engine.called >= computed


@pytest.mark.slow
def test_private_scoring_computes_nothing_on_the_event_loops_thread(tmp_path: Path) -> None:
    engine = OffTheLoop()

    async def scored() -> dict[str, Any]:
        async with parties_of(tmp_path, engine) as parties:
            model_id = await parties.deploy(spec(optimizer="newton", l2=1.0))
            assert (await parties.wait(model_id))["status"] == "FINISHED"
            engine.called.clear()
            await parties.model_owner.post(f"/models/{model_id}/scoring", {})
            answer = await parties.data_owners[0].post("/score", {"model_id": model_id, "rows": [[0.5, 0.5]]})
            return dict(answer)

    answer = asyncio.run(scored())
    assert engine.on_the_loop == []
    assert len(answer["values"]) == 1
    # The Model Owner's weights and opening, and the owner's product of them with its row.
    assert engine.called >= {"fixed_base_powers", "crt_decrypt"}


def test_the_guard_notices_a_call_on_the_loop(small_keypair) -> None:
    engine = OffTheLoop()

    async def careless() -> None:
        PublicEncryptor(small_keypair[0], engine).encrypt([1])

    with pytest.raises(AssertionError, match="in_parts was called on the event loop"):
        asyncio.run(careless())
    assert RerandomiserPool(small_keypair[0].n, engine, 1).take(1)


def test_every_service_answers_while_arithmetic_is_under_way(tmp_path: Path) -> None:
    engine = Held()

    async def job() -> dict[str, Any]:
        async with parties_of(tmp_path, engine) as parties:
            try:
                model_id = await parties.deploy(spec())
                await asyncio.to_thread(engine.reached.wait)
                states = [await healthz(parties) for _ in range(3)]
                model = await parties.model_owner.get(f"/models/{model_id}")
            finally:
                engine.let_go.set()
            assert model["status"] == "IN_PROGRESS"
            assert states == [[200] * 4] * 3
            return await parties.wait(model_id)

    assert asyncio.run(job())["status"] == "FINISHED"


async def healthz(parties: Federation) -> list[int]:
    everyone = (parties.facilitator, parties.model_owner, *parties.data_owners)
    return [(await party.http.get("/healthz")).status_code for party in everyone]
