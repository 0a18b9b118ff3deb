"""Whole jobs among parties that `fedtrain provision` made: who is let in, who is declined, and who carries what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from fedtrain.cli.trust.consortium import ConsortiumFile
from fedtrain.cli.trust.provisioning import provision
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.protocol.documents.signed import Registration, sign_document
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.service.vault.secret_files import read_secret
from fedtrain.service.vault.tokens import read_tokens, write_tokens
from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.problems import Code, Problem

BANKS = ("bank-a", "bank-b", "bank-c")
SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"name": "income", "type": "continuous", "range": [-1, 1]}],
        "target": {"name": "loss", "range": [-4, 4]},
    },
    "training": {"key_bits": 512, "max_rows": 1000, "max_data_owners": 8},
}


def _provision(folder: Path, url: str) -> None:
    consortium = ConsortiumFile.model_validate(
        {
            "name": "lenders",
            "facilitator": {"url": url},
            "model_owner": [{"name": "model-owner"}],
            "data_owner": [{"name": name, "port": 5000 + at} for at, name in enumerate(BANKS)],
        }
    )
    provision(consortium, folder)


def _tables(folder: Path) -> dict[str, Path]:
    rng = np.random.default_rng(7)
    tables = {}
    for name in BANKS:
        income = rng.uniform(-1, 1, 60)
        rows = [f"{x!r},{2 * x + 0.5!r}" for x in income.tolist()]
        tables[name] = folder / f"{name}.csv"
        tables[name].write_text("\n".join(["income,loss", *rows]) + "\n")
    return tables


Ending = Callable[[Federation, dict[str, Any]], Any]


def _run(tmp_path: Path, then: Ending | None = None, banks: tuple[str, ...] = BANKS) -> dict[str, Any]:
    async def job() -> dict[str, Any]:
        tables = {name: path for name, path in _tables(tmp_path).items() if name in banks}
        # The policy's own least roster, three owners that count, is what the consortium's word has to satisfy.
        async with federation(tmp_path / "parties", tables, allow_small_keys=True) as parties:
            model = await parties.wait(await parties.deploy(SPEC))
            if then is not None:
                await then(parties, model)
            return model

    return asyncio.run(job())


@pytest.mark.slow
@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://facilitator.example:8443"])
def test_provisioned_parties_train_with_and_without_tokens(tmp_path: Path, url: str) -> None:
    _provision(tmp_path / "parties", url)

    async def looked_at(parties: Federation, model: dict[str, Any]) -> None:
        access = (await parties.facilitator.get("/readyz"))["access"]
        assert access == ("token" if url.startswith("https") else "open")
        assert (await parties.data_owners[0].get("/readyz"))["access"] == "open"
        assert (await parties.facilitator.get(f"/models/{model['id']}"))["id"] == model["id"]

    model = _run(tmp_path, looked_at)
    assert model["status"] == "FINISHED", model.get("reason")
    assert model["coefficients"]["income"] == pytest.approx(2, abs=1e-4)


def test_a_model_owner_without_the_consortiums_word_is_declined_by_every_member(tmp_path: Path) -> None:
    _provision(tmp_path / "parties", "http://127.0.0.1:8080")
    (tmp_path / "parties" / "model-owner" / "membership.json").unlink()
    model = _run(tmp_path)
    assert model["status"] == "FAILED"
    assert "untrusted-model-owner" in str(model) and all(name in str(model) for name in BANKS)


def test_at_a_facilitator_with_tokens_a_party_whose_token_was_revoked_is_shut_out(tmp_path: Path) -> None:
    folder = tmp_path / "parties"
    _provision(folder, "https://facilitator.example:8443")

    async def revoked(parties: Federation, _model: dict[str, Any]) -> None:
        token = read_secret(folder / "bank-a" / "facilitator.token").decode().strip()
        party = load_identity(folder / "bank-a").party_id
        transport = httpx.ASGITransport(parties.facilitator.app)
        client = FacilitatorClient("https://facilitator.example", party_id=party, token=token, transport=transport)
        await client.tasks(wait_s=0, after=0)
        with pytest.raises(Problem) as caught:
            await client.cancel("ab" * 16, "not its Model Owner")
        assert caught.value.code is Code.FORBIDDEN
        await _register_as_model_owner(folder, transport)
        records = read_tokens(folder / "facilitator")
        gone = [one.model_copy(update={"revoked_at": one.created_at}) if one.party == party else one for one in records]
        write_tokens(folder / "facilitator", gone)
        with pytest.raises(Problem) as caught:
            await client.tasks(wait_s=0, after=0)
        assert caught.value.code is Code.UNAUTHENTICATED
        await client.aclose()

    assert _run(tmp_path, revoked)["status"] == "FINISHED"


async def _register_as_model_owner(folder: Path, transport: httpx.ASGITransport) -> None:
    """A Model Owner's token does not make a Data Owner of it."""
    identity = load_identity(folder / "model-owner")
    token = read_secret(folder / "model-owner" / "facilitator.token").decode().strip()
    client = FacilitatorClient(
        "https://facilitator.example", party_id=identity.party_id, token=token, transport=transport
    )
    registration = Registration(party=identity.party_id, name="model-owner", datasets=("default",))
    with pytest.raises(Problem) as caught:
        await client.register(sign_document(registration, identity))
    assert caught.value.code is Code.FORBIDDEN and "data-owner" in caught.value.detail
    await client.aclose()
