"""The examples of networks: their data, their specs, and a small job with the table that compare.py prints."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import io
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from fedtrain.model_owner.methods.network.server_optimizer import Stepped, server_step
from fedtrain.planning.plans import plan_spec
from fedtrain.simulation.federation import federation
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.training import ServerOptimizer
from fedtrain.tabular import check_table

pytestmark = pytest.mark.torch
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
HAM = ("see you at the station", "the meeting is moved to monday", "thanks for the book", "call your sister later")
SPAM = ("win a free prize now", "claim your free prize today", "free ringtone win now", "urgent claim your cash prize")


def module(name: str) -> ModuleType:
    """A script of an example, imported by its path: several have one file name."""
    path = EXAMPLES / name
    for folder in (EXAMPLES, path.parent):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    where = importlib.util.spec_from_file_location(name.replace("/", "_").removesuffix(".py"), path)
    assert where is not None and where.loader is not None
    found = importlib.util.module_from_spec(where)
    sys.modules[where.name] = found  # dataclasses look for it there
    where.loader.exec_module(found)
    return found


def spec_of(example: str) -> ModelSpec:
    return ModelSpec.model_validate_json((EXAMPLES / example / "model.json").read_text())


def corpus(folder: Path, rows: int = 600) -> Path:
    """Made-up messages; a fifth of them are spam, by other words than the rest."""
    draw = np.random.default_rng(2)
    lines = []
    for row in range(rows):
        spam = row % 5 == 0
        words = str(draw.choice(SPAM if spam else HAM)).split()
        lines.append(f"{'spam' if spam else 'ham'}\t{' '.join(draw.permutation(words))} {draw.integers(1000)}")
    path = folder / "messages"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def sms() -> ModuleType:
    return module("sms_spam/make_data.py")


# MNIST


def test_workers_have_the_digits_that_the_example_says_and_the_test_set_is_the_same(tmp_path: Path) -> None:
    unlike, random = module("mnist/make_data.py"), module("mnist/random/make_data.py")
    for name, made in (("unlike", unlike), ("random", random), ("again", unlike)):
        assert [path.name for path in made.write_data(tmp_path / name)] == [
            "test.parquet",
            "owner-a.parquet",
            "owner-b.parquet",
            "owner-c.parquet",
        ]
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (tmp_path / "unlike" / path.name).read_bytes()
    tests = [(tmp_path / name / "test.parquet").read_bytes() for name in ("unlike", "random")]
    assert tests[0] == tests[1]
    for name in ("unlike", "random"):
        tables = {path.stem: pq.read_table(path) for path in (tmp_path / name).iterdir()}
        assert {stem: len(table) for stem, table in tables.items() if stem == "test"} == {"test": 1000}
        assert sum(len(table) for table in tables.values()) == 5000
        held = {stem: set(table["digit"].to_pylist()) for stem, table in tables.items()}
        if name == "random":
            assert all(digits == set(range(10)) for digits in held.values())
        else:
            assert held == {
                "test": set(range(10)),
                "owner-a": {0, 1, 2, 3},
                "owner-b": {4, 5, 6},
                "owner-c": {7, 8, 9},
            }
        for path in (tmp_path / name).iterdir():
            assert check_table(path, spec_of("mnist").data_props, None).fits


def test_the_network_is_the_one_of_431_080_weights_and_fills_its_ciphertexts() -> None:
    spec = spec_of("mnist")
    plan: Any = plan_spec(spec)
    assert plan.checked.parameter_count == 431_080
    layout = plan.round("update").answer.layout
    assert (layout.slot_bits, layout.rows_per_ciphertext) == (20, 153)
    assert spec_of("mnist/random") == spec


# Messages


def test_messages_are_dealt_and_read_as_they_are(tmp_path: Path, sms: ModuleType) -> None:
    source = corpus(tmp_path)
    paths = sms.write_data(tmp_path / "data", source)
    assert [path.name for path in paths] == ["test.csv", "worker-a.csv", "worker-b.csv"]
    lines = [line for path in paths for line in path.read_text().splitlines()[1:]]
    assert sorted(lines) == sorted(
        f"{text},{label}" for label, text in (line.split("\t") for line in source.read_text().splitlines())
    )
    assert [len(path.read_text().splitlines()) - 1 for path in paths] == [120, 240, 240]
    for path in paths:
        assert check_table(path, spec_of("sms_spam").data_props, None).fits


@pytest.mark.parametrize("line", ["eggs\ttext", "ham text", "spam\t", "ham\t  "])
def test_a_line_that_is_no_message_is_named(line: str, tmp_path: Path, sms: ModuleType) -> None:
    path = tmp_path / "messages"
    path.write_text(f"ham\tone\n{line}\n")
    with pytest.raises(SystemExit, match=r"messages: line 2 is not ham or spam"):
        sms.write_data(tmp_path / "data", path)
    assert not (tmp_path / "data").exists()


def test_what_is_fetched_is_held_against_its_checksum(
    tmp_path: Path, sms: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("SMSSpamCollection", corpus(tmp_path).read_text())
    monkeypatch.setattr(sms.urllib.request, "urlopen", lambda _url, timeout: io.BytesIO(archive.getvalue()))
    with pytest.raises(SystemExit, match="is not the file that it was, by its SHA-256"):
        sms.write_data(tmp_path / "data")
    monkeypatch.setattr(sms, "SHA256", hashlib.sha256(archive.getvalue()).hexdigest())
    assert len(sms.write_data(tmp_path / "data")) == 3

    def away(_url: str, timeout: float) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(sms.urllib.request, "urlopen", away)
    with pytest.raises(SystemExit, match=r"cannot be fetched \(no route to host\): fetch it elsewhere"):
        sms.write_data(tmp_path / "data")
    assert str(tmp_path) not in sys.path


# A job


def small_spec() -> dict[str, Any]:
    """The example's spec with fewer words, for a key that protects nothing."""
    document: dict[str, Any] = json.loads((EXAMPLES / "sms_spam" / "model.json").read_text())
    document["data_props"]["features"][0] |= {"vocabulary": 256, "tokens": 8}
    document["network"]["layers"][0] |= {"num_embeddings": 256, "embedding_dim": 8}
    document["network"]["layers"][1] |= {"input_size": 8}
    document["training"] |= {"key_bits": 768, "rounds": 4, "learning_rate": 0.02}
    return document


