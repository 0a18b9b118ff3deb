"""What a message can hold follows from its type; more is refused before anything is built of it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from fedtrain.protocol.documents.signed import JoinAnswer, SignedDocument, parse_json
from fedtrain.protocol.messages.items import MOST_ITEMS, most_items
from fedtrain.protocol.messages.rounds import RoundAnswer, StepResult, from_cbor
from fedtrain.protocol.messages.tasks import TaskList
from fedtrain.spec.json_text import has_more_items
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


@given(JSON)
def test_items_of_json_are_counted_as_they_are_whatever_stands_in_its_texts(value: object) -> None:
    items = items_of(value)
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert not has_more_items(text.encode("utf-8", "surrogatepass"), items)
        assert items == 1 or has_more_items(text.encode("utf-8", "surrogatepass"), items - 1)


@given(st.binary(max_size=200) | st.text(alphabet='[]{},:"\\a', max_size=200).map(str.encode), st.integers(1, 50))
def test_what_is_no_json_is_counted_too_and_never_raises(data: bytes, most: int) -> None:
    assert isinstance(has_more_items(data, most), bool)


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
        with pytest.raises(Problem, match=r"JoinAnswer: it has more than the [0-9]+ values that it can have") as caught:
            parse_json(bomb, JoinAnswer)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.code is Code.MALFORMED_MESSAGE


def test_a_bomb_within_a_messages_bytes_is_refused_by_the_types_own_number() -> None:
    bomb = b"\xa1" + b"\x61a" + b"\x99" + (20_000).to_bytes(2, "big") + b"\xa0" * 20_000
    with pytest.raises(Problem, match=r"it has more than 2[0-9]{2} items"):
        from_cbor(bomb, StepResult)
