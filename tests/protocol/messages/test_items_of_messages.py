"""The capacity of a message follows from its type; more is refused before anything is built of it."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from fedtrain.protocol.documents.signed import JoinAnswer, SignedDocument, parse_json
from fedtrain.protocol.messages.items import MOST_ITEMS, most_items
from fedtrain.protocol.messages.rounds import RoundAnswer, StepResult, from_cbor
from fedtrain.protocol.messages.tasks import TaskList
from fedtrain.spec import json_text
from fedtrain.spec.json_text import (
    MAX_JSON_DEPTH,
    JsonRefusedError,
    TooManyValuesError,
    UnreadableJsonError,
    check_json,
)
from fedtrain.spec.problems import Code, Problem


class Inner(BaseModel):
    a: int
    b: str | None = None


class Outer(BaseModel):
    pairs: tuple[Inner, Inner]
    some: Annotated[tuple[Inner, ...], Field(max_length=10)] | None = None
    named: Annotated[dict[str, int], Field(max_length=3)]


class Unbounded(BaseModel):
    rows: list[Any]


def test_the_items_of_a_type_are_those_of_its_fullest_value() -> None:
    inner = Inner(a=1, b="x")
    fullest = Outer(pairs=(inner, inner), some=(inner,) * 10, named={"a": 1, "b": 2, "c": 3})
    assert most_items(Outer) == items_of(fullest.model_dump()) + 256  # room for what a newer minor version adds
    assert most_items(Unbounded) == MOST_ITEMS


def test_messages_without_lists_have_some_hundred_items_at_most() -> None:
    for kind in (JoinAnswer, SignedDocument, RoundAnswer):
        assert most_items(kind) < 400
    assert most_items(TaskList) < MOST_ITEMS


def items_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + items_of(item) for item in value.values())
    if isinstance(value, list | tuple):
        return 1 + sum(items_of(item) for item in value)
    return 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a,:[]{}"\\\n\u2028'),
    lambda inner: st.lists(inner, min_size=1, max_size=4) | st.dictionaries(st.text(), inner, min_size=1, max_size=4),
    max_leaves=20,
)


def depth_of(value: object) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)
    return 0


@pytest.fixture(params=[1, 2, 7, 64 << 10], scope="module")
def block_bytes(request: pytest.FixtureRequest) -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_BLOCK_BYTES", request.param)
        yield request.param


@pytest.mark.slow
@pytest.mark.usefixtures("block_bytes")
@given(JSON)
def test_values_and_depth_of_json_are_counted_as_they_are_whatever_stands_in_its_texts(value: object) -> None:
    items, depth = items_of(value), depth_of(value)
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        data = text.encode("utf-8", "surrogatepass")
        check_json(data, items, depth)
        if items > 1:
            with pytest.raises(TooManyValuesError, match=f"more than {items - 1:,} values"):
                check_json(data, items - 1, depth)
        if depth:
            with pytest.raises(UnreadableJsonError, match=f"deeper than {depth - 1}"):
                check_json(data, items, depth - 1)


@pytest.mark.parametrize("mark", ["[", '{"":'])
def test_the_deepest_json_is_taken_and_one_deeper_refused(mark: str) -> None:
    end = "]" if mark == "[" else "}"
    for depth in (MAX_JSON_DEPTH, MAX_JSON_DEPTH + 1):
        data = (mark * depth + "0" + end * depth).encode()
        json.loads(data)
        if depth == MAX_JSON_DEPTH:
            check_json(data, 1000)
        else:
            with pytest.raises(UnreadableJsonError, match="it nests deeper than 32"):
                check_json(data, 1000)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-32-le"])
def test_json_whose_letters_are_of_other_widths_cannot_hide_its_marks(encoding: str) -> None:
    """A letter whose two bytes are a quote and something else would turn texts inside out for who counts bytes."""
    data = ('["\u2201",' + "[]," * 1000 + '"\u2201"]').encode(encoding)
    assert len(json.loads(data)) == 1002
    with pytest.raises(UnreadableJsonError, match="not in UTF-8"):
        check_json(data, 1_000_000)


@given(st.binary(max_size=200) | st.text(alphabet='[]{},:"\\a', max_size=200).map(str.encode), st.integers(1, 50))
def test_what_may_be_no_json_is_counted_or_refused_and_nothing_else_is_raised(data: bytes, most: int) -> None:
    try:
        check_json(data, most)
        value = json.loads(data)
    except (JsonRefusedError, ValueError):
        return
    assert items_of(value) <= most


@pytest.mark.parametrize(
    "bomb",
    [
        b'{"answer":[' + b"[]," * 2_000_000 + b"[]]}",
        b'{"answer":"accept","signed":{"document":"","signer":"","signature":"","x":[' + b"{}," * 2_000_000 + b"{}]}}",
        b'{"answer":"accept","x":' + b"[" * 4_000_000,
        b'["' + b'",' * 2_000_000,
    ],
    ids=["lists", "maps in a field that is not there", "depth", "texts"],
)
def test_a_bomb_for_a_join_task_costs_nothing(bomb: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Problem, match=r"JoinAnswer: it (has more than [0-9]+ values|nests deeper)") as caught:
            parse_json(bomb, JoinAnswer)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.code is Code.MALFORMED_MESSAGE


def test_a_bomb_within_a_messages_bytes_is_refused_by_the_types_own_number() -> None:
    bomb = b"\xa1" + b"\x61a" + b"\x99" + (20_000).to_bytes(2, "big") + b"\xa0" * 20_000
    with pytest.raises(Problem, match=r"it has more than 2[0-9]{2} items"):
        from_cbor(bomb, StepResult)