@pytest.mark.slow
def test_messages_are_told_apart_as_well_as_without_encryption(tmp_path: Path, sms: ModuleType) -> None:
    sms.write_data(tmp_path / "data", corpus(tmp_path))
    tables = {path.stem: path for path in sorted((tmp_path / "data").glob("worker-*.csv"))}
    settings = {"least_roster": 2, "share_weights": True}

    rows = {"rows": [["win a free prize now"], {"text": "the meeting is moved to Monday"}]}

    async def job() -> tuple[Any, Any, Any]:
        async with federation(
            tmp_path / "parties",
            tables,
            test_data=tmp_path / "data" / "test.csv",
            allow_small_keys=True,
            owner_settings=settings,
        ) as parties:
            model = await parties.wait(await parties.deploy(small_spec()))
            assert model["status"] == "FINISHED", model["reason"]
            on_test = await parties.model_owner.get("/prediction", model_id=model["id"])
            return model, on_test, await parties.model_owner.post("/prediction", rows)

    _model, prediction, told = asyncio.run(job())
    assert told["values"][0] > 0.5 > told["values"][1]
    spec = ModelSpec.model_validate_json(json.dumps(small_spec()))
    found = module("network_comparison.py").compare(EXAMPLES / "sms_spam", tmp_path / "data", prediction, spec)
    federated, plain, pooled, single = found["table"]
    assert [row["trained"] for row in (federated, plain, pooled)] == ["federated", "the same, not encrypted", "pooled"]
    assert single["trained"].startswith("best single owner (worker-")
    for name in ("log_loss", "accuracy", "auc"):
        assert federated[name] == pytest.approx(prediction["metrics"][name], rel=1e-6)
    assert federated["auc"] > 0.99
    assert abs(federated["auc"] - plain["auc"]) < 0.01


@pytest.mark.parametrize("optimizer", list(ServerOptimizer))
def test_the_schedule_without_encryption_steps_as_the_model_owner_does(optimizer: ServerOptimizer) -> None:
    import torch

    spec = spec_of("sms_spam")
    training = spec.training.model_copy(update={"server_optimizer": optimizer, "server_momentum": 0.7})
    schedule = module("network_comparison.py").Schedule(spec.model_copy(update={"training": training}))
    draw = np.random.default_rng(5)
    means = draw.normal(size=(4, 6))
    first, second, direction = torch.zeros(6).double(), torch.zeros(6).double(), torch.zeros(6).double()
    stepped = Stepped(np.zeros(6), None, None)
    for mean in means:
        direction += schedule.along(first, second, torch.from_numpy(mean))
        stepped = server_step(schedule.server, stepped.weights, mean, stepped.first, stepped.second)
    np.testing.assert_allclose(schedule.server.learning_rate * direction.numpy(), stepped.weights, rtol=1e-12)
