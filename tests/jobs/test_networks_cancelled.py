"""A network's job that is cancelled while its owners train: the training ends, and nothing waits for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fedtrain.simulation.federation import POLL_S
from tests.harness.networks.small_trainer import HeldTrainer
from tests.jobs.test_network_job import running, spec_of


def test_owners_that_train_for_ever_end_with_the_job_and_answer_their_people_meanwhile(tmp_path: Path) -> None:
    trainer = HeldTrainer()

    async def run() -> list[dict[str, Any]]:
        async with running(tmp_path, trainer=trainer) as parties:
            model_id = await parties.deploy(spec_of())
            assert await asyncio.to_thread(trainer.begun.wait, 60)
            answer = await parties.model_owner.http.delete(f"/models/{model_id}")
            assert answer.is_success, answer.text
            while True:
                jobs = [(await owner.get("/models"))[0] for owner in parties.data_owners]
                if all(job["status"] == "CANCELLED" for job in jobs):
                    return jobs
                await asyncio.sleep(POLL_S)

    try:
        jobs = asyncio.run(asyncio.wait_for(run(), 300))
    finally:
        trainer.let_go()
    assert [job["released"]["answers"] for job in jobs] == [1, 1, 1], "the counts, and no update"
    assert all(name.startswith("training") for name in trainer.threads)
    assert not [*tmp_path.glob("*/keys/*.x25519")]
