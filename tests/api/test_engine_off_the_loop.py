"""The event loop's thread never computes: an engine that would notice is used by every party of a whole job."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gmpy2 import mpz

from cli.in_process import Federation, federation
from crypto import LocalEngine, PublicEncryptor, RerandomiserPool

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


def parties_of(folder: Path, engine: LocalEngine) -> Any:
    return federation(folder, tables(folder), allow_small_keys=True, owner_settings={"least_roster": 1}, engine=engine)


@pytest.mark.parametrize(
    "training",
    [{}, {"optimizer": "gradient_descent", "rounds": 4, "reencrypt_every": 2}],
    ids=["plain rounds", "windows"],
)
def test_no_party_computes_on_the_event_loops_thread(tmp_path: Path, training: dict[str, Any]) -> None:
    engine = OffTheLoop()

    async def job() -> dict[str, Any]:
        async with parties_of(tmp_path, engine) as parties:
            return await parties.wait(await parties.deploy(spec(**training)))

    model = asyncio.run(job())
    assert engine.on_the_loop == []
    assert model["status"] == "FINISHED", model.get("reason")
    # Owners' products and factors, the sums, the Model Owner's weights and decryption: all went through this engine.
    assert engine.called >= {
        "multi_exponentiate_packed",
        "powers",
        "product",
        "fixed_base_powers",
        "crt_decrypt",
    }


def test_the_guard_notices_a_call_on_the_loop(small_keypair) -> None:
    engine = OffTheLoop()

    async def careless() -> None:
        PublicEncryptor(small_keypair[0], engine).encrypt([1])

    with pytest.raises(AssertionError, match="fixed_base_powers was called on the event loop"):
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
