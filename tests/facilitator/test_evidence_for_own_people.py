"""Evidence at a Facilitator: for its own people, who have a session, as for a job's parties; for nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from fedtrain.cli.jobs.client import Service
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.service.web.caller import PARTY_HEADER
from tests.harness.served_federation import Served, served_federation


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_federation(tmp_path_factory.mktemp("served")) as running:
        yield running


def product_of(served: Served, http: httpx.Client) -> str:
    log = http.get(f"/models/{served.model_id}/log").json()
    return f"/models/{served.model_id}/blobs/{log[1]['product_hash']}"


def test_who_has_a_session_reads_it(served: Served) -> None:
    with httpx.Client(base_url=served.urls["facilitator"], trust_env=False, timeout=300) as http:
        blob = product_of(served, http)
        assert http.get(blob).status_code == 401
        assert http.post("/session/links").status_code == http.post("/session", json={}).status_code == 401
        with Service(served.urls["facilitator"]) as command:
            link = command.post("/session/links", {})["path"]
        http.post("/session", json={"code": str(link).rpartition("/")[2]})
        assert sha256_hex(http.get(blob).content) == blob.rpartition("/")[2]
        http.delete("/session")
        assert http.get(blob).status_code == 401


def test_a_party_that_is_not_of_the_job_does_not(served: Served) -> None:
    with httpx.Client(base_url=served.urls["facilitator"], trust_env=False, timeout=300) as http:
        stranger = {PARTY_HEADER: Identity.generate().party_id}
        assert http.get(product_of(served, http), headers=stranger).status_code == 403
