"""The log's lines of a job with many owners."""

from __future__ import annotations

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from tests.harness.facilitator.fake_parties import running
from tests.harness.facilitator.machine_bench import small_spec


def test_a_log_line_counts_whom_a_job_waits_for_and_names_ten(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as facilitator:
            owners = [facilitator.owner(f"clinic-{number:02}") for number in range(12)]
            for owner in owners:
                await owner.register()
            model_owner = facilitator.model_owner()
            await model_owner.deploy(model_owner.manifest(small_spec(max_data_owners=12)))
            with capture_logs() as lines:
                for owner in owners[:3]:
                    await owner.accept()
            steps = [line for line in lines if line["event"] == "job step"]
            assert [line["waiting"] for line in steps] == [11, 10, 9]
            names = [[f"clinic-{number:02}" for number in range(first, 12)] for first in (1, 2, 3)]
            assert [line["waiting_for"] for line in steps] == [names[0][:10], names[1], names[2]]

    asyncio.run(play())
