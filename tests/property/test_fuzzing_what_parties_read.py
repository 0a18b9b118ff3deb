"""Bytes that no honest party sends: a message or a documented problem, whatever comes; and a fuzzer that finds."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable

import pytest

from benchmarks.fixtures.fuzz_readers import Found, Reader, readers
from benchmarks.fuzz import fuzz, main, mutated
from fedtrain.protocol.documents import signed as documents
from fedtrain.protocol.messages import rounds as messages
from fedtrain.protocol.messages import scoring
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

INPUTS = 20_000


@pytest.fixture(scope="module")
def all_readers() -> tuple[Reader, ...]:
    return readers()


def test_every_kind_of_message_and_document_has_its_reader(all_readers: tuple[Reader, ...]) -> None:
    """If this fails: give benchmarks/fixtures/fuzz_readers.py a valid one of what is new."""
    names = {reader.name.removesuffix(" (JSON)") for reader in all_readers}
    parts = {
        "Message",
        "Document",
        "VectorMessage",
        "AnswerRecord",
        "Commitments",
    }  # never come alone, or are opened by their own
    for module in (messages, scoring, documents):
        kinds = {
            name
            for name, kind in vars(module).items()
            if isinstance(kind, type) and issubclass(kind, Strict) and kind.__module__ == module.__name__
        }
        assert kinds - parts <= names


def test_every_reader_takes_its_seeds(all_readers: tuple[Reader, ...]) -> None:
    for reader in all_readers:
        for seed in reader.seeds:
            reader.read(seed)


@pytest.mark.slow
def test_whatever_comes_every_reader_takes_it_or_says_what_is_wrong(all_readers: tuple[Reader, ...]) -> None:
    report = fuzz(INPUTS, 7, all_readers)
    assert report.inputs == INPUTS == sum(outcomes.total() for outcomes in report.outcomes.values())
    for reader in all_readers:
        outcomes = report.outcomes[reader.name]
        if reader.authenticated:
            assert outcomes["taken"] == 0, f"{reader.name}: a mutation was taken"
        else:
            assert outcomes["taken"] > 0, f"{reader.name}: no mutation reached what is behind the decoder"
        assert outcomes.total() > outcomes["taken"] + outcomes["unchanged"], f"{reader.name}: nothing was refused"
    assert {Code.MALFORMED_CBOR.slug, Code.MALFORMED_MESSAGE.slug, Code.PROTOCOL_VERSION.slug} <= set(
        report.outcomes["RoundAnswer"]
    )
    assert report.outcomes["VectorMessage.open"][Code.MALFORMED_CIPHERTEXT.slug] > 0
    # A length of 2^63 in one of the first bytes must not be believed before the bytes are there.
    assert report.rss_growth_bytes < 256 << 20


@pytest.mark.slow
def test_whatever_comes_in_two_hundred_thousand(all_readers: tuple[Reader, ...]) -> None:
    assert fuzz(200_000, 11, all_readers).inputs == 200_000


def _raises_another_error(data: bytes) -> None:
    if data[:1] >= b"\x80":
        raise KeyError("protocol")


def _raises_another_problem(data: bytes) -> None:
    if len(data) > 40:
        raise Problem(Code.INTERNAL, "x")


def _takes_too_much(data: bytes) -> None:
    if data[-1:] == b"\0":
        raise Found("it is taken, and is another value's encoding")


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (_raises_another_error, "KeyError"),
        (_raises_another_problem, "internal"),
        (_takes_too_much, "another value"),
    ],
)
def test_a_reader_that_does_otherwise_is_found(
    all_readers: tuple[Reader, ...], read: Callable[[bytes], None], what: str
) -> None:
    faulty = dataclasses.replace(all_readers[1], read=read)
    with pytest.raises(Found, match=what) as caught:
        fuzz(5000, 1, [*all_readers[:1], faulty])
    assert faulty.name in str(caught.value)


def test_the_same_seed_gives_the_same_inputs(all_readers: tuple[Reader, ...]) -> None:
    def inputs(seed: int) -> list[bytes]:
        seen: list[bytes] = []
        fuzz(200, seed, [dataclasses.replace(all_readers[0], read=seen.append)])
        return seen

    assert inputs(3) == inputs(3) != inputs(4)


def test_mutations_change_almost_everything(all_readers: tuple[Reader, ...]) -> None:
    seed = all_readers[0].seeds[0]
    made = {mutated(seed, seed, random.Random(number)) for number in range(500)}
    assert len(made) > 300


def test_the_command_tells_what_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--inputs", "200", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"] == 200
    assert sum(sum(outcomes.values()) for outcomes in report["outcomes"].values()) == 200
