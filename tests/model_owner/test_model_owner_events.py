"""GET /models/{id}/events: one event a round, to the job's end or the service's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.harness.facilitator.fake_facilitator import FakeFacilitator
from tests.harness.model_owner.peers import spec_document
from tests.harness.model_owner.running import Running, running, training


def parse(text: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    """(event, id, data) of each event; comments are left out."""
    events = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return events


async def stream(party: Running, model_id: str, **headers: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    response = await party.http.get(f"/models/{model_id}/events", headers=headers)
    assert response.headers["content-type"].startswith("text/event-stream")
    return parse(response.text)


def test_every_round_is_an_event_and_the_last_one_is_the_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, FakeFacilitator()) as party:
            model_id = await party.deploy(spec_document())
            events = await stream(party, model_id)
            model = await party.call("GET", f"/models/{model_id}")
            rounds = [data for event, _, data in events if event == "round"]
            assert [data["round"] for data in rounds] == [row["round"] for row in model["history"]]
            assert [data["loss"] for data in rounds] == [row["loss"] for row in model["history"]]
            event, _, data = events[-1]
            assert (event, data["status"], data["loss"]) == ("status", "FINISHED", model["loss"])

    asyncio.run(scenario())


def test_a_reader_that_returns_goes_on_after_the_last_round_it_saw(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, FakeFacilitator()) as party:
            model_id = await party.deploy(spec_document())
            everything = [number for event, number, _ in await stream(party, model_id) if event == "round"]
            rest = [number for event, number, _ in await stream(party, model_id, **{"Last-Event-ID": "3"})]
            assert rest == [*everything[3:], None]
            for nonsense in ("²", "9" * 4400, "-1", "seven"):
                sent = await stream(party, model_id, **{"Last-Event-ID": nonsense.encode()})
                assert [number for event, number, _ in sent if event == "round"] == everything

    asyncio.run(scenario())


def test_a_stream_ends_as_soon_as_the_service_stops(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with training(tmp_path) as (_, party, model_id):
            reading = asyncio.create_task(stream(party, model_id))
            await asyncio.sleep(0.05)
            assert not reading.done()
            party.app.state.stop.set()
            events = await reading
            assert events[-1][2]["status"] == "IN_PROGRESS"

    asyncio.run(scenario())


def test_a_cancelled_job_ends_the_stream_with_its_reason(tmp_path: Path) -> None:
    async def scenario() -> None:
        facilitator = FakeFacilitator()
        facilitator.hold_after = 0
        async with running(tmp_path, facilitator) as party:
            model_id = await party.deploy(spec_document())
            reading = asyncio.create_task(stream(party, model_id))
            await party.until(model_id, lambda model: model["phase"] == "TRAINING")
            await party.call("DELETE", f"/models/{model_id}", params={"reason": "wrong spec"})
            _, _, data = (await reading)[-1]
            assert (data["status"], data["code"], data["reason"]) == ("CANCELLED", "cancelled", "wrong spec")

    asyncio.run(scenario())
