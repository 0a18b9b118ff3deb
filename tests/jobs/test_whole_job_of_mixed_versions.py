"""A whole job of parties of different minor versions ends with the numbers of one whose parties are all alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Document, SignedDocument
from fedtrain.protocol.messages import cbor
from fedtrain.protocol.messages import rounds as messages
from fedtrain.protocol.messages.rounds import RoundAnswer
from fedtrain.protocol.version import PROTOCOL_VERSION
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.spec.model_spec import Strict
from tests.harness.one_process import rows_of, run_job, split, training

MAJOR, MINOR = PROTOCOL_VERSION.split(".")
NEWER = f"{MAJOR}.{int(MINOR) + 1}"
NEXT_MAJOR = f"{int(MAJOR) + 1}.0"
#: What no party here has ever heard of.
ADDED = {"seen_by": {"region": "north", "hops": 2}}
OWNERS = 3
NEWER_OWNER = "owner-1"


class Upgraded:
    """The Model Owner and one owner as a later version's software: what they sign and send says more than is known."""

    def __init__(self, folder: Path, protocol: str = NEWER) -> None:
        self._folder = folder
        self._protocol = protocol
        self.sent: set[str] = set()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fedtrain.model_owner.round.sign_document", self.sign)
        for module in ("fedtrain.model_owner.round", "fedtrain.model_owner.ending"):
            monkeypatch.setattr(f"{module}.to_cbor", self.encode)
        for module in ("fedtrain.data_owner.agent.effects", "fedtrain.data_owner.agent.registering"):
            monkeypatch.setattr(f"{module}.sign_document", self._by_one_owner(self.sign))
        monkeypatch.setattr("fedtrain.data_owner.release.answer.to_cbor", self.encode_answer)

    def sign(self, document: Document, identity: Identity) -> SignedDocument:
        self.sent.add(type(document).__name__)
        text = json.dumps({**document.model_dump(mode="json"), "protocol": self._protocol, **ADDED})
        signature = identity.sign(document.tag(), text.encode()).hex()
        return SignedDocument(document=text, signer=identity.party_id, signature=signature)

    def encode(self, message: Strict) -> bytes:
        self.sent.add(type(message).__name__)
        fields = cbor.decode(messages.to_cbor(message))
        assert isinstance(fields, dict)
        return cbor.encode({**fields, "protocol": self._protocol, **ADDED})

    def encode_answer(self, answer: RoundAnswer) -> bytes:
        return self.encode(answer) if answer.party == self._newer_owner() else messages.to_cbor(answer)

    def _by_one_owner(self, sign: Callable[[Document, Identity], SignedDocument]) -> Any:
        from fedtrain.protocol.documents.signed import sign_document

        def signed(document: Document, identity: Identity) -> SignedDocument:
            newer = identity.party_id == self._newer_owner()
            return sign(document, identity) if newer else sign_document(document, identity)

        return signed

    def _newer_owner(self) -> str:
        return load_identity(self._folder / NEWER_OWNER).party_id


def job(**terms: Any) -> dict[str, Any]:
    generator = np.random.default_rng(20260301)
    X = generator.uniform(-1, 1, (66, 2))
    rows = rows_of(X, (X @ [3.0, -2.0] + 1.0 + generator.normal(0, 0.1, 66)).tolist())
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": column, "type": "continuous", "range": [-1, 1]} for column in range(2)],
            "target": {"col_idx": 2, "range": [-10, 10]},
        },
        "training": training(OWNERS, **terms),
    }
    return {"spec": spec, "parts": split(rows, (20, 20, 20)), "test": rows[60:]}


def run_in(folder: Path, **terms: Any) -> dict[str, Any]:
    folder.mkdir()
    model: dict[str, Any] = run_job(folder, **job(**terms))["model"]
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    "terms",
    [
        {"rounds": 3},
        {"optimizer": "newton", "l2": 1.0},
        {"optimizer": "gradient_descent", "rounds": 4, "reencrypt_every": 2},
    ],
    ids=["conjugate gradient", "newton", "windows"],
)
def test_a_job_of_different_minor_versions_ends_with_the_same_coefficients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terms: dict[str, Any]
) -> None:
    alike = run_in(tmp_path / "alike", **terms)
    upgraded = Upgraded(tmp_path / "mixed")
    upgraded.install(monkeypatch)
    mixed = run_in(tmp_path / "mixed", **terms)
    assert mixed["status"] == "FINISHED", mixed.get("reason")
    assert mixed["coefficients"] == alike["coefficients"]
    assert upgraded.sent >= {
        *("Manifest", "RoundRequest", "StepResult"),  # the Model Owner's
        *("Registration", "Acceptance", "RoundAnswer"),  # the owner's
    }


def test_a_model_owner_of_the_next_major_version_trains_with_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded = Upgraded(tmp_path / "foreign", NEXT_MAJOR)
    monkeypatch.setattr("fedtrain.model_owner.round.sign_document", upgraded.sign)
    model = run_in(tmp_path / "foreign")
    assert model["status"] == "FAILED"
    assert NEXT_MAJOR in model["reason"] and PROTOCOL_VERSION in model["reason"]
