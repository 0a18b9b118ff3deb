"""A job's name and purpose: for people, one line each, and no part of what is signed where they are not given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from fedtrain.spec.model_spec import ModelSpec

SPEC: dict[str, Any] = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"name": "age", "type": "continuous", "range": [0, 1]}],
        "target": {"name": "stay", "range": [0, 1]},
    },
}


@pytest.mark.parametrize("field", ["name", "purpose"])
def test_a_line_of_text_is_kept_as_it_is(field: str) -> None:
    text = "Liegedauer 2026: größer als 7 Tage? (病院)"
    spec = ModelSpec.model_validate({**SPEC, field: text})
    assert getattr(spec, field) == text
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("field", ["name", "purpose"])
@pytest.mark.parametrize("text", ["", " ", "a\nb", "a\x1b[31mb", "a\x00", "a\u202eb", "\u200b", "a ", "x" * 1001, 7])
def test_what_could_fool_a_reader_is_refused(field: str, text: object) -> None:
    with pytest.raises(ValidationError, match=field):
        ModelSpec.model_validate({**SPEC, field: text})


def test_a_name_is_short() -> None:
    ModelSpec.model_validate({**SPEC, "name": "x" * 100})
    with pytest.raises(ValidationError, match="name"):
        ModelSpec.model_validate({**SPEC, "name": "x" * 101})


def test_without_them_a_spec_reads_as_it_did_to_owners_that_do_not_know_the_fields() -> None:
    written = json.loads(ModelSpec.model_validate(SPEC).model_dump_json())
    assert not {"name", "purpose"} & written.keys()
    assert json.loads(ModelSpec.model_validate({**SPEC, "name": "stay"}).model_dump_json())["name"] == "stay"
